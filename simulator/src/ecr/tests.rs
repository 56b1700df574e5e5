//! The registry's HTTP API asked directly, and a task's pull with and without the world's faults.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use crate::{Fault, Options, front::Caller, spec::CallerSpec};
use axum::body::Body;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hyper::{Request, StatusCode, header::HeaderMap};

const ACCOUNT: &str = "111111111111";
const DEPLOY: &str = "222222222222";
const REGION: &str = "eu-central-1";

async fn world(faults: &[Fault]) -> Arc<World> {
    let pull = json!(["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]);
    let shared = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": format!("arn:aws:iam::{DEPLOY}:root")}, "Action": pull},
    ]});
    let role = |name: &str, policies: Value| spec::Role {
        name: name.into(),
        trust: json!({"Statement": [{"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}]}),
        policies: vec![json!({"Statement": policies})],
        ..Default::default()
    };
    let all = json!([{"Effect": "Allow", "Action": "ecr:*", "Resource": "*"}]);
    let repository = |name: &str| spec::Repository { name: name.into(), ..Default::default() };
    let accounts = vec![
        spec::Account {
            id: ACCOUNT.into(),
            region: REGION.into(),
            users: vec![spec::User { name: "ci".into(), ..Default::default() }],
            roles: vec![role("build", all.clone())],
            repositories: vec![
                spec::Repository { policy: Some(shared), ..repository("hello") },
                repository("team/app"),
                spec::Repository { immutable_tags: true, ..repository("fixed") },
            ],
            ..Default::default()
        },
        spec::Account {
            id: DEPLOY.into(),
            region: REGION.into(),
            roles: vec![
                role("exec", all),
                role(
                    "no-login",
                    json!([{"Effect": "Allow", "Action": "ecr:BatchGetImage", "Resource": "*"}]),
                ),
            ],
            ..Default::default()
        },
    ];
    let spec = WorldSpec {
        regions: vec![REGION.into()],
        accounts,
        caller: CallerSpec { account: ACCOUNT.into(), user: "ci".into() },
        ..WorldSpec::default()
    };
    let options = Options {
        listen: ([127, 0, 0, 1], 0).into(),
        speed: 1.0,
        faults: faults.to_vec(),
        docker: false,
        canary: Some("canary".into()),
    };
    World::start(spec, options).await.unwrap()
}

fn role(world: &World, account: &str, name: &str) -> Caller {
    let arn = format!("arn:aws:iam::{account}:role/{name}");
    crate::iam::service_session(&world.lock(), &arn, "session").unwrap()
}

/// A password of the build role.
fn pusher(world: &World) -> String {
    let caller = role(world, ACCOUNT, "build");
    world.lock().ecr.log_in(access::Who::Session(caller)).0
}

struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Reply {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn code(&self) -> String {
        let body: Value = serde_json::from_slice(&self.body).unwrap();
        body["errors"][0]["code"].as_str().unwrap().to_owned()
    }

    fn message(&self) -> String {
        let body: Value = serde_json::from_slice(&self.body).unwrap();
        body["errors"][0]["message"].as_str().unwrap().to_owned()
    }
}

async fn send(
    world: &Arc<World>,
    password: &str,
    method: &str,
    uri: &str,
    headers: &[(&str, &str)],
    body: impl Into<Body>,
) -> Reply {
    let path = uri.strip_prefix("http://").map_or(uri, |rest| &rest[rest.find('/').unwrap()..]);
    let coded = STANDARD.encode(format!("AWS:{password}"));
    let mut request = Request::builder().method(method).uri(path);
    if !password.is_empty() {
        request = request.header("authorization", format!("Basic {coded}"));
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(body.into()).unwrap();
    let response = registry::answer(world.clone(), ACCOUNT.to_owned(), request).await;
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap().to_vec();
    Reply { status: parts.status, headers: parts.headers, body }
}

#[tokio::test]
async fn who_has_no_password_is_told_how_to_log_in() {
    let world = world(&[]).await;
    let reply = send(&world, "", "GET", "/v2/", &[], "").await;
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
    let host = &world.endpoints().registries[ACCOUNT];
    assert_eq!(
        reply.header("www-authenticate"),
        format!("Basic realm=\"http://{host}/\",service=\"ecr.amazonaws.com\"")
    );
    let password = pusher(&world);
    assert!(password.contains("canary"));
    assert_eq!(send(&world, &password, "GET", "/v2/", &[], "").await.status, StatusCode::OK);
    world.lock().ecr.logins.get_mut(&password).unwrap().expires = SystemTime::UNIX_EPOCH;
    let expired = send(&world, &password, "GET", "/v2/", &[], "").await;
    assert_eq!((expired.status, expired.code()), (StatusCode::FORBIDDEN, "DENIED".to_owned()));
    assert!(expired.message().contains("has expired"));
}

#[tokio::test]
async fn a_blob_goes_up_in_chunks_that_must_follow_each_other() {
    let world = world(&[]).await;
    let password = pusher(&world);
    let ask = |method: &'static str,
               uri: String,
               headers: Vec<(&'static str, &'static str)>,
               body: &'static str| {
        let (world, password) = (world.clone(), password.clone());
        async move { send(&world, &password, method, &uri, &headers, body).await }
    };
    let begun = ask("POST", "/v2/hello/blobs/uploads/".into(), vec![], "").await;
    assert_eq!(begun.status, StatusCode::ACCEPTED);
    let upload = begun.header("location").to_owned();
    let first = ask("PATCH", upload.clone(), vec![("content-range", "0-3")], "abcd").await;
    assert_eq!((first.status, first.header("range")), (StatusCode::ACCEPTED, "0-3"));
    let again = ask("PATCH", upload.clone(), vec![("content-range", "0-3")], "abcd").await;
    assert_eq!(again.status, StatusCode::RANGE_NOT_SATISFIABLE);
    let status = ask("GET", upload.clone(), vec![], "").await;
    assert_eq!((status.status, status.header("range")), (StatusCode::NO_CONTENT, "0-3"));
    ask("PATCH", upload.clone(), vec![], "ef").await;
    let digest = Digest::of(b"abcdefgh");
    let done = ask("PUT", format!("{upload}?digest={digest}"), vec![("content-range", "6-7")], "gh").await;
    assert_eq!((done.status, done.header("docker-content-digest")), (StatusCode::CREATED, digest.as_str()));
    let gone = ask("GET", upload, vec![], "").await;
    assert_eq!((gone.status, gone.code()), (StatusCode::NOT_FOUND, "BLOB_UPLOAD_UNKNOWN".to_owned()));

    let path = format!("/v2/hello/blobs/{digest}");
    let head = ask("HEAD", path.clone(), vec![], "").await;
    assert_eq!((head.status, head.header("content-length")), (StatusCode::OK, "8"));
    let other = ask("HEAD", path.replace("hello", "team/app"), vec![], "").await;
    assert_eq!(other.status, StatusCode::NOT_FOUND);
    let away = ask("GET", path, vec![], "").await;
    assert_eq!(away.status, StatusCode::TEMPORARY_REDIRECT);
    // The address is all that it takes.
    let from = away.header("location").to_owned();
    let all = send(&world, "", "GET", &from, &[], "").await;
    assert_eq!(all.body, b"abcdefgh");
    let part = send(&world, "", "GET", &from, &[("range", "bytes=2-4")], "").await;
    assert_eq!((part.status, part.body.as_slice()), (StatusCode::PARTIAL_CONTENT, b"cde".as_slice()));
    assert_eq!(part.header("content-range"), "bytes 2-4/8");
    let outside = send(&world, "", "GET", &from, &[("range", "bytes=8-")], "").await;
    assert_eq!(outside.status, StatusCode::RANGE_NOT_SATISFIABLE);
}

#[tokio::test]
async fn an_upload_whose_client_went_away_goes_on_where_it_stood() {
    let world = world(&[]).await;
    let password = pusher(&world);
    let begun = send(&world, &password, "POST", "/v2/hello/blobs/uploads/", &[], "").await;
    let upload = begun.header("location").to_owned();
    let pieces = [Ok("abcd"), Err(std::io::Error::other("gone"))];
    let broken = Body::from_stream(futures_util::stream::iter(pieces));
    let reply = send(&world, &password, "PATCH", &upload, &[], broken).await;
    assert_eq!((reply.status, reply.code()), (StatusCode::BAD_REQUEST, "BLOB_UPLOAD_INVALID".to_owned()));
    assert_eq!(send(&world, &password, "GET", &upload, &[], "").await.header("range"), "0-3");
    let end = format!("{upload}?digest={}", Digest::of(b"abcdef"));
    let rest = send(&world, &password, "PUT", &end, &[("content-range", "4-5")], "ef").await;
    assert_eq!(rest.status, StatusCode::CREATED);
}

#[tokio::test]
async fn a_blob_goes_up_at_once_and_must_have_its_digest() {
    let world = world(&[]).await;
    let password = pusher(&world);
    let digest = Digest::of(b"abcd");
    let at_once = format!("/v2/hello/blobs/uploads/?digest={digest}");
    assert_eq!(send(&world, &password, "POST", &at_once, &[], "abcd").await.status, StatusCode::CREATED);
    let wrong = send(&world, &password, "POST", &at_once, &[], "abce").await;
    assert_eq!((wrong.status, wrong.code()), (StatusCode::BAD_REQUEST, "DIGEST_INVALID".to_owned()));
    let nowhere = send(&world, &password, "POST", "/v2/nowhere/blobs/uploads/", &[], "").await;
    assert_eq!((nowhere.status, nowhere.code()), (StatusCode::NOT_FOUND, "NAME_UNKNOWN".to_owned()));
    assert_eq!(
        nowhere.message(),
        "The repository with name 'nowhere' does not exist in the registry with id '111111111111'"
    );
    let deleted = send(&world, &password, "DELETE", &format!("/v2/hello/blobs/{digest}"), &[], "").await;
    assert_eq!((deleted.status, deleted.code()), (StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED".to_owned()));
    let begun = send(&world, &password, "POST", "/v2/hello/blobs/uploads/", &[], "").await;
    let upload = begun.header("location").to_owned();
    assert_eq!(send(&world, &password, "DELETE", &upload, &[], "").await.status, StatusCode::NO_CONTENT);
    assert_eq!(send(&world, &password, "PATCH", &upload, &[], "x").await.status, StatusCode::NOT_FOUND);
    let leftovers = std::fs::read_dir(world.lock().ecr.disk.path(&digest).parent().unwrap()).unwrap().count();
    assert_eq!(leftovers, 1, "uploads that came to nothing leave no file");
}

#[tokio::test]
async fn manifests_are_checked_and_found_by_what_the_client_accepts() {
    let world = world(&[]).await;
    let password = pusher(&world);
    world.seed_image(ACCOUNT, "hello", "v1", json!({"config": {}})).unwrap();
    let stored = send(&world, &password, "GET", "/v2/hello/manifests/v1", &[], "").await;
    assert_eq!(stored.header("content-type"), manifest::OCI_MANIFEST);
    let text = String::from_utf8(stored.body.clone()).unwrap();
    let digest = Digest::of(text.as_bytes());

    let docker = [("accept", "application/vnd.docker.distribution.manifest.v2+json")];
    let converted = send(&world, &password, "GET", "/v2/hello/manifests/v1", &docker, "").await;
    assert_eq!(converted.header("content-type"), manifest::DOCKER_MANIFEST);
    assert_eq!(Digest::of(&converted.body).as_str(), converted.header("docker-content-digest"));
    let by_digest = format!("/v2/hello/manifests/{digest}");
    let refused = send(&world, &password, "GET", &by_digest, &docker, "").await;
    assert_eq!((refused.status, refused.code()), (StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN".to_owned()));
    let head = send(&world, &password, "HEAD", &by_digest, &[], "").await;
    assert_eq!(head.header("content-length"), text.len().to_string());

    let oci = [("content-type", manifest::OCI_MANIFEST)];
    let wrong = by_digest.replace(digest.as_str(), Digest::of(b"").as_str());
    assert_eq!(send(&world, &password, "PUT", &wrong, &oci, text.clone()).await.code(), "DIGEST_INVALID");
    let bare = send(&world, &password, "PUT", "/v2/team/app/manifests/v1", &oci, text.clone()).await;
    assert_eq!((bare.status, bare.code()), (StatusCode::BAD_REQUEST, "MANIFEST_BLOB_UNKNOWN".to_owned()));
    let tag = send(&world, &password, "PUT", "/v2/hello/manifests/-v1", &oci, text.clone()).await;
    assert_eq!(tag.code(), "TAG_INVALID");
    for n in 2..5 {
        let path = format!("/v2/hello/manifests/v{n}");
        assert_eq!(
            send(&world, &password, "PUT", &path, &oci, text.clone()).await.status,
            StatusCode::CREATED
        );
    }
    let page = send(&world, &password, "GET", "/v2/hello/tags/list?n=3", &[], "").await;
    let tags: Value = serde_json::from_slice(&page.body).unwrap();
    assert_eq!(tags, json!({"name": "hello", "tags": ["v1", "v2", "v3"]}));
    assert_eq!(page.header("link"), "</v2/hello/tags/list?last=v3&n=3>; rel=\"next\"");
    let rest = send(&world, &password, "GET", "/v2/hello/tags/list?last=v3&n=3", &[], "").await;
    assert_eq!(serde_json::from_slice::<Value>(&rest.body).unwrap()["tags"], json!(["v4"]));
    assert_eq!(rest.header("link"), "");

    let subject = json!({
        "schemaVersion": 2, "mediaType": manifest::OCI_MANIFEST, "artifactType": "application/signature",
        "config": serde_json::from_str::<Value>(&text).unwrap()["config"], "layers": [],
        "subject": {"mediaType": manifest::OCI_MANIFEST, "digest": digest.as_str(), "size": text.len()},
    });
    let path = "/v2/hello/manifests/signature";
    let put = send(&world, &password, "PUT", path, &oci, subject.to_string()).await;
    assert_eq!(put.header("oci-subject"), digest.as_str());
    let found = send(&world, &password, "GET", &format!("/v2/hello/referrers/{digest}"), &[], "").await;
    let found: Value = serde_json::from_slice(&found.body).unwrap();
    assert_eq!(found["manifests"][0]["artifactType"], "application/signature");
}

#[tokio::test]
async fn a_task_pulls_as_its_role_and_under_the_repositorys_policy() {
    let world = world(&[]).await;
    let digest = world.seed_image(ACCOUNT, "hello", "v1", json!({"config": {"Cmd": ["/app"]}})).unwrap();
    world.seed_image(ACCOUNT, "team/app", "v1", json!({"config": {}})).unwrap();
    let host = world.endpoints().registries[ACCOUNT].clone();
    let (exec, no_login) = (role(&world, DEPLOY, "exec"), role(&world, DEPLOY, "no-login"));
    let got = pull(&mut world.lock(), &exec, &format!("{host}/hello:v1@{digest}")).unwrap();
    assert_eq!((got.digest, &got.config["config"]["Cmd"]), (digest, &json!(["/app"])));
    let text = |session, name: &str| pull(&mut world.lock(), session, &format!("{host}/{name}")).unwrap_err();
    assert!(
        text(&exec, "team/app:v1").message.contains("no resource-based policy allows the ecr:BatchGetImage")
    );
    assert!(text(&exec, "hello:v2").message.contains("not found"));
    assert!(text(&no_login, "hello:v1").message.contains("ecr:GetAuthorizationToken"));
    assert!(pull_credentials(&mut world.lock(), &no_login).is_err());
    assert_eq!(image_config(&world.lock(), &format!("{host}/hello:v1")).unwrap()["os"], "linux");
    assert_eq!(image_config(&world.lock(), "elsewhere:1/hello:v1"), None);
}

#[tokio::test]
async fn faults_meet_the_pulls_of_tasks_and_only_of_what_came_after_the_start() {
    for (fault, status, code) in [
        (Fault::PullDenied, StatusCode::FORBIDDEN, "DENIED"),
        (Fault::ImageMissing, StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN"),
    ] {
        let world = world(&[fault]).await;
        world.seed_image(ACCOUNT, "hello", "v1", json!({"config": {"Env": ["V=1"]}})).unwrap();
        world.begin();
        world.seed_image(ACCOUNT, "hello", "v2", json!({"config": {"Env": ["V=2"]}})).unwrap();
        let exec = role(&world, DEPLOY, "exec");
        let password = pull_credentials(&mut world.lock(), &exec).unwrap().1;
        let first = send(&world, &password, "GET", "/v2/hello/manifests/v1", &[], "").await;
        assert_eq!(first.status, StatusCode::OK, "{fault}");
        let builder = pusher(&world);
        let own = send(&world, &builder, "GET", "/v2/hello/manifests/v2", &[], "").await;
        assert_eq!(own.status, StatusCode::OK, "{fault}");
        let second = send(&world, &password, "GET", "/v2/hello/manifests/v2", &[], "").await;
        assert_eq!((second.status, second.code().as_str()), (status, code), "{fault}");
        let host = world.endpoints().registries[ACCOUNT].clone();
        assert!(pull(&mut world.lock(), &exec, &format!("{host}/hello:v2")).is_err());
    }
}

#[tokio::test]
async fn a_denied_push_is_denied_to_all_but_the_start() {
    let world = world(&[Fault::PushDenied]).await;
    let password = pusher(&world);
    let denied = send(&world, &password, "POST", "/v2/hello/blobs/uploads/", &[], "").await;
    assert_eq!((denied.status, denied.code()), (StatusCode::FORBIDDEN, "DENIED".to_owned()));
    assert!(denied.message().ends_with("no identity-based policy allows the ecr:InitiateLayerUpload action"));
    let (_, _, seed) = world.seed_login(ACCOUNT).unwrap();
    let begun = send(&world, &seed, "POST", "/v2/hello/blobs/uploads/", &[], "").await;
    assert_eq!(begun.status, StatusCode::ACCEPTED);
}
