#![allow(clippy::unwrap_used, clippy::expect_used)]
use super::*;
use crate::{
    Options, World as Running,
    front::{Caller, Service},
    spec::{self, WorldSpec},
};
use std::sync::Arc;

const ACCOUNT: &str = "111111111111";
const OTHER: &str = "222222222222";
const REGION: &str = "eu-central-1";

async fn world() -> Arc<Running> {
    let policy = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"AWS": format!("arn:aws:iam::{OTHER}:root")},
        "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
    }]});
    let repository = |name: &str| spec::Repository { name: name.into(), ..Default::default() };
    let repositories = vec![
        spec::Repository { policy: Some(policy), ..repository("shared") },
        spec::Repository { immutable_tags: true, ..repository("fixed") },
        spec::Repository {
            scan_findings: vec![
                json!({"name": "CVE-1", "severity": "HIGH"}),
                json!({"name": "CVE-2", "severity": "LOW"}),
            ],
            ..repository("scanned")
        },
    ];
    let account = |id: &str, repositories| spec::Account {
        id: id.into(),
        region: REGION.into(),
        users: vec![spec::User { name: "ci".into(), ..Default::default() }],
        repositories,
        ..Default::default()
    };
    let spec = WorldSpec {
        regions: vec![REGION.into(), "us-east-1".into()],
        accounts: vec![account(ACCOUNT, repositories), account(OTHER, Vec::new())],
        caller: spec::CallerSpec { account: ACCOUNT.into(), user: "ci".into() },
        ..WorldSpec::default()
    };
    let options = Options {
        listen: ([127, 0, 0, 1], 0).into(),
        speed: 1.0,
        faults: Vec::new(),
        docker: false,
        canary: None,
    };
    Running::start(spec, options).await.unwrap()
}

fn ask(world: &Running, account: &str, operation: &str, input: Value) -> Answer {
    let caller = Caller {
        account: account.into(),
        arn: format!("arn:aws:iam::{account}:user/ci"),
        principal: "ci".into(),
        ..Default::default()
    };
    let call =
        Call { service: Service::Ecr, operation: operation.into(), input, caller, region: REGION.into() };
    handle(&mut world.lock(), &call)
}

fn code(answer: Answer) -> String {
    answer.map_or_else(|error| error.code, |answer| panic!("no error, but {answer}"))
}

/// Uploads a layer in one part and returns its digest.
fn layer(world: &Running, repository: &str, bytes: &[u8]) -> String {
    let mine = |operation: &str, input: Value| ask(world, ACCOUNT, operation, input).unwrap();
    let id = mine("InitiateLayerUpload", json!({"repositoryName": repository}))["uploadId"].clone();
    let part = json!({
        "repositoryName": repository, "uploadId": id, "partFirstByte": 0, "partLastByte": bytes.len() - 1,
        "layerPartBlob": STANDARD.encode(bytes),
    });
    mine("UploadLayerPart", part);
    let digest = crate::ecr::blobs::Digest::of(bytes).to_string();
    let end = json!({"repositoryName": repository, "uploadId": id, "layerDigests": [digest]});
    assert_eq!(mine("CompleteLayerUpload", end)["layerDigest"], digest.as_str());
    digest
}

fn image(digest: &str, salt: &str) -> String {
    json!({
        "schemaVersion": 2, "mediaType": crate::ecr::manifest::OCI_MANIFEST, "annotations": {"salt": salt},
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest, "size": 4},
        "layers": [],
    })
    .to_string()
}

#[tokio::test]
async fn names_follow_the_pattern() {
    for good in ["ab", "a1", "hello", "team/app", "a.b_c__d---e", "a/b/c"] {
        assert!(check_name(good).is_ok(), "{good}");
    }
    for bad in ["", "a", "A1", "-ab", "ab-", "a..b", "a.-b", "a___b", "team//app", "/app", "app/"] {
        assert!(check_name(bad).is_err(), "{bad}");
    }
    let world = world().await;
    let error = ask(&world, ACCOUNT, "CreateRepository", json!({"repositoryName": "Hello"}));
    assert_eq!(code(error), "InvalidParameterException");
}

