//! The clients of one account and region: each is made when it is first asked for, all share
//! one HTTP client and one session.

use super::{
    Limits, Session,
    failure::{AddressMustExist, Failure, Kind},
    http::Http,
    renewing::{RenewWhenExpired, Renewing},
    retry::{UnreadAgain, WholeXml},
};
use crate::{report::Reporter, surroundings::Variables};
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig, identity::IdentityCache};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_runtime_api::client::{
    orchestrator::HttpResponse, result::SdkError, stalled_stream_protection::StalledStreamProtectionConfig,
};
use aws_smithy_types::{error::metadata::ProvideErrorMetadata, retry::RetryConfig, timeout::TimeoutConfig};
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};
use std::{collections::BTreeMap, error::Error, sync::OnceLock};

const USER_AGENT: &str = concat!("greenlight-", env!("CARGO_PKG_VERSION"));

/// What all clients of a run have in common.
#[derive(Clone, Debug)]
pub struct Settings {
    pub http: Http,
    limits: Limits,
    endpoints: Endpoints,
    use_fips: bool,
    use_dual_stack: bool,
    /// Who keeps secrets out of what is written.
    pub report: Reporter,
}

impl Settings {
    pub fn of(variables: &Variables, limits: Limits, report: &Reporter) -> Settings {
        let is_true = |name| variables.get(name).is_some_and(|v| v.trim().eq_ignore_ascii_case("true"));
        Settings {
            http: Http::new(&limits),
            endpoints: Endpoints::of(variables),
            use_fips: is_true("AWS_USE_FIPS_ENDPOINT"),
            use_dual_stack: is_true("AWS_USE_DUALSTACK_ENDPOINT"),
            limits,
            report: report.clone(),
        }
    }

    pub fn sdk(&self, region: &str, provider: Option<SharedCredentialsProvider>) -> SdkConfig {
        let mut builder = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region.to_owned()))
            .http_client(self.http.client())
            .sleep_impl(TokioSleep::new())
            .retry_config(self.retries())
            .timeout_config(self.timeouts())
            // Sessions are kept by `Renewing`, which also knows when AWS has ended one.
            .identity_cache(IdentityCache::no_cache())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .use_fips(self.use_fips)
            .use_dual_stack(self.use_dual_stack)
            .service_config(self.endpoints.clone());
        builder.set_endpoint_url(self.endpoints.0.get("AWS_ENDPOINT_URL").cloned());
        builder.set_credentials_provider(provider);
        builder.set_app_name(AppName::new(USER_AGENT).ok());
        builder.build()
    }

    pub fn retries(&self) -> RetryConfig {
        RetryConfig::standard()
            .with_max_attempts(self.limits.attempts)
            .with_initial_backoff(self.limits.backoff)
    }

    pub fn timeouts(&self) -> TimeoutConfig {
        TimeoutConfig::builder()
            .connect_timeout(self.limits.connect)
            .operation_attempt_timeout(self.limits.attempt)
            .operation_timeout(self.limits.operation)
            .build()
    }

    /// An STS client for calls that nothing signs.
    pub fn unsigned_sts(&self, region: &str) -> aws_sdk_sts::Client {
        let config = aws_sdk_sts::config::Builder::from(&self.sdk(region, None))
            .retry_classifier(AddressMustExist(self.http.clone()))
            .retry_classifier(UnreadAgain)
            .interceptor(WholeXml);
        aws_sdk_sts::Client::from_conf(config.build())
    }
}

/// `AWS_ENDPOINT_URL` and its forms for a single service, as the SDKs read them.
#[derive(Clone, Debug, Default)]
struct Endpoints(BTreeMap<String, String>);

impl Endpoints {
    fn of(variables: &Variables) -> Endpoints {
        if variables
            .get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")
            .is_some_and(|v| v.eq_ignore_ascii_case("true"))
        {
            return Endpoints::default();
        }
        let ours = variables
            .iter()
            .filter(|(name, value)| name.starts_with("AWS_ENDPOINT_URL") && !value.is_empty());
        Endpoints(ours.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }
}

impl Endpoints {
    fn of_service(&self, variable: &str, service: &str) -> Option<String> {
        let service = service.to_uppercase().replace([' ', '-'], "_");
        self.0.get(&format!("{variable}_{service}")).cloned()
    }
}

impl LoadServiceConfig for Endpoints {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        self.of_service(key.env(), key.service_id())
    }
}

/// The clients of an account and region, signed for by one caller.
#[derive(Debug)]
pub struct Clients {
    pub region: String,
    pub account: String,
    /// The caller's ARN.
    pub caller: String,
    config: SdkConfig,
    endpoints: Endpoints,
    renewing: Option<Renewing>,
    http: Http,
    report: Reporter,
    applicationautoscaling: OnceLock<aws_sdk_applicationautoscaling::Client>,
    cloudwatch: OnceLock<aws_sdk_cloudwatch::Client>,
    cloudwatchlogs: OnceLock<aws_sdk_cloudwatchlogs::Client>,
    codedeploy: OnceLock<aws_sdk_codedeploy::Client>,
    ecr: OnceLock<aws_sdk_ecr::Client>,
    ecs: OnceLock<aws_sdk_ecs::Client>,
    elbv2: OnceLock<aws_sdk_elasticloadbalancingv2::Client>,
    sts: OnceLock<aws_sdk_sts::Client>,
}

