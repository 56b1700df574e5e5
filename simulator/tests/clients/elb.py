"""Load balancers: what they are described as, and where their listeners send real requests."""

import collections
import functools
import http.client
import os
import time

import boto3
from targets import Target
from world import ONCE, PATIENT, Case, main, session, snapshot

READER = "arn:aws:iam::222222222222:role/reader"
ARN = "arn:aws:elasticloadbalancing:eu-central-1:222222222222:"

# The rate buckets are in real time, and a test asks more often than they give.
elb = boto3.client("elbv2", config=PATIENT)
# The waiters' pauses are meant for the world's time.
PACE = {"Delay": max(1, 15 // int(float(os.environ["GREENLIGHT_SPEED"]))), "MaxAttempts": 60}


@functools.cache
def group(name):
    return elb.describe_target_groups(Names=[name])["TargetGroups"][0]["TargetGroupArn"]


def balancer():
    return elb.describe_load_balancers(Names=["front"])["LoadBalancers"][0]


def listener(name):
    by_name = {listener["name"]: listener["arn"] for listener in snapshot()["listeners"]}
    return elb.describe_listeners(ListenerArns=[by_name[name]])["Listeners"][0]


def forward(name, **weights):
    groups = [{"TargetGroupArn": group(g), "Weight": weight} for g, weight in weights.items()]
    action = {"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}
    return elb.modify_listener(ListenerArn=listener(name)["ListenerArn"], DefaultActions=[action])["Listeners"][0]


@functools.cache
def address(name):
    """What a client that takes DNSName and the listener's port connects to."""
    return balancer()["DNSName"], listener(name)["Port"]


def get(name):
    connection = http.client.HTTPConnection(*address(name), timeout=10)
    connection.request("GET", "/")
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer.status, answer.getheader("server"), body


class Described(Case):
    def test_load_balancers(self):
        found = elb.describe_load_balancers()["LoadBalancers"]
        self.assertEqual([b["LoadBalancerName"] for b in found], ["front", "inner"])
        front = found[0]
        self.assertRegex(front["LoadBalancerArn"], f"^{ARN}loadbalancer/app/front/[0-9a-f]{{16}}$")
        self.assertEqual(front["State"], {"Code": "active"})
        self.assertEqual(front["Type"], "application")
        self.assertLess(abs(front["CreatedTime"].timestamp() - time.time()), 3600)
        self.assertEqual(front["DNSName"], "127.0.0.1")
        by_arn = elb.describe_load_balancers(LoadBalancerArns=[front["LoadBalancerArn"]])
        self.assertEqual(by_arn["LoadBalancers"], [front])
        attributes = elb.describe_load_balancer_attributes(LoadBalancerArn=front["LoadBalancerArn"])["Attributes"]
        self.assertIn({"Key": "idle_timeout.timeout_seconds", "Value": "60"}, attributes)

    def test_pages(self):
        for operation, key, parameters in [
            ("describe_load_balancers", "LoadBalancers", {}),
            ("describe_target_groups", "TargetGroups", {}),
            ("describe_listeners", "Listeners", {"LoadBalancerArn": balancer()["LoadBalancerArn"]}),
        ]:
            whole = getattr(elb, operation)(**parameters)[key]
            pages = list(elb.get_paginator(operation).paginate(**parameters, PaginationConfig={"PageSize": 1}))
            self.assertEqual(len(pages), len(whole))
            self.assertEqual([page[key][0] for page in pages], whole)
        with self.fails("ValidationError", 400):
            elb.describe_load_balancers(PageSize=401)
        with self.fails("ValidationError", 400):
            elb.describe_load_balancers(Marker="nonsense")

    def test_a_single_group_is_named_twice(self):
        forward("production", blue=1)
        action = listener("production")["DefaultActions"][0]
        self.assertEqual(action["Type"], "forward")
        self.assertEqual(action["TargetGroupArn"], group("blue"))
        self.assertEqual(action["ForwardConfig"]["TargetGroups"], [{"TargetGroupArn": group("blue"), "Weight": 1}])

    def test_two_groups_have_weights_only(self):
        action = listener("test")["DefaultActions"][0]
        self.assertNotIn("TargetGroupArn", action)
        weights = [(g["TargetGroupArn"], g["Weight"]) for g in action["ForwardConfig"]["TargetGroups"]]
        self.assertEqual(weights, [(group("blue"), 90), (group("green"), 10)])
        self.assertEqual(action["ForwardConfig"]["TargetGroupStickinessConfig"], {"Enabled": False})

    def test_the_default_rule(self):
        described = listener("test")
        rules = elb.describe_rules(ListenerArn=described["ListenerArn"])["Rules"]
        self.assertEqual(len(rules), 1)
        self.assertEqual((rules[0]["Priority"], rules[0]["IsDefault"]), ("default", True))
        self.assertEqual(rules[0]["Conditions"], [])
        self.assertEqual(rules[0]["Actions"], described["DefaultActions"])
        by_arn = elb.describe_rules(RuleArns=[rules[0]["RuleArn"]])["Rules"]
        self.assertEqual(by_arn, rules)

    def test_target_groups(self):
        front = balancer()["LoadBalancerArn"]
        found = {g["TargetGroupName"]: g for g in elb.describe_target_groups()["TargetGroups"]}
        self.assertEqual(set(found), {"blue", "green", "idle"})
        blue = found["blue"]
        self.assertEqual(blue["Matcher"], {"HttpCode": "200"})
        self.assertEqual((blue["HealthCheckPath"], blue["HealthCheckIntervalSeconds"]), ("/health", 5))
        self.assertEqual(blue["LoadBalancerArns"], [front])
        self.assertEqual(found["idle"]["LoadBalancerArns"], [])
        behind = elb.describe_target_groups(LoadBalancerArn=front)["TargetGroups"]
        self.assertEqual({g["TargetGroupName"] for g in behind}, {"blue", "green"})
        attributes = elb.describe_target_group_attributes(TargetGroupArn=group("green"))["Attributes"]
        self.assertIn({"Key": "deregistration_delay.timeout_seconds", "Value": "30"}, attributes)

    def test_tags(self):
        arns = [balancer()["LoadBalancerArn"], group("blue"), listener("test")["ListenerArn"]]
        described = elb.describe_tags(ResourceArns=arns)["TagDescriptions"]
        self.assertEqual(described, [{"ResourceArn": arn, "Tags": []} for arn in arns])

    def test_what_is_not_there(self):
        for code, call in [
            ("LoadBalancerNotFound", lambda: elb.describe_load_balancers(Names=["nobody"])),
            ("LoadBalancerNotFound", lambda: elb.describe_listeners(LoadBalancerArn=ARN + "loadbalancer/app/x/0")),
            ("ListenerNotFound", lambda: elb.describe_listeners(ListenerArns=[ARN + "listener/app/x/0/0"])),
            ("ListenerNotFound", lambda: elb.describe_rules(ListenerArn=ARN + "listener/app/x/0/0")),
            ("RuleNotFound", lambda: elb.describe_rules(RuleArns=[ARN + "listener-rule/app/x/0/0/0"])),
            ("TargetGroupNotFound", lambda: elb.describe_target_groups(Names=["nobody"])),
            ("TargetGroupNotFound", lambda: elb.describe_target_health(TargetGroupArn=ARN + "targetgroup/x/0")),
            ("TargetGroupNotFound", lambda: elb.describe_tags(ResourceArns=[ARN + "targetgroup/x/0"])),
            ("ValidationError", lambda: elb.describe_listeners()),
        ]:
            with self.subTest(code), self.fails(code, 400):
                call()

    def test_another_region_has_none(self):
        # The region exists for nobody, or it is empty: either way it doesn't show this one.
        with self.assertRaises(Exception):
            found = boto3.client("elbv2", region_name="us-east-1", config=ONCE).describe_load_balancers()
            self.assertTrue(found["LoadBalancers"])


class Forwarding(Case):
    def setUp(self):
        self.targets = []
        forward("production", blue=1)

    def tearDown(self):
        for name, target in self.targets:
            elb.deregister_targets(TargetGroupArn=group(name), Targets=[target.described])
            target.close()

    def target(self, name):
        target = Target(name)
        self.targets.append((name, target))
        elb.register_targets(TargetGroupArn=group(name), Targets=[target.described])
        return target

    def health(self, name):
        described = elb.describe_target_health(TargetGroupArn=group(name))["TargetHealthDescriptions"]
        return [(d["Target"]["Port"], d["TargetHealth"]) for d in described]

    def until(self, name, state):
        limit = time.time() + 120
        while [health["State"] for _, health in self.health(name)] != [state]:
            self.assertLess(time.time(), limit, self.health(name))
            time.sleep(0.2)

    def test_weights_are_exact_over_the_real_socket(self):
        self.target("blue")
        self.target("green")
        described = forward("production", blue=90, green=10)
        self.assertNotIn("TargetGroupArn", described["DefaultActions"][0])
        answers = collections.Counter(get("production") for _ in range(100))
        self.assertEqual({body: n for (status, _, body), n in answers.items()}, {"blue": 90, "green": 10})
        forward("production", blue=0, green=1)
        self.assertEqual(get("production")[2], "green")

    def test_health(self):
        target = self.target("blue")
        elb.get_waiter("target_in_service").wait(
            TargetGroupArn=group("blue"), Targets=[target.described], WaiterConfig=PACE
        )
        self.assertEqual(self.health("blue"), [(target.port, {"State": "healthy"})])
        target.health = 500
        self.until("blue", "unhealthy")
        self.assertEqual(
            self.health("blue")[0][1],
            {
                "State": "unhealthy",
                "Reason": "Target.ResponseCodeMismatch",
                "Description": "Health checks failed with these codes: [500]",
            },
        )
        # With nobody healthy the group fails open.
        self.assertEqual(get("production")[2], "blue")
        target.health = 200
        self.until("blue", "healthy")
        elb.deregister_targets(TargetGroupArn=group("blue"), Targets=[target.described])
        elb.get_waiter("target_deregistered").wait(
            TargetGroupArn=group("blue"), Targets=[target.described], WaiterConfig=PACE
        )
        self.assertEqual(self.health("blue"), [])

    def test_a_group_behind_no_listener_is_unused(self):
        self.target("idle")
        self.assertEqual(self.health("idle")[0][1]["State"], "unused")
        self.assertEqual(self.health("idle")[0][1]["Reason"], "Target.NotInUse")

    def test_an_unknown_target_is_said_to_be_one(self):
        described = elb.describe_target_health(
            TargetGroupArn=group("blue"), Targets=[{"Id": "10.0.0.9", "Port": 80}]
        )["TargetHealthDescriptions"]
        self.assertEqual(described[0]["TargetHealth"]["Reason"], "Target.NotRegistered")

    def test_nobody_is_there(self):
        self.assertEqual(get("production")[:2], (503, "awselb/2.0"))
        target = self.target("blue")
        target.status = 503
        status, server, body = get("production")
        self.assertEqual((status, body), (503, "blue"))
        self.assertNotEqual(server, "awselb/2.0")

    def test_what_a_listener_refuses(self):
        arn = listener("production")["ListenerArn"]

        def modify(**action):
            elb.modify_listener(ListenerArn=arn, DefaultActions=[{"Type": "forward", **action}])

        unknown = ARN + "targetgroup/x/0"
        with self.fails("TargetGroupNotFound", 400):
            modify(TargetGroupArn=unknown)
        with self.fails("TargetGroupNotFound", 400):
            modify(ForwardConfig={"TargetGroups": [{"TargetGroupArn": unknown, "Weight": 1}]})
        with self.fails("ValidationError", 400):
            modify(ForwardConfig={"TargetGroups": [{"TargetGroupArn": group("blue"), "Weight": 1000}]})
        with self.fails("ListenerNotFound", 400):
            elb.modify_listener(ListenerArn=arn + "0", DefaultActions=[])
        with self.fails("InvalidTarget", 400):
            elb.register_targets(TargetGroupArn=group("blue"), Targets=[{"Id": "nowhere"}])
        self.assertEqual(listener("production")["DefaultActions"][0]["TargetGroupArn"], group("blue"))

    def test_a_reader_may_not_modify(self):
        reader = session(READER).client("elbv2", config=ONCE)
        reader.describe_listeners(ListenerArns=[listener("production")["ListenerArn"]])
        with self.fails("AccessDenied", 403, "elasticloadbalancing:ModifyListener"):
            reader.modify_listener(ListenerArn=listener("production")["ListenerArn"], DefaultActions=[])
        # What this world doesn't have is no matter of permission.
        with self.fails("InvalidAction", 400):
            reader.create_rule(ListenerArn="a", Conditions=[], Priority=1, Actions=[])
        with self.fails("AccessDenied", 403, "elasticloadbalancing:RegisterTargets on resource: " + group("blue")):
            reader.register_targets(TargetGroupArn=group("blue"), Targets=[{"Id": "127.0.0.1"}])


if __name__ == "__main__":
    main()
