"""What the client scripts share: clients as a caller or a role of the world, and expected errors."""

import contextlib
import functools
import json
import os
import unittest
import urllib.request

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

BUILD = "arn:aws:iam::111111111111:role/greenlight-build"
DEPLOY = "arn:aws:iam::222222222222:role/greenlight-deploy"
ENDPOINT = os.environ["AWS_ENDPOINT_URL"]
ONCE = Config(retries={"total_max_attempts": 1})
# For what a test asks more often than the rate buckets give.
PATIENT = Config(retries={"mode": "standard", "total_max_attempts": 10})


def session(*roles, name="test", **parameters):
    """A session of the world's caller, or of the last of the roles, each assumed by the one before."""
    held = boto3.Session()
    for role in roles:
        answer = held.client("sts").assume_role(RoleArn=role, RoleSessionName=name, **parameters)
        held = of(answer["Credentials"])
    return held


def of(credentials):
    """A session with credentials as STS gives them."""
    return boto3.Session(
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials.get("SessionToken"),
    )


_roles = functools.cache(session)


def build(service):
    """A client in the build account, as the build role."""
    return _roles(BUILD).client(service, config=PATIENT)


def deploy(service):
    """A client in the production account, as the deploy role."""
    return _roles(BUILD, DEPLOY).client(service, config=PATIENT)


def snapshot():
    with urllib.request.urlopen(ENDPOINT + "/_world") as answer:
        return json.load(answer)


class Case(unittest.TestCase):
    maxDiff = None

    @contextlib.contextmanager
    def fails(self, code, status=None, text=None):
        """The block's call is refused with this code (and HTTP status, and a message that has the text)."""
        with self.assertRaises(ClientError) as caught:
            yield caught
        response = caught.exception.response
        self.assertEqual(response["Error"]["Code"], code, response)
        if status is not None:
            self.assertEqual(response["ResponseMetadata"]["HTTPStatusCode"], status, response)
        if text is not None:
            self.assertIn(text, response["Error"]["Message"])
        self.assertIn("RequestId", response["ResponseMetadata"])


main = unittest.main
