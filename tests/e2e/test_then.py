"""Lists and objects as they were: ?at= of models, versions, environments, nodes and rollouts answers what
the journal keeps and names what it does not; and a policy with every default."""
import datetime
import subprocess
import time
import unittest

import fleetcase
import harness


class ThenTest(fleetcase.FleetCase):
    n_nodes = 2
    policy = {"strategy": "rolling", "on_no_data": "ignore", "bake": "0s", "min_healthy": "0s"}

    def moment(self):
        """A time between the row before and the next one."""
        at = self.api.get("/history?limit=1")["items"][0]["time"]
        ends = datetime.datetime.fromisoformat(at.replace("Z", "+00:00")).timestamp() + 0.001
        harness.wait_until(lambda: time.time() > ends, what="the next millisecond")
        return harness.quote(at)

    def names(self, path, key="name"):
        return [item[key] for item in self.api.get(path)["items"]]

    def test_models(self):
        self.api.post("/models", {"name": "past/a", "description": "one"})
        self.api.upload("past/a", {"m": b"1"}, alias=["candidate"])
        first = self.moment()
        self.api.post("/models", {"name": "past/b"})
        self.api.patch("/models/past%2Fa", {"description": "two", "tags": {"t": "u"}})
        self.api.upload("past/a", {"m": b"2"}, alias=["candidate"])
        second = self.moment()
        self.api.delete("/models/past%2Fb")
        self.api.delete("/models/past%2Fa/versions/1")
        self.assertEqual(self.names("/models?q=past/"), ["past/a"])
        self.assertEqual(self.names(f"/models?q=past/&at={first}"), ["past/a"])
        self.assertEqual(self.names(f"/models?q=past/&at={second}"), ["past/a", "past/b"])
        old = self.api.get(f"/models?q=past/a&at={first}")["items"][0]
        self.assertEqual((old["description"], old["tags"], old["latest"], old["n_versions"], old["aliases"]),
                         ("one", {}, 1, 1, {"candidate": 1}))
        for at in (first, second):
            self.assertEqual(self.api.get(f"/models?q=past/a&at={at}")["items"][0],
                             self.api.get(f"/models/past%2Fa?at={at}"))
        self.assertEqual(self.names(f"/models/past%2Fa/versions?at={first}", "version"), [1])
        self.assertEqual(self.names(f"/models/past%2Fa/versions?at={second}", "version"), [2, 1])
        self.assertEqual(self.names("/models/past%2Fa/versions", "version"), [2])
        page = self.api.get(f"/models/past%2Fa/versions?at={second}&limit=1")
        self.assertEqual([v["aliases"] for v in page["items"]], [["candidate"]])
        self.assertEqual(self.names(f"/models/past%2Fa/versions?at={second}&cursor={page['next']}", "version"), [1])
        page = self.api.get(f"/models?q=past/&at={second}&limit=1")
        self.assertEqual(self.names(f"/models?q=past/&at={second}&limit=1&cursor={page['next']}"), ["past/b"])
        self.assertEqual(self.names("/models?at=2001-01-01"), [])
        some = self.api.new_token("reader", models="past/b")
        self.assertEqual([m["name"] for m in some.get(f"/models?at={second}")["items"]], ["past/b"])

    def test_fleet(self):
        before = self.moment()
        self.api.post("/environments", {"name": "later", "policy": {"bake": "1m"}, "position": 9})
        for name, rack in (("b", "1"), ("a", "2")):
            root = self.server.folder / name
            root.mkdir()
            self.api.post("/environments/later/nodes", {"name": name, "driver": "v2", "admin_url": "http://127.0.0.1:1",
                          "delivery": "path", "root": str(root), "labels": {"rack": rack}})
        self.api.post("/environments/later/nodes/b/cordon", {"reason": "smoke"})
        then = self.moment()
        self.api.delete("/environments/later/nodes/b?reason=gone")
        self.api.patch("/environments/later", {"policy": {"bake": "2m"}})
        self.assertEqual(self.names("/environments/later/nodes"), ["a"])
        self.assertEqual(self.names(f"/environments?at={before}"), ["production"])
        self.assertEqual(self.names(f"/environments?at={then}"), ["production", "later"])
        env = self.api.get(f"/environments/later?at={then}")
        self.assertEqual((env["policy"], env["n_nodes"], env["unknown"]), ({"bake": "1m"}, 2, ["freezes"]))
        page = self.api.get(f"/environments/later/nodes?at={then}")
        self.assertEqual([n["name"] for n in page["items"]], ["a", "b"])
        self.assertIn("reachable", page["unknown"])
        for node in page["items"]:
            self.assertFalse(set(page["unknown"]) & set(node), node)
        self.assertEqual(page["items"][1]["cordon"]["reason"], "smoke")
        one = self.api.get(f"/environments/later/nodes/b?at={then}")
        self.assertEqual(one.pop("unknown"), page["unknown"])
        self.assertEqual(one, page["items"][1])
        for words, names in (("label=rack=2", ["a"]), ("q=B", ["b"]), ("state=cordoned", ["b"]), ("limit=1", ["a"])):
            self.assertEqual(self.names(f"/environments/later/nodes?at={then}&{words}"), names, words)
        first = self.api.get(f"/environments/later/nodes?at={then}&limit=1")
        self.assertEqual(self.names(f"/environments/later/nodes?at={then}&limit=1&cursor={first['next']}"), ["b"])
        self.assertEqual(self.api.call("GET", f"/environments/later/nodes?at={then}&state=unreachable").status, 400)
        for path in ("/environments/later", "/environments/later/nodes", "/environments/later/nodes/b",
                     "/environments/production/nodes/n9"):
            self.assertEqual(self.api.call("GET", f"{path}?at={before}").status, 404, path)

    def test_rollouts(self):
        self.push("fraud", intercept=1)
        self.push("fraud", intercept=2)
        first = self.promote("fraud", 1, reason="the first")
        self.wait_phase(first["id"], "succeeded")
        harness.wait_until(lambda: all(item["version"] == 1 for item in self.api.get("/serving?model=fraud")["items"])
                           and len(self.api.get("/serving?model=fraud")["items"]) == 2, what="both serve 1")
        settled = self.moment()
        second = self.promote("fraud", 2, {"strategy": "canary", "steps": [{"nodes": 1, "bake": "1h"}, {"percent": 100}]})
        self.wait_for(lambda: self.rollout(second["id"])["step_phase"] == "bake", what="the bake")
        baking = self.moment()
        self.command(second["id"], "pause", reason="look")
        self.wait_phase(second["id"], "paused")
        paused = self.moment()
        self.command(second["id"], "abort")
        self.wait_phase(second["id"], "rolled-back")
        self.assertEqual(self.names(f"/rollouts?at={settled}", "id"), [first["id"]])
        old = self.api.get(f"/rollouts?at={settled}")["items"][0]
        self.assertEqual((old["phase"], old["kind"], old["reason"], old["to"]), ("succeeded", "promote", "the first", 1))
        for at, phase in ((baking, "running"), (paused, "paused")):
            page = self.api.get(f"/rollouts?at={at}")
            self.assertEqual([r["id"] for r in page["items"]], [second["id"], first["id"]])
            self.assertEqual(page["items"][0]["phase"], phase)
            self.assertFalse(set(page["unknown"]) & set(page["items"][0]))
            self.assertEqual(self.names(f"/rollouts?at={at}&active=true", "id"), [second["id"]])
            self.assertEqual(self.names(f"/rollouts?at={at}&queued=true", "id"), [])
            whole = self.api.get(f"/rollouts/{second['id']}?at={at}")
            self.assertEqual(whole.pop("unknown"), page["unknown"])
            self.assertEqual(whole, page["items"][0])
        self.assertEqual(whole["pauses"], [{"reason": "user"}])
        self.assertNotIn("ended", whole)
        self.assertEqual(self.names("/rollouts?active=true", "id"), [])
        page = self.api.get(f"/rollouts?at={paused}&limit=1")
        self.assertEqual(self.names(f"/rollouts?at={paused}&limit=1&cursor={page['next']}", "id"), [first["id"]])
        self.assertEqual(self.api.call("GET", f"/rollouts/{second['id']}?at={settled}").status, 404)
        none = self.api.new_token("reader", models="other")
        self.assertEqual(none.get(f"/rollouts?at={paused}")["items"], [])
        self.assertEqual(none.call("GET", f"/rollouts/{second['id']}?at={paused}").status, 404)
        nodes = self.api.get(f"/environments/production/nodes?at={settled}")["items"]
        self.assertEqual([(n["name"], n["state"], [s["version"] for s in n["serving"]]) for n in nodes],
                         [("n1", "serving", [1]), ("n2", "serving", [1])])
        hidden = none.get(f"/environments/production/nodes?at={settled}")["items"]
        self.assertEqual([n["serving"] for n in hidden], [[], []])


