"""Rollouts behind real routers (HAProxy, nginx) with traffic going through them all the time: nobody loses
a request, weights are what the router itself says, and nodes are out of traffic while they load."""
import threading
import unittest

import harness
from routercase import HAProxy, Nginx, RouterCase, Traffic, find_program

ROLLING = {"strategy": "rolling", "batch": 1, "bake": "0", "min_healthy": "0", "max_unavailable": 1}
BY_WEIGHT = {"strategy": "canary", "min_healthy": "0", "max_unavailable": 1, "gates": [{"kind": "health"}],
             "steps": [{"nodes": 1, "weight": "12.5", "bake": "10m"}, {"nodes": 1, "weight": "50", "bake": "10m"},
                       {"percent": 100, "bake": "0"}]}


@unittest.skipUnless(find_program("haproxy"), "HAProxy is not installed")
class WithHAProxy(RouterCase):
    stops = threading.Event()  # never set: for pauses at random points of a rollout

    def die(self, pause):
        self.stops.wait(pause)
        self.server.kill9()
        self.server.start()
        type(self).api = self.server.api

    def begin(self, model, intercept=1):
        """A model that is live on all nodes, behind a HAProxy that mreg knows."""
        haproxy = HAProxy({model: self.ports()}).start()
        self.addCleanup(haproxy.remove)
        name = f"lb-{model}"
        self.api.post("/environments/production/routers",
                      {"name": name, "address": f"unix:{haproxy.socket}"}, 201)
        self.addCleanup(lambda: self.api.delete(f"/environments/production/routers/{name}"))
        version = self.push(model, intercept=intercept)
        self.wait_phase(self.promote(model, version, ROLLING)["id"], "succeeded")
        self.wait_for(lambda: set(self.shares(name, model).values()) == {25.0}, 20, "equal shares")
        return haproxy, name

    def test_canary_by_weight_and_rollback(self):
        haproxy, name = self.begin("fraud")
        before = self.n_during_load()
        with Traffic(haproxy.port, "fraud") as traffic:
            second = self.push("fraud", intercept=2)
            rollout = self.promote("fraud", second, BY_WEIGHT)["id"]
            step = lambda: self.rollout(rollout)
            self.wait_for(lambda: step()["step"] == 1 and step()["step_phase"] == "bake", 60, "step 1 bakes")
            first = self.route(name, "fraud")
            canary = [n for n in first["nodes"] if n["share"] == "12.5"]
            self.assertEqual(len(canary), 1, first)
            weights = haproxy.weights("fraud")
            share = weights[canary[0]["node"]] / sum(weights.values())
            self.assertAlmostEqual(share, 0.125, delta=0.002)
            shown = {n["node"]: n for n in step()["traffic"][0]["nodes"]}[canary[0]["node"]]
            self.assertEqual((shown["share"], shown["wanted"]), ("12.5", "12.5"))
            start = traffic.counts()
            self.wait_for(lambda: sum(traffic.counts().values()) >= sum(start.values()) + 400, 60, "requests")
            now = traffic.counts()
            new = now.get("2", 0) - start.get("2", 0)
            part = new / (sum(now.values()) - sum(start.values()))
            self.assertAlmostEqual(part, 0.125, delta=0.03)
            self.command(rollout, "promote")
            self.wait_for(lambda: step()["step"] == 2 and step()["step_phase"] == "bake", 60, "step 2 bakes")
            weights = haproxy.weights("fraud")
            share = weights[canary[0]["node"]] / sum(weights.values())
            self.assertAlmostEqual(share, 0.5, delta=0.005)
            self.command(rollout, "abort", reason="enough seen")
            self.wait_phase(rollout, "rolled-back")
            self.wait_for(lambda: set(self.shares(name, "fraud").values()) == {25.0}, 30, "equal shares")
            self.assertEqual(self.versions_served("fraud"), [1] * 4)
        self.assertEqual(traffic.lost, [])
        self.assertGreater(traffic.n_ok, 400)
        self.assertEqual(self.n_during_load(), before, "requests came to a node that was loading")

    def test_rolling_loses_nothing(self):
        haproxy, name = self.begin("churn")
        before = self.n_during_load()
        with Traffic(haproxy.port, "churn") as traffic:
            second = self.push("churn", intercept=2)
            self.wait_phase(self.promote("churn", second, ROLLING)["id"], "succeeded", 90)
            self.wait_for(lambda: set(self.shares(name, "churn").values()) == {25.0}, 30, "equal shares")
            start = traffic.n_ok
            self.wait_for(lambda: traffic.n_ok > start + 50, 30, "more requests")
        self.assertEqual(traffic.lost, [])
        self.assertEqual(self.n_during_load(), before)
        self.assertEqual(self.versions_served("churn"), [2] * 4)

    def test_two_models_have_their_own_weights(self):
        """Backends by a template, servers by a label; a model without a backend goes without a router."""
        for node in self.nodes:
            self.api.patch(f"/environments/production/nodes/{node.name}", {"labels": {"srv": f"s-{node.name}"}})
        servers = {f"s-{name}": port for name, port in self.ports().items()}
        haproxy = HAProxy({"be-first": servers, "be-second": servers}).start()
        self.addCleanup(haproxy.remove)
        self.api.post("/environments/production/routers",
                      {"name": "two", "address": f"unix:{haproxy.socket}", "backend": "be-{serve_as}",
                       "server_label": "srv"}, 201)
        self.addCleanup(lambda: self.api.delete("/environments/production/routers/two"))
        for model in ("first", "second", "elsewhere"):
            self.push(model, intercept=1)
            self.wait_phase(self.promote(model, 1, ROLLING)["id"], "succeeded", 90)
        self.assertEqual(self.route("two", "elsewhere")["state"], "absent")
        self.push("first", intercept=2)
        rollout = self.promote("first", 2, BY_WEIGHT)["id"]
        self.wait_for(lambda: self.rollout(rollout)["step_phase"] == "bake", 60, "step 1 bakes")
        self.assertEqual(len(set(haproxy.weights("be-first").values())), 2)
        self.assertEqual(len(set(haproxy.weights("be-second").values())), 1)
        self.command(rollout, "abort")
        self.wait_phase(rollout, "rolled-back")

    def test_the_server_may_die_at_any_time(self):
        """kill -9 in the middle of a canary and of its rollback, with traffic: what is in doubt is looked at."""
        haproxy, name = self.begin("killed")
        before = self.n_during_load()
        with Traffic(haproxy.port, "killed") as traffic:
            second = self.push("killed", intercept=2)
            rollout = self.promote("killed", second, BY_WEIGHT)["id"]
            for pause in (0.05, 0.3, 0.6, 0.9, 1.2):
                self.die(pause)
            self.wait_for(lambda: self.rollout(rollout)["step_phase"] == "bake", 60, "step 1 bakes")
            self.assertIn("12.5", [n["share"] for n in self.route(name, "killed")["nodes"]])
            self.command(rollout, "abort")
            for pause in (0.02, 0.2, 0.4):
                self.die(pause)
            self.wait_phase(rollout, "rolled-back", 90)
            self.wait_for(lambda: set(self.shares(name, "killed").values()) == {25.0}, 30, "equal shares")
        self.assertEqual(traffic.lost, [])
        self.assertEqual(self.n_during_load(), before)
        self.assertEqual(self.versions_served("killed"), [1] * 4)

    def test_a_router_that_is_gone_holds_the_rollout(self):
        """Nothing is switched while nobody knows where requests go; it goes on when the router is back."""
        haproxy, name = self.begin("held")
        haproxy.stop()
        second = self.push("held", intercept=2)
        rollout = self.promote("held", second, ROLLING)["id"]
        self.wait_for(lambda: "unroute" in (self.rollout(rollout).get("waiting") or ""), 30, "the wait")
        self.wait_for(lambda: not self.router(name)["reachable"], 30, "the loss of the router")
        self.assertEqual(self.versions_served("held"), [1] * 4)
        haproxy.start()
        self.wait_phase(rollout, "succeeded", 90)

    def test_weights_come_back_after_a_restart_of_the_router(self):
        haproxy, name = self.begin("scoring")
        second = self.push("scoring", intercept=2)
        rollout = self.promote("scoring", second, BY_WEIGHT)["id"]
        step = lambda: self.rollout(rollout)
        self.wait_for(lambda: step()["step_phase"] == "bake", 60, "step 1 bakes")
        wanted = haproxy.weights("scoring")
        haproxy.stop()
        haproxy.start()
        self.assertNotEqual(haproxy.weights("scoring"), wanted)
        self.wait_for(lambda: haproxy.weights("scoring") == wanted, 40, "the weights again")
        self.command(rollout, "abort")
        self.wait_phase(rollout, "rolled-back")


