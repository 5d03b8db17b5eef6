"""The pipelines of packaging/ci: the script that all of them call, against a real server and node, by plain sh;
that each file calls it and nothing else; and "mreg ci init". The files' own formats are tested in
tests/interop/test_ci_files.py, which needs tools from PyPI and npm."""
import json
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import fleetcase
import harness

try:
    import yaml
except ImportError:
    yaml = None

FILES = pathlib.Path(__file__).resolve().parents[2] / "packaging" / "ci"
SCRIPT = FILES / "mreg-ci.sh"
SYSTEMS = {"github": ("github-workflow.yml", ".github/workflows/mreg.yml"), "gitlab": ("gitlab-ci.yml", ".gitlab-ci.yml"),
           "jenkins": ("Jenkinsfile", "Jenkinsfile"), "circleci": ("circleci-config.yml", ".circleci/config.yml"),
           "travis": ("travis.yml", ".travis.yml")}
# What tells that a job of some CI runs, and what such a job would write to.
FOREIGN = ("GITHUB_ACTIONS", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "GITLAB_CI", "JENKINS_URL", "CIRCLECI",
           "BASH_ENV", "TRAVIS", "BUILDKITE")


def shells():
    """Plain shells that are here: dash is what most CI images have as sh."""
    found = [[path] for name in ("sh", "dash") if (path := shutil.which(name))]
    if shutil.which("busybox"):
        found.append(["busybox", "sh"])
    return found


def clean(**extra):
    environment = harness.clean_environment(**extra)
    for name in FOREIGN:
        if name not in extra:
            environment.pop(name, None)
    return environment


