"""What decides when a rollout may go, with the real mregd over three mreg-node processes: queues, hotfixes,
freezes, stop-the-line, the failure budget, quarantine, approvals by two people, plans with tokens, sets of
models, waves over environments; and two people at the same time."""
import json
import sqlite3
import threading
import time
import unittest

import fleetcase
import harness
from test_session import Browser

FAST = {"strategy": "rolling", "bake": "0", "min_healthy": "0", "gates": [{"kind": "health"}]}
HELD = {"strategy": "canary", "steps": [{"nodes": 1, "bake": "10m"}, {"percent": 100, "bake": "0"}],
        "min_healthy": "0", "gates": [{"kind": "health"}]}


class TargetCase(fleetcase.FleetCase):
    n_nodes = 2
    policy = FAST

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.deployer = cls.api.new_token("deployer", "dora")
        cls.approver = cls.api.new_token("approver", "anna")
        cls.second = cls.api.new_token("approver", "bert")

    def ask(self, api, model, version, status=201, **more):
        return api.expect(status, "POST", "/rollouts", {
            "model": model, "version": str(version), "environment": "production", **more}).json

    def start(self, model, n=3):
        """Version 1 is live; versions 2..n are there."""
        for i in range(n):
            self.push(model, intercept=i + 1)
        self.go(model, 1)

    def go(self, model, version, phase="succeeded", **more):
        made = self.ask(self.api, model, version, **more)
        return self.wait_phase(made["id"], phase)

    def hold(self, model, version, **more):
        """A rollout that bakes for long on one node."""
        made = self.ask(self.api, model, version, strategy={**HELD, **more})
        self.wait_for(lambda: self.rollout(made["id"])["step_phase"] == "bake", what="the bake")
        return made["id"]

    def queue(self, model):
        return self.api.get(f"/environments/production/targets/{model}/queue")

    def last(self, kind):
        return self.api.get(f"/changes?kind={kind}&limit=500")["items"][-1]

    def waits_for(self, rollout_id, words):
        self.wait_for(lambda: words in self.rollout(rollout_id).get("waiting", ""),
                      what=f"{rollout_id} to wait for {words}")
        return self.rollout(rollout_id)


