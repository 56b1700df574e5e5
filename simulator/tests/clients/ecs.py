"""ECS's API: what it keeps, gives back and refuses."""

import json
import re
import urllib.error
import urllib.request

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from world import BUILD, DEPLOY, ENDPOINT, PATIENT, Case, main, session, snapshot

PROD = "arn:aws:ecs:eu-central-1:222222222222"
ROLE = "arn:aws:iam::222222222222:role/"
HELD = session(BUILD, DEPLOY)
# Registering is refilled by one a second only.
ecs = HELD.client("ecs", config=PATIENT)
FARGATE = {
    "networkMode": "awsvpc",
    "requiresCompatibilities": ["FARGATE"],
    "cpu": "256",
    "memory": "512",
    "executionRoleArn": ROLE + "hello-execution",
}
APP = {"name": "app", "image": "app:1"}


def register(family="api", *containers, **parameters):
    return ecs.register_task_definition(
        family=family, containerDefinitions=list(containers or [APP]), **FARGATE | parameters
    )


def raw(operation, document):
    """Sends a document that boto3 would not; answers status and body."""
    request = AWSRequest(
        "POST",
        ENDPOINT + "/",
        data=json.dumps(document).encode(),
        headers={
            "Content-Type": "application/x-amz-json-1.1",
            "X-Amz-Target": "AmazonEC2ContainerServiceV20141113." + operation,
        },
    )
    SigV4Auth(HELD.get_credentials(), "ecs", "eu-central-1").add_auth(request)
    sent = urllib.request.Request(ENDPOINT + "/", request.data, dict(request.headers), method="POST")
    try:
        with urllib.request.urlopen(sent) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