@unittest.skipUnless(find_program("haproxy"), "HAProxy is not installed")
class BothLoaded(RouterCase):
    """Nodes whose loads leave other versions alone keep the old one until the last bake ended."""

    n_nodes = 2
    keeping = {**BY_WEIGHT, "residency": "both", "steps": [{"nodes": 1, "weight": "50", "bake": "10m"},
                                                           {"percent": 100, "bake": "0"}]}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for node in cls.nodes:
            cls.api.patch(f"/environments/production/nodes/{node.name}", {"driver": "triton"})

    def setUp(self):
        for node in self.nodes:
            node.faults(keeps_others=True, busy_loading=True, load_delay_ms=200)

    def loaded(self, node, model):
        serving = self.api.get(f"/environments/production/nodes/{node.name}")["serving"]
        return sorted(s["version"] for s in serving if s["model"] == model)

    def test_a_rollback_needs_no_load(self):
        haproxy = HAProxy({"fraud": self.ports()}).start()
        self.addCleanup(haproxy.remove)
        self.api.post("/environments/production/routers", {"name": "lb", "address": f"unix:{haproxy.socket}"}, 201)
        self.push("fraud", intercept=1)
        self.wait_phase(self.promote("fraud", 1, ROLLING)["id"], "succeeded")
        self.push("fraud", intercept=2)
        with Traffic(haproxy.port, "fraud") as traffic:
            rollout = self.promote("fraud", 2, self.keeping)["id"]
            self.wait_for(lambda: self.rollout(rollout)["step_phase"] == "bake", 60, "step 1 bakes")
            canary = next(n for n in self.nodes if n.predict("fraud")[1] == 2)
            self.wait_for(lambda: self.loaded(canary, "fraud") == [1, 2], 20, "both versions on the canary")
            # A load would take longer than the rollback may.
            for node in self.nodes:
                node.faults(load_delay_ms=60000)
            self.command(rollout, "abort")
            self.wait_phase(rollout, "rolled-back", 30)
            self.assertEqual(self.versions_served("fraud"), [1, 1])
            self.wait_for(lambda: self.loaded(canary, "fraud") == [1], 20, "only the old version")
            for node in self.nodes:
                node.faults(load_delay_ms=200)
            rollout = self.promote("fraud", 2, {**self.keeping, "gates": []}, reason="again")["id"]
            self.wait_for(lambda: self.rollout(rollout)["step_phase"] == "bake", 60, "step 1 bakes")
            self.command(rollout, "promote")
            self.wait_phase(rollout, "succeeded", 60)
            for node in self.nodes:
                self.wait_for(lambda node=node: self.loaded(node, "fraud") == [2], 20, "only the new version")
            self.wait_for(lambda: set(self.shares("lb", "fraud").values()) == {50.0}, 30, "equal shares")
        self.assertEqual(traffic.lost, [])