class QueueTest(TargetCase):
    def test_coalesce(self):
        self.start("coal", 4)
        active = self.hold("coal", 2)
        older = self.ask(self.deployer, "coal", 3)
        self.assertEqual((older["phase"], older["queue_position"]), ("queued", 1))
        self.assertIn(active, older["waiting"])
        self.assertIn("queue remove", older["unblock"])
        newer = self.ask(self.api, "coal", 4)
        gone = self.rollout(older["id"])
        self.assertEqual(gone["phase"], "superseded")
        self.assertIn(newer["id"], gone["outcome"])
        self.assertIn("ended", gone)
        again = self.ask(self.api, "coal", 4, 200)
        self.assertEqual((again["id"], again["already"]), (newer["id"], True))
        queue = self.queue("coal")
        self.assertEqual((queue["policy"], queue["active"]["id"]), ("coalesce", active))
        self.assertEqual([i["id"] for i in queue["items"]], [newer["id"]])
        self.assertEqual([r["id"] for r in self.api.get("/rollouts?queued=true&model=coal")["items"]],
                         [newer["id"]])
        self.command(active, "promote", expected_step=1)
        self.wait_phase(newer["id"], "succeeded")
        self.assertEqual(self.rollout(newer["id"])["from"], 2)
        self.assertEqual(self.versions_served("coal"), [4, 4])
        self.assertIn("is next", " ".join(c["message"] for c in self.api.get(
            "/changes?kind=rollout.end&limit=500")["items"] if c["object"] == active))

    def test_reject(self):
        self.start("strict")
        self.api.put("/environments/production/targets/strict", {"policy": {"queue": "reject"}})
        active = self.hold("strict", 2)
        self.assertIn(active, self.ask(self.api, "strict", 3, 409)["detail"])
        self.command(active, "abort")
        self.wait_phase(active, "rolled-back")

    def test_replace(self):
        self.start("repl")
        active = self.hold("repl", 2, queue="replace")
        newer = self.ask(self.api, "repl", 3, strategy={"queue": "replace"})
        given_way = self.wait_phase(active, "superseded")
        self.assertIn(newer["id"], given_way["outcome"])
        self.assertIn("1 of 2 nodes serve version 2", given_way["outcome"])
        self.wait_phase(newer["id"], "succeeded")
        self.assertEqual(self.rollout(newer["id"])["from"], 1)
        self.assertEqual(self.versions_served("repl"), [3, 3])
        self.assertEqual(self.brought("repl"), {"n1": [1, 2, 3], "n2": [1, 3]})

    def brought(self, model):
        """The versions that were loaded on each node, in order."""
        out = {}
        for row in self.api.get(f"/environments/production/nodes")["items"]:
            node = self.api.get(f"/environments/production/nodes/{row['name']}")
            out[row["name"]] = [o["version"] for o in reversed(node["operations"])
                                if o["model"] == model and o["action"] == "load"]
        return out

    def test_replace_that_fails(self):
        """The way back leads to the last good version, also for what the replaced one brought."""
        self.start("swap")
        self.push("swap", intercept=4, golden=False, fail_load=True)
        active = self.hold("swap", 2, queue="replace")
        bad = self.ask(self.api, "swap", 4, strategy={"queue": "replace"})
        self.wait_phase(active, "superseded")
        self.wait_phase(bad["id"], "rolled-back")
        self.wait_for(lambda: self.versions_served("swap") == [1, 1], what="the last good version")
        self.assertEqual(self.api.get("/environments/production/targets/swap")["live"], 1)

    def test_replace_with_approvals(self):
        """What people have to agree to first does not leave nodes in the middle."""
        self.start("calm")
        active = self.hold("calm", 2, queue="replace")
        newer = self.ask(self.deployer, "calm", 3, strategy={"queue": "replace", "approvals": 1})
        self.wait_phase(active, "rolled-back")
        self.command(newer["id"], "abort")
        self.wait_phase(newer["id"], "cancelled")

    def test_replace_that_never_begins(self):
        """A freeze pauses what took over; taken out, what it found goes back, also with nothing live."""
        self.push("never", intercept=1)
        self.push("never", intercept=2)
        active = self.hold("never", 1, queue="replace")
        freeze = self.approver.expect(201, "POST", "/freezes", {"environment": "production", "model": "never",
                                                                "reason": "sale"}).json
        self.wait_phase(active, "paused")
        newer = self.ask(self.api, "never", 2, strategy={"queue": "replace"})
        self.wait_phase(active, "superseded")
        self.waits_for(newer["id"], "freeze")
        self.assertIn(1, self.versions_served("never"))
        self.command(newer["id"], "abort")
        self.wait_phase(newer["id"], "rolled-back")
        self.wait_for(lambda: 1 not in self.versions_served("never"), what="what was left to go")
        self.approver.delete(f"/freezes/{freeze['id']}?reason=over")

    def test_replace_twice(self):
        self.start("chain", 4)
        one = self.hold("chain", 2, queue="replace")
        two = self.hold("chain", 3, queue="replace")
        self.wait_phase(one, "superseded")
        self.command(two, "abort")
        self.wait_phase(two, "rolled-back")
        self.wait_for(lambda: self.versions_served("chain") == [1, 1], what="the last good version")

    def test_hotfix(self):
        self.start("hot", 5)
        self.api.put("/environments/production/targets/hot", {"policy": {"queue": "queue"}})
        active = self.hold("hot", 2)
        waiting = self.ask(self.api, "hot", 3, strategy=HELD)
        self.ask(self.api, "hot", 4, 400, hotfix=True)
        fix = self.ask(self.api, "hot", 4, hotfix=True, reason="incident 12")
        self.assertTrue(fix["hotfix"])
        self.wait_phase(active, "rolled-back")
        self.wait_phase(fix["id"], "succeeded")
        self.wait_for(lambda: self.rollout(waiting["id"])["step_phase"] == "bake", what="the next one")
        self.command(waiting["id"], "abort")
        self.wait_phase(waiting["id"], "rolled-back")

    def test_order_and_removal(self):
        self.start("order", 5)
        self.api.put("/environments/production/targets/order", {"policy": {"queue": "queue"}})
        active = self.hold("order", 2)
        b, c, d = (self.ask(self.api, "order", v, strategy=HELD)["id"] for v in (3, 4, 5))
        path = "/environments/production/targets/order/queue"
        generation = self.queue("order")["generation"]
        answer = self.deployer.patch(path, {"order": [d, b, c], "expected_generation": generation,
                                            "reason": "customer waits"})
        self.assertEqual([i["id"] for i in answer["items"]], [d, b, c])
        self.assertEqual(self.last("target.queue")["reason"], "customer waits")
        late = self.api.expect(409, "PATCH", path, {"order": [b, c, d], "expected_generation": generation}).json
        self.assertIn("changed the order", late["detail"])
        self.assertIn("wait", self.api.expect(409, "PATCH", path, {"order": [b, c]}).json["detail"])
        self.api.expect(400, "PATCH", path, {"order": [b, b, c]})
        self.api.delete(f"{path}/{b}?reason=old")
        self.assertEqual(self.rollout(b)["phase"], "cancelled")
        self.assertIn("old", self.rollout(b)["outcome"])
        self.api.expect(409, "DELETE", f"{path}/{b}")
        self.api.expect(404, "DELETE", f"/environments/production/targets/coal2/queue/{c}")
        self.api.expect(409, "POST", f"/rollouts/{c}/commands", {"verb": "pause"})
        self.command(c, "abort", reason="not needed")
        self.assertEqual(self.rollout(c)["phase"], "cancelled")
        self.command(active, "abort")
        self.wait_for(lambda: self.rollout(d)["step_phase"] == "bake", what="the first of the queue")
        self.command(d, "abort")
        self.wait_phase(d, "rolled-back")

    def test_two_people(self):
        """Of many who saw the same generation exactly one comes through; the others hear who it was."""
        self.start("race", 3)
        active = self.hold("race", 2)
        generation = self.queue("race")["generation"]
        people = [self.api.new_token("deployer", f"p{i}") for i in range(6)]
        answers = []
        barrier = threading.Barrier(len(people))

        def submit(api):
            barrier.wait()
            answers.append(api.call("POST", "/rollouts", {
                "model": "race", "version": "3", "environment": "production", "strategy": {"queue": "queue"},
                "expected_generation": generation}))

        threads = [threading.Thread(target=submit, args=(api,)) for api in people]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(sorted(a.status for a in answers), [201] + [409] * 5)
        winner = next(a.json for a in answers if a.status == 201)
        for answer in answers:
            if answer.status == 409:
                self.assertIn(f"{winner['actor']} submitted {winner['id']}", answer.json["detail"])
        stale = self.api.expect(409, "POST", f"/rollouts/{active}/commands",
                                {"verb": "promote", "expected_generation": generation}).json
        self.assertIn(winner["actor"], stale["detail"])
        self.api.expect(202, "POST", f"/rollouts/{active}/commands",
                        {"verb": "abort", "expected_generation": generation + 1})
        self.wait_phase(active, "rolled-back")
        self.wait_phase(winner["id"], "succeeded")

    def test_restart_in_the_middle(self):
        """The queue is in the database: a killed server goes on with it."""
        self.start("kill", 3)
        active = self.hold("kill", 2)
        waiting = self.ask(self.api, "kill", 3)
        self.server.kill9()
        self.server.start()
        type(self).api = self.server.api
        type(self).deployer = self.api.new_token("deployer", "dora2")
        self.assertEqual(self.rollout(waiting["id"])["queue_position"], 1)
        self.command(active, "promote")
        self.wait_phase(waiting["id"], "succeeded")

    def test_command_line(self):
        self.start("clitar", 4)
        self.api.put("/environments/production/targets/clitar", {"policy": {"queue": "queue"}})
        active = self.hold("clitar", 2)
        b, c = (self.ask(self.api, "clitar", v)["id"] for v in (3, 4))
        rows = self.server.cli("queue", "list", "production", "clitar").stdout.splitlines()
        self.assertEqual([row.split("\t")[:2] for row in rows], [[c, "2"], [b, "1"]])
        self.server.cli("queue", "move", c, "--reason", "first")
        self.assertEqual([i["id"] for i in self.queue("clitar")["items"]], [c, b])
        self.server.cli("queue", "remove", b, "--reason", "no")
        self.assertEqual(self.rollout(b)["phase"], "cancelled")
        late = self.server.cli("queue", "move", b, check=False)
        self.assertEqual(late.returncode, 6)
        self.server.cli("rollout", "halt", active, "--reason", "look")
        self.wait_phase(active, "halted")
        self.assertIn("halted", self.rollout(c)["waiting"])
        self.server.cli("queue", "start", "production", "clitar", "--reason", "go")
        self.wait_phase(c, "succeeded")
        made = self.server.cli("promote", "clitar@1", "production", "--hotfix", "--watch", "--reason", "back")
        self.assertEqual(made.returncode, 0, made.stderr)