class TaskDefinitions(Case):
    def test_a_revision_is_read_back_as_it_was_sent(self):
        container = {
            "name": "app",
            "image": "app:1",
            "command": [],
            "environment": [{"name": "EMPTY", "value": ""}],
            "portMappings": [{"containerPort": 80, "name": "http", "appProtocol": "http"}],
            "restartPolicy": {"enabled": True, "ignoredExitCodes": [0]},
            "versionConsistency": "disabled",
            "ulimits": [{"name": "nofile", "softLimit": 1, "hardLimit": 2}],
            "linuxParameters": {"initProcessEnabled": True, "capabilities": {"drop": ["ALL"]}},
            "dockerLabels": {"a": ""},
        }
        tags = [{"key": "commit", "value": "0123"}]
        registered = register("read-back", container, taskRoleArn=ROLE + "hello-task", tags=tags)
        self.assertEqual(registered["tags"], tags)
        answer = ecs.describe_task_definition(taskDefinition="read-back", include=["TAGS"])
        self.assertEqual(answer["tags"], tags)
        known = answer["taskDefinition"]
        self.assertEqual(known, registered["taskDefinition"])
        self.assertEqual(known["taskDefinitionArn"], PROD + ":task-definition/read-back:1")
        self.assertEqual((known["revision"], known["status"]), (1, "ACTIVE"))
        self.assertEqual(known["registeredBy"], "arn:aws:sts::222222222222:assumed-role/greenlight-deploy/test")
        self.assertEqual(known["compatibilities"], ["EC2", "FARGATE"])
        [back] = known["containerDefinitions"]
        container["portMappings"][0] |= {"hostPort": 80, "protocol": "tcp"}
        for member, value in container.items():
            self.assertEqual(back[member], value, member)
        for member in ["mountPoints", "volumesFrom", "systemControls"]:
            self.assertEqual(back[member], [])
        self.assertEqual((back["cpu"], back["essential"]), (0, True))
        self.assertNotIn("tags", ecs.describe_task_definition(taskDefinition="read-back"))

    def test_a_description_can_be_registered_again(self):
        known = register("again", APP, memory="1 GB", cpu=".25 vCPU")["taskDefinition"]
        for member in ["taskDefinitionArn", "revision", "status", "requiresAttributes", "compatibilities"]:
            del known[member]
        for member in ["registeredAt", "registeredBy"]:
            del known[member]
        again = ecs.register_task_definition(**known)["taskDefinition"]
        self.assertEqual(again["revision"], 2)
        self.assertEqual({m: again[m] for m in known}, known)

    def test_members_that_nobody_knows_are_dropped(self):
        container = APP | {"colour": "red"}
        status, answer = raw("RegisterTaskDefinition", FARGATE | {"family": "dropped", "containerDefinitions": [container]})
        self.assertEqual(status, 200, answer)
        self.assertNotIn("colour", answer["taskDefinition"]["containerDefinitions"][0])

    def test_stray_types_are_refused(self):
        for stray in [{"cpu": "256"}, {"essential": "yes"}, {"command": "run"}, {"environment": [{"name": 1}]}]:
            document = FARGATE | {"family": "stray", "containerDefinitions": [APP | stray]}
            status, answer = raw("RegisterTaskDefinition", document)
            self.assertEqual((status, answer["__type"]), (400, "SerializationException"), stray)

    def test_documents_are_refused_in_aws_words(self):
        with self.fails("ClientException", 400, "Container names must be unique within a Task Definition."):
            register("refused", APP, APP)
        with self.fails("ClientException", 400, "No Fargate configuration exists for given values: 256 CPU, 8192 memory."):
            register("refused", memory="8192")
        with self.fails("ClientException", 400, "Family contains invalid characters."):
            register("not valid")
        with self.fails("ClientException", 400, "Max allowed length is '65536' bytes."):
            register("refused", APP | {"command": ["x" * 70000]})
        self.assertNotIn("refused", ecs.list_task_definition_families()["families"])

    def test_ways_to_name_one(self):
        arn = register("named")["taskDefinition"]["taskDefinitionArn"]
        register("named")
        of = lambda name: ecs.describe_task_definition(taskDefinition=name)["taskDefinition"]["revision"]
        self.assertEqual([of(arn), of("named:1"), of("named"), of("named:2")], [1, 1, 2, 2])
        for missing in ["named:9", "nobody"]:
            with self.fails("ClientException", 400, "Unable to describe task definition."):
                of(missing)

    def test_listing_and_deregistering(self):
        for _ in range(3):
            register("listed")
        arn = lambda revision: f"{PROD}:task-definition/listed:{revision}"
        listed = lambda **p: ecs.list_task_definitions(familyPrefix="listed", **p)["taskDefinitionArns"]
        gone = ecs.deregister_task_definition(taskDefinition="listed:3")["taskDefinition"]
        self.assertEqual(gone["status"], "INACTIVE")
        self.assertEqual(listed(), [arn(1), arn(2)])
        self.assertEqual(listed(sort="DESC"), [arn(2), arn(1)])
        self.assertEqual(listed(status="INACTIVE"), [arn(3)])
        self.assertEqual(ecs.describe_task_definition(taskDefinition="listed")["taskDefinition"]["revision"], 2)
        self.assertEqual(register("listed")["taskDefinition"]["revision"], 4)
        self.assertIn("listed", ecs.list_task_definition_families(familyPrefix="list")["families"])
        pages = ecs.get_paginator("list_task_definitions").paginate(familyPrefix="listed", PaginationConfig={"PageSize": 1})
        self.assertEqual([len(page["taskDefinitionArns"]) for page in pages], [1, 1, 1])
        with self.fails("ClientException", 400, "TaskDefinition is inactive"):
            ecs.run_task(cluster="prod", taskDefinition="listed:3")

    def test_tags(self):
        arn = register("tagged")["taskDefinition"]["taskDefinitionArn"]
        tagged = lambda: ecs.list_tags_for_resource(resourceArn=arn)["tags"]
        ecs.tag_resource(resourceArn=arn, tags=[{"key": "a", "value": "1"}, {"key": "b", "value": "2"}])
        ecs.tag_resource(resourceArn=arn, tags=[{"key": "a", "value": "3"}])
        self.assertEqual(tagged(), [{"key": "a", "value": "3"}, {"key": "b", "value": "2"}])
        ecs.untag_resource(resourceArn=arn, tagKeys=["a"])
        self.assertEqual(tagged(), [{"key": "b", "value": "2"}])


class Permissions(Case):
    onlooker = session(BUILD, ROLE + "onlooker").client("ecs", config=PATIENT)

    def test_roles_are_passed_on_registering_and_running(self):
        role = ROLE + "somebody"
        text = f"is not authorized to perform: iam:PassRole on resource: {role}"
        with self.fails("AccessDeniedException", text=text):
            register("unpassed", executionRoleArn=role)
        # It may pass roles, but to another service.
        with self.fails("AccessDeniedException", text="iam:PassRole on resource: " + ROLE + "hello-execution"):
            self.onlooker.register_task_definition(family="unpassed", containerDefinitions=[APP], **FARGATE)
        with self.fails("AccessDeniedException", text="iam:PassRole"):
            self.onlooker.run_task(cluster="prod", taskDefinition="hello")

    def test_services_are_described_by_their_arn(self):
        self.assertEqual(self.onlooker.describe_services(cluster="prod", services=["hello"])["failures"], [])
        with self.fails("AccessDeniedException", text=f"ecs:DescribeServices on resource: {PROD}:service/prod/bridge"):
            self.onlooker.describe_services(cluster="prod", services=["hello", "bridge"])


