"""Repositories and images through boto3, and the registry through skopeo with the token that boto3 got."""

import base64
import functools
import hashlib
import json
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

import world
from world import BUILD, ONCE, Case, main, session

# Making a client takes longer than most of its calls.
build, deploy = functools.cache(world.build), functools.cache(world.deploy)

READER = "arn:aws:iam::111111111111:role/reader"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER = "application/vnd.docker.distribution.manifest.v2+json"


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def upload(client, repository, data, part=6 << 20):
    """A layer, in parts."""
    begun = client.initiate_layer_upload(repositoryName=repository)
    for first in range(0, len(data), part):
        piece = data[first : first + part]
        client.upload_layer_part(
            repositoryName=repository,
            uploadId=begun["uploadId"],
            partFirstByte=first,
            partLastByte=first + len(piece) - 1,
            layerPartBlob=piece,
        )
    client.complete_layer_upload(
        repositoryName=repository, uploadId=begun["uploadId"], layerDigests=[digest(data)]
    )
    return {"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digest(data), "size": len(data)}


def ensure(client, repository, data):
    found = client.batch_check_layer_availability(repositoryName=repository, layerDigests=[digest(data)])
    if found["layers"][0]["layerAvailability"] == "AVAILABLE":
        return {"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digest(data), "size": len(data)}
    return upload(client, repository, data)


def manifest(client, repository, salt):
    """The text of a manifest whose layers are there."""
    layer = ensure(client, repository, b"\0" * 1024)
    config = {"os": "linux", "architecture": "amd64", "config": {"Labels": {"salt": salt}}}
    config["rootfs"] = {"type": "layers", "diff_ids": [layer["digest"]]}
    config = ensure(client, repository, json.dumps(config).encode())
    config["mediaType"] = "application/vnd.oci.image.config.v1+json"
    return json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]})


def put(client, repository, salt, tag):
    text = manifest(client, repository, salt)
    return client.put_image(repositoryName=repository, imageManifest=text, imageTag=tag)["image"]


def until(client, repository, image, so):
    """What is told of an image's scan, once it is so."""
    for _ in range(120):
        answer = client.describe_image_scan_findings(repositoryName=repository, imageId=image)
        if so(answer):
            return answer
        # Nothing tells of a scan's progress.
        time.sleep(0.25)
    raise AssertionError(f"it stays so: {answer}")


def login(client, **parameters):
    return client.get_authorization_token(**parameters)["authorizationData"][0]


def registry(token, method, path, headers=None, data=None):
    """One request to the registry: status, headers, body."""
    request = urllib.request.Request(token["proxyEndpoint"] + path, method=method, data=data)
    request.add_header("Authorization", "Basic " + token["authorizationToken"])
    for name, value in (headers or {}).items():
        request.add_header(name, value)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