class ScriptTest(fleetcase.FleetCase):
    n_nodes = 1
    policy = {"strategy": "all-at-once", "min_healthy": "0", "bake": "0", "on_no_data": "ignore",
              "gates": [{"kind": "health"}, {"kind": "golden"}]}

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="mreg-ci-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def write_model(self, intercept, golden=None):
        root = self.folder / "out put"
        shutil.rmtree(root, ignore_errors=True)
        for name, data in fleetcase.linear_files(intercept, golden).items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)

    def run_script(self, model, shell=("sh",), **settings):
        values = {"MREG_URL": self.server.url, "MREG_TOKEN": self.server.token, "MREG_CI_MODEL": model,
                  "MREG_CI_PATH": "out put", "MREG_CI_ENVIRONMENT": "production", "MREG_CI_TIMEOUT": "60s",
                  "MREG_CI_COMMAND": harness.program("mreg"), "HOME": self.folder, **settings}
        values = {k: v for k, v in values.items() if v is not None}
        (self.folder / "mreg-result.env").unlink(missing_ok=True)
        return subprocess.run([*shell, str(SCRIPT)], cwd=self.folder, env=clean(**values), text=True,
                              capture_output=True, timeout=120, stdin=subprocess.DEVNULL)

    def result(self):
        lines = (self.folder / "mreg-result.env").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines)

    def test_push_promote_wait(self):
        for i, shell in enumerate(shells()):
            with self.subTest(shell=shell):
                model = f"plain{i}"
                self.write_model(intercept=i)
                done = self.run_script(model, shell, MREG_CI_REASON="two words; and $(more) \"quotes\"",
                                       MREG_CI_METRICS="auc=0.941 f1=0.8", MREG_CI_ALIAS="candidate")
                self.assertEqual(done.returncode, 0, done.stderr)
                result = self.result()
                self.assertEqual((result["MREG_CI_VERSION"], result["MREG_CI_OUTCOME"]), ("1", "live"))
                version = self.api.get(f"/models/{model}/versions/1")
                self.assertEqual(version["metrics"], {"auc": "0.941", "f1": "0.8"})
                self.assertIn("candidate", version["aliases"])
                rollout = self.rollout(result["MREG_CI_ROLLOUT"])
                self.assertEqual((rollout["phase"], rollout["reason"]),
                                 ("succeeded", "two words; and $(more) \"quotes\""))
                # the same again: nothing to push, nothing to promote, and the pipeline is green
                done = self.run_script(model, shell)
                self.assertEqual((done.returncode, self.result()["MREG_CI_OUTCOME"]), (0, "already"), done.stderr)

    def test_rolled_back_is_red(self):
        self.write_model(intercept=1)
        self.assertEqual(self.run_script("red").returncode, 0)
        self.write_model(intercept=2, golden=99)
        done = self.run_script("red", GITHUB_ACTIONS="true")
        self.assertEqual((done.returncode, self.result()["MREG_CI_OUTCOME"]), (10, "not-live"), done.stderr)
        self.assertIn("::error title=mreg::", done.stdout)
        self.assertEqual(self.versions_served("red"), [1])

    def test_outputs_of_systems(self):
        self.write_model(intercept=1)
        output, summary, bash = (self.folder / name for name in ("output", "summary", "bash"))
        done = self.run_script("systems", GITHUB_ACTIONS="true", GITHUB_OUTPUT=output, GITHUB_STEP_SUMMARY=summary,
                               CIRCLECI="true", BASH_ENV=bash)
        self.assertEqual(done.returncode, 0, done.stderr)
        found = dict(line.split("=", 1) for line in output.read_text().splitlines())
        self.assertEqual((found["version"], found["outcome"], found["model"]), ("1", "live", "systems"))
        self.assertIn("live in production", summary.read_text())
        self.assertIn("export MREG_CI_OUTCOME=live", bash.read_text())
        self.assertEqual(self.api.get("/models/systems/versions/1")["lineage"]["ci"], "github")

    def test_push_only_and_promote_only(self):
        self.write_model(intercept=1)
        done = self.run_script("apart", MREG_CI_ENVIRONMENT=None)
        self.assertEqual((done.returncode, self.result()["MREG_CI_OUTCOME"]), (0, "pushed"), done.stderr)
        done = self.run_script("apart", MREG_CI_PATH=None, MREG_CI_REF="1")
        self.assertEqual((done.returncode, self.result()["MREG_CI_OUTCOME"]), (0, "live"), done.stderr)

    def test_a_slow_rollout(self):
        self.write_model(intercept=1)
        policy = self.folder / "policy.json"
        policy.write_text(json.dumps({"strategy": "all-at-once", "bake": "1h", "on_no_data": "ignore"}))
        done = self.run_script("slow", MREG_CI_POLICY=policy, MREG_CI_TIMEOUT="1s")
        self.assertEqual((done.returncode, self.result()["MREG_CI_OUTCOME"]), (11, "running"), done.stderr)
        self.command(self.result()["MREG_CI_ROLLOUT"], "abort")

    def test_approval_is_not_red(self):
        self.write_model(intercept=1)
        policy = self.folder / "policy.json"
        policy.write_text(json.dumps({**self.policy, "approvals": 1}))
        done = self.run_script("agreed", MREG_CI_POLICY=policy)
        self.assertEqual((done.returncode, self.result()["MREG_CI_OUTCOME"]), (0, "approval-pending"), done.stderr)
        first = self.result()["MREG_CI_ROLLOUT"]
        self.assertEqual(self.rollout(first)["phase"], "queued")
        self.assertEqual(self.server.cli("rollout", "watch", first, "--until-approval", check=False).returncode, 14)
        other = self.api.new_token("admin", "second")
        other.post(f"/rollouts/{first}/commands", {"verb": "approve"})
        self.wait_phase(first, "succeeded")
        self.write_model(intercept=2)
        done = self.run_script("agreed", MREG_CI_POLICY=policy, MREG_CI_ON_APPROVAL="fail")
        self.assertEqual((done.returncode, self.result()["MREG_CI_OUTCOME"]), (14, "approval-pending"), done.stderr)
        second = self.result()["MREG_CI_ROLLOUT"]
        self.command(second, "abort")
        self.wait_for(lambda: self.rollout(second)["phase"] in fleetcase.ENDED, what="the end")
        self.write_model(intercept=3)
        done = self.run_script("agreed", MREG_CI_POLICY=policy, MREG_CI_ON_APPROVAL="wait", MREG_CI_TIMEOUT="1s")
        self.assertEqual((done.returncode, self.result()["MREG_CI_OUTCOME"]), (11, "running"), done.stderr)

    def test_faults(self):
        self.write_model(intercept=1)
        for settings, code, word in (
                ({"MREG_TOKEN": None}, 2, "MREG_TOKEN"), ({"MREG_CI_MODEL": None}, 2, "MREG_CI_MODEL"),
                ({"MREG_URL": None}, 2, "MREG_URL"), ({"MREG_CI_ON_APPROVAL": "maybe"}, 2, "MREG_CI_ON_APPROVAL"),
                ({"MREG_TOKEN": "mrg_wrong"}, 4, "push failed"), ({"MREG_CI_PATH": "nothing"}, None, "push failed"),
                ({"MREG_CI_ENVIRONMENT": "nowhere"}, 3, "not accepted"),
                ({"MREG_CI_COMMAND": "/nonexistent/mreg"}, 127, "push failed")):
            with self.subTest(settings=settings):
                done = self.run_script("faulty", **settings)
                self.assertEqual(done.returncode, code if code is not None else done.returncode, done.stderr)
                self.assertNotEqual(done.returncode, 0)
                self.assertIn(word, done.stderr)
                self.assertNotIn(self.server.token, done.stdout + done.stderr)


