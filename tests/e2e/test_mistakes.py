"""mreg used wrongly, as by somebody new or tired: every message names the place and what to do next. And what is
for scripts only: --jq, --progress, plans in files."""
import json
import stat
import subprocess
import unittest

import cliworld
import harness

# arguments, exit code, what the message says, what its hint says
MISTAKES = [
    ("list frud", 3, 'no model "frud"; did you mean "fraud"?', "mreg list shows"),
    ("pull fraud@99", 3, "has no version 99", "mreg list MODEL"),
    ("pull fraud@nobody", 3, 'has no alias "nobody"', "mreg alias list MODEL"),
    ("promote fraud@3 prodction", 3, 'did you mean "production"?', "mreg env list"),
    ("promote production fraud@3", 3, "no model", "the model comes first: mreg promote fraud@3 production"),
    ("rollback fraud --env prod", 3, "no environment", "mreg env list"),
    ("rollback fraud", 2, "--env", "mreg help rollback"),
    ("rollout watch 33", 3, 'no rollout "33"', "mreg rollout list"),
    ("rollout pause r-99999", 3, "no rollout", "mreg rollout list"),
    ("rollout extend r-99999", 2, "needs --for DURATION", "mreg help rollout extend"),
    ("node show production n7", 3, 'no node "n7" in "production"', "mreg node list ENV"),
    ("node show n1", 2, "too few arguments: mreg node show wants ENV NODE", "mreg help node show"),
    ("node edit production n1", 2, "nothing to change was given: --url", "mreg help node edit"),
    ("env set production", 2, "needs --policy FILE or --position N", "mreg help env set"),
    ("queue move r-17", 6, "does not wait in a queue", "mreg queue list"),
    ("rollout pause r-17", 6, "has ended", "mreg rollback fraud --env production"),
    ("promote fraud@3 production --plan-out p.json", 2, "needs --dry-run", "mreg help promote"),
    ("promote fraud@3 production --plan policy.json", 2, "no plan in it", "--dry-run --plan-out"),
    ("push fraud ./nowhere", 20, "./nowhere: No such file or directory", "run the same command again"),
    ("push fraud ./out --progress loud", 2, "wanted auto, bar, plain, json or none", "mreg help push"),
    ("list --context nowhere", 3, 'no context "nowhere"', "mreg context list"),
    ("list --registry http://127.0.0.1:1 --token-file admin.token", 8, "http://127.0.0.1:1: ", "can be run again"),
    ("login 127.0.0.1:7070 --token-file admin.token", 2, "no http:// or https:// address", "mreg help login"),
]


class Mistakes(cliworld.World):
    def test_messages(self):
        old = self.api.get("/rollouts")["items"][-1]["id"]
        for line, code, message, hint in MISTAKES:
            words = [old if word == "r-17" else word for word in line.split()]
            with self.subTest(line=line):
                done = self.mreg(*words, code=code)
                self.assertIn(message, done.stderr)
                self.assertIn(hint, done.stderr)
                self.assertEqual(done.stdout, "")
                told = json.loads(self.mreg(*words, "--json", code=code).stdout)["error"]
                self.assertEqual(told["exit"], code)
                self.assertIn(message, told["message"])

    def test_token_that_is_void(self):
        made = self.api.post("/tokens", {"name": "short", "role": "reader"})
        self.mreg("list", MREG_TOKEN=made["token"])
        self.api.delete(f"/tokens/{made['id']}")
        done = self.mreg("list", code=4, MREG_TOKEN=made["token"])
        self.assertIn(f"hint: mreg login {self.server.url}", done.stderr)
        self.mreg("auth", "status", code=4, MREG_TOKEN=made["token"])

    def test_without_a_home(self):
        settings = self.settings(MREG_URL=self.server.url, MREG_TOKEN=self.server.token)
        for name in ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
            settings.pop(name)
        for arguments in (["list"], ["push", "fraud", "./out"], ["pull", "fraud@3", "./homeless"]):
            done = subprocess.run([harness.program("mreg"), *arguments], env=settings, cwd=self.work, text=True,
                                  capture_output=True, stdin=subprocess.DEVNULL, timeout=120)
            self.assertEqual(done.returncode, 0, done.stderr)
        settings.pop("MREG_URL")
        done = subprocess.run([harness.program("mreg"), "list"], env=settings, cwd=self.work, text=True,
                              capture_output=True, stdin=subprocess.DEVNULL, timeout=120)
        self.assertEqual(done.returncode, 2)
        self.assertIn("hint: mreg login URL", done.stderr)

    def test_config_that_cannot_be_written(self):
        for arguments in (["config", "set", "color", "never"],
                          ["login", self.server.url, "--token-file", "admin.token"]):
            done = self.mreg(*arguments, code=20, XDG_CONFIG_HOME="/proc/nowhere")
            self.assertIn("/proc/nowhere/mreg/", done.stderr)
        self.mreg("list", code=2, XDG_CONFIG_HOME="/proc/nowhere")
        self.mreg("list", XDG_CACHE_HOME="/proc/nowhere")

    def test_reader_who_has_seen_enough(self):
        done = subprocess.run(["sh", "-c", "mreg audit list --limit 1000 | head -1; echo $?"], env=self.settings(),
                              cwd=self.work, text=True, capture_output=True, timeout=120)
        self.assertEqual((done.stdout.count("\n"), done.stderr), (2, ""))

    def test_narrow_terminal(self):
        code, shown = cliworld.run_in_terminal(["mreg", "list"], self.settings(), self.work, columns=20)
        self.assertEqual(code, 0)
        self.assertIn("fraud", shown)