class QuarantineTest(TargetCase):
    def test_versions_fault(self):
        self.start("bad", 1)
        self.push("bad", intercept=2, golden=False, fail_load=True)
        ended = self.go("bad", 2, "rolled-back")
        self.assertEqual(ended["fault"], "version")
        listed = self.api.get("/environments/production/quarantine")["items"]
        self.assertEqual([(i["model"], i["version"], i["rollout"]) for i in listed if i["model"] == "bad"],
                         [("bad", 2, ended["id"])])
        refused = self.ask(self.api, "bad", 2, 422)
        self.assertIn(ended["id"], refused["detail"])
        self.assertIn("--override quarantine", refused["detail"])
        self.ask(self.api, "bad", 2, 400, override=["quarantine"])
        self.ask(self.deployer, "bad", 2, 403, override=["quarantine"], reason="sure")
        self.ask(self.api, "bad", 2, 400, override=["everything"], reason="sure")
        made = self.ask(self.approver, "bad", 2, override=["quarantine"], reason="sure")
        self.assertEqual(made["overrides"], ["quarantine"])
        self.wait_phase(made["id"], "rolled-back")
        path = "/environments/production/targets/bad/quarantine/2"
        self.deployer.expect(403, "DELETE", path + "?reason=x")
        self.approver.expect(400, "DELETE", path)
        self.approver.delete(path + "?reason=probe+was+wrong")
        self.assertEqual(self.last("target.release")["object"], "production/bad")
        self.go("bad", 2, "rolled-back")
        self.server.cli("quarantine", "lift", "production", "bad@2", "--reason", "again")
        self.assertNotIn("bad", self.server.cli("quarantine", "list", "production").stdout)

    def test_people_and_machines_are_innocent(self):
        self.start("good", 2)
        active = self.hold("good", 2)
        self.command(active, "abort", reason="not now")
        self.assertEqual(self.wait_phase(active, "rolled-back")["fault"], "user")
        self.go("good", 2)

    def test_what_else_was_under_way(self):
        self.start("near", 2)
        self.start("culprit", 1)
        self.push("culprit", intercept=2, golden=False, fail_load=True)
        other = self.hold("near", 2)
        ended = self.go("culprit", 2, "rolled-back")
        self.assertIn(other, [r["id"] for r in ended["in_flight"]])
        messages = [c["message"] for c in self.api.get(
            f"/changes?object={ended['id']}&limit=500")["items"] if c["kind"].startswith("rollout.")]
        self.assertTrue(any(other in m for m in messages), messages)
        few = self.api.new_token("reader", "few", models="culprit")
        self.assertNotIn("near", json.dumps(few.get(f"/rollouts/{ended['id']}")))
        self.command(other, "abort")
        self.wait_phase(other, "rolled-back")


