"""The door: signatures, protocols, and what is answered to calls that make no sense."""

import datetime
import http.client
import json
import os
import unittest.mock
import urllib.parse

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from world import BUILD, DEPLOY, ENDPOINT, ONCE, Case, deploy, main, of, session, snapshot

ECS = "AmazonEC2ContainerServiceV20141113."
REGION = os.environ["AWS_REGION"]
OWN = {"AccessKeyId": os.environ["AWS_ACCESS_KEY_ID"], "SecretAccessKey": os.environ["AWS_SECRET_ACCESS_KEY"]}


def assumed():
    return boto3.client("sts").assume_role(RoleArn=BUILD, RoleSessionName="run")["Credentials"]


def send(method="POST", path="/", headers=None, body=b"", sign_as=None, credentials=None, tamper=None):
    """A request of our own making: (status, headers, body). `sign_as` is a service's signing name."""
    request = AWSRequest(method=method, url=ENDPOINT + path, headers=headers or {}, data=body)
    if sign_as:
        own = Credentials(OWN["AccessKeyId"], OWN["SecretAccessKey"])
        SigV4Auth(credentials or own, sign_as, REGION).add_auth(request)
    if tamper:
        tamper(request)
    prepared = request.prepare()
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(ENDPOINT).netloc)
    try:
        connection.request(method, path, body=request.data, headers=dict(prepared.headers.items()))
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def ecs(operation, body=b"{}", **parameters):
    headers = {"X-Amz-Target": ECS + operation, "Content-Type": "application/x-amz-json-1.1"}
    status, headers, body = send(headers=headers, body=body, sign_as="ecs", **parameters)
    error = json.loads(body)
    if status != 200:
        assert headers["x-amzn-errortype"] == error["__type"], (headers, error)
    assert headers["x-amzn-requestid"]
    return status, error


class Signatures(Case):
    def refused(self, credentials, json_code, query_code, region=None):
        """The same refusal in JSON, JSON 1.0 for a once-query service, query and CBOR."""
        held = of(credentials)
        with self.fails(json_code, 400):
            held.client("ecs", config=ONCE, region_name=region).list_clusters()
        with self.fails(query_code, 403):
            held.client("elbv2", config=ONCE, region_name=region).describe_load_balancers()
        with self.fails(query_code, 400):
            held.client("cloudwatch", config=ONCE, region_name=region).describe_alarms()
        with speaking("smithy-rpc-v2-cbor"), self.fails(query_code, 400) as caught:
            held.client("cloudwatch", config=ONCE, region_name=region).describe_alarms()
        answered = caught.exception.response["ResponseMetadata"]["HTTPHeaders"]
        self.assertEqual(answered["smithy-protocol"], "rpc-v2-cbor")

    def test_an_unknown_key(self):
        self.refused(
            {**OWN, "AccessKeyId": "AKIAIOSFODNN7EXAMPLE"}, "UnrecognizedClientException", "InvalidClientTokenId"
        )

    def test_a_wrong_secret(self):
        self.refused({**OWN, "SecretAccessKey": "wrong"}, "InvalidSignatureException", "SignatureDoesNotMatch")

    def test_a_session_token_that_is_not_the_keys(self):
        held = assumed()
        for token in [None, "someone else's", assumed()["SessionToken"]]:
            self.refused({**held, "SessionToken": token}, "UnrecognizedClientException", "InvalidClientTokenId")

    def test_a_region_that_nobody_has(self):
        self.refused(OWN, "InvalidSignatureException", "SignatureDoesNotMatch", region="eu-nowhere-1")

    def test_a_clock_that_is_off(self):
        now = datetime.datetime.now(datetime.timezone.utc)
        for minutes, text in [(-6, "Signature expired"), (6, "Signature not yet current")]:
            off = now + datetime.timedelta(minutes=minutes)
            with unittest.mock.patch("botocore.auth.get_current_datetime", lambda off=off: off):
                with self.fails("InvalidSignatureException", 400, text):
                    boto3.client("ecs", config=ONCE).list_clusters()
        with unittest.mock.patch("botocore.auth.get_current_datetime", lambda: now - datetime.timedelta(minutes=4)):
            boto3.client("sts", config=ONCE).get_caller_identity()

    def test_what_is_signed_is_what_is_checked(self):
        def body(request):
            request.data = b'{"cluster": "other"}'

        def target(request):
            request.headers.replace_header("X-Amz-Target", ECS + "DeleteService")

        for tamper in [body, target]:
            status, error = ecs("DescribeServices", tamper=tamper)
            self.assertEqual((status, error["__type"]), (400, "InvalidSignatureException"))

    def test_headers_and_queries_of_every_kind_are_canonicalised(self):
        path = "/?Action=GetCallerIdentity&Version=2011-06-15&b=%20x~y&a=%2F%2B&a=1&empty"
        headers = {"X-Amz-Meta": "  two   blanks "}
        status, _, body = send(method="GET", path=path, headers=headers, sign_as="sts")
        self.assertEqual(status, 200, body)
        self.assertIn(b"<Arn>arn:aws:iam::111111111111:user/developer</Arn>", body)

    def test_another_services_signature(self):
        headers = {"X-Amz-Target": ECS + "ListClusters", "Content-Type": "application/x-amz-json-1.1"}
        status, _, body = send(headers=headers, body=b"{}", sign_as="ecr")
        self.assertEqual((status, json.loads(body)["__type"]), (400, "InvalidSignatureException"))

    def test_no_signature_and_half_a_signature(self):
        headers = {"X-Amz-Target": ECS + "ListClusters", "Content-Type": "application/x-amz-json-1.1"}
        for authorization, code in [
            (None, "MissingAuthenticationTokenException"),
            ("Bearer abc", "IncompleteSignatureException"),
            ("AWS4-HMAC-SHA256 Credential=a/b", "IncompleteSignatureException"),
        ]:
            more = {"Authorization": authorization} if authorization else {}
            status, _, body = send(headers={**headers, **more}, body=b"{}")
            self.assertEqual((status, json.loads(body)["__type"]), (400, code))


