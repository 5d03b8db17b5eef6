"""What somebody who knows only the dashboard has to find, to be told, or not to be offered."""
import unittest

import web_case


class Newcomer(web_case.WebCase):
    def test_what_they_stumble_over(self):
        self.versions()
        self.api.post("/environments", {"name": "staging"})
        first = self.promote("fraud", 1, {"strategy": "all-at-once", "bake": "0", "gates": []})["id"]
        self.wait_phase(first, "succeeded")
        seed = {**self.access(), "first": first, "ended": first, "paused": self.paused()}
        deployer = self.api.as_token(seed["tokens"]["deployer"])
        deployer.post(f"/rollouts/{seed['paused']}/commands", {"verb": "resume"})
        deployer.post(f"/rollouts/{seed['paused']}/commands", {"verb": "pause", "reason": "paused for a look"})
        self.wait_phase(seed["paused"], "paused")
        seed["baking"] = self.baking("fraud", 2)
        seed["queued"] = self.promote("fraud", 3)["id"]
        self.browse("newcomer.mjs", 50, seed)


if __name__ == "__main__":
    unittest.main()
