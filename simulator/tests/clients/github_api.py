"""GitHub through PyGithub, which reads every member that it knows of each answer."""

import contextlib
import datetime
import os
import unittest

try:
    import github
except ModuleNotFoundError:
    raise SystemExit("this test needs PyGithub; name an interpreter that has it in GREENLIGHT_PYTHON")

from world import main, snapshot

SHA = os.environ["GITHUB_SHA"]
PULL = 7


def client(token=os.environ["GITHUB_TOKEN"], path=""):
    return github.Github(
        base_url=os.environ["GITHUB_API_URL"] + path,
        auth=github.Auth.Token(token),
        retry=None,
        seconds_between_requests=0,
        seconds_between_writes=0,
    )


def repository(**parameters):
    return client(**parameters).get_repo(os.environ["GITHUB_REPOSITORY"])


class GitHub(unittest.TestCase):
    @contextlib.contextmanager
    def fails(self, status, text):
        with self.assertRaises(github.GithubException) as caught:
            yield
        self.assertEqual(caught.exception.status, status)
        self.assertIn(text, str(caught.exception.data))

    def test_the_repository(self):
        for path in ["", "/api/v3"]:
            found = repository(path=path)
            self.assertEqual(found.full_name, "acme/hello")
            self.assertEqual(found.id, int(os.environ["GITHUB_REPOSITORY_ID"]))
            self.assertEqual(found.default_branch, "main")
            self.assertEqual(found.get_commit("main").sha, SHA)
        with self.fails(401, "Bad credentials"):
            repository(token="ghs_wrong")
        with self.fails(404, "Not Found"):
            client().get_repo("acme/other")

    def test_check_runs(self):
        here = repository()
        started = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
        run = here.create_check_run(
            "deploy / python",
            SHA,
            status="in_progress",
            external_id="run-1",
            details_url="https://example.com/run",
            started_at=started,
            output={"title": "Shifting", "summary": "10%"},
        )
        self.assertEqual((run.status, run.conclusion, run.started_at), ("in_progress", None, started))
        self.assertEqual((run.external_id, run.details_url), ("run-1", "https://example.com/run"))
        self.assertEqual((run.output.title, run.output.summary, run.output.text), ("Shifting", "10%", None))
        self.assertEqual(run.app.slug, "github-actions")
        self.assertEqual([pull.number for pull in run.pull_requests], [PULL])
        note = {"path": "a.txt", "start_line": 1, "end_line": 1, "annotation_level": "failure", "message": "broken"}
        run.edit(conclusion="failure", output={"title": "Failed", "summary": "s", "annotations": [note]})
        self.assertEqual((run.status, run.conclusion), ("completed", "failure"))
        self.assertEqual([a.message for a in here.get_check_run(run.id).get_annotations()], ["broken"])
        listed = list(here.get_commit(SHA).get_check_runs(check_name="deploy / python"))
        self.assertEqual([r.id for r in listed], [run.id])
        with self.fails(422, "summary"):
            run.edit(output={"title": "t", "summary": "x" * 65536})
        with self.fails(404, "Not Found"):
            here.get_check_run(987654)

    def test_statuses(self):
        commit = repository().get_commit(SHA)
        for state in ["pending", "success"]:
            made = commit.create_status(state, "https://example.com", "what happens", "python/deploy")
            self.assertEqual((made.state, made.context), (state, "python/deploy"))
            self.assertEqual(made.creator.login, "github-actions[bot]")
        combined = commit.get_combined_status()
        self.assertIn(("python/deploy", "success"), [(s.context, s.state) for s in combined.statuses])
        self.assertEqual([s.state for s in commit.get_statuses() if s.context == "python/deploy"], ["success", "pending"])
        with self.fails(422, "description is too long (maximum is 140 characters)"):
            commit.create_status("success", description="x" * 141)

    def test_comments(self):
        pull = repository().get_pull(PULL)
        self.assertEqual((pull.head.sha, pull.state, pull.merged), (SHA, "open", False))
        made = [pull.create_issue_comment(f"comment {n}") for n in range(35)]
        self.assertEqual(made[0].user.type, "Bot")
        listed = [c.id for c in pull.get_issue_comments()]
        self.assertEqual(listed, sorted(listed))
        self.assertLessEqual({c.id for c in made}, set(listed))
        made[0].edit("edited")
        self.assertEqual(pull.get_issue_comment(made[0].id).body, "edited")
        self.assertTrue(made[1].minimize())
        self.assertTrue(made[1].unminimize())
        for comment in made:
            comment.delete()
        with self.fails(404, "Not Found"):
            made[0].edit("gone")
        with self.fails(422, "Body is too long"):
            pull.create_issue_comment("x" * 65537)

    def test_pulls_of_a_commit(self):
        here = repository()
        self.assertEqual([p.number for p in here.get_commit(SHA).get_pulls()], [PULL])
        self.assertEqual([p.number for p in here.get_pulls(state="open")], [PULL])
        with self.fails(404, "Not Found"):
            here.get_pull(PULL + 1)

    def test_deployments(self):
        here = repository()
        traps = {"auto_merge": False, "required_contexts": []}
        with self.fails(409, "Commit status checks failed"):
            here.create_deployment("main", auto_merge=False)
        made = here.create_deployment(SHA, environment="python", payload={"image": "x"}, description="d", **traps)
        self.assertEqual((made.sha, made.environment, made.payload), (SHA, "python", {"image": "x"}))
        self.assertFalse(made.production_environment)
        first = made.create_status("in_progress", target_url="https://example.com/log")
        self.assertEqual((first.state, first.target_url), ("in_progress", "https://example.com/log"))
        made.create_status("success", environment_url="https://example.com")
        self.assertEqual([s.state for s in made.get_statuses()], ["success", "in_progress"])
        later = here.create_deployment(SHA, environment="python", **traps)
        later.create_status("success", auto_inactive=True)
        self.assertEqual(here.get_deployment(made.id).get_statuses()[0].state, "inactive")
        self.assertEqual([d.id for d in here.get_deployments(environment="python")], [later.id, made.id])
        with self.fails(422, "No ref found for: nope"):
            here.create_deployment("nope", **traps)

    def test_limits_and_the_journal(self):
        here = client()
        self.assertEqual(here.get_rate_limit().resources.core.limit, 1000)
        before = snapshot()["github_calls_by_operation"].get("pulls/get", 0)
        here.get_repo("acme/hello").get_pull(PULL)
        self.assertEqual(snapshot()["github_calls_by_operation"]["pulls/get"], before + 1)
        self.assertEqual(here.rate_limiting[1], 1000)


if __name__ == "__main__":
    main()