@unittest.skipUnless(find_program("nginx"), "nginx is not installed")
class WithNginx(RouterCase):
    def begin(self, model, intercept=1):
        """As above: nginx starts once mreg has written the file that it includes."""
        nginx = Nginx([model])
        self.addCleanup(nginx.remove)
        name = f"lb-{model}"
        self.push(model, intercept=intercept)
        self.api.put(f"/environments/production/targets/{model}", {})
        self.api.post("/environments/production/routers",
                      {"name": name, "driver": "nginx", "address": nginx.state_url,
                       "file": str(nginx.routes), "pid_file": str(nginx.pid_file)}, 201)
        self.addCleanup(lambda: self.api.delete(f"/environments/production/routers/{name}"))
        self.wait_for(nginx.routes.exists, 30, "the generated file")
        nginx.start()
        self.wait_phase(self.promote(model, 1, ROLLING)["id"], "succeeded", 90)
        self.wait_for(lambda: set(self.shares(name, model).values()) == {25.0}, 30, "equal shares")
        return nginx, name

    def test_canary_by_weight_and_rollback(self):
        nginx, name = self.begin("fraud")
        before = self.n_during_load()
        with Traffic(nginx.port, "fraud") as traffic:
            second = self.push("fraud", intercept=2)
            rollout = self.promote("fraud", second, BY_WEIGHT)["id"]
            step = lambda: self.rollout(rollout)
            self.wait_for(lambda: step()["step"] == 1 and step()["step_phase"] == "bake", 60, "step 1 bakes")
            weights = nginx.weights("fraud")
            self.assertIn(1250, weights.values(), nginx.state())
            self.assertEqual(sum(weights.values()), 10000)
            start = traffic.counts()
            self.wait_for(lambda: sum(traffic.counts().values()) >= sum(start.values()) + 400, 60, "requests")
            now = traffic.counts()
            part = (now.get("2", 0) - start.get("2", 0)) / (sum(now.values()) - sum(start.values()))
            self.assertAlmostEqual(part, 0.125, delta=0.03)
            self.command(rollout, "abort", reason="enough seen")
            self.wait_phase(rollout, "rolled-back", 90)
            self.wait_for(lambda: set(self.shares(name, "fraud").values()) == {25.0}, 30, "equal shares")
        self.assertEqual(traffic.lost, [])
        self.assertGreater(traffic.n_ok, 400)
        self.assertEqual(self.n_during_load(), before)
        self.assertEqual(self.versions_served("fraud"), [1] * 4)

    def test_shadow_gets_copies_only(self):
        nginx, name = self.begin("churn")
        shadow = {"strategy": "shadow", "bake": "10m", "min_healthy": "0", "gates": [{"kind": "health"}]}
        with Traffic(nginx.port, "churn") as traffic:
            second = self.push("churn", intercept=2)
            rollout = self.promote("churn", second, shadow)["id"]
            step = lambda: self.rollout(rollout)
            self.wait_for(lambda: step()["step"] == 1 and step()["step_phase"] == "bake", 60, "step 1 bakes")
            shadows = [n for n in self.route(name, "churn")["nodes"] if n.get("mirrored")]
            self.assertEqual([n["share"] for n in shadows], ["0"])
            node = next(n for n in self.nodes if n.name == shadows[0]["node"])
            count = lambda: sum(
                float(line.split()[-1]) for line in node.call("GET", "/metrics")[1].split("\n")
                if line.startswith("model_infer_request_success_total") and 'model="churn"' in line)
            first = count()
            self.wait_for(lambda: count() > first + 20, 30, "copies at the shadow")
            self.command(rollout, "abort")
            self.wait_phase(rollout, "rolled-back", 90)
        self.assertNotIn("2", traffic.counts())
        self.assertEqual(traffic.lost, [])