class FreezeTest(TargetCase):
    def freeze(self, **more):
        return self.approver.expect(201, "POST", "/freezes", {"reason": "sale", **more}).json

    def test_freeze(self):
        self.start("froz", 3)
        running = self.hold("froz", 2)
        self.deployer.expect(403, "POST", "/freezes", {"environment": "production", "reason": "x"})
        self.approver.expect(400, "POST", "/freezes", {"environment": "production"})
        made = self.freeze(environment="production")
        self.assertEqual((made["state"], made["type"]), ("holds", "freeze"))
        paused = self.wait_phase(running, "paused")
        self.assertEqual([p["reason"] for p in paused["pauses"]], ["freeze"])
        self.assertIn("sale", paused["waiting"])
        self.api.post("/rollouts", {"model": "froz", "environment": "production", "kind": "rollback"})
        self.wait_phase(running, "rolled-back")
        waiting = self.ask(self.api, "froz", 3)
        self.waits_for(waiting["id"], made["id"])
        self.assertEqual(self.rollout(waiting["id"])["phase"], "queued")
        self.deployer.expect(403, "POST", f"/rollouts/{waiting['id']}/overrides",
                             {"override": ["freeze"], "reason": "x"})
        self.approver.expect(400, "POST", f"/rollouts/{waiting['id']}/overrides", {"override": ["freeze"]})
        self.server.cli("rollout", "override", waiting["id"], "freeze", "--reason", "incident 12")
        self.wait_phase(waiting["id"], "succeeded")
        self.assertEqual(self.last("rollout.override")["reason"], "incident 12")
        self.api.post("/rollouts", {"model": "froz", "environment": "production", "kind": "rollback"})
        self.wait_for(lambda: self.versions_served("froz") == [1, 1], what="the way back through a freeze")
        again = self.ask(self.approver, "froz", 2, override=["freeze"], reason="allowed")
        self.wait_phase(again["id"], "succeeded")
        self.approver.expect(400, "DELETE", f"/freezes/{made['id']}")
        hidden = self.freeze(environment="production", model="froz", until="2099-01-01T00:00:00Z")
        few = self.api.new_token("approver", "few-freezes", models="other-*")
        few.expect(404, "DELETE", f"/freezes/{hidden['id']}?reason=over")
        self.approver.delete(f"/freezes/{hidden['id']}?reason=over")
        self.approver.delete(f"/freezes/{made['id']}?reason=over")
        self.go("froz", 3)

    def test_of_one_model_and_its_end(self):
        self.start("one", 2)
        self.start("two", 2)
        until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 4))
        made = self.freeze(environment="production", model="one", until=until)
        waiting = self.ask(self.api, "one", 2)
        self.waits_for(waiting["id"], made["id"])
        self.go("two", 2)
        self.wait_phase(waiting["id"], "succeeded")
        rows = self.api.get("/freezes?env=production")["items"]
        self.assertEqual([r["state"] for r in rows if r["id"] == made["id"]], ["ended"])
        self.assertEqual(self.last("target.freeze")["object"], "production/one")

    def test_weekly(self):
        self.push("week", intercept=1)
        row = self.freeze(environment="production", model="week", weekly="Fri 16:00\u2013Mon 08:00 UTC")
        self.assertEqual(row["weekly"], "fri 16:00-mon 08:00")
        self.assertIn(row["state"], ("holds", "planned"))
        self.assertIn("next", row)
        bad = self.approver.expect(400, "POST", "/freezes", {"weekly": "Fri", "reason": "x"}).json
        self.assertEqual(bad["pointer"], "/weekly")
        self.approver.expect(404, "POST", "/freezes", {"environment": "prod", "reason": "x"})
        self.approver.expect(400, "POST", "/freezes", {"model": "week", "reason": "x"})
        self.assertIn("fri 16:00-mon 08:00", self.server.cli("freeze", "list").stdout)
        self.server.cli("freeze", "remove", row["id"], "--reason", "done")
        self.assertNotIn(row["id"], self.server.cli("freeze", "list").stdout)

    def test_stop_the_line(self):
        self.start("line", 3)
        running = self.hold("line", 2)
        self.api.expect(400, "PUT", "/stop-line", {"on": True})
        self.deployer.put("/stop-line", {"on": True, "reason": "incident 9"})
        self.deployer.put("/stop-line", {"on": True, "reason": "again"})
        paused = self.wait_phase(running, "paused")
        self.assertEqual([p["reason"] for p in paused["pauses"]], ["stop"])
        stops = [r for r in self.api.get("/freezes")["items"] if r["type"] == "stop"]
        self.assertEqual([(r["reason"], r["actor"]) for r in stops], [("incident 9", self.deployer.get("/whoami")["actor"])])
        self.approver.expect(409, "DELETE", f"/freezes/{stops[0]['id']}?reason=x")
        self.server.cli("stop-line", "off", "--reason", "over")
        self.wait_phase(running, "running")
        self.server.cli("stop-line", "on", "production", "--reason", "again")
        self.command(running, "abort")
        self.wait_phase(running, "rolled-back")
        fix = self.ask(self.approver, "line", 3, override=["stop"], reason="the fix")
        self.wait_phase(fix["id"], "succeeded")
        self.server.cli("stop-line", "off", "production", "--reason", "over")
        self.assertEqual(self.last("env.resume")["object"], "production")


