"""Nodes: taken out of service, registering themselves, looked at, restarted, adopted, drifted; and a
registry that was overtaken by another one."""
import http.client
import pathlib
import shutil
import signal
import subprocess
import time
import unittest

import fleetcase
import harness
from fleetcase import Node

FAST = {"strategy": "rolling", "bake": "0", "min_healthy": "0", "max_unavailable": 1}
SOON = {"MREG_ROLLOUT_OBSERVE_EVERY": "300ms", "MREG_ROLLOUT_SAMPLE_EVERY": "300ms"}


def rows_of(api, kind):
    return api.get(f"/changes?since=0&kind={kind}&limit=500")["items"]


class Cordons(fleetcase.FleetCase):
    policy = FAST
    environment = SOON

    def node(self, name="n1"):
        return self.api.get(f"/environments/production/nodes/{name}")

    def test_cordon_and_back(self):
        path = "/environments/production/nodes/n3"
        node = self.api.post(path + "/cordon", {"reason": "disk fails"})
        self.assertEqual((node["cordon"]["kind"], node["cordon"]["reason"]), ("cordon", "disk fails"))
        self.api.post(path + "/cordon", {"reason": "disk fails"})  # again: nothing changes
        self.assertEqual(len([r for r in rows_of(self.api, "node.cordon") if r["object"] == "production/n3"]), 1)
        self.push("cord", intercept=1)
        made = self.promote("cord", 1)
        self.wait_for(lambda: self.nodes[0].predict("cord")[1] == 1 and self.nodes[1].predict("cord")[1] == 1,
                      60, "the other nodes")
        self.assertNotEqual(self.nodes[2].predict("cord")[0], 200)
        node = self.api.post(path + "/uncordon")
        self.assertNotIn("cordon", node)
        self.wait_for(lambda: self.nodes[2].predict("cord")[1] == 1, 60, "the node that is back")
        self.wait_phase(made["id"], "succeeded")
        self.assertEqual(len([r for r in rows_of(self.api, "node.uncordon") if r["object"] == "production/n3"]), 1)
        reader = self.api.new_token("reader", name="r-cordon")
        reader.expect(403, "POST", path + "/cordon", {})

    def test_drain_unloads_and_returns(self):
        self.push("dry", intercept=1)
        self.wait_phase(self.promote("dry", 1)["id"], "succeeded")
        done = self.server.cli("node", "drain", "production", "n1", "--unload", "--wait", "--timeout", "60s",
                               "--reason", "maintenance")
        self.assertIn("unload", done.stdout)
        self.assertNotEqual(self.nodes[0].predict("dry")[0], 200)
        self.assertTrue(self.node()["cordon"]["is_drained"])
        self.assertEqual([n.predict("dry")[1] for n in self.nodes[1:]], [1, 1])
        self.server.cli("node", "uncordon", "production", "n1")
        self.wait_for(lambda: self.nodes[0].predict("dry")[1] == 1, 60, "its models again")


