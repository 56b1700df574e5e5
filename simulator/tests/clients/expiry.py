"""A world whose sessions end in the middle of the first deployment."""

import json

from world import BUILD, DEPLOY, ONCE, Case, main, session

APPSPEC = {
    "version": 0.0,
    "Resources": [
        {
            "TargetService": {
                "Type": "AWS::ECS::Service",
                "Properties": {
                    "TaskDefinition": "arn:aws:ecs:eu-central-1:222222222222:task-definition/hello:1",
                    "LoadBalancerInfo": {"ContainerName": "app", "ContainerPort": 8080},
                },
            }
        }
    ],
}


class Expiry(Case):
    def test_sessions_end_once(self):
        base, held = session(BUILD), session(BUILD, DEPLOY)
        # This one rides out the rate limit that so many calls meet.
        client = held.client("codedeploy")
        client.list_applications()
        deployment = client.create_deployment(
            applicationName="hello",
            deploymentGroupName="hello-production",
            revision={"revisionType": "AppSpecContent", "appSpecContent": {"content": json.dumps(APPSPEC)}},
        )["deploymentId"]
        with self.fails("ExpiredTokenException", 400, "The security token included in the request is expired"):
            while True:
                client.get_deployment(deploymentId=deployment)
        with self.fails("ExpiredToken", 403):
            base.client("sts", config=ONCE).get_caller_identity()
        renewed = session(BUILD, DEPLOY).client("codedeploy", config=ONCE)
        found = renewed.get_deployment(deploymentId=deployment)["deploymentInfo"]
        self.assertEqual(found["deploymentId"], deployment)


if __name__ == "__main__":
    main()
