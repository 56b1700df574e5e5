//! The login to ECR's public registry. One region gives it, for all of the partition.

use super::ecr::Login;
use crate::{
    aws::{Clients, Failure, Target},
    secret::Secret,
};
use serde_json::json;

pub const HOST: &str = "public.ecr.aws";

const TOKEN: Target = Target {
    action: "ecr-public:GetAuthorizationToken",
    signing_name: "ecr-public",
    region: "us-east-1",
    endpoint: "https://api.ecr-public.us-east-1.amazonaws.com",
    header: "SpencerFrontendService.GetAuthorizationToken",
};

pub async fn login(clients: &Clients) -> Result<Login, Failure> {
    let answer = clients.signed(&TOKEN, &json!({})).await?;
    let token = answer["authorizationData"]["authorizationToken"].as_str();
    let token = token.ok_or_else(|| clients.unreadable(TOKEN.action, "ECR's answer holds no token"))?;
    clients.mask(token);
    let login = Login { host: HOST.to_owned(), token: Secret::new(token) };
    if let Some(password) = login.password() {
        clients.mask(password.expose());
    }
    Ok(login)
}
