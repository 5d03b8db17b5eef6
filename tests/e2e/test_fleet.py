"""Environments, nodes and rollouts with the real mregd over three mreg-node processes: what goes well,
what goes wrong in each place, people steering, and the death of either side in the middle."""
import json
import os
import threading
import unittest

import fleetcase
import harness
from harness import wait_until

FAST = {"strategy": "rolling", "bake": "0", "min_healthy": "0", "max_unavailable": 1}
LONG_CANARY = {"strategy": "canary", "steps": [{"nodes": 1, "bake": "10m"}, {"percent": 100, "bake": "0"}],
               "gates": [{"kind": "health"}]}


class Traffic:
    """Predictions to all nodes from one thread until stopped; counts what came back."""

    def __init__(self, nodes, model):
        self.nodes, self.model = nodes, model
        self.n_ok = self.n_failed = 0
        self.stops = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.stops.is_set():
            for node in self.nodes:
                try:
                    status = node.predict(self.model)[0]
                except OSError:
                    status = 0
                if status == 200:
                    self.n_ok += 1
                else:
                    self.n_failed += 1
            self.stops.wait(0.002)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stops.set()
        self.thread.join()


class Records(harness.ServerCase):
    """Environments, nodes and targets as records; no node is ever there."""

    def test_environments(self):
        made = self.api.post("/environments", {"name": "stage-a", "policy": {"bake": "5s"}}, 201)
        self.assertEqual(made["policy"], {"bake": "5s"})
        self.assertEqual(made["n_nodes"], 0)
        second = self.api.post("/environments", {"name": "stage-b"}, 201)
        self.assertGreater(second["position"], made["position"])
        names = [item["name"] for item in self.api.get("/environments")["items"]]
        self.assertLess(names.index("stage-a"), names.index("stage-b"))
        self.api.expect(409, "POST", "/environments", {"name": "stage-a"})
        changed = self.api.patch("/environments/stage-a", {"policy": {"bake": "7s"}, "position": 40})
        self.assertEqual((changed["policy"], changed["position"]), ({"bake": "7s"}, 40))
        problem = self.api.expect(400, "POST", "/environments", {"name": "x", "policy": {"bake": "soon"}}).json
        self.assertEqual(problem["pointer"], "/policy/bake")
        problem = self.api.expect(400, "POST", "/environments", {"name": "x", "polcy": {}}).json
        self.assertIn("policy", problem["detail"])
        problem = self.api.expect(404, "GET", "/environments/stage-c").json
        self.assertIn("did you mean", problem["detail"])
        self.api.delete("/environments/stage-b?reason=unused")
        self.api.expect(404, "GET", "/environments/stage-b")

    def test_nodes(self):
        self.api.post("/environments", {"name": "shop"})
        roots = []
        for name in ("a", "b", "c"):
            root = self.server.folder / f"root-{name}"
            root.mkdir()
            roots.append(root)
            self.api.post("/environments/shop/nodes",
                          {"name": name, "admin_url": "http://127.0.0.1:9/", "root": str(root),
                           "labels": {"zone": name}}, 201)
        page = self.api.get("/environments/shop/nodes?limit=2")
        self.assertEqual([n["name"] for n in page["items"]], ["a", "b"])
        page = self.api.get(f"/environments/shop/nodes?limit=2&cursor={page['next']}")
        self.assertEqual([n["name"] for n in page["items"]], ["c"])
        self.assertNotIn("next", page)
        (roots[0] / "legacy" / "1").mkdir(parents=True)
        node = self.api.get("/environments/shop/nodes/a")
        self.assertEqual(node["unmanaged"], ["legacy"])
        self.assertEqual(node["metrics_url"], "http://127.0.0.1:9/metrics")
        self.assertEqual(node["labels"], {"zone": "a"})
        self.assertFalse(node["reachable"])
        problem = self.api.expect(409, "POST", "/environments/shop/nodes", {
            "name": "d", "admin_url": "http://127.0.0.1:9", "root": str(roots[0])}).json
        self.assertIn("its own", problem["detail"])
        for bad, pointer in (({"root": "/nonexistent"}, "/root"), ({"admin_url": "ftp://x"}, "/admin_url"),
                             ({"driver": "v3"}, "/driver"), ({"admin_url": "http://169.254.169.254"}, "/admin_url")):
            body = {"name": "d", "admin_url": "http://127.0.0.1:9", "root": str(roots[0]), **bad}
            problem = self.api.expect(400, "POST", "/environments/shop/nodes", body).json
            self.assertEqual(problem["pointer"], pointer)
        self.api.patch("/environments/shop/nodes/a", {"labels": {"zone": "z"}})
        self.assertEqual(self.api.get("/environments/shop/nodes/a")["labels"], {"zone": "z"})
        self.api.expect(409, "DELETE", "/environments/shop")
        self.api.delete("/environments/shop/nodes/a")
        self.api.expect(404, "GET", "/environments/shop/nodes/a")

    def test_permissions(self):
        reader = self.api.new_token("reader")
        deployer = self.api.new_token("deployer", name="d2", models="mine")
        self.api.post("/environments", {"name": "locked"})
        root = self.server.folder / "root-locked"
        root.mkdir()
        node = {"name": "n", "admin_url": "http://127.0.0.1:9", "root": str(root)}
        reader.expect(403, "POST", "/environments", {"name": "x"})
        reader.expect(403, "POST", "/environments/locked/nodes", node)
        deployer.expect(403, "POST", "/environments", {"name": "x"})
        deployer.expect(201, "POST", "/environments/locked/nodes", node)
        self.api.upload("other", fleetcase.linear_files(1))
        deployer.expect(403, "POST", "/rollouts", {"model": "other", "version": 1, "environment": "locked"})
        made = self.api.post("/rollouts", {"model": "other", "version": 1, "environment": "locked"}, 201)
        deployer.expect(404, "GET", f"/rollouts/{made['id']}")
        deployer.expect(404, "POST", f"/rollouts/{made['id']}/commands", {"verb": "abort"})
        deployer.expect(404, "GET", "/environments/locked/targets/other")
        self.assertEqual(deployer.get("/environments/locked/targets")["items"], [])
        self.assertEqual(deployer.get("/rollouts")["items"], [])
        reader.expect(403, "POST", f"/rollouts/{made['id']}/commands", {"verb": "abort"})


