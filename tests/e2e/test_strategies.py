"""Strategies through the whole service: waves by label, holdback, extending, halting, unreachable nodes."""
import unittest

import fleetcase
import harness

HEALTH = [{"kind": "health"}]


class Strategies(fleetcase.FleetCase):
    n_nodes = 3

    def start_with(self, model):
        self.push(model, intercept=1)
        made = self.promote(model, 1, {"strategy": "all-at-once", "bake": "0", "gates": HEALTH})
        self.wait_phase(made["id"], "succeeded")
        self.push(model, intercept=2)

    def label(self, **zones):
        for node, zone in zones.items():
            self.api.patch(f"/environments/production/nodes/{node}", {"labels": {"zone": zone}})

    def states(self, rollout):
        return {n["node"]: n["state"] for n in self.rollout(rollout["id"])["nodes"]}

    def test_waves(self):
        self.start_with("wavy")
        self.label(n1="west", n2="east", n3="west")
        made = self.promote("wavy", 2, {"wave_by": "zone", "batch": 5, "bake": "1h", "gates": HEALTH})
        self.wait_for(lambda: self.rollout(made["id"])["step_phase"] == "bake", what="the first wave")
        shown = self.rollout(made["id"])
        self.assertEqual([(s["n_nodes"], s["wave"]) for s in shown["steps"]], [(1, "east"), (3, "west")])
        self.assertEqual(self.states(made), {"n1": "old", "n2": "serving", "n3": "old"})
        self.assertEqual(shown["way_back"]["order"], ["n2"])
        self.command(made["id"], "promote-full")
        self.wait_phase(made["id"], "succeeded")
        self.assertEqual(self.versions_served("wavy"), [2, 2, 2])

    def test_holdback(self):
        self.start_with("held")
        made = self.promote("held", 2, {"holdback": 1, "batch": 5, "bake": "1h", "gates": HEALTH})
        self.wait_for(lambda: self.rollout(made["id"])["step_phase"] == "bake", what="the bake")
        self.assertEqual(sorted(self.states(made).values()), ["old", "serving", "serving"])
        self.command(made["id"], "promote")
        self.wait_phase(made["id"], "succeeded")

    def test_halt_leaves_everything(self):
        self.start_with("mixed")
        made = self.promote("mixed", 2, {"bake": "1h", "gates": HEALTH})
        self.wait_for(lambda: self.rollout(made["id"])["step_phase"] == "bake", what="the bake")
        self.command(made["id"], "halt")
        self.wait_phase(made["id"], "halted")
        self.assertEqual(sorted(self.versions_served("mixed")), [1, 1, 2])
        # Somebody decides: everything on the old version again, although that is the live one.
        with self.assertRaises(harness.ApiError) as refused:
            self.promote("mixed", 1)
        self.assertIn("a halt left nodes", str(refused.exception))
        back = self.api.post("/rollouts", {"model": "mixed", "environment": "production", "kind": "rollback"})
        self.assertEqual((back["from"], back["to"]), (1, 1))
        self.wait_phase(back["id"], "succeeded")
        self.assertEqual(self.versions_served("mixed"), [1, 1, 1])
        again = self.api.post("/rollouts", {"model": "mixed", "environment": "production", "version": "1", "kind": "rollback"})
        self.assertTrue(again["already"])

    def test_weights_need_a_router(self):
        self.start_with("plain")
        made = self.promote("plain", 2, {"strategy": "canary", "steps": [{"weight": "10", "bake": "1s"}]})
        ended = self.wait_phase(made["id"], "rejected")
        self.assertIn("router", ended["outcome"])
        self.assertEqual(self.versions_served("plain"), [1, 1, 1])

    def test_a_node_that_is_away_is_left_out(self):
        self.start_with("away")
        self.nodes[2].kill9()
        self.wait_for(lambda: not self.api.get("/environments/production/nodes/n3")["reachable"],
                      what="the loss of n3")
        made = self.promote("away", 2, {"unreachable_max": 1, "lost_after": "1s", "max_unavailable": 2,
                                        "bake": "0", "gates": HEALTH, "repair_every": "0"})
        self.wait_phase(made["id"], "succeeded")
        self.assertEqual(self.states(made)["n3"], "left-out")
        self.nodes[2].start()
        self.wait_for(lambda: self.versions_served("away") == [2, 2, 2], what="the return of n3")


if __name__ == "__main__":
    unittest.main()
