"""Identity: who calls, which roles open to whom, and how a refusal reads."""

import datetime
import json
import os
import urllib.parse
import urllib.request

import boto3
from botocore import UNSIGNED
from botocore.config import Config

from world import BUILD, DEPLOY, ONCE, Case, main, of, session, snapshot

NAMED = "arn:aws:iam::111111111111:role/named-in-trust"
GUARDED = "arn:aws:iam::222222222222:role/guarded"


def sts(*roles, **parameters):
    return session(*roles, **parameters).client("sts", config=ONCE)


class Identity(Case):
    def test_a_user(self):
        identity = sts().get_caller_identity()
        self.assertEqual(identity["Account"], "111111111111")
        self.assertEqual(identity["Arn"], "arn:aws:iam::111111111111:user/developer")
        self.assertTrue(identity["UserId"].startswith("AIDA"))

    def test_a_chain_of_roles(self):
        identity = sts(BUILD, DEPLOY, name="run-1").get_caller_identity()
        self.assertEqual(identity["Account"], "222222222222")
        self.assertEqual(identity["Arn"], "arn:aws:sts::222222222222:assumed-role/greenlight-deploy/run-1")
        self.assertRegex(identity["UserId"], "^AROA[A-Z0-9]{17}:run-1$")

    def test_the_answer_of_assume_role(self):
        answer = sts().assume_role(RoleArn=BUILD, RoleSessionName="run-1", DurationSeconds=900)
        self.assertRegex(answer["Credentials"]["AccessKeyId"], "^ASIA[A-Z0-9]{16}$")
        left = answer["Credentials"]["Expiration"] - datetime.datetime.now(datetime.timezone.utc)
        self.assertTrue(0 < left.total_seconds() <= 900)
        self.assertEqual(
            answer["AssumedRoleUser"]["Arn"], "arn:aws:sts::111111111111:assumed-role/greenlight-build/run-1"
        )

    def test_the_journal_has_every_call(self):
        sts().get_caller_identity()
        call = snapshot()["api_calls"][-1]
        self.assertEqual((call["service"], call["operation"]), ("sts", "GetCallerIdentity"))
        self.assertEqual(call["caller"], "arn:aws:iam::111111111111:user/developer")
        self.assertIsNone(call["error"])


def job_token(audience="sts.amazonaws.com"):
    """The token of the world's job, asked for as a step asks."""
    request = urllib.request.Request(
        os.environ["ACTIONS_ID_TOKEN_REQUEST_URL"] + "&audience=" + urllib.parse.quote(audience),
        headers={"Authorization": "Bearer " + os.environ["ACTIONS_ID_TOKEN_REQUEST_TOKEN"]},
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)["value"]


class WebIdentity(Case):
    def enter(self, token, role=BUILD, **parameters):
        # No key at all is at hand: the call is not signed.
        unsigned = boto3.client("sts", config=ONCE.merge(Config(signature_version=UNSIGNED)))
        return unsigned.assume_role_with_web_identity(
            RoleArn=role, RoleSessionName="run-1", WebIdentityToken=token, **parameters
        )

    def test_a_job_enters_and_goes_on(self):
        answer = self.enter(job_token())
        self.assertEqual(answer["SubjectFromWebIdentityToken"], "repo:acme@1001/hello@2002:ref:refs/heads/main")
        self.assertEqual(answer["Audience"], "sts.amazonaws.com")
        entered = of(answer["Credentials"]).client("sts", config=ONCE)
        arn = "arn:aws:sts::111111111111:assumed-role/greenlight-build/run-1"
        self.assertEqual(entered.get_caller_identity()["Arn"], arn)
        entered.assume_role(RoleArn=DEPLOY, RoleSessionName="run-1")
        self.enter(job_token(), DurationSeconds=7200)
        with self.fails("ValidationError", 400, "MaxSessionDuration"):
            self.enter(job_token(), DurationSeconds=7201)

    def test_refusals(self):
        denied = "Not authorized to perform sts:AssumeRoleWithWebIdentity"
        for role in [BUILD.replace("build", "branch"), BUILD + "x"]:
            with self.fails("AccessDenied", 403, denied):
                self.enter(job_token(), role)
        with self.fails("InvalidIdentityToken", 400, "No OpenIDConnect provider found"):
            self.enter(job_token(), DEPLOY)
        with self.fails("InvalidIdentityToken", 400):
            self.enter(job_token("https://github.com/acme"))
        header, claims, signature = job_token().split(".")
        for token in ["nonsense", ".".join([header, claims, signature[::-1]])]:
            with self.fails("InvalidIdentityToken", 400):
                self.enter(token)