class Rollouts(fleetcase.FleetCase):
    policy = FAST

    def live(self, model):
        return self.api.get(f"/environments/production/targets/{model}").get("live")

    def start_with(self, model):
        """Version 1 live everywhere."""
        self.push(model, intercept=1)
        self.wait_phase(self.promote(model, 1)["id"], "succeeded")

    def go(self, model, version, strategy=None, phase="succeeded"):
        return self.wait_phase(self.promote(model, version, strategy)["id"], phase)

    def commands_after(self, rollout_id, verb):
        rows = self.api.get("/changes?since=0&kind=rollout.command&limit=500")["items"]
        return [r for r in rows if r["object"] == rollout_id and r["message"].startswith(verb)]

    def test_first_rollout_and_next(self):
        self.push("fraud", intercept=1)
        made = self.promote("fraud", "latest", reason="first")
        self.assertNotIn("from", made)
        self.assertEqual((made["to"], made["kind"], made["reason"]), (1, "promote", "first"))
        done = self.wait_phase(made["id"], "succeeded")
        self.assertEqual({n["state"] for n in done["nodes"]}, {"serving"})
        self.assertEqual(self.versions_served("fraud"), [1, 1, 1])
        self.assertEqual(self.live("fraud"), 1)
        self.assertEqual(self.api.get("/models/fraud/versions/production")["version"], 1)

        again = self.api.expect(200, "POST", "/rollouts", {"model": "fraud", "version": 1,
                                                           "environment": "production"}).json
        self.assertTrue(again["already"])
        self.push("fraud", intercept=2)
        self.go("fraud", 2)
        self.assertEqual(self.versions_served("fraud"), [2, 2, 2])
        target = self.api.get("/environments/production/targets/fraud")
        self.assertEqual((target["live"], target["last_good"], target["serve_as"]), (2, 1, "fraud"))
        self.wait_for(lambda: {n["state"] for n in self.api.get(
            "/environments/production/targets/fraud")["nodes"]} == {"ok"}, 30, "targets seen as ok")
        node = self.wait_for(lambda: (lambda n: n if [s["version"] for s in n["serving"] if s["model"] == "fraud"]
                                      == [2] else None)(self.api.get("/environments/production/nodes/n1")))
        self.assertTrue(node["reachable"])
        self.assertEqual(node["unmanaged"], [])
        served = self.api.get("/serving?env=production&model=fraud")["items"]
        self.assertEqual([s["version"] for s in served], [2, 2, 2])
        self.api.expect(409, "PUT", "/models/fraud/aliases/production", {"version": 1})
        listed = self.api.get("/rollouts?env=production&model=fraud")["items"]
        self.assertEqual([r["to"] for r in listed], [2, 1])
        self.assertEqual(self.api.get("/rollouts?model=fraud&active=true")["items"], [])

        back = self.api.post("/rollouts", {"model": "fraud", "environment": "production", "kind": "rollback"}, 201)
        self.assertEqual((back["from"], back["to"], back["kind"]), (2, 1, "rollback"))
        self.wait_phase(back["id"], "succeeded")
        self.assertEqual(self.versions_served("fraud"), [1, 1, 1])
        self.assertEqual(self.live("fraud"), 1)

    def test_dry_run(self):
        self.push("dry", intercept=1)
        plan = self.api.expect(200, "POST", "/rollouts", {
            "model": "dry", "version": 1, "environment": "production", "dry_run": True,
            "strategy": {"strategy": "canary", "steps": [{"nodes": 1, "bake": "30s"}]}}).json
        self.assertTrue(plan["dry_run"])
        self.assertEqual([(s["n_nodes"], s["bake"]) for s in plan["steps"]][0], (1, "30s"))
        self.assertEqual(plan["steps"][-1]["n_nodes"], 3)
        self.assertEqual(self.api.get("/rollouts?model=dry")["items"], [])

    def test_canary_passes(self):
        self.start_with("calm")
        self.push("calm", intercept=2)
        strategy = {"strategy": "canary", "steps": [{"nodes": 1, "bake": "1s"}, {"percent": 100, "bake": "0"}],
                    "gates": [{"kind": "health"}, {"kind": "golden"},
                              {"kind": "error-rate", "max": "0.2", "min_requests": 20},
                              {"kind": "latency", "max_ms": "1000", "min_requests": 20}]}
        with Traffic(self.nodes, "calm") as traffic:
            done = self.go("calm", 2, strategy)
        self.assertEqual(self.versions_served("calm"), [2, 2, 2])
        self.assertEqual(done["steps"][0]["verdict"], "pass")
        self.assertGreater(traffic.n_ok, 20)

    def test_canary_fails_its_gate(self):
        self.start_with("risky")
        self.push("risky", intercept=2, golden=False, error_rate=0.5)
        strategy = {"strategy": "canary", "steps": [{"nodes": 1, "bake": "2m"}, {"percent": 100, "bake": "0"}],
                    "gates": [{"kind": "error-rate", "max": "0.1", "min_requests": 20}]}
        with Traffic(self.nodes, "risky"):
            rollout = self.go("risky", 2, strategy, "rolled-back")
        self.assertEqual(self.versions_served("risky"), [1, 1, 1])
        self.assertEqual(self.live("risky"), 1)
        self.assertEqual(rollout["gates"][0]["verdict"], "fail")
        self.assertIn("requests failed", json.dumps(rollout))

    def test_no_traffic_is_no_pass(self):
        self.start_with("quiet")
        self.push("quiet", intercept=2)
        strategy = {"strategy": "canary", "steps": [{"nodes": 1, "bake": "500ms"}, {"percent": 100, "bake": "0"}],
                    "max_bake": "3s", "gates": [{"kind": "error-rate", "max": "0.1", "min_requests": 50}]}
        made = self.promote("quiet", 2, strategy)
        paused = self.wait_phase(made["id"], "paused")
        self.assertEqual([p["reason"] for p in paused["pauses"]], ["inconclusive"])
        self.assertEqual(self.live("quiet"), 1)
        self.command(made["id"], "abort")
        self.wait_phase(made["id"], "rolled-back")

    def test_version_that_does_not_load(self):
        self.start_with("broken")
        self.push("broken", intercept=2, golden=False, fail_load=True)
        rollout = self.go("broken", 2, None, "rolled-back")
        self.assertEqual(self.versions_served("broken"), [1, 1, 1])
        self.assertIn("load", rollout["outcome"])
        for node in self.nodes:  # a broken folder in the root would end the server's next start
            self.assertEqual(sorted(os.listdir(node.root / "broken")), ["1"])

    def test_wrong_golden_answer(self):
        self.start_with("wrong")
        self.push("wrong", intercept=2, golden=99)
        rollout = self.go("wrong", 2, None, "rolled-back")
        self.assertEqual(self.versions_served("wrong"), [1, 1, 1])
        self.assertIn("expected 99, got 4", json.dumps(rollout))

    def test_pause_resume_promote(self):
        self.start_with("steer")
        self.push("steer", intercept=2)
        made = self.promote("steer", 2, LONG_CANARY)
        self.wait_for(lambda: self.rollout(made["id"])["step_phase"] == "bake", what="the bake")
        self.command(made["id"], "pause", reason="look at it")
        paused = self.wait_phase(made["id"], "paused")
        self.assertEqual([p["reason"] for p in paused["pauses"]], ["user"])
        self.assertEqual(sorted(self.versions_served("steer")), [1, 1, 2])
        stale = self.api.expect(409, "POST", f"/rollouts/{made['id']}/commands",
                                {"verb": "promote", "expected_step": 2}).json
        self.assertIn("pause", stale["detail"])
        self.command(made["id"], "resume")
        self.wait_phase(made["id"], "running")
        self.assertEqual(self.live("steer"), 1)
        self.command(made["id"], "promote", expected_step=1)
        self.wait_phase(made["id"], "succeeded")
        self.assertEqual(self.versions_served("steer"), [2, 2, 2])
        late = self.api.expect(409, "POST", f"/rollouts/{made['id']}/commands", {"verb": "abort"}).json
        self.assertIn("ended", late["detail"])
        self.assertEqual(len(self.commands_after(made["id"], "pause")), 1)
        problem = self.api.expect(400, "POST", f"/rollouts/{made['id']}/commands", {"verb": "resum"}).json
        self.assertIn("resume", problem["detail"])

    def test_abort(self):
        self.start_with("gone")
        self.push("gone", intercept=2)
        made = self.promote("gone", 2, LONG_CANARY)
        other = self.api.expect(409, "POST", "/rollouts", {"model": "gone", "version": 1,
                                                           "environment": "production",
                                                           "strategy": {"queue": "reject"}}).json
        self.assertIn(made["id"], other["detail"])
        self.wait_for(lambda: self.rollout(made["id"])["step_phase"] == "bake", what="the bake")
        self.api.expect(409, "DELETE", "/environments/production/nodes/n1")
        back = self.api.expect(202, "POST", "/rollouts", {"model": "gone", "environment": "production",
                                                          "kind": "rollback", "reason": "no"}).json
        self.assertTrue(back["aborting"])
        self.assertEqual(back["id"], made["id"])
        self.wait_phase(made["id"], "rolled-back")
        self.assertEqual(self.versions_served("gone"), [1, 1, 1])

    def test_unmanaged_folder_is_left_alone(self):
        taken = self.nodes[0].root / "taken" / "1"
        taken.mkdir(parents=True)
        (taken / "model-settings.json").write_text("{}")
        self.push("taken", intercept=1)
        made = self.promote("taken", 1)
        self.wait_for(lambda: "not placed by this registry" in json.dumps(self.rollout(made["id"])),
                      what="the conflict in words")
        self.assertEqual((taken / "model-settings.json").read_text(), "{}")
        if self.rollout(made["id"])["phase"] not in fleetcase.ENDED:
            self.api.call("POST", f"/rollouts/{made['id']}/commands", {"verb": "abort"})
        self.wait_for(lambda: self.rollout(made["id"])["phase"] in fleetcase.ENDED, what="its end")
        (taken / "model-settings.json").unlink()
        taken.rmdir()


