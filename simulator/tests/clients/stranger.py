"""A group in which somebody else's deployment runs from the world's begin."""

import json

from codedeploy import CODEDEPLOY, GROUP, create, info, service, until, until_status
from world import Case, main, snapshot


class Stranger(Case):
    def test_it_stands_in_the_way_and_ends_by_itself(self):
        active = CODEDEPLOY.list_deployments(**GROUP, includeOnlyStatuses=["Created", "InProgress"])["deployments"]
        self.assertEqual(len(active), 1)
        self.assertEqual(info(active[0])["creator"], "user")
        self.assertEqual(info(active[0])["description"], "by hand")
        with self.fails("DeploymentLimitExceededException", text=f"'{active[0]}'"):
            create()
        ended = until_status(active[0], "Succeeded", "Failed", "Stopped")
        self.assertEqual(ended["status"], "Succeeded")
        told = next(one for one in snapshot()["deployments"] if one["id"] == active[0])
        self.assertEqual(told["created_by"], "arn:aws:iam::222222222222:user/somebody-else")
        text = CODEDEPLOY.get_application_revision(applicationName="hello", revision=ended["revision"])
        content = json.loads(text["revision"]["appSpecContent"]["content"])
        properties = content["Resources"][0]["TargetService"]["Properties"]
        self.assertEqual(properties["TaskDefinition"], service()["taskDefinition"])

        ours = create()
        until_status(ours, "Ready")
        CODEDEPLOY.stop_deployment(deploymentId=ours, autoRollbackEnabled=True)
        rollback = until(lambda: info(ours).get("rollbackInfo"), "a rollback")["rollbackDeploymentId"]
        until_status(rollback, "Succeeded")


if __name__ == "__main__":
    main()