class FilesTest(unittest.TestCase):
    """Structure only: the formats themselves are the matter of tests/interop."""

    def read(self, system):
        return (FILES / SYSTEMS[system][0]).read_text()

    def parse(self, system):
        if yaml is None:
            self.skipTest("python3-yaml is missing")
        return yaml.safe_load(self.read(system))

    def test_the_script_is_all_they_call(self):
        calls = {
            "github": lambda d: [s["run"] for j in d["jobs"].values() for s in j["steps"] if "run" in s],
            "gitlab": lambda d: d["mreg"]["script"],
            "circleci": lambda d: [s["run"]["command"] for j in d["jobs"].values() for s in j["steps"]
                                   if isinstance(s, dict) and "run" in s],
            "travis": lambda d: [j["script"].removeprefix("travis_wait 50 ") for j in d["jobs"]["include"]],
        }
        for system, find in calls.items():
            with self.subTest(system=system):
                self.assertEqual(find(self.parse(system)), ["sh ci/mreg-ci.sh"])
        self.assertEqual(self.read("jenkins").count(" sh '"), 1)
        self.assertIn("sh 'sh ci/mreg-ci.sh'", self.read("jenkins"))

    def test_jenkinsfile_is_balanced(self):
        text = self.read("jenkins")
        code = "\n".join(line.split("//")[0] if "://" not in line else line for line in text.splitlines())
        for left, right in ("{}", "()", "[]"):
            self.assertEqual(code.count(left), code.count(right))
        self.assertEqual(code.count("'") % 2, 0)
        self.assertTrue(text.lstrip("/").split("\n", 2)[2].startswith("pipeline {"))

    def test_settings_are_those_of_the_script(self):
        known = {line.split("#")[1].split()[0].rstrip(",") for line in SCRIPT.read_text().splitlines()
                 if line.startswith("#   MREG_")} | {"MREG_TOKEN"}
        for system in SYSTEMS:
            used = set(re.findall(r"\bMREG_[A-Z_]+\b", self.read(system)))
            self.assertTrue(used <= known, f"{system}: {used - known}")
            self.assertTrue({"MREG_CI_MODEL", "MREG_CI_PATH", "MREG_CI_ENVIRONMENT", "MREG_TOKEN"} <= used, system)

    def test_plain_sh(self):
        for shell in shells():
            subprocess.run([*shell, "-n", str(SCRIPT)], check=True)
        self.assertNotIn("[[", SCRIPT.read_text())
        self.assertTrue(SCRIPT.stat().st_mode & 0o111)


class InitTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="mreg-ci-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def init(self, *arguments, **environment):
        return subprocess.run([harness.program("mreg"), "ci", "init", *arguments], cwd=self.folder, text=True,
                              env=clean(HOME=self.folder, **environment), capture_output=True, timeout=60)

    def test_each_system(self):
        for system, (source, target) in SYSTEMS.items():
            with self.subTest(system=system):
                folder = self.folder
                self.folder = folder / system
                self.folder.mkdir()
                done = self.init(system)
                self.assertEqual((done.returncode, done.stdout.split()), (0, [target, "ci/mreg-ci.sh"]), done.stderr)
                self.assertEqual((self.folder / target).read_bytes(), (FILES / source).read_bytes())
                script = self.folder / "ci/mreg-ci.sh"
                self.assertEqual(script.read_bytes(), SCRIPT.read_bytes())
                self.assertTrue(script.stat().st_mode & 0o100)
                self.assertEqual(self.init(system).returncode, 0)  # again: already so
                (self.folder / target).write_text("mine")
                done = self.init(system)
                self.assertEqual(done.returncode, 6, done.stderr)
                self.assertEqual((self.folder / target).read_text(), "mine")
                self.assertEqual(self.init(system, "--stdout").stdout, (FILES / source).read_text())
                self.folder = folder

    def test_detection(self):
        self.assertEqual(self.init().returncode, 2)
        self.assertIn("github", self.init("--stdout", GITHUB_ACTIONS="true").stdout)
        self.assertIn("CI_COMMIT_BRANCH", self.init("--stdout", GITLAB_CI="true").stdout)
        (self.folder / ".git").mkdir()
        (self.folder / ".git/config").write_text('[remote "origin"]\n\turl = git@gitlab.example.com:a/b.git\n')
        self.assertIn("CI_COMMIT_BRANCH", self.init("--stdout").stdout)
        (self.folder / ".circleci").mkdir()
        self.assertIn("cimg/base", self.init("--stdout").stdout)
        done = self.init("jenkin")
        self.assertEqual(done.returncode, 2)
        self.assertIn("jenkins", done.stderr)

    def test_nothing_is_written_unless_all_can_be(self):
        (self.folder / "ci").mkdir()
        (self.folder / "ci/mreg-ci.sh").write_text("mine")
        self.assertEqual(self.init("travis").returncode, 6)
        self.assertFalse((self.folder / ".travis.yml").exists())


if __name__ == "__main__":
    unittest.main()
