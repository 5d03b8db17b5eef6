"""Four real MLServer processes behind a real HAProxy, with callers at two rates the whole time.

A healthy version passes; one that fails 5 % of its calls (compared with a node that was loaded again) and
one that is slow (compared with all others) are rolled back; at 0.2 requests a second the judge says that it does not know, and the step
extends. No request is lost during any of it.

MREG_VENV is a virtual environment with packaging/demo/requirements.txt.
"""
import pathlib
import shutil
import time
import unittest

import harness
from haproxy import Callers, Haproxy
from mlnode import HAS_MLSERVER, WHY_NOT, MlserverNode, python

PLANTED = pathlib.Path(__file__).resolve().parent / "planted"
MAKE = """
import pathlib, sys
sys.path.insert(0, sys.argv[2])
import joblib, json
from shaky import Shaky
out = pathlib.Path(sys.argv[1])
for name, model in (("v1", Shaky(1)), ("v2", Shaky(2)), ("v3", Shaky(3, fails_every=20)), ("v4", Shaky(4, sleeps_s=0.12)),
                    ("v5", Shaky(5))):
    (out / name).mkdir(parents=True)
    joblib.dump(model, out / name / "model.joblib")
"""
BODY = {"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP64", "data": [[2.0, 3.0]]}]}
STEPS = [{"nodes": 1, "weight": "25", "bake": "10s", "max_bake": "4m"}, {"percent": 100, "bake": "0"}]


@unittest.skipUnless(HAS_MLSERVER, WHY_NOT)
@unittest.skipUnless(shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin"), "HAProxy is not installed")
class Routed(harness.ServerCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.models = cls.server.folder / "models"
        python(MAKE, cls.models, PLANTED)
        cls.nodes = []
        for i in range(4):
            node = MlserverNode(f"m{i + 1}", PYTHONPATH=PLANTED)
            cls.addClassCleanup(node.remove)
            cls.nodes.append(node)
        for node in cls.nodes:
            harness.wait_until(node.is_live, 180, f"the start of {node.name}")
        cls.proxy = Haproxy("shaky", {node.name: node.http for node in cls.nodes})
        cls.addClassCleanup(cls.proxy.remove)
        harness.wait_until(cls.proxy.is_up, 20, "the start of HAProxy")
        cls.api.post("/environments", {"name": "production", "policy": {
            "min_healthy": "500ms", "node_deadline": "1m", "step_deadline": "10m", "max_unavailable": 1, "drain": "10s"}})
        for node in cls.nodes:
            cls.api.post("/environments/production/nodes", {
                "name": node.name, "driver": "v2", "admin_url": f"http://127.0.0.1:{node.http}",
                "metrics_url": f"http://127.0.0.1:{node.metrics}/metrics", "delivery": "path", "root": str(node.root)})
        cls.api.post("/environments/production/routers", {"name": "edge", "address": f"unix:{cls.proxy.socket}"}, 201)
        for name in ("v1", "v2", "v3", "v4", "v5"):
            cls.server.cli("push", "shaky", cls.models / name)
        cls.wait_end(cls.ask(1, {"strategy": "all-at-once", "bake": "0", "gates": [{"kind": "health"}]}), "succeeded")

    @classmethod
    def ask(cls, version, strategy):
        return cls.api.post("/rollouts", {"model": "shaky", "version": str(version), "environment": "production",
                                          "strategy": strategy})["id"]

    @classmethod
    def rollout(cls, name):
        return cls.api.get(f"/rollouts/{name}")

    @classmethod
    def wait_end(cls, name, phase, seconds=300):
        harness.wait_until(lambda: cls.rollout(name).get("ended"), seconds, f"the end of {name}", every=0.2)
        rollout = cls.rollout(name)
        assert rollout["phase"] == phase, (rollout, cls.server.log()[-2000:])
        return rollout

    def canary(self, version, gates, **more):
        return self.ask(version, {"strategy": "canary", "steps": STEPS, "gates": [{"kind": "health"}, *gates], **more})

    def gate(self, rollout, name):
        return next(g for g in rollout["gates"] if g["name"] == name)

    def test_story(self):
        errors = {"kind": "error-ratio", "floor": "0.005", "max": "0.05"}
        slow = {"kind": "slow-ratio", "floor": "0.05", "max": "0.3"}
        callers = Callers(self.proxy.port, "/v2/models/shaky/infer", BODY, per_second=60)
        self.addCleanup(callers.stop)
        harness.wait_until(lambda: len([s for s in callers.since(0) if s[1] == 200]) > 60, 60, "traffic")

        # a healthy version passes, at 60 requests a second
        done = self.wait_end(self.canary(2, [errors]), "succeeded")
        self.assertEqual(self.gate(done, "error-ratio")["verdict"], "pass", done["gates"])
        self.assertEqual(callers.lost(), [], "requests lost by a healthy rollout")

        # 5 % errors: found by comparison with a node on which the old version was loaded again
        start = time.monotonic()
        done = self.wait_end(self.canary(3, [errors], reload_control=True), "rolled-back")
        self.assertRegex(done["control"]["baseline"], "^control m[1-4]$")
        gate = self.gate(done, "error-ratio")
        self.assertEqual(gate["verdict"], "fail", gate)
        self.assertGreaterEqual(gate["log_e"], gate["log_e_fail"])
        self.assertEqual(callers.lost(start), [], "requests lost by the rollback")
        failed = [s for s in callers.since(start) if s[1] == 500]
        self.assertGreater(len(failed), 0)
        self.assertTrue(all(b"planted" in s[3] or b"error" in s[3].lower() for s in failed), failed[:3])

        # latency: a tenth of a second more per call
        start = time.monotonic()
        done = self.wait_end(self.canary(4, [slow]), "rolled-back")
        self.assertEqual(self.gate(done, "slow-ratio")["verdict"], "fail", done["gates"])
        self.assertEqual(callers.lost(start), [])

        # next to no traffic: the judge does not know, says so, and the step extends instead of passing
        callers.set_rate(0.2)
        start = time.monotonic()
        thin = self.canary(5, [errors])
        harness.wait_until(lambda: self.rollout(thin).get("step_phase") == "gate", 120, "the bake's end", every=0.2)
        seen = self.rollout(thin)
        gate = self.gate(seen, "error-ratio")
        self.assertEqual(gate["verdict"], "insufficient", gate)
        self.assertGreater(gate["n_to_pass"], 0)
        self.assertIn("more", seen["waiting"])
        self.assertFalse(seen.get("ended"))
        self.api.post(f"/rollouts/{thin}/commands", {"verb": "abort", "reason": "nothing to be learnt here"})
        self.wait_end(thin, "rolled-back")
        self.assertEqual(callers.lost(start), [])
        self.assertEqual(self.api.get("/models/shaky")["live"]["production"], 2)


if __name__ == "__main__":
    unittest.main()