class Records(harness.ServerCase):
    """Routers as records; none of them is ever there."""

    def test_records(self):
        self.api.post("/environments", {"name": "stage"}, 201)
        path = "/environments/stage/routers"
        made = self.api.post(path, {"name": "lb", "address": "127.0.0.1:9"}, 201)
        self.assertEqual((made["driver"], made["backend"], made["routes"]), ("haproxy", "{serve_as}", []))
        self.api.expect(409, "POST", path, {"name": "lb", "address": "127.0.0.1:10"})
        self.api.expect(409, "POST", path, {"name": "other", "address": "127.0.0.1:9"})
        self.api.expect(400, "POST", path, {"name": "bad", "address": "nowhere"})
        self.api.expect(400, "POST", path, {"name": "bad", "address": "127.0.0.1:8", "backend": "all"})
        self.api.expect(400, "POST", path, {"name": "bad", "driver": "envoy", "address": "127.0.0.1:8"})
        self.api.expect(400, "POST", path, {"name": "bad", "driver": "nginx", "address": "http://127.0.0.1:8/"})
        changed = self.api.patch(f"{path}/lb", {"backend": "be_{serve_as}", "reason": "new names"})
        self.assertEqual(changed["backend"], "be_{serve_as}")
        self.api.expect(400, "PATCH", f"{path}/lb", {"driver": "nginx"})
        self.api.expect(404, "GET", f"{path}/lc")
        self.api.expect(409, "DELETE", "/environments/stage")
        kinds = [c["kind"] for c in self.api.get("/changes?since=0")["items"]]
        self.assertEqual(kinds[-2:], ["router.create", "router.update"])
        self.api.delete(f"{path}/lb")
        self.assertEqual(self.api.get(path)["items"], [])
        self.api.delete("/environments/stage")

    def test_commands(self):
        self.api.post("/environments", {"name": "shop"}, 201)
        self.server.cli("router", "add", "shop", "lb", "--address", "unix:/nonexistent/admin.sock")
        self.assertIn("unix:/nonexistent/admin.sock", self.server.cli("router", "list", "shop").stdout)
        self.assertIn("not reachable", self.server.cli("router", "show", "shop", "lb").stdout)
        checked = self.server.cli("router", "check", "shop", "lb", check=False)
        self.assertIn("problem", checked.stdout)
        self.assertNotEqual(checked.returncode, 0)
        self.server.cli("router", "remove", "shop", "lb", "--yes")
        self.assertEqual(self.api.get("/environments/shop/routers")["items"], [])


if __name__ == "__main__":
    unittest.main()
