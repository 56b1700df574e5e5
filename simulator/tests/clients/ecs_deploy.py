"""`aws ecs deploy` of the AWS CLI: a task definition and an AppSpec from files, to the deployment's end."""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile

from world import PATIENT, Case, main, session, snapshot

ECS = session().client("ecs", config=PATIENT)


def service():
    return ECS.describe_services(cluster="prod", services=["plain"])["services"][0]


class Deploy(Case):
    def setUp(self):
        self.assertIsNotNone(shutil.which("aws"), "the AWS CLI is needed (pip install awscli)")
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        live = ECS.describe_task_definition(taskDefinition="plain")["taskDefinition"]
        kept = ["family", "networkMode", "requiresCompatibilities", "cpu", "memory", "executionRoleArn"]
        definition = {name: live[name] for name in kept + ["containerDefinitions"]}
        definition["containerDefinitions"][0]["environment"] = [{"name": "VERSION", "value": "2"}]
        (self.folder / "taskdef.json").write_text(json.dumps(definition))
        (self.folder / "appspec.yaml").write_text(
            "version: 0.0\n"
            "resources:\n"
            "  - plain:\n"
            "      type: AWS::ECS::Service\n"
            "      properties:\n"
            "        taskDefinition: to be put in\n"
            "        loadBalancerInfo: {containerName: app, containerPort: 8080}\n"
        )

    def deploy(self, *more):
        command = ["aws", "ecs", "deploy", "--cluster", "prod", "--service", "plain"]
        command += ["--task-definition", str(self.folder / "taskdef.json")]
        command += ["--codedeploy-appspec", str(self.folder / "appspec.yaml"), *more]
        return subprocess.run(command, env=dict(os.environ), capture_output=True, text=True, timeout=120)

    def test_a_deployment_to_its_end(self):
        before = service()["taskDefinition"]
        ran = self.deploy()
        self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)
        self.assertIn("Successfully deployed", ran.stdout)
        after = service()["taskDefinition"]
        self.assertNotEqual(after, before)
        self.assertIn(f"Successfully deployed {after} to service 'plain'", ran.stdout)
        deployment = snapshot()["deployments"][-1]
        self.assertEqual(deployment["status"], "Succeeded")
        self.assertEqual(len(deployment["events"]), 6)
        self.assertIn(f"Successfully created deployment {deployment['id']}", ran.stdout)

    def test_a_group_that_is_not_there(self):
        ran = self.deploy("--codedeploy-deployment-group", "nothing")
        self.assertNotEqual(ran.returncode, 0)
        self.assertIn("No Deployment Group found for name: nothing", ran.stderr)


if __name__ == "__main__":
    main()