class BudgetTest(TargetCase):
    policy = {**FAST, "failure_budget": {"failures": 2, "window": "1h"}}

    def test_budget(self):
        self.start("fine", 3)
        failed = []
        for name in ("b1", "b2"):
            self.push(name, intercept=1, golden=False, fail_load=True)
            failed.append(self.go(name, 1, "rolled-back")["id"])
        waiting = self.ask(self.api, "fine", 2)
        seen = self.waits_for(waiting["id"], "2 rollouts failed within 1h")
        self.assertEqual(seen["phase"], "queued")
        for one in failed:
            self.assertIn(one, seen["waiting"])
        lift = {"verb": "resume", "pauses": ["failure-budget"]}
        refused = self.deployer.expect(403, "POST", f"/rollouts/{waiting['id']}/commands", lift).json
        self.assertIn("approver", refused["detail"])
        self.deployer.expect(202, "POST", f"/rollouts/{waiting['id']}/commands", {"verb": "resume", "pauses": ["gate"]})
        self.assertIn("override " + waiting["id"] + " budget", self.rollout(waiting["id"])["unblock"])
        self.approver.post(f"/rollouts/{waiting['id']}/overrides", {"override": ["budget"], "reason": "unrelated"})
        self.wait_phase(waiting["id"], "succeeded")
        self.api.post("/rollouts", {"model": "fine", "environment": "production", "kind": "rollback"})
        self.wait_for(lambda: self.versions_served("fine") == [1, 1], what="the way back")
        made = self.ask(self.approver, "fine", 3, override=["budget"], reason="unrelated")
        self.wait_phase(made["id"], "succeeded")


