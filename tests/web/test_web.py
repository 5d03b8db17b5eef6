"""The dashboard in a real browser: a registry with models, nodes and a running rollout, looked at by
pages.mjs. Screenshots go to MREG_SHOTS when it is set."""
import json
import os
import pathlib
import shutil
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

    def test_pages(self):
        self.push("fraud", intercept=0)
        self.push("fraud", intercept=1)
        self.api.upload("team/churn", {"model.bin": b"some bytes"}, description="<b>not bold</b>")
        first = self.promote("fraud", 1, {"strategy": "all-at-once", "bake": "0", "gates": []})
        self.wait_phase(first["id"], "succeeded")
        second = self.promote("fraud", 2, {"strategy": "canary", "gates": [],
                                           "steps": [{"nodes": 1, "bake": "1h"}, {"percent": 100}],
                                           "step_deadline": "2h"})
        self.wait_for(lambda: self.rollout(second["id"]).get("step_phase") == "bake", 60, "the bake")
        shots = os.environ.get("MREG_SHOTS") or tempfile.mkdtemp(prefix="mreg-shots-")
        os.makedirs(shots, exist_ok=True)
        environment = harness.clean_environment(MREG_URL=self.server.url, MREG_TOKEN=self.server.token,
                                                MREG_ROLLOUT=second["id"], MREG_SHOTS=shots,
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
