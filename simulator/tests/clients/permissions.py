"""A world whose deploy role lacks one permission."""

from world import Case, deploy, main


class Permissions(Case):
    def test_the_denial_names_role_and_action(self):
        with self.fails(
            "AccessDeniedException",
            400,
            "User: arn:aws:sts::222222222222:assumed-role/greenlight-deploy/test is not authorized to perform: "
            "codedeploy:CreateDeployment on resource: "
            "arn:aws:codedeploy:eu-central-1:222222222222:deploymentgroup:hello/hello-production "
            "because no identity-based policy allows the codedeploy:CreateDeployment action",
        ):
            deploy("codedeploy").create_deployment(applicationName="hello", deploymentGroupName="hello-production")

    def test_others_are_there(self):
        groups = deploy("codedeploy").list_deployment_groups(applicationName="hello")
        self.assertEqual(groups["deploymentGroups"], ["hello-production"])


if __name__ == "__main__":
    main()
