"""Reload control with the real mregd: a node that keeps the old version is taken out of traffic, loaded
again and brought back while the canary gets the new one, and the gates compare with it; what goes wrong
with it fails no rollout; it survives kill -9."""
import unittest

from harness import wait_until
from routercase import HAProxy, RouterCase, find_program
from routercase import Traffic as RoutedTraffic
from test_analysis import ERRORS, AnalysisCase, Traffic, canary

RELOAD = {"reload_control": True}


class ControlCase(AnalysisCase):
    def operations(self, node, rollout_id):
        """What mreg did to the node for the rollout, oldest first."""
        page = self.api.get(f"/environments/production/nodes/{node}")
        return [o["action"] for o in reversed(page["operations"]) if o.get("rollout") == rollout_id]

    def wait_control(self, rollout_id, state):
        def look():
            rollout = self.rollout(rollout_id)
            return rollout if rollout.get("control", {}).get("state") == state else None
        return wait_until(look, 60, f"the control of {rollout_id} is {state}", 0.05)


class Reloaded(ControlCase):
    def test_compared(self):
        """The bad version is found by comparing with the control alone."""
        self.first("warm")
        version = self.push("warm", 1, error_rate=0.1, golden=False)
        with Traffic(self.nodes, "warm"):
            made = self.promote("warm", version, canary(ERRORS, **RELOAD))
            self.wait_control(made["id"], "warm")
            self.wait_phase(made["id"], "rolled-back")
        ended = self.rollout(made["id"])
        self.check("Rollout", ended)
        self.assertEqual((ended["control"]["node"], ended["control"]["baseline"]), ("n2", "control n2"))
        self.assertEqual(self.operations("n2", made["id"]), ["stage", "switch", "unload", "load"])
        self.assertEqual(self.operations("n3", made["id"]), [])
        analysis = self.analysis(made["id"])
        self.assertEqual(analysis["baseline"], "control n2")
        self.assertEqual({n["node"]: n["side"] for n in analysis["nodes"]}.get("n2"), "baseline")
        self.assertNotIn("n3", [n["node"] for n in analysis["nodes"]])
        gate = self.gate(made["id"], "error-ratio")
        self.assertEqual((gate["verdict"], gate["baseline"]["bad"]), ("fail", 0))
        self.assertLess(gate["baseline"]["requests"], 2 * gate["canary"]["requests"])  # two nodes would have more
        self.assertIn("baseline: control n2", self.server.cli("analysis", "show", made["id"]).stderr)
        self.assertIn("baseline: control n2", self.server.cli("rollout", "show", made["id"]).stdout)
        self.assertEqual(self.versions_served("warm"), [1, 1, 1])

    def test_good(self):
        """In the next step the control gets the new version as well, and that is said."""
        self.first("fine")
        version = self.push("fine", 1)
        with Traffic(self.nodes, "fine", 120):
            made = self.promote("fine", version, canary(ERRORS, bake="2s", **RELOAD))
            ended = self.wait_phase(made["id"], "succeeded", 90)
        self.assertEqual(ended["control"]["state"], "over")
        self.assertIn("control n2 gets the new version", ended["control"]["baseline"])
        self.assertEqual(self.versions_served("fine"), [version] * 3)

    def test_fails(self):
        """The old version does not load any more on the control: it is given up, and repaired."""
        self.first("lame")
        version = self.push("lame", 1)
        self.addCleanup(self.nodes[1].faults, fail_load="")
        self.nodes[1].faults(fail_load="lame/1")
        with Traffic([self.nodes[0], self.nodes[2]], "lame", 120):
            made = self.promote("lame", version, canary(ERRORS, bake="3s", **RELOAD))
            lost = self.wait_control(made["id"], "lost")
            self.assertRegex(lost["control"]["baseline"], r"^all nodes with the old version \(control n2 given up: load: ")
            self.wait_gate(made["id"], "error-ratio", "pass")
            self.assertIn("n3", [n["node"] for n in self.analysis(made["id"])["nodes"]])
            self.nodes[1].faults(fail_load="")
            ended = self.wait_phase(made["id"], "succeeded", 90)
        self.assertNotIn("fault", ended)
        self.assertEqual(self.versions_served("lame"), [version] * 3)

    def test_kill(self):
        """Killed while the control is loaded, and again when it is warm: it goes on from there."""
        self.first("tough")
        version = self.push("tough", 1)
        self.addCleanup(self.nodes[1].faults, load_delay_ms=0)
        self.nodes[1].faults(load_delay_ms=1500)
        with Traffic(self.nodes, "tough"):
            made = self.promote("tough", version, canary(ERRORS, bake="10m", max_bake="10m", **RELOAD))
            wait_until(lambda: "load" in self.operations("n2", made["id"]), 60, "the load of the control", 0.05)
            for state in ("warm", "warm"):
                self.server.kill9()
                self.server.start()
                type(self).api = self.server.api
                self.wait_control(made["id"], state)
            self.wait_gate(made["id"], "error-ratio", "pass")
        self.command(made["id"], "abort")
        self.wait_phase(made["id"], "rolled-back")
        self.assertEqual(self.versions_served("tough"), [1, 1, 1])

    def test_abort(self):
        """Aborted in the middle: the repairs bring the old version back."""
        self.first("early")
        version = self.push("early", 1)
        self.addCleanup(self.nodes[1].faults, fail_load="")
        self.nodes[1].faults(fail_load="early/1")
        made = self.promote("early", version, canary(ERRORS, bake="10m", max_bake="10m", **RELOAD))
        self.wait_control(made["id"], "lost")
        self.command(made["id"], "abort")
        self.wait_phase(made["id"], "rolled-back")
        self.nodes[1].faults(fail_load="")
        self.wait_for(lambda: self.versions_served_or_none("early") == [1, 1, 1], 90, "the repair of n2")

    def versions_served_or_none(self, model):
        return [node.predict(model)[1] for node in self.nodes]

    def test_refused(self):
        self.first("odd")
        version = self.push("odd", 1)
        for strategy, words in (({"strategy": "rolling", "gates": [ERRORS], **RELOAD}, "strategy canary"),
                                (canary(**RELOAD), "gate that compares"),
                                (canary(ERRORS, bake="0", max_bake="0", **RELOAD), "bake in the first step"),
                                ({**canary(ERRORS, **RELOAD), "steps": [{"percent": 100, "bake": "9s"}]}, "there is none")):
            made = self.promote("odd", version, strategy)
            ended = self.wait_phase(made["id"], "rejected")
            self.assertIn(words, ended["outcome"])

    def test_preview(self):
        """A dry run shows the calls that it costs."""
        self.first("seen")
        version = self.push("seen", 1)
        plan = self.promote("seen", version, canary(ERRORS, **RELOAD), dry_run=True)
        calls = [o["action"] for o in plan["operations"] if o.get("node") == "n2" and o["step"] == 1]
        self.assertEqual(calls, ["stage", "switch", "unload", "load"])