#[tokio::test]
async fn a_layer_goes_up_in_parts_and_each_wrong_step_has_its_error() {
    let world = world().await;
    let mine = |operation: &str, input: Value| ask(&world, ACCOUNT, operation, input);
    let begin =
        || mine("InitiateLayerUpload", json!({"repositoryName": "fixed"})).unwrap()["uploadId"].clone();
    let part = |id: &Value, from: u64, bytes: &[u8]| {
        mine(
            "UploadLayerPart",
            json!({
                "repositoryName": "fixed", "uploadId": id, "partFirstByte": from,
                "partLastByte": from + bytes.len() as u64 - 1, "layerPartBlob": STANDARD.encode(bytes),
            }),
        )
    };
    let end = |id: &Value, digest: &str| {
        mine(
            "CompleteLayerUpload",
            json!({"repositoryName": "fixed", "uploadId": id, "layerDigests": [digest]}),
        )
    };
    let digest = layer(&world, "fixed", b"abcd");
    assert_eq!(code(end(&json!("00000000-0000-0000-0000-000000000000"), &digest)), "UploadNotFoundException");
    let id = begin();
    assert_eq!(code(end(&id, &digest)), "EmptyUploadException");
    assert_eq!(code(part(&id, 7, b"abcd")), "InvalidLayerPartException");
    part(&id, 0, b"ab").unwrap();
    part(&id, 2, b"cd").unwrap();
    assert_eq!(code(end(&id, &digest)), "LayerPartTooSmallException");
    let id = begin();
    part(&id, 0, b"abcd").unwrap();
    assert_eq!(code(end(&id, &digest)), "LayerAlreadyExistsException");
    let id = begin();
    part(&id, 0, b"other").unwrap();
    assert_eq!(code(end(&id, &digest)), "InvalidLayerException");
    let known = mine("BatchCheckLayerAvailability", json!({"repositoryName": "fixed", "layerDigests": [digest, format!("sha256:{}", "0".repeat(64)), "x"]})).unwrap();
    assert_eq!(known["layers"][0]["layerAvailability"], "AVAILABLE");
    assert_eq!(known["layers"][0]["layerSize"], 4);
    assert_eq!(known["layers"][1]["layerAvailability"], "UNAVAILABLE");
    assert_eq!(known["failures"][0]["failureCode"], "InvalidLayerDigest");
}

#[tokio::test]
async fn images_are_put_found_described_and_deleted() {
    let world = world().await;
    let mine = |operation: &str, input: Value| ask(&world, ACCOUNT, operation, input);
    let put = |repository: &str, manifest: &str, tag: &str| {
        mine("PutImage", json!({"repositoryName": repository, "imageManifest": manifest, "imageTag": tag}))
    };
    let digest = layer(&world, "fixed", b"abcd");
    let (one, two) = (image(&digest, "1"), image(&digest, "2"));
    let put_one = put("fixed", &one, "v1").unwrap();
    let image_digest = put_one["image"]["imageId"]["imageDigest"].as_str().unwrap().to_owned();
    assert_eq!(code(put("fixed", &one, "v1")), "ImageAlreadyExistsException");
    assert_eq!(code(put("fixed", &two, "v1")), "ImageTagAlreadyExistsException");
    assert_eq!(code(put("shared", &two, "v1")), "LayersNotFoundException");
    assert_eq!(code(put("nowhere", &two, "v1")), "RepositoryNotFoundException");
    assert_eq!(code(put("fixed", "{", "v1")), "InvalidParameterException");
    let wrong = json!({"repositoryName": "fixed", "imageManifest": two, "imageDigest": image_digest});
    assert_eq!(code(mine("PutImage", wrong)), "ImageDigestDoesNotMatchException");
    put("fixed", &one, "v2").unwrap();

    let ids = json!([{"imageTag": "v1"}, {"imageTag": "none"}, {"imageDigest": "sha256:1"}, {}]);
    let got = mine("BatchGetImage", json!({"repositoryName": "fixed", "imageIds": ids})).unwrap();
    assert_eq!(got["images"][0]["imageManifest"], one.as_str());
    let codes: Vec<&str> =
        got["failures"].as_array().unwrap().iter().map(|f| f["failureCode"].as_str().unwrap()).collect();
    assert_eq!(codes, ["ImageNotFound", "InvalidImageDigest", "MissingDigestAndTag"]);

    let described =
        mine("DescribeImages", json!({"repositoryName": "fixed", "imageIds": [{"imageTag": "v2"}]}));
    let detail = described.unwrap()["imageDetails"][0].clone();
    assert_eq!(detail["imageTags"], json!(["v1", "v2"]));
    assert_eq!(detail["imageSizeInBytes"], 4);
    let missing = json!({"repositoryName": "fixed", "imageIds": [{"imageTag": "none"}]});
    assert_eq!(code(mine("DescribeImages", missing)), "ImageNotFoundException");
    let both = json!({"repositoryName": "fixed", "imageIds": [{"imageTag": "v1"}], "maxResults": 5});
    assert_eq!(code(mine("DescribeImages", both)), "InvalidParameterException");

    let delete =
        |id: Value| mine("BatchDeleteImage", json!({"repositoryName": "fixed", "imageIds": [id]})).unwrap();
    assert_eq!(delete(json!({"imageTag": "v2"}))["imageIds"][0]["imageTag"], "v2");
    assert_eq!(
        mine("ListImages", json!({"repositoryName": "fixed"})).unwrap()["imageIds"].as_array().unwrap().len(),
        1
    );
    assert_eq!(
        code(mine("DeleteRepository", json!({"repositoryName": "fixed"}))),
        "RepositoryNotEmptyException"
    );
    delete(json!({"imageTag": "v1"}));
    assert_eq!(delete(json!({"imageTag": "v1"}))["failures"][0]["failureCode"], "ImageNotFound");
    mine("DeleteRepository", json!({"repositoryName": "fixed"})).unwrap();
}

