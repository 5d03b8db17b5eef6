"""Journeys through the dashboard that change something, the live channel, and hostile words."""
import tempfile
import pathlib
import unittest

import fleetcase
import hostile_cards
import web_case

THREE = {"strategy": "canary", "gates": [], "min_healthy": "0",
         "steps": [{"nodes": 1, "bake": "1h"}, {"nodes": 2, "bake": "1h"}, {"percent": 100, "bake": "0"}]}


class Journeys(web_case.WebCase):
    policy = {"strategy": "canary", "gates": [{"kind": "health"}], "min_healthy": "0",
              "steps": [{"nodes": 1, "bake": "0"}, {"percent": 100, "bake": "0"}]}

    def folder(self):
        """Files for the CLI to push."""
        folder = tempfile.TemporaryDirectory(prefix="mreg-push-")
        self.addCleanup(folder.cleanup)
        for path, data in fleetcase.linear_files(2).items():
            file = pathlib.Path(folder.name) / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
        return folder.name

    def test_keyboard_and_two_people(self):
        self.push("loans", intercept=1, commit={"metrics": {"auc": "0.9"}})
        self.live("loans", 1)
        self.push("fraud", intercept=1)
        steps = self.promote("fraud", 1, THREE)["id"]
        self.wait_for(lambda: self.rollout(steps).get("step_phase") == "bake", 60, "the bake")
        deployer = self.api.post("/tokens", {"name": "second", "role": "deployer"})["token"]
        self.api.put("/models/loans/aliases/champion", {"version": 1, "reason": "best on the holdout"})
        self.browse("journey.mjs", 24, {"folder": self.folder(), "steps": steps, "tokens": {"deployer": deployer},
                                        "paused": self.paused()})


class Live(web_case.WebCase):
    def test_cut_and_stopped(self):
        self.versions()
        self.live("fraud", 1)
        steps = self.promote("fraud", 2, THREE)["id"]
        self.wait_for(lambda: self.rollout(steps).get("step_phase") == "bake", 60, "the bake")
        self.browse("live.mjs", 10, {"steps": steps})


class Hostile(web_case.WebCase):
    n_nodes = 1

    def test_cards_and_words(self):
        self.versions()
        seed = {}
        for i, (name, card) in enumerate(hostile_cards.CARDS.items()):
            model = f"hostile-{i}"
            self.api.post("/models", {"name": model, "description": card[:10000], "reason": hostile_cards.WORDS[i % 4]})
            seed[name] = model
        for i, words in enumerate(hostile_cards.WORDS):
            self.api.call("POST", "/tokens", {"name": words[:60], "role": "reader"})
            self.api.call("PATCH", "/models/fraud", {"tags": {f"tag{i}": words[:200]}, "reason": words})
            self.api.call("PATCH", "/models/fraud/versions/1", {"description": words, "reason": words})
            self.api.call("PATCH", "/environments/production/nodes/n1", {"labels": {"zone": words[:60]}, "reason": words})
        self.browse("hostile.mjs", 40, {"cards": seed})


if __name__ == "__main__":
    unittest.main()