class Scripts(cliworld.World):
    def test_jq(self):
        tools = self.home / "tools"
        tools.mkdir(exist_ok=True)
        fake = tools / "jq"
        fake.write_text("#!/bin/sh\ncase \"$2\" in *bad*) echo 'jq: no' >&2; exit 3;; esac\n"
                        "echo \"[$1][$2]\"; head -c 10; echo\n")
        fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
        path = f"{tools}:/usr/bin:/bin"
        done = self.mreg("list", "--jq", "-n", PATH=path)
        self.assertEqual(done.stdout, '[-r][ -n]\n{"items":[\n')
        done = self.mreg("list", "--jq", "bad", code=2, PATH=path)
        self.assertIn('--jq "bad": jq failed (exit 3)', done.stderr)
        done = self.mreg("show", "nothing", "--jq", ".", code=3, PATH=path)
        self.assertEqual((done.stdout, "no model" in done.stderr), ("", True))
        done = self.mreg("model", "create", "never-made", "--jq", ".", code=2, PATH=self.home / "bin")
        self.assertIn("needs the program jq", done.stderr)
        self.mreg("show", "never-made", code=3)

    def test_progress(self):
        def push(*arguments):
            return self.mreg("push", "fraud", "./out", "--new-version", *arguments).stderr

        lines = [json.loads(line) for line in push("--progress", "json", "--quiet").splitlines()]
        self.assertEqual([(l["phase"], l["state"]) for l in lines if l["state"] != "moving"],
                         [(phase, state) for phase in ("hash", "upload", "finalise") for state in ("begin", "end")])
        self.assertEqual(lines[1]["done"], lines[1]["total"])
        self.assertEqual([line.split()[0] for line in push("--progress=plain").splitlines()][:3],
                         ["hash", "upload", "finalise"])
        self.assertNotIn("hash", push("--progress", "none"))
        self.assertEqual(push("--json"), "")
        self.assertIn("\x1b[K  upload ", push("--progress", "bar"))

    def test_plan_in_a_file(self):
        model = self.new_model()
        self.mreg("promote", f"{model}@2", "production", "--dry-run", "--plan-out", "plan.json")
        plan = json.loads((self.work / "plan.json").read_text())
        self.assertEqual((plan["model"], plan["to"]), (model, 2))
        made = self.mreg("promote", f"{model}@2", "production", "--plan", "plan.json", "--watch").stdout.split()[0]
        self.assertEqual(self.rollout(made)["phase"], "succeeded")
        self.mreg("promote", f"{model}@1", "production", "--plan", "plan.json", code=6)
        again = self.mreg("rollout", "retry", made, code=0)
        self.assertIn("already so", again.stderr)
        self.mreg("rollout", "simulate", f"{model}@1", "production", "--plan-out", "back.json")
        self.assertEqual(json.loads((self.work / "back.json").read_text())["to"], 1)

    def test_changes_on_a_condition(self):
        self.mreg("alias", "set", "fraud@3", "judged", "--expect", "0")
        self.assertIn("points at version 3", self.mreg("alias", "set", "fraud@4", "judged", "--expect", "2", code=6).stderr)
        self.mreg("alias", "set", "fraud@4", "judged", "--expect", "3")
        self.mreg("node", "edit", "production", "n1", "--label", "zone=a", "--label", "rack=7")
        self.mreg("node", "edit", "production", "n1", "--label", "rack=")
        self.assertEqual(json.loads(self.mreg("node", "show", "production", "n1", "--json").stdout)["labels"], {"zone": "a"})
        self.assertEqual(self.mreg("node", "list", "production", "--label", "zone=a", "-o", "name").stdout, "n1\n")
        self.assertEqual(self.mreg("node", "list", "production", "--search", "n2", "-o", "name").stdout, "n2\n")


if __name__ == "__main__":
    unittest.main()
