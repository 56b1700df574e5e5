"""Services whose tasks are real containers: on Fargate, on instances, over capacity providers."""

import time
import urllib.request

from world import Case, deploy, main, snapshot

ecs = deploy("ecs")
elb = deploy("elbv2")
PROD = "arn:aws:ecs:eu-central-1:222222222222"


def service(name, **parameters):
    return ecs.describe_services(cluster="prod", services=[name], **parameters)["services"][0]


def tasks(name, **parameters):
    arns = ecs.list_tasks(cluster="prod", serviceName=name, **parameters)["taskArns"]
    return ecs.describe_tasks(cluster="prod", tasks=arns)["tasks"]


def get(listener, path="/"):
    """What a client of the load balancer gets."""
    [port] = [one["port"] for one in snapshot()["listeners"] if one["name"] == listener]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as answer:
        return answer.read().decode()


def until(told, *holds):
    """Waits for what the world is about to do."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if told() in holds:
            return
        time.sleep(0.1)
    raise AssertionError(f"{told()} never became one of {holds}")


class Fargate(Case):
    def test_the_service_is_steady_in_its_task_set(self):
        hello = service("hello", include=["TAGS"])
        self.assertEqual(hello["serviceArn"], f"{PROD}:service/prod/hello")
        self.assertEqual((hello["desiredCount"], hello["runningCount"], hello["pendingCount"]), (2, 2, 0))
        self.assertEqual(hello["deployments"], [])
        self.assertEqual(hello["deploymentController"], {"type": "CODE_DEPLOY"})
        self.assertEqual(hello["launchType"], "FARGATE")
        self.assertEqual(hello["tags"], [{"key": "team", "value": "core"}])
        [blue] = hello["taskSets"]
        self.assertRegex(blue["id"], r"^ecs-svc/\d{19}$")
        self.assertEqual(blue["taskSetArn"], f"{PROD}:task-set/prod/hello/{blue['id']}")
        self.assertEqual((blue["status"], blue["stabilityStatus"]), ("PRIMARY", "STEADY_STATE"))
        self.assertEqual((blue["computedDesiredCount"], blue["runningCount"]), (2, 2))
        self.assertEqual(blue["scale"], {"value": 100.0, "unit": "PERCENT"})
        self.assertNotIn("externalId", blue)
        [balancer] = blue["loadBalancers"]
        self.assertEqual((balancer["containerName"], balancer["containerPort"]), ("app", 8080))
        told = [event["message"] for event in hello["events"]]
        self.assertTrue(any("has reached a steady state." in one for one in told), told)

    def test_its_tasks_are_containers_behind_the_load_balancer(self):
        self.assertEqual(get("production"), "hello from version 1\n")
        both = tasks("hello")
        self.assertEqual(len(both), 2)
        for task in both:
            self.assertRegex(task["taskArn"], f"^{PROD}:task/prod/[0-9a-f]{{32}}$")
            self.assertEqual((task["lastStatus"], task["desiredStatus"]), ("RUNNING", "RUNNING"))
            self.assertEqual((task["group"], task["launchType"]), ("service:hello", "FARGATE"))
            self.assertEqual(task["platformVersion"], "1.4.0")
            self.assertLessEqual(task["pullStartedAt"], task["pullStoppedAt"])
            self.assertLessEqual(task["pullStoppedAt"], task["startedAt"])
            [container] = task["containers"]
            self.assertEqual((container["name"], container["lastStatus"]), ("app", "RUNNING"))
            self.assertRegex(container["imageDigest"], "^sha256:[0-9a-f]{64}$")
            self.assertEqual(container["networkBindings"], [])
            [attachment] = task["attachments"]
            details = {detail["name"]: detail["value"] for detail in attachment["details"]}
            [interface] = container["networkInterfaces"]
            self.assertEqual(interface["privateIpv4Address"], details["privateIPv4Address"])
            self.assertEqual(interface["attachmentId"], attachment["id"])
        group = service("hello")["taskSets"][0]["loadBalancers"][0]["targetGroupArn"]
        health = elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
        addresses = {task["containers"][0]["networkInterfaces"][0]["privateIpv4Address"] for task in both}
        self.assertEqual({one["Target"]["Id"] for one in health}, addresses)
        self.assertEqual({one["TargetHealth"]["State"] for one in health}, {"healthy"})

    def test_the_output_is_in_the_log(self):
        task = tasks("hello")[0]
        stream = f"hello/app/{task['taskArn'].rsplit('/', 1)[1]}"
        events = deploy("logs").get_log_events(logGroupName="/ecs/hello", logStreamName=stream)["events"]
        self.assertEqual(events[0]["message"], "version 1 listens on port 8080")

    def test_scaling_starts_and_drains(self):
        try:
            ecs.update_service(cluster="prod", service="hello", desiredCount=3)
            until(lambda: service("hello")["runningCount"], 3)
        finally:
            ecs.update_service(cluster="prod", service="hello", desiredCount=2)
        until(lambda: service("hello")["taskSets"][0]["stabilityStatus"], "STEADY_STATE")
        until(lambda: len(tasks("hello", desiredStatus="STOPPED")) >= 1, True)
        stopped = tasks("hello", desiredStatus="STOPPED")[0]
        self.assertEqual(stopped["stopCode"], "ServiceSchedulerInitiated")
        self.assertTrue(stopped["stoppedReason"].startswith("Scaling activity initiated by (deployment ecs-svc/"))


class Instances(Case):
    def test_host_ports_are_dynamic_and_targets_are_instances(self):
        self.assertRegex(get("instances"), "^hello from version ")
        both = tasks("bridge")
        bound = set()
        for task in both:
            self.assertEqual(task["launchType"], "EC2")
            [binding] = task["containers"][0]["networkBindings"]
            self.assertEqual((binding["containerPort"], binding["protocol"]), (8080, "tcp"))
            found = ecs.describe_container_instances(
                cluster="prod", containerInstances=[task["containerInstanceArn"]]
            )
            bound.add((found["containerInstances"][0]["ec2InstanceId"], binding["hostPort"]))
            self.assertEqual(task["attachments"], [])
        self.assertEqual(len(bound), 2)
        group = service("bridge")["loadBalancers"][0]["targetGroupArn"]
        health = elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
        self.assertEqual({(one["Target"]["Id"], one["Target"]["Port"]) for one in health}, bound)

    def test_a_rolling_update_ends_on_the_new_revision(self):
        known = ecs.describe_task_definition(taskDefinition="bridge")["taskDefinition"]
        container = known["containerDefinitions"][0] | {
            "image": known["containerDefinitions"][0]["image"].replace("hello:1", "hello:2")
        }
        new = ecs.register_task_definition(
            family="bridge",
            networkMode="bridge",
            executionRoleArn=known["executionRoleArn"],
            containerDefinitions=[container],
        )["taskDefinition"]
        updated = ecs.update_service(cluster="prod", service="bridge", taskDefinition=new["taskDefinitionArn"])
        statuses = [one["status"] for one in updated["service"]["deployments"]]
        self.assertEqual(statuses, ["PRIMARY", "ACTIVE"])
        ecs.get_waiter("services_stable").wait(
            cluster="prod", services=["bridge"], WaiterConfig={"Delay": 0.3, "MaxAttempts": 200}
        )
        [deployment] = service("bridge")["deployments"]
        self.assertEqual(deployment["taskDefinition"], new["taskDefinitionArn"])
        self.assertEqual(deployment["rolloutState"], "COMPLETED")
        self.assertEqual(get("instances"), "hello from version 2\n")


class CapacityProviders(Case):
    def test_the_strategy_decides(self):
        spread = service("spread")
        self.assertNotIn("launchType", spread)
        self.assertEqual(spread["capacityProviderStrategy"][0]["capacityProvider"], "FARGATE")
        names = sorted(task["capacityProviderName"] for task in tasks("spread"))
        self.assertEqual(names, ["FARGATE", "FARGATE_SPOT", "FARGATE_SPOT"])
        self.assertEqual(get("spread"), "hello from version 1\n")


main()
