"""Shares of traffic on the page, as a real HAProxy gives them."""
import unittest

import web_case
from routercase import HAProxy, Traffic, find_program

BY_WEIGHT = {"strategy": "canary", "min_healthy": "0", "max_unavailable": 1, "gates": [{"kind": "health"}],
             "steps": [{"nodes": 1, "weight": "12.5", "bake": "1h"}, {"percent": 100, "bake": "0"}]}


@unittest.skipUnless(find_program("haproxy"), "HAProxy is not installed")
class Shares(web_case.WebCase):
    n_nodes = 4

    def test_router(self):
        haproxy = HAProxy({"fraud": {node.name: node.port for node in self.nodes}}).start()
        self.addCleanup(haproxy.remove)
        self.api.post("/environments/production/routers", {"name": "lb", "address": f"unix:{haproxy.socket}"}, 201)
        for intercept in (1, 2):
            self.push("fraud", intercept=intercept)
        self.live("fraud", 1)
        with Traffic(haproxy.port, "fraud", threads=1, pause=0.02):
            rollout = self.promote("fraud", 2, BY_WEIGHT)["id"]
            self.wait_for(lambda: self.rollout(rollout).get("step_phase") == "bake", 60, "the bake")
            self.browse("traffic.mjs", 10, {"rollout": rollout})


if __name__ == "__main__":
    unittest.main()
