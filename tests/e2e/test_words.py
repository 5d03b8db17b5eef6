"""Words of mreg that somebody new stumbles over: times, names in printed commands, numbers and nothing, what a
narrow terminal shows, hints that fit, what was asked for and would be passed over in silence."""
import json
import re
import subprocess
import time
import unittest

import cliworld


class Words(cliworld.World):
    def on_screen(self, *words, columns=80, code=0):
        got, shown = cliworld.run_in_terminal(["mreg", *map(str, words)], self.settings(SOURCE_DATE_EPOCH=""), self.work,
                                              columns=columns)
        self.assertEqual(got, code, shown)
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown).splitlines()

    def say(self, *words, code):
        done = self.mreg(*words, code=code)
        return done.stderr

    def rows(self, *words):
        return [line.split("\t") for line in self.mreg(*words).stdout.splitlines()]

    def unused(self):
        """A model with a version that was never live."""
        type(self).n_models += 1
        self.push(f"unused-{self.n_models}", intercept=1)
        return f"unused-{self.n_models}"

    # --- times ---

    def test_times(self):
        today = time.strftime("%Y-%m-%d", time.gmtime())
        minute = time.strftime("%Y-%m-%d %H:%M", time.gmtime(time.time() + 60))
        now = [row for row in self.rows("status", "production") if row[1] == "fraud"]
        for at in (today, minute, minute.replace(" ", "T")):
            self.assertEqual([row for row in self.rows("status", "production", "--at", at) if row[1] == "fraud"], now)
        for words in (["history"], ["rollout", "list"], ["list"], ["node", "list", "production"]):
            self.assertTrue(self.rows(*words, "--at", today), words)
        tomorrow = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 86400))
        self.assertIn("is in the future", self.say("status", "--at", tomorrow, code=2))
        self.assertIn("2026-05-03T10:00 (UTC)", self.say("status", "--at", "2026-05-03T10", code=2))
        self.assertIn("a date for its end", " ".join(self.mreg("help", "status").stdout.split()))

    def test_status_at_is_as_status_was(self):
        live, first = self.new_model(1), self.unused()
        held = self.held(first, 1)
        self.wait_for(lambda: any(r[1] == first and r[7] == "1" for r in self.rows("status", "production")), what="n1 serves")

        def of_both(*words):
            return [row for row in self.rows("status", "production", *words) if row[1] in (live, first)]
        now = of_both()
        self.assertEqual({tuple(r[2:6]) for r in now if r[1] == first}, {("-", "-", "-", "-")})
        at = self.api.get("/changes?limit=500")["items"][-1]["time"]
        then = of_both("--at", at)
        self.assertEqual([r for r in then if r[6:9] != ["n2", "-", "-"]], [r for r in now if r[7] != "-"])
        self.assertEqual(then, sorted(then, key=lambda r: (r[1], r[6])))
        self.command(held, "abort")
        self.wait_phase(held, "rolled-back")

    def test_ages_are_those_of_then(self):
        model = self.new_model(1)
        at = self.api.get("/changes?limit=500")["items"][-1]["time"]
        def age(*words):
            line = [line for line in self.on_screen("status", "production", *words) if model in line][0]
            return re.search(rf"{model}\s+1\s+(now|\d+ s ago)\s", line)[1]
        self.wait_for(lambda: age() not in ("now", "1 s ago"), what="some age")
        self.assertIn(age("--at", at), ("now", "1 s ago"))

    # --- what is shown ---

    def test_names_of_what_is_live(self):
        model = self.unused()
        held = self.held(model, 1)
        for words in (["status", "-o", "name"], ["status", "production", "-o", "id"], ["target", "list", "production", "-o", "name"]):
            lines = self.mreg(*words).stdout.splitlines()
            self.assertEqual(len(lines), len(set(lines)))
            self.assertIn(model, lines)
            self.assertIn("fraud", lines)
            self.assertNotIn(held, lines)
        self.command(held, "abort")
        self.wait_phase(held, "rolled-back")

    def test_narrow_terminals(self):
        for columns, heads in ((100, "MODEL VERSION SINCE BY ROLLOUT NODE SERVES STATE"),
                               (60, "MODEL VERSION NODE SERVES STATE")):
            lines = self.on_screen("status", "production", columns=columns)
            shown = lines[0].split()
            self.assertEqual([h for h in heads.split() if h not in shown], [])
            self.assertNotIn("ENV", shown)
            self.assertNotIn("…", "".join(lines))
            self.assertLessEqual(max(map(len, lines)), columns)
        self.assertIn("ENV", self.on_screen("status", columns=120)[0].split())

    def test_nothing_is_nothing(self):
        model = self.unused()
        held = self.held(model, 1)
        row = [r for r in self.rows("env", "show", "production") if r[0] == model][0]
        self.assertEqual(row[1:3], ["-", "-"])
        self.assertRegex(self.mreg("target", "show", "production", model).stdout, r"live +nothing\n +last good +nothing\n")
        self.assertIn(f"{model} nothing to 1 in production", self.mreg("search", held).stdout)
        self.command(held, "abort")
        self.wait_phase(held, "rolled-back")
        done = self.mreg("promote", f"{model}@1", "production")
        self.assertIn(f"{model} nothing -> 1 in production", done.stderr)
        self.wait_phase(done.stdout.strip(), "succeeded")

    def test_numbers_of_one(self):
        self.api.post("/environments", {"name": "small"})
        self.api.post("/environments/small/nodes", {"name": "s1", "admin_url": "http://127.0.0.1:1", "root": str(self.home)})
        self.assertIn("small  1 node, 1 unreachable", self.mreg("env", "show", "small").stdout)
        self.assertRegex(self.mreg("promote", "fraud@3", "small", "--dry-run").stdout, r"in small  1 node, 1 step\n")
        self.assertIn("there are more than this one: --limit N", self.mreg("rollout", "list", "--limit", "1").stderr
                      + self.mreg("history", "--limit", "1").stderr)
        (self.work / "one.bin").write_bytes(b"one file")
        self.assertIn(" 1 file, 0 unchanged", self.mreg("push", "one/file", "one.bin").stderr)

    def test_lines_of_a_description(self):
        self.mreg("model", "create", "wordy", "--description", "first\n\n* second")
        self.assertIn("description  first\n\n             * second\n", self.mreg("show", "wordy").stdout)
        self.assertIn("--columns picks members with -o json", self.say("show", "fraud@1", "--columns", "format", code=2))
        self.assertEqual(json.loads(self.mreg("show", "fraud@1", "--columns", "format", "--json").stdout), {"format": "mreg-linear"})

    def test_nothing_found(self):
        self.assertIn('nothing found for "nosuchthing"', self.mreg("search", "nosuchthing").stderr)
        made = self.promote(self.new_model(2), 2, {"gates": []})["id"]
        self.wait_phase(made, "succeeded")
        self.assertEqual(self.mreg("analysis", "show", made).stdout,
                         f"nothing was measured in {made}: it has no gate that looked at a node\n")

    def test_whoami_and_roles(self):
        made = self.api.post("/tokens", {"name": "tess", "role": "pusher", "models": "team/*"})
        row = self.mreg("whoami", MREG_TOKEN=made["token"]).stdout.strip().split("\t")
        self.assertEqual(row[2:], ["tess", "pusher", "models team/*"])
        shown = self.mreg("help", "roles").stdout
        self.assertNotIn("From the least to the most", shown)
        self.assertIn("a deployer may not push", shown)

    # --- what would be passed over ---

    def test_steps_need_canary(self):
        said = self.say("promote", "fraud@3", "production", "--steps", "100%:1s", "-n", code=2)
        self.assertIn("the policy's strategy here is rolling, which takes no steps", said)
        self.assertIn("hint: add --strategy canary", said)
        said = self.say("promote", "fraud@3", "production", "--strategy", "all-at-once", "--steps", "3", code=2)
        self.assertIn("the strategy all-at-once takes no steps", said)
        plan = self.mreg("promote", "fraud@3", "production", "--strategy", "canary", "--steps", "1:5s,100%", "-n", "--json")
        self.assertEqual(json.loads(plan.stdout)["n_steps"], 2)
        canary = self.new_model(2)
        self.api.put(f"/environments/production/targets/{canary}", {"policy": {"strategy": "canary"}})
        plan = self.mreg("promote", f"{canary}@2", "production", "--steps", "100%", "-n", "--json")
        self.assertEqual(json.loads(plan.stdout)["n_steps"], 1)
        shown = " ".join(self.mreg("help", "promote").stdout.split())
        self.assertIn("canary, rolling, all-at-once, blue-green or shadow", shown)

    def test_push_says_what_cannot_be_served(self):
        (self.work / "odd.json").write_text('{"no": "model"}')
        said = self.mreg("push", "odd", "odd.json").stderr
        self.assertIn("pushed: new model odd version 1, format unknown, ", said)
        self.assertIn("warning: it cannot be served as it is: ", said)
        self.assertIn("mreg help formats", said)
        self.assertNotIn("next: ", said)
        self.assertIn("serving/model-settings.json", self.say("promote", "odd@1", "production", code=2))
        (self.work / "odd.d/serving").mkdir(parents=True)
        (self.work / "odd.d/model.json").write_text('{"no": "model"}')
        example = re.search(r'needs: (\{.*?\}\})', self.mreg("help", "formats").stdout).group(1)
        (self.work / "odd.d/serving/model-settings.json").write_text(example)
        said = self.mreg("push", "odd", "odd.d").stderr
        self.assertIn("pushed: odd version 2", said)
        self.assertIn("next: mreg promote odd@2 ENVIRONMENT --watch", said)
        self.mreg("promote", "odd@2", "production", "--dry-run")

    def test_names_in_commands_are_quoted(self):
        said = self.mreg("push", "it's bad!", "out").stderr
        line = re.search("next: (.*)", said).group(1)
        words = subprocess.run(["sh", "-c", f"set -- {line}; printf '%s\\n' \"$@\""], capture_output=True, text=True, check=True)
        self.assertEqual(words.stdout.splitlines(), ["mreg", "promote", "it's bad!@1", "ENVIRONMENT", "--watch"])
        said = self.mreg("model", "create", "two words").stderr
        self.assertIn("next: mreg push 'two words' PATH", said)
        self.assertIn("mreg promote 'two words' production", self.say("promote", "production", "two words", code=3))

    # --- other words, and hints ---

    def test_other_words(self):
        self.assertEqual(self.rows("env", "ls", "--columns", "ENVIRONMENT"), self.rows("env", "list", "--columns", "ENVIRONMENT"))
        self.assertTrue(self.rows("node", "ls", "production"))
        done = self.api.get("/rollouts?limit=1&model=fraud")["items"][0]["id"]
        self.assertEqual(self.mreg("rollout", "get", done).stdout, self.mreg("rollout", "show", done).stdout)
        for words, wanted in (("models", 'did you mean "mreg list"?'), ("model list", 'that is "mreg list"'),
                              ("version list fraud", 'that is "mreg list MODEL"'), ("version ls fraud", 'too many'),
                              ("env lst", 'did you mean "env list"?')):
            self.assertIn(wanted, self.say(*words.split(), code=2), words)

    def test_hints(self):
        done = self.api.get("/rollouts?model=fraud")["items"][-1]["id"]
        self.api.post("/environments", {"name": "idle"})
        for words, code, wanted in (
                (f"rollout pause {done}", 6, "it succeeded; to go back: mreg rollback fraud --env production"),
                (f"rollout override {done} freeze", 2, "add --reason WHY"),
                ("show fraud@idle", 3, "idle is an environment, and no version of this model is live there: mreg status idle"),
                (f"rollout show {done[2:]}", 3, f"did you mean {done}?"),
                (f"rollout show r{done[2:]}", 3, f"did you mean {done}?"),
                ("rollout show 999999", 3, "mreg rollout list shows")):
            with self.subTest(words=words):
                said = self.say(*words.split(), code=code)
                self.assertIn(f"hint: {wanted}", said)

    def test_quarantine_names_who_may(self):
        bad = self.before_quarantine_lift()["fraud@7"]
        said = self.say("promote", bad, "production", code=1)
        self.assertIn("hint: the role approver may do that, or end it: mreg quarantine lift", said)

    def test_history_of_a_rollback(self):
        model = self.new_model(2)
        self.wait_phase(self.promote(model, 2)["id"], "succeeded")
        back = self.mreg("rollback", model, "--env", "production").stdout.strip()
        self.wait_phase(back, "succeeded")
        self.assertIn(f"roll back {model} in production from version 2 to version 1", self.mreg("history", model).stdout)

    def test_doctor_says_what_node_check_says(self):
        said = self.mreg("node", "check", "production", "n1", code=1).stdout
        self.assertIn("durations of the whole server only", said)
        shown = self.mreg("doctor").stdout
        self.assertIn("2 of 2 lack something; n1: the page of metrics has durations of the whole server only", shown)
        self.assertIn("fix: mreg node check production n1", shown)


if __name__ == "__main__":
    unittest.main()