class Denials(Case):
    def test_the_words_of_a_denial(self):
        text = (
            "User: arn:aws:iam::111111111111:user/developer is not authorized to perform: "
            "application-autoscaling:DescribeScalableTargets on resource: * "
            "because no identity-based policy allows the application-autoscaling:DescribeScalableTargets action"
        )
        with self.fails("AccessDeniedException", 400, text):
            boto3.client("application-autoscaling", config=ONCE).describe_scalable_targets(ServiceNamespace="ecs")
        call = snapshot()["api_calls"][-1]
        self.assertEqual(call["error"], "AccessDeniedException")
        self.assertEqual(call["caller"], "arn:aws:iam::111111111111:user/developer")

    def test_a_session_policy_narrows(self):
        policy = {"Statement": [{"Effect": "Allow", "Action": "ecs:*", "Resource": "*"}]}
        answer = session(BUILD).client("sts").assume_role(
            RoleArn=DEPLOY, RoleSessionName="run", Policy=json.dumps(policy)
        )
        self.assertIn("PackedPolicySize", answer)
        narrowed = of(answer["Credentials"]).client("application-autoscaling", config=ONCE)
        with self.fails("AccessDeniedException", text="because no session policy allows"):
            narrowed.describe_scalable_targets(ServiceNamespace="ecs")


class Protocols(Case):
    def test_one_answer_in_three_protocols(self):
        answers = {}
        for protocol, content_type in [
            ("json", "application/x-amz-json-1.0"),
            ("smithy-rpc-v2-cbor", "application/cbor"),
            ("query", "text/xml"),
        ]:
            with speaking(protocol):
                client = deploy("cloudwatch")
                answer = client.describe_alarms(AlarmNames=["hello-5xx", "other"], AlarmTypes=["MetricAlarm"])
            self.assertEqual(answer["ResponseMetadata"]["HTTPHeaders"]["content-type"], content_type)
            (answers[protocol],) = answer["MetricAlarms"]
        self.assertEqual(answers["json"]["AlarmName"], "hello-5xx")
        self.assertEqual(answers["json"]["Threshold"], 5.0)
        for answer in answers.values():
            self.assertEqual(answer, answers["json"])

    def test_structures_and_lists_in_xml(self):
        client = deploy("elbv2")
        (balancer,) = client.describe_load_balancers(Names=["hello"])["LoadBalancers"]
        listeners = client.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
        forwards = sorted(
            sorted(group["Weight"] for group in listener["DefaultActions"][0]["ForwardConfig"]["TargetGroups"])
            for listener in listeners
        )
        self.assertEqual(forwards, [[0, 100], [1]])

    def test_codedeploy_in_cbor_too(self):
        headers = {
            "Content-Type": "application/cbor",
            "Accept": "application/cbor",
            "smithy-protocol": "rpc-v2-cbor",
        }
        status, answered, body = send(
            path="/service/CodeDeploy_20141006/operation/ListDeploymentConfigs",
            headers=headers,
            body=b"\xa0",
            sign_as="codedeploy",
            credentials=session(BUILD, DEPLOY).get_credentials(),
        )
        self.assertEqual((status, answered["content-type"]), (200, "application/cbor"), body)
        self.assertIn(b"CodeDeployDefault.ECSAllAtOnce", body)