class AssumeRole(Case):
    def test_the_trust_must_name_the_caller(self):
        with self.fails(
            "AccessDenied",
            403,
            "User: arn:aws:iam::111111111111:user/developer is not authorized to perform: sts:AssumeRole on resource: "
            + DEPLOY,
        ):
            sts().assume_role(RoleArn=DEPLOY, RoleSessionName="run")

    def test_a_role_that_is_not_there(self):
        with self.fails("AccessDenied", 403):
            sts().assume_role(RoleArn=BUILD + "x", RoleSessionName="run")

    def test_named_in_the_trust_of_the_same_account(self):
        sts(BUILD, NAMED).get_caller_identity()
        with self.fails("AccessDenied", 403):
            sts(NAMED)

    def test_external_id(self):
        # The build role's own policy doesn't name the guarded role, whatever the id.
        with self.fails("AccessDenied", 403):
            sts(BUILD).assume_role(RoleArn=GUARDED, RoleSessionName="run", ExternalId="open-sesame")

    def test_tags_take_the_trust_too(self):
        tags = [{"Key": "Repository", "Value": "acme/hello"}]
        sts(BUILD).assume_role(RoleArn=DEPLOY, RoleSessionName="run", Tags=tags)
        with self.fails("AccessDenied", 403, "sts:TagSession"):
            sts(BUILD).assume_role(RoleArn=NAMED, RoleSessionName="run", Tags=tags)

    def test_transitive_tags_go_on_and_cannot_be_passed_again(self):
        tags = [{"Key": "Repository", "Value": "acme/hello"}]
        first = sts().assume_role(RoleArn=BUILD, RoleSessionName="run", Tags=tags, TransitiveTagKeys=["Repository"])
        client = of(first["Credentials"]).client("sts", config=ONCE)
        client.assume_role(RoleArn=DEPLOY, RoleSessionName="run")
        with self.fails("ValidationError", 400):
            client.assume_role(RoleArn=DEPLOY, RoleSessionName="run", Tags=tags)

    def test_limits(self):
        for parameters in [
            {"RoleSessionName": "a/b"},
            {"RoleSessionName": "r" * 65},
            {"DurationSeconds": 43201},
            {"DurationSeconds": 7201},
            {"ExternalId": "no spaces"},
            {"Tags": [{"Key": "k" * 129, "Value": ""}]},
            {"Tags": [{"Key": f"k{n}", "Value": "v"} for n in range(51)]},
        ]:
            with self.subTest(parameters), self.fails("ValidationError", 400):
                sts().assume_role(**{"RoleArn": BUILD, "RoleSessionName": "run", **parameters})
        with self.fails("ValidationError", 400):
            sts().assume_role(RoleArn="arn:aws:iam::1:role/short", RoleSessionName="run")
        sts().assume_role(RoleArn=BUILD, RoleSessionName="run", DurationSeconds=7200)

    def test_chaining_ends_after_an_hour(self):
        with self.fails("ValidationError", 400, "1 hour session limit"):
            sts(BUILD).assume_role(RoleArn=DEPLOY, RoleSessionName="run", DurationSeconds=3601)


if __name__ == "__main__":
    main()
