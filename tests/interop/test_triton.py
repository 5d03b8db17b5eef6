"""Two real Triton processes, told by mreg's driver "triton" what to load, with callers the whole time.

v1 goes to v2 by a canary that keeps both loaded; going back from v3 needs no load; v4 cannot be loaded, v5
answers wrongly and v6 raises on every request. No request is lost by any of it, and nothing but v6 fails one.

MREG_TRITON is a virtual environment with tests/interop/triton/requirements.txt.
"""
import json
import unittest

import harness
from haproxy import Callers
from tritonnode import HAS_TRITON, WHY_NOT, TritonNode

MODEL = """
import triton_python_backend_utils as pb
{extra}

class TritonPythonModel:
    def execute(self, requests):
        answers = []
        for request in requests:
            x = pb.get_input_tensor_by_name(request, "x").as_numpy()
            {inner}
            answers.append(pb.InferenceResponse([pb.Tensor("y", x * 2 + {plus})]))
        return answers
"""
BODY = {"inputs": [{"name": "x", "shape": [1, 1], "datatype": "FP64", "data": [1.0]}]}
ALL_AT_ONCE = {"strategy": "all-at-once", "bake": "0", "gates": [{"kind": "golden"}]}
CANARY = {"strategy": "canary", "residency": "both", "gates": [{"kind": "health"}, {"kind": "golden"}],
          "steps": [{"nodes": 1, "bake": "2s"}, {"percent": 100, "bake": "0"}]}
LONG = {**CANARY, "steps": [{"nodes": 1, "bake": "10m"}, {"percent": 100, "bake": "0"}]}


def version_files(number, extra="", inner="pass", golden=None):
    """y = 2x + number; golden: what y is said to be for x = 1 (None: the truth; False: nothing is said)."""
    files = {"model.py": MODEL.format(extra=extra, inner=inner, plus=number).encode(),
             "serving/model-settings.json": b'{"implementation": "triton"}'}
    if golden is not False:
        files["golden/one.json"] = json.dumps({
            "request": BODY, "tolerance": "0.001",
            "expect": {"outputs": [{"data": [2.0 + number if golden is None else golden]}]}}).encode()
    return files


