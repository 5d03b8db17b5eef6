"""Three real MLServer processes and a scikit-learn model trained here.

v1 goes to v2 by rolling; v3 raises on predict and is rolled back by its canary's gate; v4 loads but
answers wrongly and is caught by its golden request. Predictions are asked from every node the whole
time: none fails outside a canary, and no node outside the canary ever answers with v3.

MREG_VENV is a virtual environment with packaging/demo/requirements.txt.
"""
import json
import threading
import time
import unittest

import harness
from mlnode import HAS_MLSERVER, WHY_NOT, MlserverNode, python

TRAIN = """
import json, pathlib, sys
import joblib, numpy
from sklearn.linear_model import LogisticRegression
out = pathlib.Path(sys.argv[1])
rng = numpy.random.default_rng(7)
x = rng.normal(size=(400, 3))
y = (x @ [1.5, -2.0, 0.5] + rng.normal(scale=0.3, size=400) > 0).astype(int)
for name, strength in (("v1", 0.1), ("v2", 1.0), ("v3", 2.0), ("v4", 4.0)):
    model = LogisticRegression(C=strength).fit(x, y)
    folder = out / name
    (folder / "golden").mkdir(parents=True)
    rows = [[2.0, -2.0, 1.0], [-2.0, 2.0, -1.0]]
    golden = {"request": {"inputs": [{"name": "x", "shape": [2, 3], "datatype": "FP64", "data": rows}]},
              "expect": {"outputs": [{"data": [int(v) for v in model.predict(rows)]}]}, "tolerance": "0"}
    if name == "v3":  # every predict raises; without a golden request, so that traffic has to show it
        model.n_features_in_ = 99
    else:
        (folder / "golden" / "signs.json").write_text(json.dumps(golden))
    if name == "v4":
        model.coef_, model.intercept_ = -model.coef_, -model.intercept_
    joblib.dump(model, folder / "model.joblib")
"""


class Traffic:
    """Asks every node for a prediction, over and over; remembers (time, node, status, version)."""

    def __init__(self, nodes):
        self.nodes, self.seen, self.lock = nodes, [], threading.Lock()
        self.stopped = threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(node,)) for node in nodes]
        for thread in self.threads:
            thread.start()

    def run(self, node):
        body = {"inputs": [{"name": "x", "shape": [1, 3], "datatype": "FP64", "data": [[2.0, -2.0, 1.0]]}]}
        while not self.stopped.wait(0.04):
            at = time.monotonic()
            try:
                status, answer = node.call("POST", "/v2/models/fraud/infer", body)
                version = int(json.loads(answer)["model_version"]) if status == 200 else None
            except OSError:
                status, version = 0, None
            with self.lock:
                self.seen.append((at, node.name, status, version))

    def since(self, start):
        with self.lock:
            return [entry for entry in self.seen if entry[0] >= start]

    def stop(self):
        self.stopped.set()
        for thread in self.threads:
            thread.join()


@unittest.skipUnless(HAS_MLSERVER, WHY_NOT)
class Mlserver(harness.ServerCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.nodes = []
        for i in range(3):
            node = MlserverNode(f"m{i + 1}")
            cls.addClassCleanup(node.remove)
            cls.nodes.append(node)
        cls.models = cls.server.folder / "models"
        python(TRAIN, cls.models)
        for node in cls.nodes:
            harness.wait_until(node.is_live, 120, f"the start of {node.name}")
        cls.api.post("/environments", {"name": "production", "policy": {
            "min_healthy": "500ms", "node_deadline": "1m", "step_deadline": "2m"}})
        for node in cls.nodes:
            cls.api.post("/environments/production/nodes", {
                "name": node.name, "driver": "v2", "admin_url": f"http://127.0.0.1:{node.http}",
                "metrics_url": f"http://127.0.0.1:{node.metrics}/metrics", "delivery": "path",
                "root": str(node.root)})

    def push(self, name):
        self.server.cli("push", "fraud", self.models / name)

    def promote(self, version, strategy, code):
        body = {"model": "fraud", "version": str(version), "environment": "production", "strategy": strategy}
        rollout = self.api.post("/rollouts", body)
        self.server.cli("login", self.server.url)
        done = self.server.cli("rollout", "watch", rollout["id"], "--timeout", "3m", check=False)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr + self.server.log()[-3000:])
        return self.api.get(f"/rollouts/{rollout['id']}")

    def assert_all_serve(self, version):
        def look():
            return all(node.call("GET", f"/v2/models/fraud/versions/{version}/ready")[0] == 200 and
                       [int(e["version"]) for e in json.loads(node.call("POST", "/v2/repository/index", {})[1])
                        if e["name"] == "fraud"] == [version] for node in self.nodes)
        harness.wait_until(look, 60, f"version {version} alone on every node")
        self.assertEqual(self.api.get("/models/fraud")["live"]["production"], version)

    def test_story(self):
        for name in ("v1", "v2", "v3", "v4"):
            self.push(name)
        self.promote(1, {"strategy": "all-at-once", "bake": "0", "gates": [{"kind": "golden"}]}, 0)
        self.assert_all_serve(1)
        traffic = Traffic(self.nodes)
        self.addCleanup(traffic.stop)

        # v1 -> v2, node by node
        start = time.monotonic()
        self.promote(2, {"strategy": "rolling", "batch": 1, "bake": "1s",
                         "gates": [{"kind": "health"}, {"kind": "golden"}]}, 0)
        self.assert_all_serve(2)
        self.assertEqual({v for _, _, s, v in traffic.since(start) if s == 200}, {1, 2})
        busy = sum(1 for _, _, s, _ in traffic.since(start) if s != 200)
        self.assertLessEqual(busy, 2 * len(self.nodes), "a load may cost a node a request or two, no more")

        # v3 raises on predict: the canary's counters show it
        start = time.monotonic()
        gates = [{"kind": "golden"}, {"kind": "error-rate", "max": "0.05", "min_requests": 30}]
        rollout = self.promote(3, {"strategy": "canary", "gates": gates,
                                   "steps": [{"nodes": 1, "bake": "20s"}, {"percent": 100}]}, 10)
        self.assertEqual(rollout["phase"], "rolled-back")
        self.assertIn("error", rollout["outcome"])
        self.assert_all_serve(2)
        canary = {n["node"] for n in rollout["nodes"] if n["state"] not in ("old", "waiting")}
        failed = {name for _, name, status, _ in traffic.since(start) if status == 500}
        self.assertEqual(len(failed), 1, f"only the canary node may ever run v3: {failed} {canary}")
        self.assertFalse([e for e in traffic.since(start) if e[3] == 3])

        # v4 answers wrongly: its golden request catches it
        start = time.monotonic()
        rollout = self.promote(4, {"strategy": "canary", "gates": gates,
                                   "steps": [{"nodes": 1, "bake": "20s"}, {"percent": 100}]}, 10)
        self.assertEqual(rollout["phase"], "rolled-back")
        self.assertIn("golden", rollout["outcome"])
        self.assert_all_serve(2)
        self.assertLessEqual(len({name for _, name, _, version in traffic.since(start) if version == 4}), 1)
        self.assertEqual(self.api.get("/models/fraud/versions/production")["version"], 2)


if __name__ == "__main__":
    unittest.main()