class Leases(fleetcase.FleetCase):
    n_nodes = 2
    policy = FAST
    environment = SOON

    def setUp(self):
        self.roots = pathlib.Path(self.server.folder / "roots")
        self.roots.mkdir(exist_ok=True)

    def token(self, name):
        made = self.api.post("/tokens", {"name": name, "role": "node", "environment": "production",
                                         "root": str(self.roots)})
        return made["token"]

    def own_node(self, name):
        node = Node(name)
        self.addCleanup(node.remove)
        shutil.rmtree(node.root)
        node.root = self.roots / name
        node.root.mkdir()
        return node.start()

    def body(self, node, **more):
        return {"name": node.name, "admin_url": node.url, "root": str(node.root), "lease": "3s", **more}

    def names(self):
        return [n["name"] for n in self.api.get("/environments/production/nodes")["items"]]

    def test_scope(self):
        path = "/environments/production/nodes/register"
        node = self.own_node("s1")
        api = self.api.as_token(self.token("scoped"))
        self.api.post("/environments", {"name": "elsewhere"})
        api.expect(403, "POST", "/environments/elsewhere/nodes/register", self.body(node))
        outside = self.server.folder / "outside"
        outside.mkdir(exist_ok=True)
        problem = api.expect(403, "POST", path, self.body(node, root=str(outside))).json
        self.assertEqual(problem["pointer"], "/root")
        api.expect(409, "POST", path, self.body(node, name="n1"))  # was added by hand
        api.expect(400, "POST", path, self.body(node, lease="1ms"))
        api.expect(403, "GET", "/environments/production/nodes")
        api.expect(403, "POST", "/rollouts", {"model": "x", "version": 1, "environment": "production"})
        self.api.new_token("reader", name="r-lease").expect(403, "POST", path, self.body(node))
        for bad in ({"role": "node"}, {"role": "node", "environment": "production"},
                    {"role": "reader", "environment": "production"}):
            self.api.expect(400, "POST", "/tokens", {"name": "bad", **bad})
        made = api.expect(201, "POST", path, self.body(node)).json
        self.assertEqual(made["result"], "new")
        again = api.expect(200, "POST", path, self.body(node)).json
        self.assertEqual(again["result"], "renewed")
        changed = api.expect(200, "POST", path, self.body(node, labels={"zone": "b"})).json
        self.assertEqual(changed["result"], "changed")
        shown = self.api.get("/environments/production/nodes/s1")
        self.assertEqual((shown["lease"]["lasts"], shown["labels"]), ("3s", {"zone": "b"}))
        api.expect(204, "POST", "/environments/production/nodes/s1/leave", {})
        api.expect(204, "POST", "/environments/production/nodes/s1/leave", {})
        self.assertNotIn("s1", self.names())

    def test_lease_ends_during_a_rollout(self):
        api = self.api.as_token(self.token("ends"))
        node = self.own_node("a1")
        self.push("auto", intercept=1)
        self.wait_phase(self.promote("auto", 1)["id"], "succeeded")
        path = "/environments/production/nodes/register"
        api.expect(201, "POST", path, self.body(node))
        self.wait_for(lambda: api.post(path, self.body(node)) and node.predict("auto")[1] == 1, 60,
                      "today's version on the new node")
        self.push("auto", intercept=2)
        made = self.promote("auto", 2, {"strategy": "canary", "steps": [{"nodes": 1, "bake": "10m"}, {"percent": 100}],
                                        "gates": [{"kind": "health"}]})
        self.wait_for(lambda: api.post(path, self.body(node)) and
                      self.rollout(made["id"])["step_phase"] == "bake", 60, "the bake")
        node.kill9()
        self.wait_for(lambda: "a1" not in self.names(), 30, "the end of the lease")
        rollout = self.rollout(made["id"])
        self.assertNotEqual(rollout["phase"], "paused", rollout)
        self.command(made["id"], "promote")
        done = self.wait_phase(made["id"], "succeeded")
        self.assertNotIn("a1", [n["node"] for n in done["nodes"]])
        left = [r for r in rows_of(self.api, "node.leave") if r["object"] == "production/a1"]
        self.assertEqual(len(left), 1)
        self.assertIn("lease", left[0]["message"])
        node.start()  # it comes back with what was live when it went
        self.wait_for(lambda: api.post(path, self.body(node)) and node.predict("auto")[1] == 2, 60,
                      "today's version on the node that came back")
        api.expect(204, "POST", "/environments/production/nodes/a1/leave", {})

    def test_leases_outlive_the_registry(self):
        api = self.token("outlive")
        node = self.own_node("o1")
        path = "/environments/production/nodes/register"
        self.api.as_token(api).expect(201, "POST", path, self.body(node, lease="2s"))
        self.server.kill9()
        dead = time.monotonic()
        harness.wait_until(lambda: time.monotonic() > dead + 2.5, 30, "the end of the lease")
        self.server.start()
        type(self).api = self.server.api
        self.assertIn("o1", self.names())
        self.wait_for(lambda: "o1" not in self.names(), 30, "its end after the grace")

    def test_sidecar(self):
        token_file = self.server.folder / "node-token"
        token_file.write_text(self.token("sidecar"))
        root = self.roots / "side"
        root.mkdir()
        port_file = self.server.folder / "side-port"
        environment = harness.clean_environment(HOME=self.server.folder, MREG_URL=self.server.url,
                                                MREG_TOKEN_FILE=token_file)
        child = [harness.program("mreg-node"), "--root", str(root), "--port", "0", "--port-file", str(port_file)]
        # The port is free for all; the address is not what is tested here.
        process = subprocess.Popen(
            [harness.program("mreg"), "node", "register", "production", "side", "--url", "http://127.0.0.1:9",
             "--root", str(root), "--lease", "3s", "--", *child],
            env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            self.wait_for(lambda: "side" in self.names() and port_file.exists(), 30, "the registration")
            self.assertFalse(self.wait_gone("side", 5))  # it is renewed
            process.send_signal(signal.SIGTERM)
            output = process.communicate(timeout=30)[0]
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        self.assertNotIn("side", self.names())
        self.assertIn("has left", output)
        self.assertEqual(process.returncode, 0, output)

    def wait_gone(self, name, seconds):
        try:
            harness.wait_until(lambda: name not in self.names(), seconds)
            return True
        except AssertionError:
            return False

    def test_sidecar_ends_with_its_process(self):
        root = self.roots / "short"
        root.mkdir()
        done = self.server.cli("node", "register", "production", "short", "--url", "http://127.0.0.1:9", "--root",
                               root, "--lease", "30s", "--", "sh", "-c", "test -z \"$MREG_TOKEN\" && exit 5",
                               check=False, token=self.token("short"))
        self.assertEqual(done.returncode, 5, done.stderr)
        self.assertNotIn("short", self.names())


class Probes(harness.ServerCase):
    def setUp(self):
        self.env = f"p{self.id().rsplit('_', 1)[-1]}"
        self.api.post("/environments", {"name": self.env})

    def add(self, name, url, root, **more):
        return self.api.post(f"/environments/{self.env}/nodes", {"name": name, "admin_url": url, "root": str(root),
                                                                 **more})

    def whats(self, report):
        return [p["what"] for p in report["problems"]]

    def test_good(self):
        node = Node("good")
        self.addCleanup(node.remove)
        node.start()
        report = self.add("good", node.url, node.root)["probe"]
        self.assertTrue(report["reachable"])
        self.assertEqual(report["server"]["name"], "mreg-node")
        self.assertEqual(report["control"], "explicit")
        self.assertTrue(report["metrics"]["counts_requests"] and report["metrics"]["process_start"])
        self.assertTrue(report["root"]["writable"] and report["root"]["same_filesystem"])
        self.assertEqual(self.whats(report), ["histogram"])
        self.assertEqual(report["problems"][0]["gates"], ["slow-ratio"])
        shown = self.api.get(f"/environments/{self.env}/nodes/good")["probe"]
        self.assertEqual(shown["server"], report["server"])
        said = self.server.cli("node", "check", self.env, "good", check=False)
        self.assertIn("mreg-node", said.stdout)

    def test_nothing(self):
        root = self.server.folder / "probe-nothing"
        root.mkdir()
        report = self.add("gone", "http://127.0.0.1:9", root)["probe"]
        self.assertFalse(report["reachable"])
        self.assertEqual(self.whats(report), ["unreachable"])
        done = self.server.cli("node", "check", self.env, "gone", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("does not answer", done.stdout)

    def test_other(self):
        """Something else is there: this registry itself."""
        root = self.server.folder / "probe-other"
        root.mkdir()
        report = self.add("other", self.server.url, root)["probe"]
        self.assertIn("protocol", self.whats(report))
        self.assertIn("metrics", self.whats(report))
        metrics = [p for p in report["problems"] if p["what"] == "metrics"][0]
        self.assertIn("error-rate", metrics["gates"])

    def test_metrics_off(self):
        node = Node("mute")
        self.addCleanup(node.remove)
        node.start()
        node.faults(metrics_off=True)
        (node.root / "mine").mkdir()
        report = self.add("mute", node.url, node.root)["probe"]
        self.assertEqual(self.whats(report), ["metrics"])
        self.assertIn("metrics_url", report["problems"][0]["fix"])


class Restarts(fleetcase.FleetCase):
    policy = FAST
    environment = SOON

    def test_restart(self):
        self.push("again", intercept=1)
        self.wait_phase(self.promote("again", 1)["id"], "succeeded")
        victim = self.nodes[0]
        path = f"/environments/production/nodes/{victim.name}"
        before = self.wait_for(lambda: (lambda n: n if n.get("started") else None)(self.api.get(path)), 30,
                               "its start time")
        self.assertEqual(before["restarts"], 0)
        # Starts that are hardly apart may be one, read by a clock that was set meanwhile.
        born = time.monotonic()
        self.wait_for(lambda: time.monotonic() > born + 2.5, 30, "the age of the process")
        victim.kill9()
        victim.start()
        after = self.wait_for(lambda: (lambda n: n if n["restarts"] == 1 else None)(self.api.get(path)), 60,
                              "the restart")
        self.assertNotEqual(after["started"], before["started"])
        rows = self.wait_for(lambda: rows_of(self.api, "node.restart"), 30, "the row of the history")
        self.assertEqual([r["object"] for r in rows], [f"production/{victim.name}"])
        self.assertIn("restarted", rows[0]["message"])
        # It stays the same process: no second row comes.
        self.server.restart()
        type(self).api = self.server.api
        self.wait_for(lambda: self.api.get(path)["reachable"], 30, "the node seen again")
        self.assertEqual(self.api.get(path)["restarts"], 1)
        self.assertEqual(len(rows_of(self.api, "node.restart")), 1)


class Leaders(fleetcase.FleetCase):
    """A node that follows another registry is left alone; many make this one stop."""
    n_nodes = 3
    policy = {**FAST, "unreachable_max": 1, "lost_after": "2s", "batch": 3, "max_unavailable": 3}
    environment = SOON

    def test_overtaken(self):
        self.push("led", intercept=1)
        self.wait_phase(self.promote("led", 1)["id"], "succeeded")
        registry = self.api.get("")["registry"]
        self.assertEqual(self.node_call(0, registry, 1000), 200)
        path = "/environments/production/nodes/" + self.api.get("/environments/production/nodes")["items"][0]["name"]
        self.wait_for(lambda: self.api.get(path).get("detail") == "owned by another registry, epoch 1000", 30,
                      "the node given up")
        self.assertFalse(self.api.get(path)["reachable"])
        self.push("led", intercept=2)
        self.wait_phase(self.promote("led", 2)["id"], "succeeded")  # one node does not stop the others
        self.assertEqual([n.predict("led")[1] for n in self.nodes], [1, 2, 2])
        self.assertIn("follows a registry of epoch 1000", self.server.log())
        self.assertNotIn("nothing is done to nodes any more", self.server.log())
        self.assertEqual(self.node_call(1, registry, 1001), 200)
        self.wait_for(lambda: "most nodes of production follow another registry: nothing is done to nodes any more"
                      in self.server.log(), 30, "the registry stops")
        self.push("led", intercept=3)
        made = self.promote("led", 3)
        self.assertIsNone(self.server.process.poll())
        self.assertEqual(self.api.get("/models/led")["name"], "led")  # it still answers
        self.assertEqual([n.predict("led")[1] for n in self.nodes], [1, 2, 2])
        self.server.restart()  # people decide that this one leads
        type(self).api = self.server.api
        self.wait_phase(made["id"], "succeeded")
        self.wait_for(lambda: [n.predict("led")[1] for n in self.nodes] == [3, 3, 3], 30, "all nodes")
        self.assertNotIn("detail", self.api.get(path))

    def node_call(self, i, registry, epoch):
        connection = http.client.HTTPConnection("127.0.0.1", self.nodes[i].port, timeout=30)
        try:
            connection.request("GET", "/v2", headers={"Mreg-Registry": registry, "Mreg-Epoch": str(epoch)})
            answer = connection.getresponse()
            answer.read()
            return answer.status
        finally:
            connection.close()


class Adoption(fleetcase.FleetCase):
    """Nodes that served a model before mreg knew them."""
    n_nodes = 2
    policy = FAST
    environment = SOON

    def place(self, node, files, name, version):
        return node.place(files, name, version)

    def adopt(self, node, body, status=200):
        return self.api.expect(status, "POST", f"/environments/production/nodes/{node.name}/adopt", body).json

    def test_adopt(self):
        files = fleetcase.linear_files(5)
        number = self.api.upload("old", files)["version"]
        folders = [self.place(node, files, "old", number) for node in self.nodes]
        times = [(folder / "model.json").stat().st_mtime_ns for folder in folders]
        self.assertEqual(self.api.get("/environments/production/nodes/n1")["unmanaged"], ["old"])
        one = self.adopt(self.nodes[0], {"model": "old", "version": str(number), "reason": "was there"})
        self.assertEqual((one["serve_as"], one["is_live"]), ("old", False))
        self.assertNotIn("live", self.api.get("/environments/production/targets/old"))
        self.assertEqual(self.api.get("/environments/production/nodes/n1")["unmanaged"], [])
        done = self.server.cli("node", "adopt", "production", "n2", f"old@{number}")
        self.assertIn("live", done.stderr + done.stdout)
        target = self.api.get("/environments/production/targets/old")
        self.assertEqual(target["live"], number)
        self.assertEqual(self.api.get("/models/old/versions/production")["version"], number)
        self.assertEqual(len(rows_of(self.api, "node.adopt")), 2)
        self.assertEqual([(folder / "model.json").stat().st_mtime_ns for folder in folders], times)
        # From here on it is like any other: the next version replaces it, and back.
        self.api.upload("old", fleetcase.linear_files(6))
        self.wait_phase(self.promote("old", number + 1)["id"], "succeeded")
        self.assertEqual(self.versions_served("old"), [number + 1, number + 1])

    def test_refusals(self):
        files = fleetcase.linear_files(7)
        number = self.api.upload("odd", files)["version"]
        node = self.nodes[0]
        problem = self.adopt(node, {"model": "odd", "version": "1"}, 409)
        self.assertIn("does not serve", problem["detail"])
        folder = self.place(node, files, "odd", number)
        (folder / "model.json").write_bytes(files["model.json"] + b" ")
        problem = self.adopt(node, {"model": "odd", "version": "1"}, 409)
        self.assertIn("another size", problem["detail"])
        changed = files["model.json"].replace(b"7", b"8")
        (folder / "model.json").write_bytes(changed)
        problem = self.adopt(node, {"model": "odd", "version": "1"}, 409)
        self.assertIn("other bytes", problem["detail"])
        (folder / "model.json").write_bytes(files["model.json"])
        beside = node.root / "odd" / "9"
        beside.mkdir()
        problem = self.adopt(node, {"model": "odd", "version": "1"}, 409)
        self.assertIn("lies there too", problem["detail"])
        beside.rmdir()
        self.assertFalse((folder / ".mreg.json").exists())
        self.api.new_token("reader", name="r-adopt").expect(
            403, "POST", "/environments/production/nodes/n1/adopt", {"model": "odd"})
        self.adopt(node, {"model": "odd", "version": "1"})


class Drift(fleetcase.FleetCase):
    n_nodes = 2
    policy = {**FAST, "repair_every": "0"}
    environment = {**SOON, "MREG_ROLLOUT_CHECK_EVERY": "300ms"}

    def log_has(self, text):
        return text in self.server.log()

    def test_changed_files_are_put_right(self):
        self.push("files", intercept=1)
        self.wait_phase(self.promote("files", 1)["id"], "succeeded")
        model = self.nodes[0].root / "files" / "1" / "model.json"
        good = model.read_bytes()
        model.write_bytes(good.replace(b"2.0", b"3.0"))  # the same size
        self.wait_for(lambda: self.log_has("files/1/model.json was changed"), 60, "the drift in the log")
        self.wait_for(lambda: model.read_bytes() == good, 60, "the file as it was")
        self.wait_for(lambda: not self.api.get("/environments/production/nodes/n1").get("drifted"), 60,
                      "the end of the drift")
        shutil.rmtree(model.parent)
        self.wait_for(lambda: model.exists() and model.read_bytes() == good, 60, "the folder again")
        settings = model.parent / "model-settings.json"
        self.wait_for(lambda: settings.exists() and not self.api.get("/environments/production/nodes/n1").get("drifted"),
                      60, "quiet")
        settings.write_text("{}")
        self.wait_for(lambda: settings.read_text() != "{}", 60, "the settings again")
        self.wait_for(lambda: self.nodes[0].predict("files")[1] == 1, 60, "the version served")

    def test_foreign_files_are_shown_only(self):
        self.push("guest", intercept=1)
        self.wait_phase(self.promote("guest", 1)["id"], "succeeded")
        marker = self.nodes[1].root / "guest" / "1" / ".mreg.json"
        text = marker.read_text()
        marker.write_text("{}")
        path = "/environments/production/nodes/n2"
        drifted = self.wait_for(lambda: self.api.get(path).get("drifted"), 60, "the drift")
        self.assertIn("not marked", drifted[0]["text"])
        states = {n["node"]: n["state"] for n in self.api.get("/environments/production/targets/guest")["nodes"]}
        self.assertEqual(states["n2"], "drifted")
        self.assertEqual(marker.read_text(), "{}")
        marker.write_text(text)
        self.wait_for(lambda: not self.api.get(path).get("drifted"), 60, "the end of the drift")


if __name__ == "__main__":
    unittest.main()