@unittest.skipUnless(find_program("haproxy"), "HAProxy is not installed")
class Routed(RouterCase):
    environment = {"MREG_ROLLOUT_SAMPLE_EVERY": "250ms", "MREG_ROLLOUT_OBSERVE_EVERY": "500ms"}

    def test_out_of_traffic(self):
        """Nobody loses a request while canary and control are loaded."""
        haproxy = HAProxy({"calm": self.ports()}).start()
        self.addCleanup(haproxy.remove)
        self.api.post("/environments/production/routers", {"name": "lb", "address": f"unix:{haproxy.socket}"}, 201)
        version = self.push("calm")
        self.wait_phase(self.promote("calm", version, {"strategy": "all-at-once", "bake": "0", "min_healthy": "0",
                                                       "gates": [{"kind": "health"}]})["id"], "succeeded")
        self.wait_for(lambda: set(self.shares("lb", "calm").values()) == {25.0}, 20, "equal shares")
        before = self.n_during_load()
        seen = set()
        with RoutedTraffic(haproxy.port, "calm") as traffic:
            made = self.promote("calm", self.push("calm", 1), canary(ERRORS, bake="10m", max_bake="10m", **RELOAD))

            def look():
                if haproxy.weights("calm")["n2"] == 0:
                    seen.add("out")
                return self.rollout(made["id"]).get("control", {}).get("state") == "warm"
            wait_until(look, 60, "the control", 0.02)
            self.assertEqual(seen, {"out"})
            self.wait_for(lambda: haproxy.weights("calm")["n2"] > 0, 20, "traffic for n2 again")
            gate = lambda: next(g for g in self.api.get(f"/rollouts/{made['id']}/analysis")["gates"]
                                if g["kind"] == "error-ratio")
            self.wait_for(lambda: gate()["baseline"].get("requests", 0) > 50, 60, "requests to the control")
            self.command(made["id"], "abort")
            self.wait_phase(made["id"], "rolled-back")
        self.assertEqual(traffic.lost, [])
        self.assertEqual(self.n_during_load(), before, "requests came to a node that was loading")


if __name__ == "__main__":
    unittest.main()
