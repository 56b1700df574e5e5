"""A deployment that was just created: nothing of it can be looked at yet but itself."""

from codedeploy import CODEDEPLOY, TARGET, appspec, create, info
from world import Case, main


class Created(Case):
    def test_its_targets_are_not_there_yet(self):
        definition = "arn:aws:ecs:eu-central-1:222222222222:task-definition/hello:1"
        deployment = create(appspec(definition))
        calls = [
            lambda: CODEDEPLOY.list_deployment_targets(deploymentId=deployment),
            lambda: CODEDEPLOY.get_deployment_target(deploymentId=deployment, targetId=TARGET),
            lambda: CODEDEPLOY.batch_get_deployment_targets(deploymentId=deployment, targetIds=[TARGET]),
        ]
        for call in calls:
            with self.fails("DeploymentNotStartedException", 400, deployment):
                call()
        self.assertEqual(info(deployment)["status"], "Created")
        self.assertNotIn("startTime", info(deployment))


if __name__ == "__main__":
    main()