class Repositories(Case):
    def test_create_describe_delete(self):
        client = build("ecr")
        made = client.create_repository(
            repositoryName="team/new", tags=[{"Key": "team", "Value": "a"}], imageTagMutability="IMMUTABLE"
        )["repository"]
        self.assertEqual(made["repositoryArn"], "arn:aws:ecr:eu-central-1:111111111111:repository/team/new")
        self.assertRegex(made["repositoryUri"], r"^127\.0\.0\.1:\d+/team/new$")
        self.assertEqual(made["encryptionConfiguration"], {"encryptionType": "AES256"})
        with self.fails("RepositoryAlreadyExistsException", 400):
            client.create_repository(repositoryName="team/new")
        self.assertEqual(client.describe_repositories(repositoryNames=["team/new"])["repositories"], [made])
        tags = client.list_tags_for_resource(resourceArn=made["repositoryArn"])["tags"]
        self.assertEqual(tags, [{"Key": "team", "Value": "a"}])
        client.tag_resource(resourceArn=made["repositoryArn"], tags=[{"Key": "k", "Value": "v"}])
        client.untag_resource(resourceArn=made["repositoryArn"], tagKeys=["team"])
        tags = client.list_tags_for_resource(resourceArn=made["repositoryArn"])["tags"]
        self.assertEqual(tags, [{"Key": "k", "Value": "v"}])
        many = [{"Key": f"k{n}", "Value": "v"} for n in range(51)]
        with self.fails("TooManyTagsException", 400):
            client.tag_resource(resourceArn=made["repositoryArn"], tags=many)
        with self.fails("InvalidTagParameterException", 400):
            client.tag_resource(resourceArn=made["repositoryArn"], tags=[{"Key": "aws:x", "Value": "v"}])
        put(client, "team/new", "1", "v1")
        with self.fails("RepositoryNotEmptyException", 400):
            client.delete_repository(repositoryName="team/new")
        client.delete_repository(repositoryName="team/new", force=True)
        with self.fails("RepositoryNotFoundException", 400, "does not exist in the registry with id '111111111111'"):
            client.describe_repositories(repositoryNames=["team/new"])
        pages = client.get_paginator("describe_repositories").paginate(PaginationConfig={"PageSize": 1})
        names = [r["repositoryName"] for page in pages for r in page["repositories"]]
        self.assertLessEqual({"fixed", "hello", "private/app", "scanned"}, set(names))

    def test_names(self):
        client = build("ecr")
        for name in ["Hello", "a--", "a//b", "a..b"]:
            with self.subTest(name), self.fails("InvalidParameterException", 400, "repositoryName"):
                client.create_repository(repositoryName=name)

    def test_another_region_has_nothing(self):
        client = session(BUILD).client("ecr", config=ONCE, region_name="us-east-1")
        with self.fails("RepositoryNotFoundException", 400):
            client.describe_images(repositoryName="hello")

    def test_policies(self):
        client = build("ecr")
        with self.fails("RepositoryPolicyNotFoundException", 400):
            client.get_repository_policy(repositoryName="private/app")
        text = json.dumps(
            {"Statement": [{"Effect": "Allow", "Principal": {"AWS": "222222222222"}, "Action": "ecr:DescribeImages"}]}
        )
        client.set_repository_policy(repositoryName="private/app", policyText=text)
        self.assertEqual(client.get_repository_policy(repositoryName="private/app")["policyText"], text)
        theirs = deploy("ecr")
        theirs.describe_images(repositoryName="private/app", registryId="111111111111")
        with self.fails("AccessDeniedException", 400, "no resource-based policy allows the ecr:ListImages action"):
            theirs.list_images(repositoryName="private/app", registryId="111111111111")
        client.delete_repository_policy(repositoryName="private/app")
        with self.fails("AccessDeniedException", 400):
            theirs.describe_images(repositoryName="private/app", registryId="111111111111")
        with self.fails("InvalidParameterException", 400):
            client.set_repository_policy(repositoryName="private/app", policyText="{}")

    def test_lifecycle_policies(self):
        client = build("ecr")
        with self.fails("LifecyclePolicyNotFoundException", 400):
            client.get_lifecycle_policy(repositoryName="private/app")
        selection = {"tagStatus": "untagged", "countType": "imageCountMoreThan", "countNumber": 9}
        rule = {"rulePriority": 1, "selection": selection, "action": {"type": "expire"}}
        text = json.dumps({"rules": [rule]})
        client.put_lifecycle_policy(repositoryName="private/app", lifecyclePolicyText=text)
        self.assertEqual(client.get_lifecycle_policy(repositoryName="private/app")["lifecyclePolicyText"], text)
        client.delete_lifecycle_policy(repositoryName="private/app")
        with self.fails("InvalidParameterException", 400):
            client.put_lifecycle_policy(repositoryName="private/app", lifecyclePolicyText='{"a": "' + "x" * 100 + '"}')
        rule["selection"]["countUnit"] = "days"
        with self.fails("InvalidParameterException", 400, "countUnit goes with sinceImagePushed"):
            client.put_lifecycle_policy(repositoryName="private/app", lifecyclePolicyText=json.dumps({"rules": [rule]}))

    def test_created_with_all_that_there_is(self):
        client = build("ecr")
        key = "arn:aws:kms:eu-central-1:111111111111:key/0a1b2c3d"
        made = client.create_repository(
            repositoryName="team/whole",
            imageScanningConfiguration={"scanOnPush": True},
            imageTagMutability="IMMUTABLE_WITH_EXCLUSION",
            imageTagMutabilityExclusionFilters=[{"filterType": "WILDCARD", "filter": "latest"}],
            encryptionConfiguration={"encryptionType": "KMS", "kmsKey": key},
        )["repository"]
        self.assertEqual(made["imageScanningConfiguration"], {"scanOnPush": True})
        self.assertEqual(made["encryptionConfiguration"], {"encryptionType": "KMS", "kmsKey": key})
        managed = client.create_repository(
            repositoryName="team/managed", encryptionConfiguration={"encryptionType": "KMS"}
        )["repository"]
        self.assertRegex(managed["encryptionConfiguration"]["kmsKey"], "^arn:aws:kms:eu-central-1:111111111111:key/")
        with self.fails("InvalidParameterException", 400):
            client.create_repository(
                repositoryName="team/wrong", encryptionConfiguration={"encryptionType": "AES256", "kmsKey": key}
            )
        scanning = {"scanOnPush": False}
        client.put_image_scanning_configuration(repositoryName="team/whole", imageScanningConfiguration=scanning)
        described = client.describe_repositories(repositoryNames=["team/whole"])["repositories"][0]
        self.assertEqual(described["imageScanningConfiguration"], scanning)
        reader = session(READER).client("ecr", config=ONCE)
        for call in [
            lambda: reader.create_repository(repositoryName="hello/other"),
            lambda: reader.put_lifecycle_policy(repositoryName="hello", lifecyclePolicyText="x" * 100),
            lambda: reader.set_repository_policy(repositoryName="hello", policyText="{}"),
            lambda: reader.start_image_scan(repositoryName="hello", imageId={"imageTag": "v1"}),
            lambda: reader.describe_image_scan_findings(repositoryName="hello", imageId={"imageTag": "v1"}),
        ]:
            with self.fails("AccessDeniedException", 400, "no identity-based policy allows the ecr:"):
                call()

    def test_identity(self):
        reader = session(READER).client("ecr", config=ONCE)
        reader.describe_images(repositoryName="hello")
        with self.fails("AccessDeniedException", 400, "is not authorized to perform: ecr:PutImage on resource: arn:aws:ecr"):
            reader.put_image(repositoryName="hello", imageManifest="{}")
        with self.fails("AccessDeniedException", 400, "repository/private/app"):
            reader.describe_images(repositoryName="private/app")


