"""Tasks that run once: what their containers do, how they end, and why some never start."""

from world import Case, deploy, main

ecs = deploy("ecs")
logs = deploy("logs")
NETWORK = {"awsvpcConfiguration": {"subnets": ["subnet-1"]}}
TOOL = ecs.describe_task_definition(taskDefinition="tool")["taskDefinition"]
ROLE = "arn:aws:iam::222222222222:role/hello-execution"


def container(name="tool", *command, **more):
    """A container of the tests' program that does what the command says."""
    return TOOL["containerDefinitions"][0] | {"name": name, "command": list(command)} | more


def register(family, *containers, **more):
    settings = {
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "cpu": "256",
        "memory": "512",
        "executionRoleArn": ROLE,
    }
    answer = ecs.register_task_definition(family=family, containerDefinitions=list(containers), **settings | more)
    return answer["taskDefinition"]["taskDefinitionArn"]


def start(definition, **parameters):
    settings = {"cluster": "prod", "launchType": "FARGATE", "networkConfiguration": NETWORK}
    answer = ecs.run_task(taskDefinition=definition, **settings | parameters)
    assert answer["failures"] == [], answer
    return [task["taskArn"] for task in answer["tasks"]]


def wait(state, tasks):
    ecs.get_waiter(state).wait(cluster="prod", tasks=tasks, WaiterConfig={"Delay": 0.3, "MaxAttempts": 200})
    return ecs.describe_tasks(cluster="prod", tasks=tasks)["tasks"]


def run(definition, **parameters):
    """The task as it is once it has stopped."""
    return wait("tasks_stopped", start(definition, **parameters))[0]


def output(task, name="tool"):
    stream = f"tool/{name}/{task['taskArn'].rsplit('/', 1)[1]}"
    events = logs.get_log_events(logGroupName="/ecs/tool", logStreamName=stream, startFromHead=True)["events"]
    return [event["message"] for event in events]


def overridden(*command, **more):
    return {"overrides": {"containerOverrides": [{"name": "tool", "command": list(command)} | more]}}


class Ends(Case):
    def test_the_exit_code_and_the_output(self):
        task = run("tool", startedBy="ci", **overridden("say", "one", "complain", "two", "exit", "7"))
        self.assertEqual((task["stopCode"], task["startedBy"]), ("EssentialContainerExited", "ci"))
        self.assertEqual(task["stoppedReason"], "Essential container in task exited")
        self.assertEqual((task["lastStatus"], task["desiredStatus"]), ("STOPPED", "STOPPED"))
        self.assertEqual(task["group"], "family:tool")
        self.assertEqual(task["containers"][0]["exitCode"], 7)
        self.assertLessEqual(task["startedAt"], task["stoppedAt"])
        self.assertEqual(sorted(output(task)), ["one", "two"])

    def test_a_task_that_is_stopped(self):
        tasks = start("tool", count=2)
        for task in wait("tasks_running", tasks):
            self.assertEqual(task["containers"][0]["lastStatus"], "RUNNING")
        ecs.stop_task(cluster="prod", task=tasks[0], reason="no longer needed")
        ecs.stop_task(cluster="prod", task=tasks[1])
        [told, untold] = sorted(wait("tasks_stopped", tasks), key=lambda task: tasks.index(task["taskArn"]))
        self.assertEqual((told["stopCode"], told["stoppedReason"]), ("UserInitiated", "no longer needed"))
        self.assertEqual(untold["stoppedReason"], "Task stopped by user")
        # It doesn't listen to SIGTERM, so it is killed in the end.
        self.assertEqual(told["containers"][0]["exitCode"], 137)

    def test_a_container_that_takes_too_much_memory(self):
        task = run(register("greedy", container("tool", "fill", memory=16)))
        self.assertEqual(task["containers"][0]["exitCode"], 137)
        self.assertTrue(task["containers"][0]["reason"].startswith("OutOfMemoryError"))


class Once(Case):
    def test_a_repeated_call_with_a_token_starts_no_second_task(self):
        call = {"clientToken": "0d1c", **overridden("exit", "0")}
        first, again = start("tool", **call), start("tool", **call)
        self.assertEqual(first, again)
        self.assertNotEqual(start("tool", **call | {"clientToken": "2e3f"}), first)

    def test_a_token_of_another_call_is_refused(self):
        start("tool", clientToken="4a5b", **overridden("exit", "0"))
        with self.fails("ConflictException", 400):
            start("tool", clientToken="4a5b", **overridden("exit", "1"))