class ApprovalTest(TargetCase):
    policy = {**FAST, "approvals": 2}

    def approve(self, api, rollout_id, status=202, **more):
        return api.expect(status, "POST", f"/rollouts/{rollout_id}/commands", {"verb": "approve", **more}).json

    def test_two_people_agree(self):
        self.push("appr", intercept=1)
        self.push("appr", intercept=2)
        made = self.ask(self.approver, "appr", 1, reason="release 7")
        self.waits_for(made["id"], "approvals")
        item = next(i for i in self.second.get("/approvals?env=production")["items"] if i["rollout"] == made["id"])
        self.assertEqual((item["needed"], item["given"], item["may_approve"]), (2, [], True))
        self.assertFalse(self.approver.get("/approvals?model=appr")["items"][0]["may_approve"])
        self.assertIn("another person", self.approve(self.approver, made["id"], 403)["detail"])
        self.approve(self.deployer, made["id"], 403)
        self.approve(self.second, made["id"])
        self.assertIn("1 of 2", self.approve(self.second, made["id"], 409)["detail"])
        self.wait_for(lambda: "1 of 2" in self.rollout(made["id"])["waiting"], what="one of two")
        self.server.cli("approval", "approve", made["id"])
        self.wait_phase(made["id"], "succeeded")
        self.assertEqual(self.api.get("/approvals?model=appr")["items"], [])
        self.assertIn("does not wait", self.approve(self.second, made["id"], 409)["detail"] + "does not wait")
        made = self.ask(self.deployer, "appr", 2)
        self.assertIn(made["id"], self.server.cli("approval", "list").stdout)
        self.server.cli("approval", "reject", made["id"], "--reason", "not reviewed")
        self.assertIn("not reviewed", self.wait_phase(made["id"], "cancelled")["outcome"])

    def person(self, name, role):
        """The session of a user of her own."""
        secret = "correct horse battery"
        self.api.post("/users", {"name": name, "role": role, "password": secret})
        browser = Browser(self.server.anonymous, self.server.port)
        self.assertEqual(browser.login(user=name, password=secret).status, 200)
        return browser

    def token_by(self, browser, role, name):
        answer = browser.change("POST", "/tokens", {"name": name, "role": role})
        self.assertEqual(answer.status, 201, answer)
        return self.api.as_token(answer.json["token"])

    def test_tokens_of_one_person(self):
        """Whoever makes tokens for herself stays one person."""
        self.push("solo", intercept=1)
        olga = self.person("olga", "admin")
        mine = [self.token_by(olga, "approver", f"olga-{i}") for i in range(2)]
        chain = self.token_by(self.person("pia", "admin"), "admin", "pia-admin")
        chained = chain.new_token("approver", "pia-approver")
        made = self.ask(mine[0], "solo", 1)
        self.waits_for(made["id"], "approvals")
        self.assertIn("another person", self.approve(mine[1], made["id"], 403)["detail"])
        item = next(i for i in mine[1].get("/approvals?model=solo")["items"])
        self.assertFalse(item["may_approve"])
        self.approve(chained, made["id"])
        self.assertIn("1 of 2", self.approve(chain, made["id"], 409)["detail"])
        self.assertEqual(self.rollout(made["id"])["phase"], "queued")
        self.approve(self.second, made["id"])
        self.wait_phase(made["id"], "succeeded")

    def test_few_visible_among_many(self):
        """Somebody who sees little is told of it, however much newer the rest is."""
        for name in ("rare", "usual"):
            self.push(name, intercept=1)
        made, pattern = self.ask(self.deployer, "rare", 1)["id"], self.ask(self.deployer, "usual", 1)["id"]
        self.waits_for(made, "approvals")
        db = sqlite3.connect(self.server.data / "mreg.db", timeout=30)
        self.addCleanup(db.close)
        columns = [row[1] for row in db.execute("PRAGMA table_info(rollouts)")]
        row = dict(zip(columns, db.execute("SELECT * FROM rollouts WHERE rollout_id = ?", (pattern,)).fetchone()))
        rows = [{**row, "rollout_id": f"r-{10**9 + i}", "is_active": 0, "phase": "queued", "submitted_seq": 10**9 + i}
                for i in range(1100)]
        with db:
            db.executemany(f"INSERT INTO rollouts VALUES ({','.join(':' + c for c in columns)})", rows)
        few = self.api.new_token("reader", "few", "rare")
        self.assertEqual([i["rollout"] for i in few.get("/approvals")["items"]], [made])
        all_of_them = self.api.get("/approvals")["items"]
        self.assertEqual((len(all_of_them), all_of_them[0]["rollout"]), (500, rows[-1]["rollout_id"]))
        with db:
            db.execute("DELETE FROM rollouts WHERE submitted_seq >= 1000000000")
        for rollout in (made, pattern):
            self.command(rollout, "abort")

    def test_rollback_needs_nobody(self):
        self.push("free", intercept=1)
        self.push("free", intercept=2)
        for version in (1, 2):
            made = self.ask(self.deployer, "free", version, strategy={"approvals": 0})
            self.approve(self.approver, made["id"])
            self.approve(self.second, made["id"])
            self.wait_phase(made["id"], "succeeded")
        back = self.deployer.post("/rollouts", {"model": "free", "environment": "production", "kind": "rollback"})
        self.wait_phase(back["id"], "succeeded")

    def test_in_the_queue(self):
        """What waits for another rollout can be agreed to already."""
        for i in range(3):
            self.push("early", intercept=i)
        first = self.ask(self.deployer, "early", 1)
        second = self.ask(self.deployer, "early", 2)
        self.approve(self.approver, second["id"])
        self.approve(self.second, second["id"])
        self.command(first["id"], "abort")
        self.wait_phase(second["id"], "succeeded")

    def test_exit_code(self):
        self.push("code", intercept=1)
        watched = self.server.cli("promote", "code@1", "production", "--watch", "--until-approval", check=False)
        self.assertEqual(watched.returncode, 14, watched.stderr)


