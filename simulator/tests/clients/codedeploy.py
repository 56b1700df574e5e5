"""CodeDeploy, from boto3: deployments to their end with the traffic that goes with them, and every refusal."""

import hashlib
import json
import time
import urllib.error
import urllib.request

from world import ONCE, PATIENT, Case, main, session, snapshot

CLIENTS = session()
CODEDEPLOY = CLIENTS.client("codedeploy", config=PATIENT)
ECS = CLIENTS.client("ecs", config=PATIENT)
ELB = CLIENTS.client("elbv2", config=PATIENT)
GROUP = {"applicationName": "hello", "deploymentGroupName": "production"}
TARGET = "prod:hello"
UNKNOWN = "d-000000000"
EVENTS = [
    "BeforeInstall",
    "Install",
    "AfterInstall",
    "AllowTestTraffic",
    "AfterAllowTestTraffic",
    "BeforeAllowTraffic",
    "AllowTraffic",
    "AfterAllowTraffic",
]


def appspec(definition, hooks=()):
    return {
        "version": 0.0,
        "Resources": [
            {
                "TargetService": {
                    "Type": "AWS::ECS::Service",
                    "Properties": {
                        "TaskDefinition": definition,
                        "LoadBalancerInfo": {"ContainerName": "app", "ContainerPort": 8080},
                    },
                }
            }
        ],
        "Hooks": list(hooks),
    }


def revision(document):
    content = document if isinstance(document, str) else json.dumps(document)
    sha256 = hashlib.sha256(content.encode()).hexdigest()
    return {"revisionType": "AppSpecContent", "appSpecContent": {"content": content, "sha256": sha256}}


def register(version):
    """A revision of the task definition whose containers say this version."""
    live = ECS.describe_task_definition(taskDefinition="hello")["taskDefinition"]
    containers = live["containerDefinitions"]
    containers[0]["environment"] = [{"name": "VERSION", "value": version}]
    kept = ["family", "networkMode", "requiresCompatibilities", "cpu", "memory", "executionRoleArn"]
    answer = ECS.register_task_definition(containerDefinitions=containers, **{name: live[name] for name in kept})
    return answer["taskDefinition"]["taskDefinitionArn"]


def live_definition():
    return service()["taskDefinition"]


def service():
    return ECS.describe_services(cluster="prod", services=["hello"])["services"][0]


def create(document=None, **parameters):
    document = document or appspec(live_definition())
    return CODEDEPLOY.create_deployment(**{**GROUP, "revision": revision(document), **parameters})["deploymentId"]


def info(deployment):
    return CODEDEPLOY.get_deployment(deploymentId=deployment)["deploymentInfo"]


def target(deployment):
    answer = CODEDEPLOY.get_deployment_target(deploymentId=deployment, targetId=TARGET)
    return answer["deploymentTarget"]["ecsTarget"]


def events(deployment):
    return {event["lifecycleEventName"]: event["status"] for event in target(deployment)["lifecycleEvents"]}


def until(look, what):
    """Looks again and again until it is so, and answers what was seen."""
    limit = time.monotonic() + 120
    while not (seen := look()):
        if time.monotonic() > limit:
            raise AssertionError(f"it never came to {what}: {json.dumps(snapshot()['deployments'][-1], indent=1)}")
        time.sleep(0.02)
    return seen


def until_status(deployment, *statuses):
    return until(lambda: (seen := info(deployment))["status"] in statuses and seen, statuses)


def until_event(deployment, name):
    def begun():
        try:
            return events(deployment)[name] != "Pending"
        except CODEDEPLOY.exceptions.DeploymentNotStartedException:
            return False

    until(begun, name)


def running():
    statuses = ["Created", "Queued", "InProgress", "Ready"]
    return CODEDEPLOY.list_deployments(**GROUP, includeOnlyStatuses=statuses)["deployments"]


def until_free():
    until(lambda: not running(), "an end of all deployments")


def listener(name):
    return next(each for each in snapshot()["listeners"] if each["name"] == name)


