"""A registry with an environment "production" of mreg-node processes, for tests of rollouts.

    class MyTest(fleetcase.FleetCase):
        n_nodes = 3
        def test_it(self):
            self.push("fraud", intercept=1)
            rollout = self.promote("fraud", 1)
            self.wait_phase(rollout["id"], "succeeded")
"""
import http.client
import json
import pathlib
import shutil
import subprocess
import tempfile
import urllib.parse

import harness

ENDED = ("succeeded", "rolled-back", "halted", "rejected", "cancelled", "superseded")


class Node:
    """One mreg-node process with a model repository of its own; the port is kept over restarts."""

    def __init__(self, name):
        self.name = name
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="mreg-node-"))
        self.root = self.folder / "models"
        self.root.mkdir()
        self.port_file = self.folder / "port"
        self.port = 0
        self.process = None

    def start(self, *arguments):
        self.port_file.unlink(missing_ok=True)
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                [harness.program("mreg-node"), "--root", str(self.root), "--port", str(self.port),
                 "--port-file", str(self.port_file), *arguments],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        harness.wait_until(self.port_file.exists, 30, f"the start of node {self.name}")
        self.port = int(self.port_file.read_text().split()[0].rsplit(":", 1)[-1])
        return self

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def call(self, method, path, body=None):
        """Status and parsed JSON (or text)."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, None if body is None else json.dumps(body),
                               {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        try:
            return answer.status, json.loads(text) if text else None
        except ValueError:
            return answer.status, text.decode(errors="replace")

    def faults(self, **faults):
        status, body = self.call("POST", "/faults", faults)
        assert status == 200, body

    def predict(self, model, x=1.0):
        """Status, version that answered, first output."""
        status, body = self.call("POST", f"/v2/models/{urllib.parse.quote(model)}/infer", {
            "inputs": [{"name": "x", "shape": [1, 1], "datatype": "FP64", "data": [x]}]})
        if status != 200:
            return status, None, None
        return status, int(body["model_version"]), body["outputs"][0]["data"][0]

    def place(self, files, name, version):
        """A folder as somebody would have made it by hand, loaded."""
        folder = self.root / name / str(version)
        for path, data in files.items():
            if path.startswith(("serving/", "golden/")):
                continue
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
        (folder / "model-settings.json").write_text(
            '{"name": "%s", "implementation": "mreg_node.Linear", '
            '"parameters": {"version": "%s", "uri": "./model.json"}}' % (name, version))
        status = self.call("POST", f"/v2/repository/models/{name}/load")[0]
        if status != 200:
            raise AssertionError(f"{name} {version} does not load: {status}")
        return folder

    def kill9(self):
        self.process.kill()
        self.process.wait()

    def remove(self):
        if self.process and self.process.poll() is None:
            self.kill9()
        shutil.rmtree(self.folder, ignore_errors=True)


def linear_files(intercept, golden=None, **faults):
    """A version's files: y = 2x + intercept, with one golden request unless it is False."""
    model = {"format": "mreg-linear", "kind": "linear", "coef": [[2.0]], "intercept": [intercept], **faults}
    files = {"model.json": json.dumps(model).encode(),
             "serving/model-settings.json": json.dumps(
                 {"implementation": "mreg_node.Linear", "parameters": {"uri": "./model.json"}}).encode()}
    if golden is not False:
        expected = 2.0 + intercept if golden is None else golden
        files["golden/one.json"] = json.dumps({
            "request": {"inputs": [{"name": "x", "shape": [1, 1], "datatype": "FP64", "data": [1.0]}]},
            "expect": {"outputs": [{"data": [expected]}]}, "tolerance": "0.001"}).encode()
    return files


class FleetCase(harness.ServerCase):
    n_nodes = 3
    policy = {}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.nodes = []
        for i in range(cls.n_nodes):
            node = Node(f"n{i + 1}")
            cls.addClassCleanup(node.remove)
            cls.nodes.append(node.start())
        cls.api.post("/environments", {"name": "production", "policy": cls.policy})
        for node in cls.nodes:
            cls.api.post("/environments/production/nodes",
                         {"name": node.name, "driver": "v2", "admin_url": node.url, "delivery": "path",
                          "root": str(node.root)})

    def push(self, model, intercept=0, golden=None, commit=None, **faults):
        """Pushes y = 2x + intercept; gives the version's number."""
        return self.api.upload(model, linear_files(intercept, golden, **faults), **(commit or {}))["version"]

    def promote(self, model, version, strategy=None, **more):
        return self.api.post("/rollouts", {"model": model, "version": str(version),
                                           "environment": "production", "strategy": strategy or {}, **more})

    def rollout(self, rollout_id):
        return self.api.get(f"/rollouts/{rollout_id}")

    def command(self, rollout_id, verb, **more):
        return self.api.post(f"/rollouts/{rollout_id}/commands", {"verb": verb, **more})

    def wait_for(self, condition, seconds=60, what="the condition"):
        return harness.wait_until(condition, seconds, what)

    def wait_phase(self, rollout_id, phase, seconds=60):
        """Waits for a phase; an end in another one fails at once with the whole rollout."""
        def look():
            rollout = self.rollout(rollout_id)
            if rollout["phase"] == phase:
                return rollout
            if rollout["phase"] in ENDED:
                raise AssertionError(f"ended {rollout['phase']}: {json.dumps(rollout, indent=1)}")
            return None
        try:
            return harness.wait_until(look, seconds, f"{rollout_id} {phase}", 0.05)
        except AssertionError as fault:
            raise AssertionError(f"{fault}\n{json.dumps(self.rollout(rollout_id), indent=1)}") from None

    def versions_served(self, model):
        return [node.predict(model)[1] for node in self.nodes]
