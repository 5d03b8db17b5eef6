"""The dashboard in a real browser: a registry with models, nodes and a running rollout, looked at by
pages.mjs. Screenshots go to MREG_SHOTS when it is set."""
import json
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import unittest

import fleetcase
import harness

HERE = pathlib.Path(__file__).resolve().parent
CHROMIUM = os.environ.get("MREG_CHROMIUM", "/usr/bin/chromium")


class Browser(fleetcase.FleetCase):
    n_nodes = 3

    def setUp(self):
        if not os.access(CHROMIUM, os.X_OK):
            self.skipTest("Chromium is not installed")
        subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
                       cwd=HERE, check=True, capture_output=True, timeout=300)

    def unreachable_node(self):
        """An environment whose only node's port is taken but never answers."""
        root = tempfile.mkdtemp(prefix="mreg-node-")
        self.addCleanup(shutil.rmtree, root, ignore_errors=True)
        taken = socket.socket()
        self.addCleanup(taken.close)
        taken.bind(("127.0.0.1", 0))
        self.api.post("/environments", {"name": "staging"})
        self.api.post("/environments/staging/nodes",
                      {"name": "s1", "driver": "v2", "delivery": "path", "root": root,
                       "admin_url": f"http://127.0.0.1:{taken.getsockname()[1]}"})

    def rolled_back(self):
        """A rollout that its golden request ends."""
        self.push("pricing", golden=99.0)
        rollout = self.promote("pricing", 1, {"strategy": "canary", "gates": [{"kind": "golden"}],
                                              "steps": [{"nodes": 1, "bake": "0"}, {"percent": 100}]})
        self.wait_for(lambda: self.rollout(rollout["id"])["phase"] == "rolled-back", 60, "the way back")

    def paused(self):
        self.push("risk")
        rollout = self.promote("risk", 1, {"strategy": "canary", "gates": [],
                                           "steps": [{"nodes": 1, "bake": "1h"}, {"percent": 100}]})
        self.command(rollout["id"], "pause", reason="the analysts look at it first")
        self.wait_for(lambda: self.rollout(rollout["id"])["phase"] == "paused", 60, "the pause")
        return rollout["id"]

    def reader_token(self):
        return self.api.post("/tokens", {"name": "looker", "role": "reader"})["token"]

    def test_pages(self):
        self.push("fraud", intercept=0, commit={"metrics": {"auc": "0.931"}, "lineage": {"git_commit": "4be19a"}})
        self.push("fraud", intercept=1, commit={"metrics": {"auc": "0.941"}, "alias": ["candidate"],
                                                "description": "retrained on the October data"})
        self.unreachable_node()
        self.rolled_back()
        self.api.upload("team/churn", {"model.bin": b"some bytes"}, description="<b>not bold</b>")
        first = self.promote("fraud", 1, {"strategy": "all-at-once", "bake": "0", "gates": []})
        self.wait_phase(first["id"], "succeeded")
        paused = self.paused()
        second = self.promote("fraud", 2, {"strategy": "canary",
                                           "gates": [{"kind": "health"}, {"kind": "golden"},
                                                     {"kind": "error-rate", "max": "0.02", "min_requests": 50}],
                                           "steps": [{"nodes": 1, "bake": "1h"}, {"percent": 100}],
                                           "step_deadline": "2h"})
        self.wait_for(lambda: self.rollout(second["id"]).get("step_phase") == "bake", 60, "the bake")
        shots = os.environ.get("MREG_SHOTS") or tempfile.mkdtemp(prefix="mreg-shots-")
        os.makedirs(shots, exist_ok=True)
        environment = harness.clean_environment(MREG_URL=self.server.url, MREG_TOKEN=self.server.token,
                                                MREG_ROLLOUT=second["id"], MREG_PAUSED=paused,
                                                MREG_READER=self.reader_token(), MREG_SHOTS=shots,
                                                MREG_CHROMIUM=CHROMIUM)
        done = subprocess.run(["node", "pages.mjs"], cwd=HERE, env=environment, text=True, timeout=600,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if not os.environ.get("MREG_SHOTS"):
            shutil.rmtree(shots)
        checks = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        self.assertGreater(len(checks), 80, done.stdout[-4000:])
        for check in checks:
            with self.subTest(check["check"]):
                self.assertTrue(check["ok"], check["detail"])


if __name__ == "__main__":
    unittest.main()