class Images(Case):
    def test_put_get_retag(self):
        client = build("ecr")
        first = put(client, "hello", "put", "put-1")
        self.assertEqual(first["imageId"]["imageDigest"], digest(first["imageManifest"].encode()))
        with self.fails("ImageAlreadyExistsException", 400, "already exists"):
            put(client, "hello", "put", "put-1")
        got = client.batch_get_image(repositoryName="hello", imageIds=[{"imageTag": "put-1"}, {"imageTag": "nope"}])
        self.assertEqual(got["images"][0]["imageManifest"], first["imageManifest"])
        self.assertEqual(got["failures"][0]["failureCode"], "ImageNotFound")
        client.put_image(repositoryName="hello", imageManifest=got["images"][0]["imageManifest"], imageTag="put-2")
        detail = client.describe_images(repositoryName="hello", imageIds=[first["imageId"]])["imageDetails"][0]
        self.assertEqual(sorted(detail["imageTags"]), ["put-1", "put-2"])
        self.assertEqual(detail["imageManifestMediaType"], MANIFEST)
        self.assertGreater(detail["imageSizeInBytes"], 1024)
        with self.fails("ImageNotFoundException", 400, "does not exist within the repository with name 'hello'"):
            client.describe_images(repositoryName="hello", imageIds=[{"imageTag": "nope"}])
        # In the other form for who only accepts that, and refused when it can't be had.
        other = client.batch_get_image(
            repositoryName="hello", imageIds=[{"imageTag": "put-1"}], acceptedMediaTypes=[DOCKER]
        )["images"][0]
        self.assertEqual(other["imageManifestMediaType"], DOCKER)
        self.assertEqual(json.loads(other["imageManifest"])["mediaType"], DOCKER)
        self.assertNotEqual(other["imageId"]["imageDigest"], first["imageId"]["imageDigest"])
        pinned = [{"imageDigest": first["imageId"]["imageDigest"]}]
        refused = client.batch_get_image(repositoryName="hello", imageIds=pinned, acceptedMediaTypes=[DOCKER])
        self.assertEqual((refused["images"], len(refused["failures"])), ([], 1))

    def test_what_a_manifest_needs(self):
        client = build("ecr")
        text = manifest(client, "hello", "needs")
        with self.fails("LayersNotFoundException", 400):
            client.put_image(repositoryName="private/app", imageManifest=text, imageTag="v1")
        with self.fails("ImageDigestDoesNotMatchException", 400):
            client.put_image(repositoryName="hello", imageManifest=text, imageDigest=digest(b""))
        with self.fails("InvalidParameterException", 400):
            client.put_image(repositoryName="hello", imageManifest="{", imageTag="v1")
        child = {"mediaType": MANIFEST, "digest": digest(text.encode()), "size": len(text)}
        index = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [child]})
        with self.fails("ReferencedImagesNotFoundException", 400):
            client.put_image(repositoryName="hello", imageManifest=index, imageTag="index")
        bare = json.loads(text)
        del bare["mediaType"]
        bare = json.dumps(bare)
        with self.fails("InvalidParameterException", 400):
            client.put_image(repositoryName="hello", imageManifest=bare, imageTag="bare")
        client.put_image(
            repositoryName="hello", imageManifest=bare, imageManifestMediaType=MANIFEST, imageTag="bare"
        )
        client.put_image(repositoryName="hello", imageManifest=text)
        client.put_image(repositoryName="hello", imageManifest=index, imageTag="index")
        held = client.batch_delete_image(repositoryName="hello", imageIds=[{"imageDigest": child["digest"]}])
        self.assertEqual(held["failures"][0]["failureCode"], "ImageReferencedByManifestList")
        gone = client.batch_delete_image(repositoryName="hello", imageIds=[{"imageTag": "index"}])
        self.assertEqual(gone["imageIds"][0]["imageTag"], "index")
        gone = client.batch_delete_image(repositoryName="hello", imageIds=[{"imageDigest": child["digest"]}])
        self.assertEqual(gone["failures"], [])

    def test_immutable_tags(self):
        client = build("ecr")
        put(client, "fixed", "1", "v1")
        with self.fails("ImageTagAlreadyExistsException", 400, "cannot be overwritten because the repository is immutable"):
            put(client, "fixed", "2", "v1")
        filters = [{"filterType": "WILDCARD", "filter": "dev-*"}]
        client.put_image_tag_mutability(
            repositoryName="fixed",
            imageTagMutability="IMMUTABLE_WITH_EXCLUSION",
            imageTagMutabilityExclusionFilters=filters,
        )
        put(client, "fixed", "1", "dev-1")
        put(client, "fixed", "2", "dev-1")
        described = client.describe_repositories(repositoryNames=["fixed"])["repositories"][0]
        self.assertEqual(described["imageTagMutabilityExclusionFilters"], filters)
        with self.fails("InvalidParameterException", 400):
            client.put_image_tag_mutability(
                repositoryName="fixed", imageTagMutability="MUTABLE", imageTagMutabilityExclusionFilters=filters
            )

    def test_pages_and_filters(self):
        client = build("ecr")
        client.create_repository(repositoryName="pages")
        for n in range(7):
            put(client, "pages", str(n), f"v{n}")
        put(client, "pages", "last", "v6")
        def listed(**parameters):
            pages = client.get_paginator("list_images").paginate(
                repositoryName="pages", PaginationConfig={"PageSize": 3}, **parameters
            )
            return [i for page in pages for i in page["imageIds"]]

        self.assertEqual(len(listed()), 8)
        self.assertEqual({i["imageTag"] for i in listed(filter={"tagStatus": "TAGGED"})}, {f"v{n}" for n in range(7)})
        self.assertEqual([i.get("imageTag") for i in listed(filter={"tagStatus": "UNTAGGED"})], [None])
        pages = client.get_paginator("describe_images").paginate(
            repositoryName="pages", PaginationConfig={"PageSize": 2}, filter={"tagStatus": "TAGGED"}
        )
        self.assertEqual(sum(len(page["imageDetails"]) for page in pages), 7)
        with self.fails("InvalidParameterException", 400):
            client.list_images(repositoryName="pages", nextToken="nonsense")
        with self.fails("InvalidParameterException", 400):
            client.describe_images(repositoryName="pages", imageIds=[{"imageTag": "v1"}], maxResults=3)

    def test_layers(self):
        client = build("ecr")
        data = bytes(n * 31 % 251 for n in range(7 << 20))
        upload(client, "hello", data)
        with self.fails("LayerAlreadyExistsException", 400):
            upload(client, "hello", data)
        url = client.get_download_url_for_layer(repositoryName="hello", layerDigest=digest(data))["downloadUrl"]
        with urllib.request.urlopen(url) as answer:
            self.assertEqual(digest(answer.read()), digest(data))
        with urllib.request.urlopen(urllib.request.Request(url, headers={"Range": "bytes=100-199"})) as answer:
            self.assertEqual((answer.status, answer.read()), (206, data[100:200]))
        with self.assertRaises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(url[:-1] + ("0" if url[-1] != "0" else "1"))
        self.assertEqual(caught.exception.code, 403)
        with self.fails("LayersNotFoundException", 400):
            client.get_download_url_for_layer(repositoryName="hello", layerDigest=digest(b"none"))
        found = client.batch_check_layer_availability(
            repositoryName="hello", layerDigests=[digest(data), digest(b"none"), "nonsense"]
        )
        self.assertEqual([layer["layerAvailability"] for layer in found["layers"]], ["AVAILABLE", "UNAVAILABLE"])
        self.assertEqual(found["failures"][0]["failureCode"], "InvalidLayerDigest")
        upload_id = client.initiate_layer_upload(repositoryName="hello")["uploadId"]
        with self.fails("EmptyUploadException", 400):
            client.complete_layer_upload(repositoryName="hello", uploadId=upload_id, layerDigests=[digest(b"")])
        part = {"repositoryName": "hello", "uploadId": upload_id, "layerPartBlob": b"abc"}
        with self.fails("InvalidLayerPartException", 400):
            client.upload_layer_part(partFirstByte=5, partLastByte=7, **part)
        client.upload_layer_part(partFirstByte=0, partLastByte=2, **part)
        client.upload_layer_part(partFirstByte=3, partLastByte=5, **part)
        with self.fails("LayerPartTooSmallException", 400):
            client.complete_layer_upload(repositoryName="hello", uploadId=upload_id, layerDigests=[digest(b"abcabc")])
        with self.fails("UploadNotFoundException", 400):
            client.complete_layer_upload(
                repositoryName="private/app", uploadId=upload_id, layerDigests=[digest(b"abcabc")]
            )
        wrong = client.initiate_layer_upload(repositoryName="hello")["uploadId"]
        client.upload_layer_part(
            repositoryName="hello", uploadId=wrong, partFirstByte=0, partLastByte=2, layerPartBlob=b"abc"
        )
        with self.fails("InvalidLayerException", 400):
            client.complete_layer_upload(repositoryName="hello", uploadId=wrong, layerDigests=[digest(b"xyz")])

    def test_scans(self):
        client = build("ecr")
        image = put(client, "hello", "scan", "scan")["imageId"]
        with self.fails("ScanNotFoundException", 400):
            client.describe_image_scan_findings(repositoryName="hello", imageId=image)
        client.start_image_scan(repositoryName="hello", imageId=image)
        client.get_waiter("image_scan_complete").wait(
            repositoryName="hello", imageId=image, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
        )
        pushed = put(client, "scanned", "scan", "v1")["imageId"]
        client.get_waiter("image_scan_complete").wait(
            repositoryName="scanned", imageId=pushed, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
        )
        pages = client.get_paginator("describe_image_scan_findings").paginate(
            repositoryName="scanned", imageId=pushed, PaginationConfig={"PageSize": 2}
        )
        findings = [f["name"] for page in pages for f in page["imageScanFindings"]["findings"]]
        self.assertEqual(findings, ["CVE-2026-0001", "CVE-2026-0002", "CVE-2026-0003"])
        detail = client.describe_images(repositoryName="scanned", imageIds=[pushed])["imageDetails"][0]
        self.assertEqual(detail["imageScanFindingsSummary"]["findingSeverityCounts"], {"CRITICAL": 1, "LOW": 2})
        with self.fails("ImageNotFoundException", 400):
            client.start_image_scan(repositoryName="hello", imageId={"imageTag": "nope"})
        # Once in 24 hours, the scan on push included. Clients take it for throttling, and ask again.
        with self.fails("LimitExceededException", 400):
            session(BUILD).client("ecr", config=ONCE).start_image_scan(repositoryName="scanned", imageId=pushed)
        clean = put(client, "scanned", "clean", "clean")["imageId"]
        client.get_waiter("image_scan_complete").wait(
            repositoryName="scanned", imageId=clean, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
        )
        found = client.describe_image_scan_findings(repositoryName="scanned", imageId=clean)["imageScanFindings"]
        self.assertEqual((found["findings"], found["findingSeverityCounts"]), ([], {}))

    def test_a_list_is_not_scanned_but_its_images_are(self):
        client = build("ecr")
        child = put(client, "scanned", "child", "child")
        entry = {"mediaType": MANIFEST, "digest": child["imageId"]["imageDigest"], "size": len(child["imageManifest"])}
        entry["platform"] = {"os": "linux", "architecture": "amd64"}
        index = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]})
        listed = client.put_image(repositoryName="scanned", imageManifest=index, imageTag="listed")["image"]["imageId"]
        with self.fails("UnsupportedImageTypeException", 400):
            client.start_image_scan(repositoryName="scanned", imageId=listed)
        with self.fails("ScanNotFoundException", 400):
            client.describe_image_scan_findings(repositoryName="scanned", imageId=listed)
        status = client.describe_image_scan_findings(repositoryName="scanned", imageId=child["imageId"])
        self.assertIn(status["imageScanStatus"]["status"], ["IN_PROGRESS", "COMPLETE"])

    def test_a_scan_that_cannot_be(self):
        client = build("ecr")
        pushed = put(client, "unscannable", "one", "v1")["imageId"]
        status = until(client, "unscannable", pushed, lambda answer: answer["imageScanStatus"]["status"] != "IN_PROGRESS")
        self.assertEqual(status["imageScanStatus"]["status"], "UNSUPPORTED_IMAGE")
        self.assertNotIn("imageScanFindings", status)

    def test_enhanced_scans(self):
        client = deploy("ecr")
        pushed = put(client, "own", "enhanced", "enhanced")["imageId"]
        with self.fails("ValidationException", 400, "This feature is disabled"):
            client.start_image_scan(repositoryName="own", imageId=pushed)
        done = lambda answer: "imageScanCompletedAt" in answer.get("imageScanFindings", {})
        answer = until(client, "own", pushed, done)
        self.assertEqual(answer["imageScanStatus"]["status"], "ACTIVE")
        self.assertEqual(answer["imageScanFindings"]["findingSeverityCounts"], {"HIGH": 1})
        finding = answer["imageScanFindings"]["enhancedFindings"][0]
        self.assertEqual(finding["packageVulnerabilityDetails"]["vulnerabilityId"], "CVE-2026-0004")


