"""Several routers before the same nodes: HAProxy by its socket and by TCP, nginx beside HAProxy. They get the
same weights, a node counts as out when all of them say so, and one that fails holds the rollout."""
import unittest

from routercase import HAProxy, Nginx, RouterCase, Traffic, find_program
from test_router import BY_WEIGHT, ROLLING


class Together(RouterCase):
    """Each test has a model of its own, behind routers of its own."""

    def haproxy(self, model, name, uses_tcp):
        router = HAProxy({model: self.ports()}, uses_tcp).start()
        self.addCleanup(router.remove)
        self.declare({"name": name, "address": router.address})
        return router

    def nginx(self, model, name):
        router = Nginx([model])
        self.addCleanup(router.remove)
        self.api.put(f"/environments/production/targets/{model}", {})
        self.declare({"name": name, "driver": "nginx", "address": router.state_url, "file": str(router.routes),
                      "pid_file": str(router.pid_file)})
        self.wait_for(router.routes.exists, 30, "the generated file")
        return router.start()

    def declare(self, router):
        self.api.post("/environments/production/routers", router, 201)
        self.addCleanup(lambda: self.api.delete(f"/environments/production/routers/{router['name']}"))

    def go_live(self, model, names):
        self.wait_phase(self.promote(model, 1, ROLLING)["id"], "succeeded", 90)
        for name in names:
            self.wait_for(lambda name=name: set(self.shares(name, model).values()) == {25.0}, 30, "equal shares")

    def canary_and_back(self, model, routers):
        """A canary by weight and its rollback, with traffic through every router."""
        before = self.n_during_load()
        traffics = [Traffic(router.port, model, threads=2) for router in routers.values()]
        for traffic in traffics:
            traffic.__enter__()
            self.addCleanup(traffic.__exit__)
        self.push(model, intercept=2)
        rollout = self.promote(model, 2, BY_WEIGHT)["id"]
        self.wait_for(lambda: self.rollout(rollout)["step_phase"] == "bake", 60, "step 1 bakes")
        canaries = set()
        for name, router in routers.items():
            weights = router.weights(model)
            node = min(weights, key=weights.get)
            canaries.add(node)
            self.assertAlmostEqual(weights[node] / sum(weights.values()), 0.125, delta=0.002, msg=f"{name}: {weights}")
            self.assertEqual(self.shares(name, model)[node], 12.5)
        self.assertEqual(len(canaries), 1, "the routers disagree who is the canary")
        for traffic in traffics:
            self.wait_for(lambda traffic=traffic: traffic.counts().get("2", 0) > 5, 30, "requests to the canary")
        self.command(rollout, "abort")
        self.wait_phase(rollout, "rolled-back", 90)
        for name in routers:
            self.wait_for(lambda name=name: set(self.shares(name, model).values()) == {25.0}, 30, "equal shares")
        for traffic in traffics:
            traffic.stops.set()
        for traffic in traffics:
            for thread in traffic.threads:
                thread.join()
            self.assertEqual(traffic.lost, [])
            self.assertGreater(traffic.n_ok, 50)
        self.assertEqual(self.n_during_load(), before, "requests came to a node that was loading")
        self.assertEqual(self.versions_served(model), [1] * 4)

    @unittest.skipUnless(find_program("haproxy"), "HAProxy is not installed")
    def test_two_haproxies_one_by_tcp(self):
        self.push("fraud", intercept=1)
        routers = {"east": self.haproxy("fraud", "east", True), "west": self.haproxy("fraud", "west", False)}
        self.go_live("fraud", routers)
        self.canary_and_back("fraud", routers)

        # One of two is away: nothing is changed until it is back, for it may send requests anywhere.
        routers["east"].stop()
        second = self.push("fraud", intercept=3)
        rollout = self.promote("fraud", second, ROLLING)["id"]
        self.wait_for(lambda: not self.router("east")["reachable"], 30, "the loss of a router")
        self.wait_for(lambda: "unroute" in (self.rollout(rollout).get("waiting") or ""), 30, "the wait")
        self.assertEqual(self.versions_served("fraud"), [1] * 4)
        routers["east"].start()
        self.wait_phase(rollout, "succeeded", 90)

    @unittest.skipUnless(find_program("haproxy") and find_program("nginx"), "HAProxy or nginx is not installed")
    def test_nginx_beside_haproxy(self):
        self.push("churn", intercept=1)
        routers = {"ha": self.haproxy("churn", "ha", True), "ng": self.nginx("churn", "ng")}
        self.go_live("churn", routers)
        self.canary_and_back("churn", routers)

    @unittest.skipUnless(find_program("nginx"), "nginx is not installed")
    def test_nginx_that_refuses_to_reload(self):
        """Its own configuration got broken: the old weights stay in effect, and mreg must not believe its file."""
        self.push("scoring", intercept=1)
        nginx = self.nginx("scoring", "front")
        self.go_live("scoring", ["front"])
        config = nginx.folder / "nginx.conf"
        sound, state = config.read_text(), nginx.state()
        config.write_text(sound + "\nno such directive;\n")
        with Traffic(nginx.port, "scoring") as traffic:
            second = self.push("scoring", intercept=2)
            rollout = self.promote("scoring", second, ROLLING)["id"]
            self.wait_for(lambda: "no such directive" in (nginx.folder / "error.log").read_text() or
                          "unknown directive" in (nginx.folder / "error.log").read_text(), 30, "nginx's refusal")
            self.wait_for(lambda: "unroute" in (self.rollout(rollout).get("waiting") or ""), 30, "the wait")
            start = traffic.n_ok
            self.wait_for(lambda: traffic.n_ok > start + 300, 30, "requests")
            self.assertEqual(nginx.state(), state, "the weights in effect")
            self.assertEqual(self.versions_served("scoring"), [1] * 4)
            config.write_text(sound)
            self.wait_phase(rollout, "succeeded", 90)
            self.wait_for(lambda: set(self.shares("front", "scoring").values()) == {25.0}, 30, "equal shares")
        self.assertEqual(traffic.lost, [])
        self.assertEqual(self.versions_served("scoring"), [2] * 4)


if __name__ == "__main__":
    unittest.main()