@unittest.skipUnless(HAS_TRITON, WHY_NOT)
class Triton(harness.ServerCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.nodes = []
        for name in ("t1", "t2"):
            node = TritonNode(name)
            cls.addClassCleanup(node.remove)
            node.configure("fraud")
            cls.nodes.append(node)
        for node in cls.nodes:
            harness.wait_until(node.is_live, 60, f"the start of {node.name}")
        cls.api.post("/environments", {"name": "production", "policy": {
            "min_healthy": "200ms", "node_deadline": "1m", "step_deadline": "2m"}})
        for node in cls.nodes:
            cls.api.post("/environments/production/nodes", {
                "name": node.name, "driver": "triton", "admin_url": f"http://127.0.0.1:{node.http}",
                "metrics_url": f"http://127.0.0.1:{node.metrics}/metrics", "delivery": "path",
                "root": str(node.root)})
        for files in (version_files(1), version_files(2), version_files(3),
                      version_files(4, extra="raise RuntimeError('planted')"), version_files(5, golden=77.0),
                      version_files(6, inner="raise ValueError('planted')", golden=False)):
            cls.api.upload("fraud", files)

    def promote(self, version, strategy):
        return self.api.post("/rollouts", {"model": "fraud", "version": str(version),
                                           "environment": "production", "strategy": strategy})["id"]

    def wait_phase(self, rollout, phase, seconds=90):
        look = lambda: self.api.get(f"/rollouts/{rollout}")
        harness.wait_until(lambda: look().get("ended"), seconds, f"the end of {rollout}", every=0.1)
        ended = look()
        self.assertEqual(ended["phase"], phase, f"{ended}\n{self.server.log()[-2000:]}")
        return ended

    def assert_all_serve(self, version):
        harness.wait_until(lambda: all(node.ready("fraud") == [version] for node in self.nodes), 30,
                           f"version {version} alone on every node")
        for node in self.nodes:
            status, answer = node.call("POST", "/v2/models/fraud/infer", BODY)
            self.assertEqual((status, json.loads(answer)["model_version"]), (200, str(version)))
        self.assertEqual(self.api.get("/models/fraud")["live"]["production"], version)

    def call_all(self):
        callers = [Callers(node.http, "/v2/models/fraud/infer", BODY, per_second=20, n_threads=2)
                   for node in self.nodes]
        for each in callers:
            self.addCleanup(each.stop)
        return callers

    def failed(self, callers):
        return [entry for each in callers for entry in each.since(0) if entry[1] != 200]

    def test_story(self):
        done = self.server.cli("node", "check", "production", "t1", "--output", "json", check=False)
        report = json.loads(done.stdout)
        self.assertEqual((report["server"]["name"], report["control"]), ("triton", "explicit"))
        self.assertEqual([p["what"] for p in report["problems"]], ["histogram"], "2.51 has none, and only that is missing")
        self.wait_phase(self.promote(1, ALL_AT_ONCE), "succeeded")
        self.assert_all_serve(1)
        callers = self.call_all()

        # v2: a canary; the node of the first step has both until the end
        self.wait_phase(self.promote(2, CANARY), "succeeded")
        self.assert_all_serve(2)

        # v3: stopped during its bake; the way back is no load of v2, which was there all the time
        rollout = self.promote(3, LONG)
        look = lambda: self.api.get(f"/rollouts/{rollout}")
        harness.wait_until(lambda: look().get("step_phase") == "bake", 60, "the bake of version 3")
        self.assertEqual(sorted(node.ready("fraud") for node in self.nodes), [[2], [2, 3]])
        n_loads = [node.n_loads() for node in self.nodes]
        self.api.post(f"/rollouts/{rollout}/commands", {"verb": "abort", "reason": "enough seen"})
        self.wait_phase(rollout, "rolled-back")
        self.assert_all_serve(2)
        self.assertEqual([node.n_loads() for node in self.nodes], n_loads, "the way back loaded something")

        # v4 cannot be loaded, v5 answers wrongly
        for version, why in ((4, "planted"), (5, "golden")):
            ended = self.wait_phase(self.promote(version, CANARY), "rolled-back")
            self.assertIn(why, ended["outcome"])
            self.assert_all_serve(2)
        self.assertEqual(self.failed(callers), [], "requests lost")

        # v6 raises: the canary's counters show it, one node is all that ever has it
        gates = [{"kind": "health"}, {"kind": "error-rate", "max": "0.05", "min_requests": 20}]
        ended = self.wait_phase(self.promote(6, {**LONG, "gates": gates}), "rolled-back")
        self.assertIn("error", ended["outcome"])
        self.assert_all_serve(2)
        self.assertTrue(all(entry[1] == 500 and b"planted" in entry[3] for entry in self.failed(callers)),
                        self.failed(callers)[:3])
        self.assertEqual(sum(bool(self.failed([each])) for each in callers), 1, "more than one node had version 6")
        n = sum(len(each.since(0)) for each in callers)
        print(f"Triton: {n} requests, lost: 0, failed by version 6: {len(self.failed(callers))}")


@unittest.skipUnless(HAS_TRITON, WHY_NOT)
class NotToldWhatToLoad(harness.ServerCase):
    """A Triton that loads what it finds says so at the first look."""

    def test_mode_is_found(self):
        node = TritonNode("t9", "--model-control-mode=none")
        self.addCleanup(node.remove)
        harness.wait_until(node.is_live, 60, "the start of Triton")
        self.api.post("/environments", {"name": "stage"})
        self.api.post("/environments/stage/nodes", {
            "name": "t9", "driver": "triton", "admin_url": f"http://127.0.0.1:{node.http}", "delivery": "path",
            "root": str(node.root)})
        done = self.server.cli("node", "check", "stage", "t9", check=False)
        self.assertNotEqual(done.returncode, 0, done.stdout)
        self.assertIn("--model-control-mode=explicit", done.stdout)


if __name__ == "__main__":
    unittest.main()