class Registry(Case):
    def test_the_public_registry_has_one_region(self):
        held = session(BUILD)
        answer = held.client("ecr-public", config=ONCE, region_name="us-east-1").get_authorization_token()
        token = answer["authorizationData"]["authorizationToken"]
        self.assertTrue(base64.b64decode(token).decode().startswith("AWS:"))
        reader = session(READER).client("ecr-public", config=ONCE, region_name="us-east-1")
        with self.fails("AccessDeniedException", 400, "ecr-public:GetAuthorizationToken"):
            reader.get_authorization_token()

    def test_the_token(self):
        token = login(build("ecr"))
        user, password = base64.b64decode(token["authorizationToken"]).decode().split(":", 1)
        self.assertEqual(user, "AWS")
        self.assertEqual(registry(token, "GET", "/v2/")[0], 200)
        wrong = dict(token, authorizationToken=base64.b64encode(b"AWS:wrong").decode())
        status, headers, _ = registry(wrong, "GET", "/v2/")
        self.assertEqual(status, 401)
        realm = token["proxyEndpoint"] + "/"
        self.assertEqual(headers["WWW-Authenticate"], f'Basic realm="{realm}",service="ecr.amazonaws.com"')

    def test_every_request_is_the_principals_own(self):
        token = login(session(READER).client("ecr", config=ONCE))
        put(build("ecr"), "hello", "own", "own")
        self.assertEqual(registry(token, "GET", "/v2/hello/manifests/own")[0], 200)
        for method, path, action in [
            ("POST", "/v2/hello/blobs/uploads/", "ecr:InitiateLayerUpload"),
            ("PUT", "/v2/hello/manifests/own", "ecr:PutImage"),
            ("GET", "/v2/hello/tags/list", "ecr:ListImages"),
            ("GET", "/v2/private/app/manifests/v1", "ecr:BatchGetImage"),
            ("DELETE", "/v2/hello/manifests/own", "ecr:BatchDeleteImage"),
        ]:
            with self.subTest(path):
                status, _, body = registry(token, method, path, data=b"" if method != "GET" else None)
                self.assertEqual(status, 403)
                error = json.loads(body)["errors"][0]
                self.assertEqual(error["code"], "DENIED")
                self.assertIn(f"is not authorized to perform: {action} on resource: arn:aws:ecr", error["message"])

    def test_another_account_pulls_what_the_policy_gives(self):
        put(build("ecr"), "hello", "cross", "cross")
        put(build("ecr"), "private/app", "cross", "cross")
        # The token is the other account's, the registry this one's.
        token = dict(login(deploy("ecr")), proxyEndpoint=login(build("ecr"))["proxyEndpoint"])
        status, headers, body = registry(token, "GET", "/v2/hello/manifests/cross")
        self.assertEqual((status, headers["Content-Type"]), (200, MANIFEST))
        layer = json.loads(body)["layers"][0]["digest"]
        self.assertEqual(registry(token, "HEAD", f"/v2/hello/blobs/{layer}")[0], 200)
        self.assertEqual(digest(registry(token, "GET", f"/v2/hello/blobs/{layer}")[2]), layer)
        status, _, body = registry(token, "GET", "/v2/private/app/manifests/cross")
        self.assertEqual(status, 403)
        self.assertIn("no resource-based policy allows the ecr:BatchGetImage action", body.decode())
        status, _, body = registry(token, "GET", "/v2/nowhere/manifests/cross")
        self.assertEqual((status, json.loads(body)["errors"][0]["code"]), (404, "NAME_UNKNOWN"))

    def test_mounts(self):
        client = build("ecr")
        image = json.loads(put(client, "hello", "mount", "mount")["imageManifest"])
        token = login(client)
        path = f"/v2/private/app/blobs/uploads/?mount={image['config']['digest']}&from=hello"
        self.assertEqual(registry(token, "POST", path, data=b"")[0], 202)
        self.assertEqual(client.get_account_setting(name="BLOB_MOUNTING")["value"], "DISABLED")
        client.put_account_setting(name="BLOB_MOUNTING", value="ENABLED")
        self.assertEqual(registry(token, "POST", path, data=b"")[0], 201)
        # A layer that no manifest refers to isn't mounted.
        loose = upload(client, "hello", b"loose")["digest"]
        path = f"/v2/private/app/blobs/uploads/?mount={loose}&from=hello"
        self.assertEqual(registry(token, "POST", path, data=b"")[0], 202)
        client.put_account_setting(name="BLOB_MOUNTING", value="DISABLED")

    def test_skopeo_between_accounts(self):
        put(build("ecr"), "hello", "skopeo", "skopeo")
        there, own = login(build("ecr")), login(deploy("ecr"))
        image = lambda token, name: "docker://" + token["proxyEndpoint"].removeprefix("http://") + "/" + name
        credentials = base64.b64decode(own["authorizationToken"]).decode()
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            hosts = [t["proxyEndpoint"].removeprefix("http://") for t in (there, own)]
            json.dump({"auths": {host: {"auth": base64.b64encode(credentials.encode()).decode()} for host in hosts}}, file)
            file.flush()
            copy = ["skopeo", "--insecure-policy", "copy", "--preserve-digests", "--authfile", file.name]
            copy += ["--src-tls-verify=false", "--dest-tls-verify=false"]
            subprocess.run([*copy, image(there, "hello:skopeo"), image(own, "own:v1")], check=True, capture_output=True)
            refused = subprocess.run(
                [*copy, image(there, "private/app:cross"), image(own, "own:v2")], capture_output=True, text=True
            )
        self.assertIn("is not authorized to perform: ecr:BatchGetImage", refused.stderr)
        copied = deploy("ecr").describe_images(repositoryName="own", imageIds=[{"imageTag": "v1"}])
        original = build("ecr").describe_images(repositoryName="hello", imageIds=[{"imageTag": "skopeo"}])
        self.assertEqual(copied["imageDetails"][0]["imageDigest"], original["imageDetails"][0]["imageDigest"])


if __name__ == "__main__":
    main()