#[tokio::test]
async fn lists_come_in_pages() {
    let world = world().await;
    let digest = layer(&world, "shared", b"abcd");
    for n in 0..5 {
        let manifest = image(&digest, &n.to_string());
        let input =
            json!({"repositoryName": "shared", "imageManifest": manifest, "imageTag": format!("v{n}")});
        ask(&world, ACCOUNT, "PutImage", input).unwrap();
    }
    let mut seen = Vec::new();
    let mut token = Value::Null;
    loop {
        let mut input =
            json!({"repositoryName": "shared", "maxResults": 2, "filter": {"tagStatus": "TAGGED"}});
        if token.is_string() {
            input["nextToken"] = token;
        }
        let page = ask(&world, ACCOUNT, "ListImages", input).unwrap();
        seen.extend(page["imageIds"].as_array().unwrap().iter().map(|id| id["imageTag"].to_string()));
        token = page["nextToken"].clone();
        if token.is_null() {
            break;
        }
    }
    seen.sort();
    assert_eq!(seen, [r#""v0""#, r#""v1""#, r#""v2""#, r#""v3""#, r#""v4""#]);
    let bad = json!({"repositoryName": "shared", "nextToken": "nonsense"});
    assert_eq!(code(ask(&world, ACCOUNT, "ListImages", bad)), "InvalidParameterException");
    let names = ask(&world, ACCOUNT, "DescribeRepositories", json!({"maxResults": 2})).unwrap();
    assert_eq!(names["repositories"].as_array().unwrap().len(), 2);
    assert!(names["nextToken"].is_string());
}

#[tokio::test]
async fn another_account_needs_the_repositorys_policy() {
    let world = world().await;
    let theirs = |operation: &str, repository: &str| {
        let input =
            json!({"registryId": ACCOUNT, "repositoryName": repository, "imageIds": [{"imageTag": "v1"}]});
        ask(&world, OTHER, operation, input)
    };
    assert!(theirs("BatchGetImage", "shared").is_ok());
    let denied = theirs("BatchDeleteImage", "shared").unwrap_err();
    assert_eq!(denied.code, "AccessDeniedException");
    assert!(
        denied.message.ends_with("because no resource-based policy allows the ecr:BatchDeleteImage action")
    );
    assert_eq!(code(theirs("BatchGetImage", "fixed")), "AccessDeniedException");
    assert_eq!(code(theirs("BatchGetImage", "nowhere")), "RepositoryNotFoundException");
    let empty = json!({"repositoryName": "shared"});
    ask(&world, ACCOUNT, "DeleteRepositoryPolicy", empty.clone()).unwrap();
    assert_eq!(code(theirs("BatchGetImage", "shared")), "AccessDeniedException");
    assert_eq!(code(ask(&world, ACCOUNT, "GetRepositoryPolicy", empty)), "RepositoryPolicyNotFoundException");
}

#[tokio::test]
async fn a_scan_takes_its_time_and_counts_what_it_found() {
    let world = world().await;
    let mine = |operation: &str| {
        ask(&world, ACCOUNT, operation, json!({"repositoryName": "scanned", "imageId": {"imageTag": "v1"}}))
    };
    assert_eq!(code(mine("DescribeImageScanFindings")), "ImageNotFoundException");
    world.seed_image(ACCOUNT, "scanned", "v1", json!({"config": {}})).unwrap();
    assert_eq!(code(mine("DescribeImageScanFindings")), "ScanNotFoundException");
    assert_eq!(mine("StartImageScan").unwrap()["imageScanStatus"]["status"], "IN_PROGRESS");
    assert_eq!(mine("DescribeImageScanFindings").unwrap()["imageScanStatus"]["status"], "IN_PROGRESS");
    {
        let mut state = world.lock();
        let repository =
            state.ecr.registries.get_mut(ACCOUNT).unwrap().repositories.get_mut("scanned").unwrap();
        for image in repository.images.values_mut() {
            image.scanned_at = Some(Time(0));
        }
    }
    let found = mine("DescribeImageScanFindings").unwrap();
    assert_eq!(found["imageScanStatus"]["status"], "COMPLETE");
    assert_eq!(found["imageScanFindings"]["findingSeverityCounts"], json!({"HIGH": 1, "LOW": 1}));
    assert_eq!(found["imageScanFindings"]["findings"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn what_a_call_needs_names_the_repository() {
    let world = world().await;
    let call = |operation: &str, input: Value| Call {
        service: Service::Ecr,
        operation: operation.into(),
        input,
        caller: Caller { account: ACCOUNT.into(), ..Default::default() },
        region: REGION.into(),
    };
    let needed = |operation: &str, input: Value| {
        let needs = needs(&world.lock(), &call(operation, input));
        needs.into_iter().map(|n| (n.action, n.resource)).collect::<Vec<_>>()
    };
    let arn = |account: &str, name: &str| format!("arn:aws:ecr:{REGION}:{account}:repository/{name}");
    assert_eq!(
        needed("GetAuthorizationToken", json!({})),
        [("ecr:GetAuthorizationToken".to_owned(), "*".to_owned())]
    );
    assert_eq!(
        needed("DescribeRepositories", json!({})),
        [("ecr:DescribeRepositories".to_owned(), arn(ACCOUNT, "*"))]
    );
    let put = json!({"registryId": OTHER, "repositoryName": "a/b"});
    assert_eq!(needed("PutImage", put), [("ecr:PutImage".to_owned(), arn(OTHER, "a/b"))]);
    let create = json!({"repositoryName": "ab", "tags": [{"Key": "k", "Value": "v"}]});
    assert_eq!(needed("CreateRepository", create).len(), 2);
}

#[tokio::test]
async fn a_policy_must_be_one() {
    let world = world().await;
    let set = |statement: Value| {
        let text = json!({"Version": "2012-10-17", "Statement": statement}).to_string();
        ask(&world, ACCOUNT, "SetRepositoryPolicy", json!({"repositoryName": "fixed", "policyText": text}))
    };
    let good = json!({"Effect": "Allow", "Principal": "*", "Action": "ecr:BatchGetImage"});
    let with = |key: &str, value: Value| {
        let mut statement = good.clone();
        statement[key] = value;
        json!([statement])
    };
    set(good.clone()).unwrap();
    for wrong in [
        json!([]),
        with("Resource", json!("*")),
        with("Effect", json!("Maybe")),
        json!([{"Effect": "Allow", "Action": "*"}]),
    ] {
        assert_eq!(code(set(wrong)), "InvalidParameterException");
    }
}