class Deaths(fleetcase.FleetCase):
    """Own processes: these tests kill them."""
    policy = FAST

    def test_node_dies_and_returns(self):
        self.push("fraud", intercept=1)
        self.wait_phase(self.promote("fraud", 1)["id"], "succeeded")
        self.push("fraud", intercept=2)
        made = self.promote("fraud", 2, LONG_CANARY)
        self.wait_for(lambda: self.rollout(made["id"])["step_phase"] == "bake", what="the bake")
        victim = next(n for n in self.nodes if n.predict("fraud")[1] == 1)
        victim.kill9()
        self.command(made["id"], "promote")
        self.wait_for(lambda: self.rollout(made["id"])["step"] == 2, what="the second step")
        victim.start()
        self.wait_phase(made["id"], "succeeded", 120)
        self.assertEqual(self.versions_served("fraud"), [2, 2, 2])

        victim.kill9()
        name = victim.name
        self.wait_for(lambda: not self.api.get(f"/environments/production/nodes/{name}")["reachable"], 60,
                      "the node seen as unreachable")
        victim.start()  # what lies in its root is the live version: it serves without mregd's help
        self.assertEqual(victim.predict("fraud")[1], 2)
        self.wait_for(lambda: self.api.get(f"/environments/production/nodes/{name}")["reachable"], 60,
                      "the node seen again")

    def test_node_returns_empty(self):
        self.push("again", intercept=1)
        self.wait_phase(self.promote("again", 1)["id"], "succeeded")
        node = self.nodes[1]
        node.call("POST", "/v2/repository/models/again/unload")
        self.assertNotEqual(node.predict("again")[0], 200)
        self.wait_for(lambda: node.predict("again")[1] == 1, 60, "the version loaded again")

    def test_mregd_dies_in_the_middle(self):
        self.push("mid", intercept=1)
        self.wait_phase(self.promote("mid", 1)["id"], "succeeded")
        self.push("mid", intercept=2)
        for node in self.nodes:
            node.faults(load_delay_ms=700)
        made = self.promote("mid", 2, {"max_unavailable": 1})
        self.wait_for(lambda: {n["state"] for n in self.rollout(made["id"])["nodes"]} & {"loading", "observing"},
                      what="a node that loads")
        self.server.kill9()
        self.server.start()
        type(self).api = self.server.api
        for node in self.nodes:
            node.faults(load_delay_ms=0)
        self.wait_phase(made["id"], "succeeded", 120)
        self.assertEqual(self.versions_served("mid"), [2, 2, 2])
        for node in self.nodes:
            self.assertEqual(sorted(os.listdir(node.root / "mid")), ["2"])
            left = [name for name in os.listdir(node.root / ".mreg" / "mid") if ".tmp-" in name]
            self.assertEqual(left, [])


if __name__ == "__main__":
    unittest.main()