class EffectiveTest(fleetcase.FleetCase):
    n_nodes = 1
    policy = {"strategy": "canary", "steps": [{"nodes": 1, "bake": "5s"}, {"percent": 100}], "bake": "7s"}

    def test_defaults(self):
        env = self.api.get("/environments/production")
        whole = env["effective_policy"]
        self.assertEqual((whole["strategy"], whole["bake"], whole["steps"][0]["bake"]), ("canary", "7s", "5s"))
        self.assertEqual((whole["approvals"], whole["queue"], whole["auto_rollback"], whole["drain"]),
                         (0, "coalesce", True, "30s"))
        self.assertTrue(whole["gates"])
        self.assertNotIn("failure_budget", whole)
        self.assertNotIn("effective_policy", self.api.get("/environments")["items"][0])
        # What is spelt out means the same: setting it changes nothing of what holds.
        self.api.patch("/environments/production", {"policy": whole})
        self.assertEqual(self.api.get("/environments/production")["effective_policy"], whole)
        self.api.patch("/environments/production", {"policy": self.policy})
        self.push("fraud")
        target = self.api.put("/environments/production/targets/fraud", {"policy": {"approvals": 2}})
        self.assertEqual(target["effective_policy"], {**whole, "approvals": 2})

    def test_command(self):
        def mreg(*words):
            done = subprocess.run([harness.program("mreg"), *words], text=True, capture_output=True, timeout=60,
                                  env=harness.clean_environment(MREG_URL=self.server.url, MREG_TOKEN=self.server.token,
                                                                HOME=str(self.server.folder)))
            self.assertEqual(done.returncode, 0, done.stderr)
            return done.stdout
        self.assertNotIn("node_deadline", mreg("env", "show", "production"))
        text = mreg("env", "show", "production", "--effective")
        self.assertIn("* set here", text)
        self.assertRegex(text, r"strategy \* +canary")
        self.assertRegex(text, r"node_deadline +5m")


if __name__ == "__main__":
    unittest.main()
