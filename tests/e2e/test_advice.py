"""What mreg says before it changes a rollout, and to somebody who does not know what there is: questions on a
terminal and none without one, who put what live, names beside ids, names that are wrong, times to come."""
import json
import re
import time
import unittest

import cliworld

GATED = {"steps": [{"nodes": 1, "bake": "10m", "max_bake": "20m"}, {"percent": 100, "bake": "0"}],
         "gates": [{"kind": "health"}, {"kind": "error-ratio", "ratio": "1.5", "floor": "0.005", "max": "0.02"}]}


class Advice(cliworld.World):
    def in_terminal(self, *words, answers=(), code=0):
        got, shown = cliworld.run_in_terminal(["mreg", *map(str, words)], self.settings(SOURCE_DATE_EPOCH=""), self.work,
                                              answers)
        self.assertEqual(got, code, shown)
        return " ".join(re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown).split())

    def under_way(self):
        """A model of which 1 and then 2 were live, and a rollout of 3 that bakes."""
        model = self.new_model(3)
        self.wait_phase(self.promote(model, 2)["id"], "succeeded")
        return model, self.held(model, 3, **GATED)

    def live(self, model):
        return self.api.get(f"/environments/production/targets/{model}")["live"]

    def test_rollback_while_another_one_is_under_way(self):
        model, held = self.under_way()
        told = (f"{held} (to version 3, running) is under way: rolling back aborts it and goes back to version 2 (live "
                f"before it). To go further back to 1: mreg rollback {model} --env production --to 1 afterwards.")
        done = self.mreg("rollback", model, "--env", "production", "--dry-run")
        self.assertEqual(done.stdout.strip(), told)
        self.assertIn("nothing was changed", done.stderr)
        said = self.mreg("rollback", model, "production", "--to", "1", code=6).stderr
        self.assertIn(f"hint: mreg rollout abort {held} --reason WHY, then: mreg rollback {model} --env production --to 1",
                      said)
        shown = self.in_terminal("rollback", model, "production", answers=[("[y/N] ", "n\n")], code=13)
        self.assertIn(told, shown)
        self.assertEqual(self.rollout(held)["phase"], "running")
        shown = self.in_terminal("rollback", model, "production", "--watch", answers=[("[y/N] ", "y\n")])
        self.assertIn(f"{held} was aborted: version 2 of {model} is live in production", shown)
        self.assertEqual((self.rollout(held)["phase"], self.live(model)), ("rolled-back", 2))

    def test_rollback_by_a_script_asks_nothing(self):
        model, held = self.under_way()
        done = self.mreg("rollback", model, "-e", "production", "--watch")
        self.assertEqual(done.stdout.splitlines()[0], held)
        self.assertIn("was aborted", done.stderr)
        self.assertEqual(self.live(model), 2)

    def test_end_of_a_step(self):
        model, held = self.under_way()
        self.api.put(f"/environments/production/targets/{model}", {"policy": {"queue": "queue"}})
        behind = self.promote(model, 1)["id"]
        told = (f"{held}: ends step 1 of 2 now, passes 1 gate that lacks evidence (error-ratio); next step: version 3 on "
                f"all 2 nodes; when it has ended, {behind} (version 1) starts")
        shown = self.in_terminal("rollout", "promote", held, answers=[("[y/N] ", "n\n")], code=13)
        self.assertIn(told, shown)
        self.assertEqual(self.rollout(held)["step"], 1)
        self.assertIn("ends this step now and passes 1 gate without evidence", self.rollout(held)["unblock"])
        shown = self.in_terminal("rollout", "promote", held, "--yes")
        self.assertNotIn("[y/N]", shown)
        self.wait_phase(held, "succeeded")
        self.settle()

    def test_end_of_a_paused_step(self):
        model, held = self.under_way()
        self.deployer.post(f"/rollouts/{held}/commands", {"verb": "pause", "reason": "incident 12"})
        self.wait_phase(held, "paused")
        said = self.mreg("rollout", "promote", held).stderr
        self.assertIn(f"{held}: ends step 1 of 2 once it is resumed (it stays paused until then: dora: incident 12), ", said)
        self.assertIn(f"promote accepted; it stays paused until: mreg rollout resume {held}", said)
        self.assertEqual((self.rollout(held)["phase"], self.rollout(held)["step"]), ("paused", 1))
        self.mreg("rollout", "resume", held)
        self.wait_phase(held, "succeeded")

    def test_end_of_a_rollout(self):
        model, held = self.under_way()
        self.api.put(f"/environments/production/targets/{model}", {"policy": {"queue": "queue"}})
        behind = self.promote(model, 1)["id"]
        next_one = f"; when it has ended, {behind} (version 1) starts"
        back = f"goes back to version 2 (live before it){next_one}"
        for words, told in ((["rollout", "abort", held], f"{held} ({model} to version 3 in production, running) {back}."),
                            (["rollout", "halt", held], "running) ends, and every node keeps what it serves now. Halt"),
                            (["rollback", model, "production"], f"rolling back aborts it and {back}. To go further"),
                            (["rollout", "abort", behind], "queued) ends before it has changed anything")):
            self.assertIn(told, self.in_terminal(*words, answers=[("[y/N] ", "n\n")], code=13))
        self.assertEqual((self.rollout(held)["phase"], self.rollout(behind)["phase"]), ("running", "queued"))
        self.assertIn(f"{back}.", self.mreg("rollback", model, "production", "--dry-run").stdout)
        self.assertIn(f"goes back to version 2 in production{next_one}", self.mreg("rollback", model, "production").stderr)
        self.wait_for(lambda: self.rollout(behind)["phase"] != "queued", what="the next one")
        self.wait_phase(behind, "succeeded")
        held = self.held(model, 3)
        said = self.mreg("promote", f"{model}@2", "production").stderr
        self.assertIn(f"1 -> 2 in production; number 1 in the queue behind rollout {held} of version 3, submitted by ",
                      said)
        held = self.held()
        self.in_terminal("rollout", "abort", held, "--no-input")
        self.wait_phase(held, "rolled-back")

    def test_plan_of_a_rollback(self):
        model = self.new_model(3)
        self.wait_phase(self.promote(model, 2)["id"], "succeeded")
        plan = re.search("--plan (p1-.*)", self.mreg("rollback", model, "production", "--dry-run", "--plan-out",
                                                     "back.json").stdout)[1]
        held = self.held(model, 3)
        said = self.mreg("rollback", model, "production", "--plan", plan, code=6).stderr
        self.assertIn(f"rollout {held} is under way", said)
        self.command(held, "abort")
        self.wait_phase(held, "rolled-back")
        plan = self.mreg("rollback", model, "production", "--dry-run", "--plan-out", "back.json")
        self.mreg("rollback", model, "production", "--plan", "back.json", "--watch")
        self.assertEqual(self.live(model), 1)

    def test_step_that_no_node_serves(self):
        model = self.new_model(2)
        for node in self.nodes:
            node.faults(load_delay_ms=4000)
        self.addCleanup(lambda: [node.faults(load_delay_ms=0) for node in self.nodes])
        made = self.promote(model, 2, {"strategy": "all-at-once", "gates": [{"kind": "health"}]})["id"]
        self.wait_for(lambda: self.rollout(made)["step"] == 1, what="its step")
        if not any(n.get("version") == 2 for n in self.rollout(made)["nodes"]):
            said = self.mreg("rollout", "promote", made, code=6).stderr
            self.assertIn("no node serves the new version yet", said)
        self.command(made, "abort")
        self.wait_phase(made, "rolled-back")

    def test_clocks(self):
        _, held = self.under_way()
        shown = self.mreg("rollout", "show", held).stdout
        self.assertRegex(shown, r"for \d+s   step ends in (10m 00|9m \d\d)s at the earliest, (20m 00|19m \d\d)s at the latest   back in")
        self.command(held, "pause")
        self.wait_phase(held, "paused")
        shown = self.mreg("rollout", "show", held).stdout
        self.assertIn("paused: the clocks of its step stand", shown)
        self.assertNotIn("left", shown)
        self.assertIn("(the role deployer may)", shown)

    def test_who_put_it_live(self):
        model = self.new_model(2)
        made = self.deployer.post("/rollouts", {"model": model, "version": "2", "environment": "production",
                                                "reason": "better auc"})["id"]
        self.wait_phase(made, "succeeded")
        row = self.mreg("blame", model).stdout.splitlines()[0].split("\t")
        self.assertEqual((row[:2], row[5:]), (["live", f"production/{model}"],
                                              [f"version 2 is live in production by {made}", "better auc"]))
        self.assertRegex(row[4], r"^dora \(t-\d+\)$")
        target = self.api.get(f"/environments/production/targets/{model}")
        self.assertEqual([target[f"live_{k}"] for k in ("by_name", "rollout", "reason")], ["dora", made, "better auc"])
        now = self.api.get("/changes?limit=500")["items"][-1]["time"]
        for words in (["status"], ["status", "production"], ["status", "--env", "production", "--at", now]):
            lines = [line.split("\t") for line in self.mreg(*words).stdout.splitlines()]
            line = [line for line in lines if line[1] == model][0]
            self.assertEqual(line[2:3] + line[4:8] + line[9:], ["2", row[4], made, "n1", "2", "-", "better auc"])
        shown = self.in_terminal("rollout", "list", "--model", model)
        self.assertIn(" dora version 2 is live", shown)
        auditor, reader = (self.api.new_token(role, f"who is {role}").token for role in ("auditor", "reader"))
        for token, text in ((None, "dora, deployer"), (auditor, "dora, deployer"), (reader, "dora"),
                            (self.deployer.token, "dora")):
            more = {"MREG_TOKEN": token} if token else {}
            found = json.loads(self.mreg("search", "dora", "--json", **more).stdout)["items"]
            self.assertEqual([(hit["kind"], hit["text"]) for hit in found], [("token", text)])
        self.assertIn(made, self.mreg("search", "by:dora").stdout)

    def test_names_beside_ids(self):
        ana = self.api.new_token("approver", "ana")
        made = ana.post("/freezes", {"environment": "production", "model": "fraud", "reason": "sale", "until": "2099-01-01"})
        self.addCleanup(ana.delete, f"/freezes/{made['id']}?reason=over")
        self.assertEqual(made["actor_name"], "ana")
        self.assertRegex(self.mreg("freeze", "list").stdout, r"\tana \(t-\d+\)\t")
        paul = self.api.new_token("pusher", "paul")
        paul.upload("named", {"x": b"1"}, alias=["mine"])
        for words in (["list", "named"], ["alias", "list", "named"]):
            self.assertRegex(self.mreg(*words).stdout, r"\tpaul \(t-\d+\)\n")
        self.assertRegex(self.mreg("show", "named@1").stdout, r"by paul")
        model, held, behind = self.queued(1)
        queue = self.api.get(f"/environments/production/targets/{model}/queue")
        self.assertEqual(queue["items"][0]["actor_name"], self.rollout(held)["actor_name"])
        self.deployer.post("/environments/production/nodes/n2/cordon", {"reason": "disk fails"})
        self.addCleanup(self.deployer.post, "/environments/production/nodes/n2/uncordon", {})
        self.assertRegex(self.mreg("node", "show", "production", "n2").stdout, r"cordon since \S+ by dora \(t-\d+\)")

    def test_hidden_rows(self):
        """Pages whose rows the token may not see are not the end of a list."""
        self.promote(self.new_model(), 2)
        few = self.api.post("/tokens", {"name": "few", "role": "reader", "models": "fraud"})["token"]
        newest = self.api.get("/rollouts?model=fraud&limit=1")["items"][0]["id"]
        self.assertNotEqual(self.api.get("/rollouts?limit=1")["items"][0]["id"], newest)
        got = json.loads(self.mreg("rollout", "list", "--limit", "1", "--json", MREG_TOKEN=few).stdout)
        self.assertEqual([r["id"] for r in got["items"]], [newest])
        now = self.api.get("/changes?limit=500")["items"][-1]["time"]
        got = json.loads(self.mreg("rollout", "list", "--limit", "1", "--at", now, "--json", MREG_TOKEN=few).stdout)
        self.assertEqual([r["id"] for r in got["items"]], [newest])
        feed = json.loads(self.mreg("api", "GET", "/changes", "--paginate", MREG_TOKEN=few).stdout)["items"]
        numbers = [row["seq"] for row in feed]
        self.assertEqual(numbers, sorted(set(numbers)))

    def test_request_of_an_error(self):
        said = self.mreg("rollout", "show", "r-999", code=3).stderr
        request = re.search(r"^request: (\S+)$", said, re.M)[1]
        said = json.loads(self.mreg("promote", "fraud@999", "production", "--json", code=3).stdout)["error"]
        for wanted, path in ((request, "/api/v1/rollouts/{id}"), (said["request_id"], "/api/v1/rollouts")):
            lines = [line for line in self.server.log_lines() if wanted in line.values()]
            self.assertEqual([line["url.path"] for line in lines], [path], lines)

    def test_names_that_are_wrong(self):
        for line, message in (("status --env prodction --at 2026-05-01", 'did you mean "production"?'),
                              ("status prodction", 'did you mean "production"?'),
                              ("history frod", 'did you mean "fraud"?'), ("blame frod", 'did you mean "fraud"?'),
                              ("blame -e prodction", 'did you mean "production"?'),
                              ("rollout list --env prodution", 'did you mean "production"?'),
                              ("rollout list --model fruad", 'did you mean "fraud"?'),
                              ("queue list prodction", 'did you mean "production"?'),
                              ("freeze list prodction", 'did you mean "production"?'),
                              ("rollback fruad --env production", 'did you mean "fraud"?'),
                              ("promote production fraud", "the model comes first: mreg promote fraud production"),
                              ("rollout show fraud", "fraud is a model; its newest rollouts: r-")):
            with self.subTest(line=line):
                self.assertIn(message, self.mreg(*line.split(), code=3).stderr)
        for line, message in (("status --at 2030-01-01", "is in the future"),
                              ("rollout list --phase runing", "did you mean running?"),
                              ("node show production", 'as in "mreg node show production n1"')):
            with self.subTest(line=line):
                self.assertIn(message, self.mreg(*line.split(), code=2).stderr)
        self.assertEqual(self.mreg("rollout", "list", "--env", "production", "--phase", "halted").stdout, "")

    def test_roles(self):
        shown = self.mreg("help", "roles").stdout
        for role in ("node", "reader", "auditor", "pusher", "deployer", "approver", "admin"):
            self.assertIn(f"\n  {role} ", shown)
        made = self.api.post("/tokens", {"name": f"rita-{time.monotonic_ns()}", "role": "reader"})
        said = self.mreg("promote", "fraud@5", "production", code=5, MREG_TOKEN=made["token"]).stderr
        self.assertIn("needs the role deployer, approver or admin", said)
        self.assertIn("has the role reader", said)
        self.assertIn("hint: ask an admin: mreg token create NAME --role deployer", said)

    def test_token_that_is_typed(self):
        shown = self.in_terminal("login", self.server.url, answers=[("not shown): ", "mrg_wrong\n")], code=4)
        self.assertNotIn("mrg_wrong", shown)
        self.assertNotIn("DATA/admin.token", shown)  # somebody has logged in from here before
        for words in ([], ["--token-file", "-"]):
            shown = self.in_terminal("login", self.server.url, *words,
                                     answers=[("not shown): ", self.server.token + "\n")])
            self.assertIn("registry key pinned", shown)
            self.assertNotIn(self.server.token, shown)

    def test_either_grammar(self):
        self.assertIn("plan  fraud 5 -> 3", self.mreg("promote", "fraud@3", "--env", "production", "--dry-run").stdout)
        self.mreg("promote", "fraud@3", "production", "--env", "production", code=2)
        done = [r["id"] for r in self.api.get("/rollouts?model=fraud")["items"] if r["phase"] == "succeeded"][0]
        self.mreg("rollout", "retry", done, "--dry-run")

    def test_plan_that_stands_still(self):
        self.api.post("/environments", {"name": "dark"})
        (self.home / "dark").mkdir()
        self.api.post("/environments/dark/nodes", {"name": "d1", "admin_url": "http://127.0.0.1:1",
                                                   "root": str(self.home / "dark")})
        lines = self.mreg("promote", "fraud@3", "dark", "--dry-run").stdout.splitlines()
        self.assertTrue(lines[1].startswith("will not go through as things are: "), lines)
        self.assertIn("cannot be reached", lines[1])
        row = [r.split("\t") for r in self.mreg("env", "list").stdout.splitlines() if r.startswith("dark\t")][0]
        self.assertEqual(row[2:4], ["1", "1"])


if __name__ == "__main__":
    unittest.main()