class Surroundings(Case):
    def test_environment_overrides_secrets_and_working_directory(self):
        secrets = [{"name": "PASSWORD", "valueFrom": "/hello/password"}]
        definition = register(
            "surrounded",
            container(
                "tool",
                *["tell", "A", "tell", "B", "tell", "PASSWORD", "tell", "VERSION", "where"],
                environment=[{"name": "A", "value": "a"}, {"name": "B", "value": "b"}],
                secrets=secrets,
                workingDirectory="/tmp/here",
            ),
        )
        overrides = {"containerOverrides": [{"name": "tool", "environment": [{"name": "B", "value": "c"}]}]}
        task = run(definition, overrides=overrides)
        self.assertEqual(task["containers"][0]["exitCode"], 0)
        self.assertEqual(output(task), ["a", "c", "value-of-/hello/password", "1", "/tmp/here"])

    def test_containers_wait_for_each_other_and_share_network_and_volumes(self):
        mounts = [{"sourceVolume": "data", "containerPath": "/data"}]
        definition = register(
            "together",
            container(
                "tool", "look", "/data/file", "reach", "9000", mountPoints=mounts,
                dependsOn=[
                    {"containerName": "prepare", "condition": "SUCCESS"},
                    {"containerName": "beside", "condition": "HEALTHY"},
                ],
            ),
            container("prepare", "keep", "/data/file", essential=False, mountPoints=mounts),
            container(
                "beside", "listen", "9000", "wait", essential=False,
                healthCheck={"command": ["CMD", "/program", "reach", "9000"], "interval": 5, "retries": 10},
            ),
            volumes=[{"name": "data"}],
        )
        task = run(definition)
        codes = {one["name"]: one["exitCode"] for one in task["containers"]}
        self.assertEqual((codes["tool"], codes["prepare"]), (0, 0), output(task))
        self.assertEqual(output(task), ["kept", "reached"])
        [beside] = [one for one in task["containers"] if one["name"] == "beside"]
        self.assertEqual(beside["healthStatus"], "HEALTHY")

    def test_a_dependency_that_fails_keeps_the_task_from_starting(self):
        definition = register(
            "unprepared",
            container("tool", "wait", dependsOn=[{"containerName": "prepare", "condition": "SUCCESS"}]),
            container("prepare", "exit", "4", essential=False),
        )
        task = run(definition)
        self.assertEqual(task["stopCode"], "TaskFailedToStart")
        self.assertIn("prepare", task["stoppedReason"])


class Starts(Case):
    def fails(self, definition, *says):
        task = run(definition)
        self.assertEqual(task["stopCode"], "TaskFailedToStart")
        for words in says:
            self.assertIn(words, task["stoppedReason"])
        self.assertNotIn("exitCode", task["containers"][0])
        return task

    def image(self, new):
        return container("tool", image=TOOL["containerDefinitions"][0]["image"].replace("tool:1", new))

    def test_an_image_that_is_not_there(self):
        task = self.fails(register("gone", self.image("tool:9")), "CannotPullContainerError: ", "tool:9: not found")
        self.assertEqual(task["containers"][0]["reason"], task["stoppedReason"])

    def test_a_repository_that_does_not_let_the_account_in(self):
        self.fails(register("kept-out", self.image("closed:1")), "CannotPullContainerError: ", "403 Forbidden")

    def test_a_role_that_may_not_log_in(self):
        role = "arn:aws:iam::222222222222:role/hello-powerless"
        self.fails(
            register("powerless", container("tool", "wait"), executionRoleArn=role),
            "ResourceInitializationError: unable to pull secrets or registry auth: ",
            "hello-powerless/",
            "is not authorized to perform: ecr:GetAuthorizationToken on resource: *",
        )

    def test_a_role_that_is_not_there(self):
        role = "arn:aws:iam::222222222222:role/hello-nobody"
        self.fails(
            register("nobody", container("tool", "wait"), executionRoleArn=role),
            f"ECS was unable to assume the role '{role}'",
        )

    def test_a_log_group_that_is_not_there(self):
        log = {"logDriver": "awslogs", "options": TOOL["containerDefinitions"][0]["logConfiguration"]["options"]}
        log["options"] = log["options"] | {"awslogs-group": "/ecs/nothing"}
        self.fails(
            register("unlogged", container("tool", "wait", logConfiguration=log)),
            "ResourceInitializationError: failed to validate logger args: ",
            "The specified log group does not exist.",
        )

    def test_a_program_that_is_not_there(self):
        task = self.fails(
            register("mistyped", container("tool", "wait", entryPoint=["/progam"])), "CannotStartContainerError: "
        )
        self.assertIn("/progam", task["containers"][0]["reason"])


main()