class Clusters(Case):
    def test_listing_and_describing(self):
        self.assertEqual(ecs.list_clusters()["clusterArns"], [PROD + ":cluster/prod"])
        answer = ecs.describe_clusters(clusters=["prod", "nowhere"])
        [prod] = answer["clusters"]
        self.assertEqual((prod["status"], prod["registeredContainerInstancesCount"]), ("ACTIVE", 2))
        self.assertEqual((prod["activeServicesCount"], prod["runningTasksCount"]), (3, 7))
        self.assertEqual(prod["capacityProviders"], ["FARGATE", "FARGATE_SPOT", "own"])
        self.assertEqual(answer["failures"], [{"arn": PROD + ":cluster/nowhere", "reason": "MISSING"}])

    def test_a_missing_cluster(self):
        for call in [ecs.list_services, ecs.list_tasks]:
            with self.fails("ClusterNotFoundException", 400, "Cluster not found."):
                call(cluster="nowhere")
            with self.fails("ClusterNotFoundException"):
                call()

    def test_another_account(self):
        with self.fails("InvalidParameterException", 400, "Identifier is for 111111111111. Your accountId is 222222222222"):
            ecs.list_services(cluster="arn:aws:ecs:eu-central-1:111111111111:cluster/prod")


class Services(Case):
    def test_listing(self):
        arns = [f"{PROD}:service/prod/{name}" for name in ["bridge", "hello", "spread"]]
        self.assertEqual(ecs.list_services(cluster="prod")["serviceArns"], arns)
        self.assertEqual(ecs.list_services(cluster="prod", launchType="EC2")["serviceArns"], arns[:1])

    def test_missing_ones_are_failures(self):
        answer = ecs.describe_services(cluster="prod", services=["hello", "nobody"])
        self.assertEqual([one["serviceName"] for one in answer["services"]], ["hello"])
        self.assertEqual(answer["failures"], [{"arn": PROD + ":service/prod/nobody", "reason": "MISSING"}])
        self.assertNotIn("tags", answer["services"][0])

    def test_at_most_ten(self):
        with self.fails("InvalidParameterException"):
            ecs.describe_services(cluster="prod", services=[f"s{n}" for n in range(11)])

    def test_what_codedeploy_owns_is_not_updated(self):
        refused = [
            ({"taskDefinition": "hello"}, "Unable to update task definition on services with a CODE_DEPLOY deployment controller. Use AWS CodeDeploy to trigger a new deployment."),
            ({"networkConfiguration": {"awsvpcConfiguration": {"subnets": ["s"]}}}, "Unable to update network parameters on services with a CODE_DEPLOY deployment controller."),
            ({"forceNewDeployment": True}, "Cannot force a new deployment on services with a CODE_DEPLOY deployment controller."),
        ]
        for change, text in refused:
            with self.fails("InvalidParameterException", 400, text):
                ecs.update_service(cluster="prod", service="hello", **change)

    def test_what_may_be_updated(self):
        answer = ecs.update_service(
            cluster="prod",
            service="hello",
            healthCheckGracePeriodSeconds=7,
            deploymentConfiguration={"maximumPercent": 150, "minimumHealthyPercent": 50},
            propagateTags="SERVICE",
        )["service"]
        self.assertEqual((answer["healthCheckGracePeriodSeconds"], answer["propagateTags"]), (7, "SERVICE"))
        self.assertEqual(answer["deploymentConfiguration"]["maximumPercent"], 150)

    def test_missing_services(self):
        with self.fails("ServiceNotFoundException", 400, "Service not found."):
            ecs.update_service(cluster="prod", service="nobody", desiredCount=1)
        with self.fails("ServiceNotFoundException"):
            ecs.list_tasks(cluster="prod", serviceName="nobody")


