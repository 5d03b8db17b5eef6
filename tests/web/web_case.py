"""A registry with models, nodes and rollouts in every state, and a browser that looks at it: runs one of the
*.mjs files beside this one, answers what it asks for, and turns its checks into subtests. Figures are
printed. Screenshots go to MREG_SHOTS when it is set, and only then some looks are taken at all."""
import datetime
import json
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time

import fleetcase
import harness

HERE = pathlib.Path(__file__).resolve().parent
CHROMIUM = os.environ.get("MREG_CHROMIUM", "/usr/bin/chromium")
CARD = """# Fraud

Scores card payments. **Owner**: risk team, see [the handbook](https://handbook.invalid/fraud).

| feature | share |
| --- | --- |
| amount | 41 % |
| country | 12 % |

1. pull
2. check with `mreg verify`

> Not for refunds.

```
curl -d @one.json http://node/v2/models/fraud/infer
```
"""


class WebCase(fleetcase.FleetCase):
    n_nodes = 3

    @classmethod
    def setUpClass(cls):
        if not os.access(CHROMIUM, os.X_OK):
            raise cls.skipTest(cls, "Chromium is not installed")
        subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
                       cwd=HERE, check=True, capture_output=True, timeout=300)
        super().setUpClass()

    # --- the browser ---

    def browse(self, script, least, seed=None, seconds=900, **environment):
        """Runs the script; each of its checks is a subtest. `least`: as many checks there are at least."""
        shots = os.environ.get("MREG_SHOTS", "")  # none wanted: none are made
        if shots:
            os.makedirs(shots, exist_ok=True)
        settings = harness.clean_environment(MREG_URL=self.server.url, MREG_TOKEN=self.server.token,
                                             MREG_SEED=json.dumps(seed or {}), MREG_SHOTS=shots,
                                             MREG_CHROMIUM=CHROMIUM, **environment)
        if os.environ.get("MREG_LOOK"):
            settings["MREG_LOOK"] = os.environ["MREG_LOOK"]
        process = subprocess.Popen(["timeout", str(seconds), "node", script], cwd=HERE, env=settings, text=True,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        checks = []
        for line in process.stdout:
            said = json.loads(line) if line.startswith("{") else {"noise": line}
            if "do" in said:
                process.stdin.write(json.dumps(self.obey(said)) + "\n")
                process.stdin.flush()
            elif "check" in said:
                checks.append(said)
            elif "figure" in said:
                print(f"  {said['figure']}: {said['value']}", flush=True)
        process.stdin.close()
        process.stdout.close()
        code = process.wait()
        for check in checks:
            with self.subTest(check["check"]):
                self.assertTrue(check["ok"], check["detail"])
        self.assertEqual(code, 0, f"{script} ended with {code}")
        self.assertGreaterEqual(len(checks), 1 if os.environ.get("MREG_LOOK") else least)

    def obey(self, said):
        try:
            return {"value": getattr(self, "do_" + said.pop("do"))(**said)}
        except Exception as fault:  # whatever it is, the browser's side tells it
            return {"error": f"{type(fault).__name__}: {fault}"}

    def do_api(self, method, path, body=None, token=None):
        answer = (self.api.as_token(token) if token else self.api).call(method, path, body)
        return {"status": answer.status, "body": answer.json}

    def do_cli(self, arguments, check=True):
        done = self.server.cli(*arguments, check=check)
        return {"code": done.returncode, "out": done.stdout + done.stderr}

    def do_phase(self, rollout, phase):
        return self.wait_phase(rollout, phase)

    def do_stop(self):
        self.server.stop()

    def do_start(self):
        self.server.start()
        self.api.address = self.server.address
        return self.server.url

    # --- what there is to see ---

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
        self.wait_for(lambda: self.api.get("/environments/staging/nodes/s1").get("detail"), 60, "a look at s1")

    def rolled_back(self):
        """A rollout that its golden request ends; the version is in quarantine then."""
        self.push("pricing", golden=99.0)
        rollout = self.promote("pricing", 1, {"strategy": "canary", "gates": [{"kind": "golden"}],
                                              "steps": [{"nodes": 1, "bake": "0"}, {"percent": 100}]})
        self.wait_phase(rollout["id"], "rolled-back")
        return rollout["id"]

    def paused(self):
        self.push("risk")
        rollout = self.promote("risk", 1, {"strategy": "canary", "gates": [],
                                           "steps": [{"nodes": 1, "bake": "1h"}, {"percent": 100}]})
        self.command(rollout["id"], "pause", reason="the analysts look at it first")
        self.wait_phase(rollout["id"], "paused")
        return rollout["id"]

    def live(self, model, version):
        first = self.promote(model, version, {"strategy": "all-at-once", "bake": "0", "gates": []})
        self.wait_phase(first["id"], "succeeded")

    def baking(self, model, version):
        second = self.promote(model, version, {
            "strategy": "canary", "step_deadline": "2h", "steps": [{"nodes": 1, "bake": "1h"}, {"percent": 100}],
            "gates": [{"kind": "health"}, {"kind": "golden"},
                      {"kind": "error-rate", "max": "0.02", "min_requests": 5000},
                      {"kind": "error-ratio"}, {"kind": "latency", "max_ms": "250", "min_requests": 5000}]})
        self.wait_for(lambda: self.rollout(second["id"]).get("step_phase") == "bake", 60, "the bake")
        return second["id"]

    def traffic(self, rollout, model, seconds=8):
        """Requests to every node until the gates have seen some of both versions over a few looks."""
        def seen():
            for node in self.nodes:
                node.predict(model)
            gates = self.rollout(rollout).get("gates", [])
            return any(g.get("n_requests", 0) >= 30 and g.get("n_base_requests", 1) >= 30 for g in gates)
        self.wait_for(seen, 60, "evidence")
        end = time.monotonic() + seconds
        self.wait_for(lambda: seen() and time.monotonic() > end, 60, "more evidence")

    def versions(self):
        lineage = {"git_commit": "4be19a07c3d2e1f00918273645546372819a0b1c", "git_branch": "main", "dataset": "payments-2026-10",
                   "git_repository": "https://git.invalid/risk/fraud"}
        for number, (auc, p99) in enumerate((("0.931", "38.2"), ("0.941", "41.0"), ("0.938", "37.5")), 1):
            self.push("fraud", intercept=number - 1, commit={
                "metrics": {"auc": auc, "p99_ms": p99}, "params": {"depth": str(5 + number), "threshold": "0.62"},
                "lineage": {**lineage, **({"parent": "1"} if number == 3 else {})}, "tags": {"team": "risk"},
                **({"alias": ["candidate"], "description": "retrained on the October data"} if number == 2 else {})})
        self.api.patch("/models/fraud", {"description": CARD, "tags": {"owner": "risk"}, "reason": "who to ask"})

    def access(self):
        """Tokens of each role, a person, and a webhook that cannot be delivered."""
        tokens = {role: self.api.post("/tokens", {"name": f"a {role}", "role": role})["token"]
                  for role in ("reader", "pusher", "deployer", "approver", "auditor")}
        self.api.post("/users", {"name": "ana", "role": "deployer", "password": "a long password"})
        hook = self.api.post("/webhooks", {"name": "chat", "url": "http://127.0.0.1:1/x", "kinds": ["rollout.*"]})
        self.api.call("POST", f"/webhooks/{hook['id']}/ping", {})
        return {"tokens": tokens, "hook": hook["id"]}

    def everything(self):
        """The whole picture; a dict of ids for the scripts."""
        for node, zone in zip(self.nodes, ("a", "a", "b")):
            self.api.patch(f"/environments/production/nodes/{node.name}", {"labels": {"zone": zone}})
        self.versions()
        self.unreachable_node()
        failed = self.rolled_back()
        self.api.upload("team/churn", {"model.bin": b"some bytes"}, description="<b>not bold</b>")
        self.live("fraud", 1)
        at = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")
        at = at.replace("+00:00", "Z")
        seen = {**self.access(), "failed": failed, "paused": self.paused(), "at": at}
        seen["rollout"] = self.baking("fraud", 2)
        self.traffic(seen["rollout"], "fraud")
        seen["queued"] = self.promote("fraud", 3, reason="October, second try")["id"]
        return seen