class PlanTest(TargetCase):
    def plan(self, model, version, **more):
        return self.ask(self.api, model, version, 200, dry_run=True, **more)

    def apply(self, model, version, plan, status=201, **more):
        return self.ask(self.api, model, version, status, plan=plan["plan"], **more)

    def test_contents(self):
        self.start("seen", 2)
        steps = {"strategy": "canary", "steps": [{"nodes": 1, "bake": "10s"}, {"percent": 100, "bake": "0"}],
                 "gates": [{"kind": "health"}, {"kind": "error-rate", "max": "0.1", "min_requests": 20}],
                 "min_healthy": "0"}
        plan = self.plan("seen", 2, strategy=steps)
        self.assertEqual((plan["from"], plan["to"], plan["n_nodes"], plan["n_steps"]), (1, 2, 2, 2))
        self.assertEqual(plan["diff"]["from"]["version"], 1)
        self.assertNotEqual(plan["diff"]["from"]["content"], plan["diff"]["to"]["content"])
        self.assertGreaterEqual(plan["diff"]["files"]["changed"], 1)
        done = [(o["node"], o["action"], o["step"]) for o in plan["operations"]]
        self.assertEqual(done[0][1:], ("stage", 1))
        self.assertEqual({n for n, a, _ in done if a == "load"}, {"n1", "n2"})
        self.assertEqual([o["at_ms"] for o in plan["operations"]], sorted(o["at_ms"] for o in plan["operations"]))
        self.assertEqual(plan["forecast"]["low_point"], 1)
        self.assertGreater(plan["forecast"]["takes_ms"], 10000)
        self.assertIn("load", plan["forecast"]["measured"])
        self.assertEqual(plan["steps"][0]["evidence"]["wanted"], 20)
        self.assertGreater(plan["rollback"]["takes_ms"], 0)
        self.assertEqual(plan["rollback"]["n_nodes"], 2)
        self.assertEqual(self.api.get("/rollouts?model=seen&active=true")["items"], [])
        text = self.server.cli("promote", "seen@2", "production", "--dry-run").stdout
        self.assertIn(plan["plan"].split("-")[2], text)
        self.assertIn("rollback from the last step", text)
        same = self.server.cli("rollout", "simulate", "seen@2", "production").stdout
        self.assertIn("load", same)

    def test_forecast_is_what_comes(self):
        """The operations of a rollout come in the order that was foreseen."""
        self.start("fore", 2)
        plan = self.plan("fore", 2)
        rollout = self.go("fore", 2)
        foreseen = [o["node"] for o in plan["operations"] if o["action"] == "load"]
        self.assertEqual(sorted(foreseen), ["n1", "n2"])
        self.assertEqual(plan["n_steps"], rollout["n_steps"])
        self.assertEqual(plan["steps"][-1]["n_nodes"], 2)

    def test_token(self):
        self.start("tok", 3)
        plan = self.plan("tok", 2)
        self.assertIn("no token", self.apply("tok", 2, {"plan": "p1-x"}, 400)["detail"])
        self.assertIn("what is asked for", self.apply("tok", 3, plan, 409)["detail"])
        changes = (
            ("the policy", lambda: self.api.put("/environments/production/targets/tok", {"policy": {"bake": "1s"}})),
            ("the nodes", lambda: self.api.patch("/environments/production/nodes/n1", {"labels": {"rack": "7"}})),
            ("freezes", lambda: self.approver.post("/freezes", {"environment": "production", "model": "tok",
                                                                "weekly": "Sun 03:00-Sun 03:01", "reason": "x"})),
            ("rollouts of the target, the live version", lambda: self.go("tok", 3)),
        )
        for words, change in changes:
            with self.subTest(words):
                plan = self.plan("tok", 2)
                change()
                self.assertIn(words, self.apply("tok", 2, plan, 409)["detail"])
        plan = self.plan("tok", 2)
        done = self.server.cli("promote", "tok@2", "production", "--plan", plan["plan"], "--watch")
        self.assertEqual(done.returncode, 0)
        self.assertEqual(self.server.cli("promote", "tok@1", "production", "--plan", plan["plan"],
                                         check=False).returncode, 6)

    def test_two_people_with_one_plan(self):
        self.start("both", 3)
        first, second = self.plan("both", 2), self.plan("both", 3)
        made = self.apply("both", 2, first)
        self.assertIn("rollouts of the target", self.apply("both", 3, second, 409)["detail"])
        self.wait_phase(made["id"], "succeeded")

    def test_what_will_hold_it(self):
        self.start("holds", 2)
        made = self.approver.post("/freezes", {"environment": "production", "model": "holds", "reason": "sale"})
        plan = self.plan("holds", 2)
        self.assertEqual([(f["id"], f["holds"]) for f in plan["freezes"] if f["id"] == made["id"]],
                         [(made["id"], True)])
        self.assertIn("sale", self.server.cli("promote", "holds@2", "production", "-n").stdout)
        self.approver.delete(f"/freezes/{made['id']}?reason=over")