class Sense(Case):
    def test_unknown_operations_targets_and_paths(self):
        allowed = session(BUILD, DEPLOY).get_credentials()
        self.assertEqual(ecs("MakeCoffee", credentials=allowed)[1]["__type"], "UnknownOperationException")
        json_type = {"Content-Type": "application/x-amz-json-1.1"}
        for status, request in [
            (400, {"headers": {"X-Amz-Target": "Nothing.At", **json_type}}),
            (404, {"headers": {"X-Amz-Target": ECS + "ListClusters", "Content-Type": "text/plain"}}),
            (404, {"path": "/bucket/key", "headers": json_type}),
            (404, {"path": "/service/CodeDeploy_20141006/operation"}),
            (404, {"path": "/service/Nothing/operation/At", "headers": {"smithy-protocol": "rpc-v2-cbor"}}),
            (405, {"method": "PUT"}),
            (405, {"method": "PUT", "path": "/_world"}),
            (400, {"method": "GET"}),
        ]:
            with self.subTest(request):
                self.assertEqual(send(**request)[0], status)

    def test_an_unknown_query_operation(self):
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        for body in [b"Action=Brew&Version=2011-06-15", b"Action=GetCallerIdentity&Version=1999-01-01"]:
            status, headers, answer = send(headers=form, body=body, sign_as="sts")
            self.assertEqual(status, 400)
            self.assertIn(b"<Code>InvalidAction</Code>", answer)
            self.assertTrue(headers["x-amzn-requestid"])

    def test_bodies_that_are_not_input(self):
        for body in [b"{", b"[]", b'"text"', b"null"]:
            self.assertEqual(ecs("ListClusters", body)[1]["__type"], "SerializationException")
        headers = {
            "Content-Type": "application/cbor",
            "Accept": "application/cbor",
            "smithy-protocol": "rpc-v2-cbor",
        }
        path = "/service/CodeDeploy_20141006/operation/GetDeployment"
        status, headers, body = send(path=path, headers=headers, body=b"\xff", sign_as="codedeploy")
        self.assertEqual(status, 400)
        self.assertEqual(headers["smithy-protocol"], "rpc-v2-cbor")
        self.assertEqual(headers["x-amzn-errortype"], "SerializationException")
        self.assertIn(b"SerializationException", body)

    def test_wrong_types(self):
        headers = {
            "X-Amz-Target": "AnyScaleFrontendService.DescribeScalableTargets",
            "Content-Type": "application/x-amz-json-1.1",
        }
        credentials = session(BUILD, DEPLOY).get_credentials()
        for body in [b'{"ServiceNamespace": 1}', b'{"ServiceNamespace": "ecs", "ResourceIds": "x"}']:
            status, _, answer = send(
                headers=headers, body=body, sign_as="application-autoscaling", credentials=credentials
            )
            self.assertEqual((status, json.loads(answer)["__type"]), (400, "SerializationException"))


class AutoScaling(Case):
    def test_targets_and_policies(self):
        client = deploy("application-autoscaling")
        (target,) = client.describe_scalable_targets(
            ServiceNamespace="ecs", ResourceIds=["service/prod/hello"]
        )["ScalableTargets"]
        self.assertEqual((target["MinCapacity"], target["MaxCapacity"]), (2, 6))
        self.assertFalse(target["SuspendedState"]["DynamicScalingOutSuspended"])
        (policy,) = client.describe_scaling_policies(ServiceNamespace="ecs")["ScalingPolicies"]
        configuration = policy["TargetTrackingScalingPolicyConfiguration"]
        self.assertEqual(configuration["TargetValue"], 60.0)
        nothing = client.describe_scalable_targets(ServiceNamespace="ecs", ResourceIds=["service/prod/other"])
        self.assertEqual(nothing["ScalableTargets"], [])
        with self.fails("ValidationException"):
            client.describe_scalable_targets(ServiceNamespace="cafe")


def speaking(protocol):
    """Clients that are made and used inside speak this protocol, where their service does."""
    return unittest.mock.patch("botocore.model.PRIORITY_ORDERED_SUPPORTED_PROTOCOLS", (protocol, "json", "query"))


if __name__ == "__main__":
    main()
