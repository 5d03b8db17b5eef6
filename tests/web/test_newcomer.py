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
        self.rolled_back()
        self.api.upload("odd", {"model.bin": b"some bytes"})
        for number in (1, 2, 3):
            self.push("loans", intercept=number)
            self.live("loans", number)
        seed["loans"] = [one["id"] for one in reversed(self.api.get("/rollouts?model=loans&limit=10")["items"])]
        seed["baking"] = self.baking("fraud", 2)
        seed["queued"] = self.promote("fraud", 3)["id"]
        self.browse("holes.mjs", 35, seed)
        self.browse("newcomer.mjs", 110, seed)


if __name__ == "__main__":
    unittest.main()