class TaskSets(Case):
    def test_another_controller_keeps_them_for_itself(self):
        [blue] = ecs.describe_task_sets(cluster="prod", service="hello")["taskSets"]
        self.assertEqual(blue["status"], "PRIMARY")
        with self.fails("InvalidParameterException"):
            ecs.create_task_set(cluster="prod", service="hello", taskDefinition="hello")
        with self.fails("InvalidParameterException"):
            ecs.delete_task_set(cluster="prod", service="hello", taskSet=blue["id"])

    def test_the_life_of_an_external_one(self):
        of = {"cluster": "prod", "service": "spread"}
        new = ecs.create_task_set(
            **of, taskDefinition="hello", externalId="release-2", scale={"value": 50, "unit": "PERCENT"}
        )["taskSet"]
        self.assertEqual((new["status"], new["externalId"], new["computedDesiredCount"]), ("ACTIVE", "release-2", 2))
        self.assertEqual(new["stabilityStatus"], "STABILIZING")
        grown = ecs.update_task_set(**of, taskSet=new["id"], scale={"value": 100, "unit": "PERCENT"})["taskSet"]
        self.assertEqual(grown["computedDesiredCount"], 3)
        [first] = [one for one in ecs.describe_task_sets(**of)["taskSets"] if one["id"] != new["id"]]
        primary = ecs.update_service_primary_task_set(**of, primaryTaskSet=new["id"])["taskSet"]
        self.assertEqual(primary["status"], "PRIMARY")
        [old] = ecs.describe_task_sets(**of, taskSets=[first["id"]])["taskSets"]
        self.assertEqual(old["status"], "ACTIVE")
        with self.fails("InvalidParameterException"):
            ecs.delete_task_set(**of, taskSet=new["id"])
        # Back again, so that others find the service as it was.
        ecs.update_service_primary_task_set(**of, primaryTaskSet=first["id"])
        gone = ecs.delete_task_set(**of, taskSet=new["id"], force=True)["taskSet"]
        self.assertEqual((gone["status"], gone["scale"]["value"]), ("DRAINING", 0.0))
        with self.fails("TaskSetNotFoundException"):
            ecs.update_task_set(**of, taskSet="ecs-svc/1", scale={"value": 1, "unit": "PERCENT"})

    def test_at_most_five(self):
        of = {"cluster": "prod", "service": "spread"}
        made = []
        with self.fails("InvalidParameterException", 400, "5 deployments exist on the service. Unable to create new TaskSet since this exceeds the maximum limit."):
            for _ in range(6):
                made.append(ecs.create_task_set(**of, taskDefinition="hello", scale={"value": 0, "unit": "PERCENT"}))
        for one in made:
            ecs.delete_task_set(**of, taskSet=one["taskSet"]["id"])


class Tasks(Case):
    NETWORK = {"awsvpcConfiguration": {"subnets": ["subnet-1"]}}

    def test_runs_are_refused(self):
        run = lambda **parameters: ecs.run_task(cluster="prod", taskDefinition="hello", **parameters)
        with self.fails("InvalidParameterException", 400, "Network Configuration must be provided when networkMode 'awsvpc' is specified."):
            run(launchType="FARGATE")
        with self.fails("InvalidParameterException", 400, "Override for container named web is not a container in the TaskDefinition."):
            run(launchType="FARGATE", networkConfiguration=self.NETWORK, overrides={"containerOverrides": [{"name": "web"}]})
        with self.fails("InvalidParameterException", 400, "Task definition does not support launch_type FARGATE."):
            ecs.run_task(cluster="prod", taskDefinition="bridge", launchType="FARGATE")
        with self.fails("ClientException", 400, "TaskDefinition not found."):
            ecs.run_task(cluster="prod", taskDefinition="nobody")
        with self.fails("InvalidParameterException", 400, "The referenced task was not found."):
            ecs.stop_task(cluster="prod", task="0" * 32)

    def test_a_run_is_listed_and_told_by_its_starter(self):
        answer = ecs.run_task(
            cluster="prod", taskDefinition="hello", count=2, startedBy="ci", networkConfiguration=self.NETWORK,
            capacityProviderStrategy=[{"capacityProvider": "FARGATE_SPOT", "weight": 1}],
            tags=[{"key": "a", "value": "b"}], propagateTags="TASK_DEFINITION",
        )
        arns = {task["taskArn"] for task in answer["tasks"]}
        self.assertEqual(len(arns), 2)
        self.assertEqual(set(ecs.list_tasks(cluster="prod", startedBy="ci")["taskArns"]), arns)
        self.assertTrue(arns <= set(ecs.list_tasks(cluster="prod", family="hello")["taskArns"]))
        described = ecs.describe_tasks(cluster="prod", tasks=[*arns, "0" * 32], include=["TAGS"])
        self.assertEqual(described["failures"], [{"arn": f"{PROD}:task/prod/{'0' * 32}", "reason": "MISSING"}])
        for task in described["tasks"]:
            self.assertEqual(task["capacityProviderName"], "FARGATE_SPOT")
            self.assertEqual({tag["key"] for tag in task["tags"]}, {"a", "team"})
            ecs.stop_task(cluster="prod", task=task["taskArn"])

    def test_providers(self):
        providers = ecs.describe_capacity_providers()["capacityProviders"]
        self.assertEqual({one["name"]: one["type"] for one in providers}["own"], "EC2_AUTOSCALING")


class StandIns(Case):
    def test_without_an_engine_each_task_is_a_server_that_says_so(self):
        [port] = [one["port"] for one in snapshot()["listeners"] if one["name"] == "production"]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/version") as answer:
            self.assertEqual(answer.headers["x-app-version"], "1")
            self.assertEqual(json.load(answer), {"service": "hello", "version": "1"})
        task = ecs.list_tasks(cluster="prod", serviceName="hello")["taskArns"][0]
        stream = "hello/app/" + task.rsplit("/", 1)[1]
        logs = HELD.client("logs").get_log_events(logGroupName="/ecs/hello", logStreamName=stream)
        self.assertTrue(re.match(r"stand-in for \S+/hello:1 ", logs["events"][0]["message"]))


main()