def weights(name):
    """The weights of the listener's target groups by their names, as ELB tells them."""
    actions = ELB.describe_listeners(ListenerArns=[listener(name)["arn"]])["Listeners"][0]["DefaultActions"]
    groups = actions[0]["ForwardConfig"]["TargetGroups"]
    return {group["TargetGroupArn"].split("/")[1]: group["Weight"] for group in groups}


def version(name):
    """Which version answers a request to the listener."""
    with urllib.request.urlopen(f"http://127.0.0.1:{listener(name)['port']}/version") as answer:
        return json.load(answer)["version"]


def versions(name, count=20):
    return {version(name) for _ in range(count)}


class Deployments(Case):
    def setUp(self):
        until_free()
        until(lambda: all(one["stabilityStatus"] == "STEADY_STATE" for one in service()["taskSets"]), "steadiness")
        self.before = service()
        self.serving = version("production")
        primary = next(one for one in self.before["taskSets"] if one["status"] == "PRIMARY")
        self.blue = primary["loadBalancers"][0]["targetGroupArn"].split("/")[1]
        self.green = {"hello-one": "hello-two", "hello-two": "hello-one"}[self.blue]

    def tearDown(self):
        # What a test that failed has left under way.
        for deployment in running():
            CODEDEPLOY.stop_deployment(deploymentId=deployment, autoRollbackEnabled=True)

    def assert_back_on_blue(self):
        self.assertEqual(weights("production"), {self.blue: 100, self.green: 0})
        self.assertEqual(versions("production"), {self.serving})
        self.assertEqual(service()["taskDefinition"], self.before["taskDefinition"])
        primary = [one["id"] for one in service()["taskSets"] if one["status"] == "PRIMARY"]
        self.assertEqual(primary, [one["id"] for one in self.before["taskSets"] if one["status"] == "PRIMARY"])

    def assert_rolled_back(self, deployment):
        ended = info(deployment)
        rollback = ended["rollbackInfo"]["rollbackDeploymentId"]
        self.assertEqual(
            ended["rollbackInfo"]["rollbackMessage"],
            f"Deployment {deployment} terminated. Automatic rollback is triggered with a DeploymentId {rollback}.",
        )
        back = until_status(rollback, "Succeeded")
        self.assertEqual(back["creator"], "codeDeployRollback")
        self.assertEqual(back["deploymentConfigName"], "CodeDeployDefault.ECSAllAtOnce")
        self.assertEqual(back["rollbackInfo"]["rollbackTriggeringDeploymentId"], deployment)
        self.assertEqual(
            back["rollbackInfo"]["rollbackMessage"],
            f"Deployment {rollback} is triggered to roll back deployment {deployment}.",
        )
        self.assertEqual(info(deployment)["status"], ended["status"])
        self.assert_back_on_blue()

    def test_a_whole_deployment_moves_the_traffic(self):
        new = f"{int(self.serving) + 1}"
        definition = register(new)
        deployment = create(appspec(definition), description="run 1")
        self.assertRegex(deployment, "^d-[A-Z0-9]{9}$")
        seen = info(deployment)
        self.assertIn(seen["status"], ["Created", "InProgress"])
        self.assertNotIn("deploymentOverview", seen)
        self.assertNotIn("content", seen["revision"]["appSpecContent"])
        self.assertEqual(seen["description"], "run 1")

        until_status(deployment, "Ready")
        ids = CODEDEPLOY.list_deployment_targets(deploymentId=deployment)["targetIds"]
        self.assertEqual(ids, [TARGET])
        self.assertEqual(
            events(deployment), {name: "Succeeded" if EVENTS.index(name) < 5 else "Pending" for name in EVENTS}
        )
        self.assertEqual(versions("production"), {self.serving})
        self.assertEqual(versions("test"), {new})
        self.assertEqual(weights("test"), {self.blue: 0, self.green: 100})

        CODEDEPLOY.continue_deployment(deploymentId=deployment, deploymentWaitType="READY_WAIT")
        until(lambda: weights("production").get(self.green) == 50, "the first step")
        self.assertEqual(info(deployment)["status"], "InProgress")
        sets = CODEDEPLOY.batch_get_deployment_targets(deploymentId=deployment, targetIds=ids)
        sets = sets["deploymentTargets"][0]["ecsTarget"]["taskSetsInfo"]
        self.assertEqual([one["taskSetLabel"] for one in sets], ["Blue", "Green"])
        self.assertEqual([one["trafficWeight"] for one in sets], [50.0, 50.0])
        self.assertEqual([one["targetGroup"]["name"] for one in sets], [self.blue, self.green])
        known = {one["id"]: one for one in service()["taskSets"]}
        self.assertEqual({one["identifer"] for one in sets}, set(known))
        self.assertEqual(known[sets[1]["identifer"]]["externalId"], deployment)
        self.assertEqual(known[sets[1]["identifer"]]["startedBy"], "CODE_DEPLOY")
        self.assertEqual(versions("production"), {self.serving, new})

        until(lambda: target(deployment)["status"] == "Succeeded", "the termination wait")
        self.assertEqual(info(deployment)["status"], "InProgress")
        self.assertFalse(info(deployment)["instanceTerminationWaitTimeStarted"])
        self.assertEqual(set(events(deployment).values()), {"Succeeded"})
        self.assertEqual(weights("production"), {self.blue: 0, self.green: 100})
        self.assertEqual(versions("production"), {new})
        with self.fails("DeploymentLimitExceededException", text=deployment):
            create()

        CODEDEPLOY.continue_deployment(deploymentId=deployment, deploymentWaitType="TERMINATION_WAIT")
        CODEDEPLOY.get_waiter("deployment_successful").wait(
            deploymentId=deployment, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
        )
        ended = info(deployment)
        self.assertEqual(ended["deploymentOverview"]["Succeeded"], 1)
        self.assertGreater(ended["completeTime"], ended["startTime"])
        self.assertEqual(service()["taskDefinition"], definition)
        until(lambda: [one["status"] for one in service()["taskSets"]] == ["PRIMARY"], "blue being gone")
        group = CODEDEPLOY.get_deployment_group(**GROUP)["deploymentGroupInfo"]
        self.assertEqual(group["lastSuccessfulDeployment"]["deploymentId"], deployment)
        self.assertEqual(group["targetRevision"], ended["revision"])
        text = CODEDEPLOY.get_application_revision(applicationName="hello", revision=ended["revision"])
        self.assertEqual(json.loads(text["revision"]["appSpecContent"]["content"]), appspec(definition))
        told = next(one for one in snapshot()["deployments"] if one["id"] == deployment)
        self.assertEqual([green for _, green in told["weights"]], [0, 50, 100])
        self.assertLess(abs(told["ended_real_ms"] / 1000 - time.time()), 60)

    def test_a_stop_with_rollback_gives_production_back(self):
        deployment = create(appspec(register("stopped")))
        until_status(deployment, "Ready")
        CODEDEPLOY.continue_deployment(deploymentId=deployment, deploymentWaitType="READY_WAIT")
        until(lambda: weights("production").get(self.green) == 50, "the first step")
        answer = CODEDEPLOY.stop_deployment(deploymentId=deployment, autoRollbackEnabled=True)
        self.assertIn(answer["status"], ["Pending", "Succeeded"])
        ended = until_status(deployment, "Stopped")
        self.assertEqual(ended["errorInformation"]["code"], "MANUAL_STOP")
        self.assertEqual(ended["deploymentOverview"]["Failed"], 1)
        self.assertEqual(events(deployment)["AllowTraffic"], "Failed")
        self.assertEqual(events(deployment)["AfterAllowTraffic"], "Skipped")
        self.assert_rolled_back(deployment)
        with self.fails("DeploymentAlreadyCompletedException"):
            CODEDEPLOY.stop_deployment(deploymentId=deployment)
        with self.assertRaises(Exception) as failed:
            CODEDEPLOY.get_waiter("deployment_successful").wait(deploymentId=deployment)
        self.assertIn("terminal failure state", str(failed.exception))

    def test_a_stop_without_rollback_leaves_the_traffic_split(self):
        deployment = create(appspec(register("split")))
        until_status(deployment, "Ready")
        CODEDEPLOY.continue_deployment(deploymentId=deployment, deploymentWaitType="READY_WAIT")
        until(lambda: weights("production").get(self.green) == 50, "the first step")
        CODEDEPLOY.stop_deployment(deploymentId=deployment, autoRollbackEnabled=False)
        ended = until_status(deployment, "Stopped")
        self.assertNotIn("rollbackInfo", ended)
        self.assertEqual(weights("production"), {self.blue: 50, self.green: 50})
        self.assertEqual(versions("production"), {self.serving, "split"})
        # The next deployment starts by clearing it away.
        deployment = create()
        until_status(deployment, "Ready")
        CODEDEPLOY.stop_deployment(deploymentId=deployment, autoRollbackEnabled=True)
        until_status(deployment, "Stopped")
        self.assert_rolled_back(deployment)

    def test_a_stop_in_the_termination_wait_brings_blue_back(self):
        deployment = create(
            appspec(register("too late")), deploymentConfigName="CodeDeployDefault.ECSAllAtOnce"
        )
        until_status(deployment, "Ready")
        CODEDEPLOY.continue_deployment(deploymentId=deployment, deploymentWaitType="READY_WAIT")
        until(lambda: target(deployment)["status"] == "Succeeded", "the termination wait")
        self.assertEqual(versions("production"), {"too late"})
        CODEDEPLOY.stop_deployment(deploymentId=deployment, autoRollbackEnabled=True)
        until_status(deployment, "Stopped")
        self.assert_rolled_back(deployment)

    def test_a_hook_that_fails_rolls_back(self):
        hooks = [{"AfterAllowTestTraffic": "CodeDeployHook_fails"}]
        deployment = create(appspec(live_definition(), hooks))
        ended = until_status(deployment, "Failed")
        self.assertEqual(ended["errorInformation"]["code"], "HOOK_EXECUTION_FAILURE")
        self.assertEqual(events(deployment)["AfterAllowTestTraffic"], "Failed")
        self.assert_rolled_back(deployment)

    def test_a_hook_waits_for_its_callback(self):
        hooks = [{"AfterInstall": "arn:aws:lambda:eu-central-1:222222222222:function:CodeDeployHook_silent"}]
        deployment = create(appspec(live_definition(), hooks))
        until_event(deployment, "AfterInstall")
        told = next(one for one in snapshot()["deployments"] if one["id"] == deployment)
        execution = next(each["hook"]["execution"] for each in told["events"] if each["hook"])
        put = {"deploymentId": deployment, "lifecycleEventHookExecutionId": execution}
        with self.fails("InvalidLifecycleEventHookExecutionStatusException"):
            CODEDEPLOY.put_lifecycle_event_hook_execution_status(**put, status="Skipped")
        CODEDEPLOY.put_lifecycle_event_hook_execution_status(**put, status="Succeeded")
        until_status(deployment, "Ready")
        with self.fails("LifecycleEventAlreadyCompletedException"):
            CODEDEPLOY.put_lifecycle_event_hook_execution_status(**put, status="Succeeded")
        CODEDEPLOY.stop_deployment(deploymentId=deployment, autoRollbackEnabled=True)
        until_status(deployment, "Stopped")
        self.assert_rolled_back(deployment)

    def test_an_alarm_stops_and_rolls_back(self):
        deployment = create(appspec(register("alarming")))
        until_status(deployment, "Ready")
        CODEDEPLOY.continue_deployment(deploymentId=deployment, deploymentWaitType="READY_WAIT")
        until(lambda: weights("production").get(self.green) == 50, "the first step")
        alarm = {"AlarmName": "hello-5xx", "StateReason": "test"}
        cloudwatch = CLIENTS.client("cloudwatch")
        self.addCleanup(cloudwatch.set_alarm_state, StateValue="OK", **alarm)
        cloudwatch.set_alarm_state(StateValue="ALARM", **alarm)
        ended = until_status(deployment, "Stopped")
        self.assertEqual(ended["errorInformation"]["code"], "ALARM_ACTIVE")
        self.assertTrue(ended["errorInformation"]["message"].endswith("Activated alarms: <hello-5xx>"))
        self.assert_rolled_back(deployment)

    def test_what_ecs_refuses_fails_the_install(self):
        document = appspec(live_definition())
        document["Resources"][0]["TargetService"]["Properties"]["LoadBalancerInfo"]["ContainerName"] = "nobody"
        deployment = create(document)
        ended = until_status(deployment, "Failed")
        self.assertEqual(ended["errorInformation"]["code"], "ECS_UPDATE_ERROR")
        self.assertEqual(events(deployment)["Install"], "Failed")
        self.assert_rolled_back(deployment)