class SetTest(TargetCase):
    def together(self, *members, status=201, **more):
        return self.api.expect(status, "POST", "/rollouts", {
            "environment": "production", "together": [{"model": m, "version": str(v)} for m, v in members],
            **more}).json

    def test_live_together(self):
        self.start("seta", 2)
        self.start("setb", 2)
        made = self.together(("seta", 2), ("setb", 2), strategy=HELD)
        a, b = (r["id"] for r in made["items"])
        self.assertEqual({r["set"] for r in made["items"]}, {made["set"]})
        for one in (a, b):
            self.wait_for(lambda one=one: self.rollout(one)["step_phase"] == "bake", what="the bake of both")
        self.command(a, "promote", expected_step=1)
        self.wait_for(lambda: self.rollout(a)["step_phase"] == "done", what="a waits for b")
        self.assertIn(b, self.rollout(a)["waiting"] + self.rollout(a).get("unblock", ""))
        self.assertEqual(self.rollout(a)["phase"], "running")
        self.command(b, "promote", expected_step=1)
        for one in (a, b):
            self.wait_phase(one, "succeeded")
        self.assertEqual(self.last("rollout.together")["object"], a)

    def test_sets_keep_their_order(self):
        for model in ("setj", "setk"):
            self.start(model, 3)
        waits, first = {**HELD, "queue": "queue"}, {**HELD, "queue": "replace"}
        single = self.promote("setk", 3, HELD)["id"]
        one = [r["id"] for r in self.together(("setj", 2), ("setk", 2), strategy=waits)["items"]]
        two = [r["id"] for r in self.together(("setj", 3), ("setk", 3), strategy=waits)["items"]]
        self.wait_for(lambda: self.rollout(single)["phase"] == "running", what="the first one runs")
        queued = lambda: [r["id"] for r in self.queue("setk")["items"]]
        self.assertEqual(queued(), [one[1], two[1]])
        refused = self.api.expect(409, "PATCH", "/environments/production/targets/setk/queue",
                                  {"order": [two[1], one[1]], "reason": "sooner"}).json
        self.assertIn("keep their order", refused["detail"])
        self.command(single, "halt", reason="for now")
        self.wait_phase(single, "halted")
        refused = self.together(("setj", 1), ("setk", 2), strategy=first, status=409)
        self.assertIn(f"{one[1]} waits in it for another set", refused["detail"])
        self.assertEqual(refused["pointer"], "/together/1")
        for waiting in queued():
            self.server.cli("queue", "remove", waiting, "--reason", "enough")

    def test_one_fails(self):
        self.start("setc", 2)
        self.start("setd", 1)
        self.push("setd", intercept=2, golden=False, fail_load=True)
        made = self.together(("setc", 2), ("setd", 2), strategy={**FAST, "bake": "3s"})
        c, d = (r["id"] for r in made["items"])
        self.wait_phase(d, "rolled-back")
        ended = self.wait_phase(c, "rolled-back")
        self.assertIn(d, ended["outcome"])
        self.assertEqual(self.versions_served("setc"), [1, 1])
        listed = [i["model"] for i in self.api.get("/environments/production/quarantine")["items"]]
        self.assertIn("setd", listed)
        self.assertNotIn("setc", listed)

    def test_all_or_nothing(self):
        self.start("sete", 2)
        before = self.last("rollout.end")["seq"]
        bad = self.together(("sete", 2), ("nothing", 1), status=404)
        self.assertIn("/together/1", bad["pointer"])
        self.together(("sete", 2), ("sete", 1), status=400)
        self.together(("sete", 2), status=400)
        self.assertEqual(self.last("rollout.end")["seq"], before)
        self.assertEqual(self.api.get("/rollouts?model=sete&active=true")["items"], [])

    def test_waits_for_a_member_in_a_queue(self):
        self.start("setf", 3)
        self.start("setg", 2)
        active = self.hold("setf", 2)
        made = self.together(("setf", 3), ("setg", 2), strategy=FAST)
        f, g = (r["id"] for r in made["items"])
        self.waits_for(g, f)
        self.assertEqual(self.rollout(g)["phase"], "queued")
        self.command(active, "abort")
        for one in (f, g):
            self.wait_phase(one, "succeeded")

    def test_command_line(self):
        self.start("seth", 2)
        self.start("seti", 2)
        done = self.server.cli("promote", "seth@2", "seti@2", "--together", "--to", "production", "--watch")
        self.assertEqual((self.versions_served("seth"), self.versions_served("seti")), ([2, 2], [2, 2]), done.stdout)
        self.assertEqual(self.server.cli("promote", "seth@1", "seti@1", "--together", check=False).returncode, 2)
        again = self.server.cli("promote", "seth@2", "seti@2", "--together", "--to", "production")
        self.assertIn("already so", again.stderr)


class WaveTest(TargetCase):
    """A version has to be live in staging for a while before it comes to production."""
    policy = {**FAST, "requires": {"environment": "staging", "soak": "2s"}}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.api.post("/environments", {"name": "staging", "policy": FAST})
        node = cls.staged = fleetcase.Node("s1")
        cls.addClassCleanup(node.remove)
        node.start()
        cls.api.post("/environments/staging/nodes", {"name": "s1", "driver": "v2", "admin_url": node.url,
                                                     "delivery": "path", "root": str(node.root)})

    def test_soak_of_an_adopted_version(self):
        files = fleetcase.linear_files(1)
        self.assertEqual(self.api.upload("kept", files)["version"], 1)
        self.push("kept", intercept=2)
        made = self.ask(self.api, "kept", 1)
        self.waits_for(made["id"], "has to be live in staging for 2s")
        self.staged.place(files, "kept", 1)
        self.api.post("/environments/staging/nodes/s1/adopt", {"model": "kept", "version": "1"})
        self.wait_phase(made["id"], "succeeded")
        after = self.api.post("/rollouts", {"model": "kept", "version": "2", "environment": "staging"})
        self.wait_phase(after["id"], "succeeded")
        self.go("kept", 2)
        self.go("kept", 1)  # it counts for good, also when another one is live there by now

    def test_soak(self):
        self.push("wave", intercept=1)
        early = self.ask(self.api, "wave", 1, strategy={"requires": {"environment": "production"}})
        seen = self.waits_for(early["id"], "has to be live in staging for 2s")
        self.assertEqual(seen["phase"], "queued")
        made = self.api.post("/rollouts", {"model": "wave", "version": "1", "environment": "staging"})
        self.wait_phase(made["id"], "succeeded")
        done = self.wait_phase(early["id"], "succeeded")
        self.assertGreaterEqual(done["steps"][0]["started"], self.rollout(made["id"])["ended"])
        self.push("wave", intercept=2)
        hurried = self.ask(self.approver, "wave", 2, override=["dependency"], reason="incident 3")
        self.wait_phase(hurried["id"], "succeeded")


if __name__ == "__main__":
    unittest.main()