macro_rules! client {
    ($name:ident, $sdk:ident) => {
        pub fn $name(&self) -> &$sdk::Client {
            self.$name.get_or_init(|| {
                let mut config = $sdk::config::Builder::from(&self.config)
                    .retry_classifier(AddressMustExist(self.http.clone()))
                    .retry_classifier(UnreadAgain)
                    .interceptor(WholeXml);
                if let Some(renewing) = &self.renewing {
                    let renew = RenewWhenExpired(renewing.clone());
                    config = config.interceptor(renew.clone()).retry_classifier(renew);
                }
                $sdk::Client::from_conf(config.build())
            })
        }
    };
}

impl Clients {
    pub(super) fn new(settings: &Settings, region: &str, session: Session) -> Clients {
        Clients {
            region: region.to_owned(),
            account: String::new(),
            caller: String::new(),
            config: settings.sdk(region, Some(session.provider)),
            endpoints: settings.endpoints.clone(),
            renewing: session.renewing,
            http: settings.http.clone(),
            report: settings.report.clone(),
            applicationautoscaling: OnceLock::new(),
            cloudwatch: OnceLock::new(),
            cloudwatchlogs: OnceLock::new(),
            codedeploy: OnceLock::new(),
            ecr: OnceLock::new(),
            ecs: OnceLock::new(),
            elbv2: OnceLock::new(),
            sts: OnceLock::new(),
        }
    }

    client!(applicationautoscaling, aws_sdk_applicationautoscaling);
    client!(cloudwatch, aws_sdk_cloudwatch);
    client!(cloudwatchlogs, aws_sdk_cloudwatchlogs);
    client!(codedeploy, aws_sdk_codedeploy);
    client!(ecr, aws_sdk_ecr);
    client!(ecs, aws_sdk_ecs);
    client!(elbv2, aws_sdk_elasticloadbalancingv2);
    client!(sts, aws_sdk_sts);

    pub(super) fn sdk(&self) -> &SdkConfig {
        &self.config
    }

    /// Where a service is, when it isn't where it is in AWS.
    pub(super) fn endpoint(&self, service: &str) -> Option<String> {
        self.endpoints
            .of_service("AWS_ENDPOINT_URL", service)
            .or_else(|| self.endpoints.0.get("AWS_ENDPOINT_URL").cloned())
    }

    /// Keeps a secret out of all that is written from now on.
    pub fn mask(&self, secret: &str) {
        self.report.mask(secret);
    }

    /// For addresses that AWS hands out (a layer's, say), which carry their own signature.
    pub fn http(&self) -> &Http {
        &self.http
    }

    /// `aws`, `aws-cn`, `aws-us-gov`
    pub fn partition(&self) -> &str {
        self.caller.split(':').nth(1).unwrap_or("aws")
    }

    /// An answer that lacks what was asked for.
    pub fn unreadable(&self, action: &'static str, message: impl Into<String>) -> Failure {
        Failure {
            action,
            kind: Kind::Unreadable,
            code: None,
            message: message.into(),
            caller: (!self.caller.is_empty()).then(|| self.caller.clone()),
            region: self.region.clone(),
        }
    }

    /// What a call's error means: `result.map_err(clients.failed("ecs:DescribeServices"))`.
    pub fn failed<E>(&self, action: &'static str) -> impl Fn(SdkError<E, HttpResponse>) -> Failure
    where
        E: Error + ProvideErrorMetadata + Send + Sync + 'static,
    {
        let caller = (!self.caller.is_empty()).then(|| self.caller.clone());
        let region = self.region.clone();
        move |error| Failure { caller: caller.clone(), ..Failure::of(action, &region, error) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_service_may_have_its_own_endpoint() {
        let pairs = [
            ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
            ("AWS_ENDPOINT_URL_ELASTIC_LOAD_BALANCING_V2", "http://127.0.0.1:2"),
            ("AWS_ENDPOINT_URL_ECS", ""),
        ];
        let variables = Variables::of(pairs.map(|(n, v)| (n.to_owned(), v.to_owned())));
        let endpoints = Endpoints::of(&variables);
        let find = |service| {
            let key = ServiceConfigKey::builder()
                .service_id(service)
                .env("AWS_ENDPOINT_URL")
                .profile("endpoint_url");
            endpoints.load_config(key.build().unwrap())
        };
        assert_eq!(find("Elastic Load Balancing v2").as_deref(), Some("http://127.0.0.1:2"));
        assert_eq!(find("ECS"), None);
        assert_eq!(endpoints.0["AWS_ENDPOINT_URL"], "http://127.0.0.1:1");
    }
}