class Refusals(Case):
    def refused(self, code, document=None, **parameters):
        with self.subTest(code, **parameters), self.fails(code):
            create(document, **parameters)

    def test_names(self):
        self.refused("ApplicationDoesNotExistException", applicationName="nothing")
        self.refused("InvalidApplicationNameException", applicationName="a b")
        self.refused("DeploymentGroupDoesNotExistException", deploymentGroupName="nothing")
        self.refused("DeploymentConfigDoesNotExistException", deploymentConfigName="nothing")
        self.refused("InvalidDeploymentConfigNameException", deploymentConfigName="CodeDeployDefault.OneAtATime")
        with self.fails("DeploymentGroupNameRequiredException"):
            CODEDEPLOY.create_deployment(applicationName="hello")
        with self.fails("RevisionRequiredException"):
            CODEDEPLOY.create_deployment(**GROUP)

    def test_revisions(self):
        definition = live_definition()
        self.refused("InvalidRevisionException", "nonsense: [")
        self.refused("InvalidRevisionException", {**appspec(definition), "version": 1})
        self.refused("InvalidRevisionException", {**appspec(definition), "Resources": []})
        self.refused("InvalidRevisionException", appspec("hello:1"))
        self.refused("InvalidRevisionException", appspec(definition, [{"AllowTraffic": "CodeDeployHook_fails"}]))
        wrong = revision(appspec(definition))
        wrong["appSpecContent"]["sha256"] = "0" * 64
        self.refused("InvalidRevisionException", revision=wrong)
        location = {"bucket": "b", "key": "appspec.yaml", "bundleType": "YAML"}
        self.refused("InvalidRevisionException", revision={"revisionType": "S3", "s3Location": location})
        with self.fails("RevisionDoesNotExistException"):
            CODEDEPLOY.get_application_revision(applicationName="hello", revision=wrong)

    def test_the_rest_of_a_deployment(self):
        self.refused("DescriptionTooLongException", description="x" * 513)
        self.refused("InvalidAutoRollbackConfigException", autoRollbackConfiguration={"enabled": True, "events": []})
        alarms = [{"name": f"a{n}"} for n in range(11)]
        self.refused("AlarmsLimitExceededException", overrideAlarmConfiguration={"enabled": True, "alarms": alarms})

    def test_ids(self):
        calls = [
            lambda id: CODEDEPLOY.get_deployment(deploymentId=id),
            lambda id: CODEDEPLOY.stop_deployment(deploymentId=id),
            lambda id: CODEDEPLOY.continue_deployment(deploymentId=id, deploymentWaitType="READY_WAIT"),
            lambda id: CODEDEPLOY.list_deployment_targets(deploymentId=id),
            lambda id: CODEDEPLOY.get_deployment_target(deploymentId=id, targetId=TARGET),
            lambda id: CODEDEPLOY.batch_get_deployment_targets(deploymentId=id, targetIds=[TARGET]),
        ]
        for call in calls:
            with self.fails("DeploymentDoesNotExistException", 400, UNKNOWN):
                call(UNKNOWN)
            with self.fails("InvalidDeploymentIdException"):
                call("deployment")
        self.assertEqual(CODEDEPLOY.batch_get_deployments(deploymentIds=[UNKNOWN])["deploymentsInfo"], [])

    def test_the_wrong_moment(self):
        until_free()
        deployment = create()
        with self.fails("DeploymentIsNotInReadyStateException"):
            CODEDEPLOY.continue_deployment(deploymentId=deployment, deploymentWaitType="READY_WAIT")
        with self.fails("DeploymentLimitExceededException", 400) as refused:
            create()
        self.assertEqual(
            refused.exception.response["Error"]["Message"],
            f"The Deployment Group 'production' already has an active Deployment '{deployment}'",
        )
        until_event(deployment, "BeforeInstall")
        with self.fails("DeploymentTargetDoesNotExistException"):
            CODEDEPLOY.get_deployment_target(deploymentId=deployment, targetId="prod:other")
        CODEDEPLOY.stop_deployment(deploymentId=deployment, autoRollbackEnabled=True)
        until_status(deployment, "Stopped")
        with self.fails("DeploymentAlreadyCompletedException"):
            CODEDEPLOY.continue_deployment(deploymentId=deployment, deploymentWaitType="TERMINATION_WAIT")
        until_free()

    def test_other_alarms_take_the_permission_to_change_the_group(self):
        reader = session("arn:aws:iam::222222222222:role/reader").client("codedeploy", config=ONCE)
        given = {**GROUP, "revision": revision(appspec(live_definition()))}
        with self.fails("AccessDeniedException", text="codedeploy:UpdateDeploymentGroup"):
            reader.create_deployment(**given, overrideAlarmConfiguration={"enabled": False, "alarms": []})
        until_free()
        deployment = reader.create_deployment(**given)["deploymentId"]
        with self.fails("AccessDeniedException", text="codedeploy:StopDeployment"):
            reader.stop_deployment(deploymentId=deployment)
        CODEDEPLOY.stop_deployment(deploymentId=deployment, autoRollbackEnabled=True)
        until_status(deployment, "Stopped")
        until_free()


class Surroundings(Case):
    def test_configs(self):
        names = CODEDEPLOY.list_deployment_configs()["deploymentConfigsList"]
        self.assertIn("CodeDeployDefault.ECSLinear10PercentEvery1Minutes", names)
        self.assertIn("half", names)
        linear = {"type": "TimeBasedLinear", "timeBasedLinear": {"linearPercentage": 25, "linearInterval": 2}}
        new = {"deploymentConfigName": "quarters", "computePlatform": "ECS", "trafficRoutingConfig": linear}
        CODEDEPLOY.create_deployment_config(**new)
        seen = CODEDEPLOY.get_deployment_config(deploymentConfigName="quarters")["deploymentConfigInfo"]
        self.assertEqual(seen["trafficRoutingConfig"], linear)
        self.assertEqual(seen["computePlatform"], "ECS")
        with self.fails("DeploymentConfigAlreadyExistsException"):
            CODEDEPLOY.create_deployment_config(**new)
        with self.fails("InvalidDeploymentConfigNameException"):
            CODEDEPLOY.create_deployment_config(**{**new, "deploymentConfigName": "CodeDeployDefault.Mine"})
        linear["timeBasedLinear"]["linearPercentage"] = 0
        with self.fails("InvalidTrafficRoutingConfigurationException"):
            CODEDEPLOY.create_deployment_config(**{**new, "deploymentConfigName": "none"})
        with self.fails("DeploymentConfigDoesNotExistException"):
            CODEDEPLOY.get_deployment_config(deploymentConfigName="nothing")
        CODEDEPLOY.delete_deployment_config(deploymentConfigName="quarters")

    def test_applications_and_groups(self):
        self.assertEqual(CODEDEPLOY.get_application(applicationName="hello")["application"]["computePlatform"], "ECS")
        self.assertIn("hello", CODEDEPLOY.list_applications()["applications"])
        with self.fails("ApplicationDoesNotExistException"):
            CODEDEPLOY.batch_get_applications(applicationNames=["hello", "nothing"])

        CODEDEPLOY.create_application(applicationName="second", computePlatform="ECS")
        with self.fails("ApplicationAlreadyExistsException"):
            CODEDEPLOY.create_application(applicationName="second", computePlatform="ECS")
        plain = CODEDEPLOY.get_deployment_group(
            applicationName="AppECS-prod-plain", deploymentGroupName="DgpECS-prod-plain"
        )["deploymentGroupInfo"]
        fields = [
            "serviceRoleArn",
            "deploymentConfigName",
            "deploymentStyle",
            "blueGreenDeploymentConfiguration",
            "loadBalancerInfo",
            "ecsServices",
        ]
        given = {name: plain[name] for name in fields}
        new = {"applicationName": "second", "deploymentGroupName": "copy"}
        with self.fails("ECSServiceMappingLimitExceededException"):
            CODEDEPLOY.create_deployment_group(**new, **given)
        given["ecsServices"] = [{"clusterName": "prod", "serviceName": "other"}]
        for field, code in [
            ("loadBalancerInfo", "InvalidLoadBalancerInfoException"),
            ("deploymentStyle", "InvalidDeploymentStyleException"),
            ("ecsServices", "InvalidECSServiceException"),
        ]:
            with self.fails(code):
                CODEDEPLOY.create_deployment_group(**new, **{k: v for k, v in given.items() if k != field})
        CODEDEPLOY.create_deployment_group(**new, **given)
        with self.fails("DeploymentGroupAlreadyExistsException"):
            CODEDEPLOY.create_deployment_group(**new, **given)
        keep = {"action": "KEEP_ALIVE"}
        with self.fails("InvalidBlueGreenDeploymentConfigurationException"):
            CODEDEPLOY.update_deployment_group(
                applicationName="second",
                currentDeploymentGroupName="copy",
                blueGreenDeploymentConfiguration={"terminateBlueInstancesOnDeploymentSuccess": keep},
            )
        CODEDEPLOY.update_deployment_group(
            applicationName="second",
            currentDeploymentGroupName="copy",
            newDeploymentGroupName="moved",
            autoRollbackConfiguration={"enabled": True, "events": ["DEPLOYMENT_FAILURE"]},
        )
        self.assertEqual(CODEDEPLOY.list_deployment_groups(applicationName="second")["deploymentGroups"], ["moved"])
        batch = CODEDEPLOY.batch_get_deployment_groups(applicationName="second", deploymentGroupNames=["moved"])
        moved = batch["deploymentGroupsInfo"][0]
        self.assertTrue(moved["autoRollbackConfiguration"]["enabled"])
        self.assertEqual(moved["loadBalancerInfo"], plain["loadBalancerInfo"])
        CODEDEPLOY.delete_deployment_group(applicationName="second", deploymentGroupName="moved")
        CODEDEPLOY.delete_application(applicationName="second")
        with self.fails("ApplicationDoesNotExistException"):
            CODEDEPLOY.get_application(applicationName="second")

    def test_revisions(self):
        document = appspec("arn:aws:ecs:eu-central-1:222222222222:task-definition/hello:1")
        given = revision(document)
        CODEDEPLOY.register_application_revision(applicationName="hello", revision=given, description="by hand")
        listed = CODEDEPLOY.list_application_revisions(applicationName="hello")["revisions"]
        self.assertIn(given["appSpecContent"]["sha256"], [one["appSpecContent"]["sha256"] for one in listed])
        asked = {"revisionType": "AppSpecContent", "appSpecContent": {"sha256": given["appSpecContent"]["sha256"]}}
        answer = CODEDEPLOY.get_application_revision(applicationName="hello", revision=asked)
        self.assertEqual(answer["revision"], given)
        self.assertEqual(answer["revisionInfo"]["description"], "by hand")


if __name__ == "__main__":
    main()
