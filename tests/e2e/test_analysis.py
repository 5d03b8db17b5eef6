"""Judging rollouts with the real mregd over mreg-node processes: by comparing errors and slow requests
with the nodes that keep the old version, by queries to a real Prometheus, by metrics that others post;
too little traffic; judging again with other settings; the same verdict after kill -9."""
import pathlib
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import unittest

import fleetcase
import harness
import routercase
import test_openapi
from harness import wait_until

ERRORS = {"kind": "error-ratio", "ratio": "1.5", "floor": "0.005", "max": "0.02"}
SLOW = {"kind": "slow-ratio", "ratio": "1.25"}


def canary(*gates, bake="60s", max_bake="60s", **more):
    return {"strategy": "canary", "min_healthy": "0", "bake": "0",
            "steps": [{"nodes": 1, "bake": bake, "max_bake": max_bake}, {"percent": 100, "bake": "0"}],
            "gates": [{"kind": "health"}, *gates], **more}


class Traffic:
    """Predictions to every node, `rate` a second each, until stopped."""

    def __init__(self, nodes, model, rate=60):
        self.nodes, self.model, self.pause = nodes, model, 1 / rate
        self.stops = threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(node,)) for node in nodes]

    def run(self, node):
        while not self.stops.is_set():
            begin = time.monotonic()
            try:
                node.predict(self.model)
            except OSError:
                pass
            self.stops.wait(max(0.001, self.pause - (time.monotonic() - begin)))

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stops.set()
        for thread in self.threads:
            thread.join()


class AnalysisCase(fleetcase.FleetCase):
    n_nodes = 3
    environment = {"MREG_ROLLOUT_SAMPLE_EVERY": "250ms", "MREG_ROLLOUT_OBSERVE_EVERY": "500ms"}
    policy = {"gates": [{"kind": "health"}, ERRORS, SLOW]}

    def first(self, model, **strategy):
        """Version 1 is live everywhere."""
        self.push(model, 0)
        made = self.promote(model, 1, {"strategy": "all-at-once", "bake": "0", "min_healthy": "0",
                                       "gates": [{"kind": "health"}]})
        self.wait_phase(made["id"], "succeeded")

    def analysis(self, rollout_id, query=""):
        answer = self.api.get(f"/rollouts/{rollout_id}/analysis{query}")
        self.check("Analysis", answer)
        return answer

    def check(self, schema, answer):
        """An answer against schema/openapi.yaml; a member that the schema does not know is a fault."""
        if test_openapi.yaml is None:
            return
        if not hasattr(AnalysisCase, "schemas"):
            AnalysisCase.schemas = test_openapi.Schemas(test_openapi.yaml.safe_load(test_openapi.FILE.read_text()))
        faults = list(self.schemas.faults({"$ref": f"#/components/schemas/{schema}"}, answer, strict=True))
        self.assertEqual(faults, [])

    def gate(self, rollout_id, name):
        return next(g for g in self.analysis(rollout_id)["gates"] if g["name"] == name)

    def wait_gate(self, rollout_id, name, verdict, seconds=60):
        def look():
            gate = self.gate(rollout_id, name)
            return gate if gate["verdict"] == verdict else None
        try:
            return wait_until(look, seconds, f"{name} {verdict}", 0.1)
        except AssertionError as fault:
            raise AssertionError(f"{fault}: {self.analysis(rollout_id)} {self.rollout(rollout_id)}") from None

    def faults(self, **faults):
        for node in self.nodes:
            node.faults(**faults)


class Compared(AnalysisCase):
    def test_errors(self):
        """A tenth of the requests fail with the new version, none with the old one."""
        self.first("errors")
        version = self.push("errors", 1, error_rate=0.1, golden=False)
        with Traffic(self.nodes, "errors"):
            made = self.promote("errors", version, canary(ERRORS))
            self.wait_phase(made["id"], "rolled-back")
        gate = self.gate(made["id"], "error-ratio")
        self.assertEqual(gate["verdict"], "fail")
        self.assertGreater(gate["canary"]["rate"], 0.05)
        self.assertEqual(gate["baseline"]["bad"], 0)
        self.assertGreater(gate["baseline"]["requests"], gate["canary"]["requests"])
        self.assertGreaterEqual(gate["evidence"]["ratio"], gate["evidence"]["ratio_fails_at"])
        self.assertTrue(gate["series"])
        self.assertEqual(sum(p["canary_bad"] for p in gate["series"]), gate["canary"]["bad"])
        self.assertIn("error-ratio", self.rollout(made["id"])["outcome"] + self.rollout(made["id"])["cause"])
        few = next(g for g in self.analysis(made["id"], "?points=2")["gates"] if g["name"] == "error-ratio")
        self.assertLessEqual(len(few["series"]), 3)
        self.assertEqual(self.versions_served("errors"), [1, 1, 1])
        self.replay(made["id"])

    def replay(self, rollout_id):
        """The same settings give the same verdict; a lenient floor and ratio would not have failed it."""
        same = self.api.post(f"/rollouts/{rollout_id}/analysis/replay")
        self.check("AnalysisReplay", same)
        gate = next(g for g in same["gates"] if g["name"] == "error-ratio")
        self.assertEqual((gate["was"], gate["verdict"]), ("fail", "fail"))
        self.assertIn("failed", gate)
        other = self.api.post(f"/rollouts/{rollout_id}/analysis/replay",
                              {"gates": {"error-ratio": {"floor": "0.5", "max": "0.9"}}})
        gate = next(g for g in other["gates"] if g["name"] == "error-ratio")
        self.assertEqual(gate["was"], "fail")
        self.assertNotEqual(gate["verdict"], "fail")
        self.assertNotIn("failed", gate)
        self.api.expect(400, "POST", f"/rollouts/{rollout_id}/analysis/replay", {"gates": {"nope": {}}})
        bad = self.api.expect(400, "POST", f"/rollouts/{rollout_id}/analysis/replay",
                              {"gates": {"error-ratio": {"ratio": "0.5"}}}).json
        self.assertEqual(bad["pointer"], "/gates/error-ratio/ratio")
        shown = self.server.cli("analysis", "show", rollout_id).stdout
        self.assertIn("error-ratio\tfail\t", shown)
        shown = self.server.cli("analysis", "replay", rollout_id, "--set", "error-ratio.floor=0.004").stdout
        self.assertIn("error-ratio\tfail\tfail\t", shown)
        bad = self.server.cli("analysis", "replay", rollout_id, "--set", "ratio", check=False)
        self.assertEqual(bad.returncode, 2)

    def test_good(self):
        """Errors that both versions have fail neither; enough good requests pass."""
        self.first("good")
        version = self.push("good", 1)
        with Traffic(self.nodes, "good", 120):
            made = self.promote("good", version, canary(ERRORS, bake="2s", max_bake="60s"))
            self.wait_phase(made["id"], "succeeded", 90)
        gate = self.gate(made["id"], "error-ratio")
        self.assertEqual(gate["verdict"], "pass")
        self.assertEqual(self.versions_served("good"), [version] * 3)

    def test_slow(self):
        """The new version takes 60 ms where the old one takes none."""
        self.first("slow")
        version = self.push("slow", 1, latency_ms=60, golden=False)
        with Traffic(self.nodes, "slow"):
            made = self.promote("slow", version, canary(SLOW))
            self.wait_phase(made["id"], "rolled-back")
        gate = self.gate(made["id"], "slow-ratio")
        self.assertEqual(gate["verdict"], "fail")
        self.assertEqual(gate["slower_than"]["of"], "server")
        self.assertLessEqual(gate["slower_than"]["value"], 0.05)
        self.assertGreater(gate["canary"]["rate"], 0.9)

    def test_slow_per_model(self):
        """With a histogram per model the other models' durations do not matter."""
        self.first("own")
        self.faults(model_buckets=True)
        self.addCleanup(self.faults, model_buckets=False)
        version = self.push("own", 1, latency_ms=60, golden=False)
        with Traffic(self.nodes, "own"):
            made = self.promote("own", version, canary(SLOW))
            self.wait_phase(made["id"], "rolled-back")
        self.assertEqual(self.gate(made["id"], "slow-ratio")["slower_than"]["of"], "model")

    def test_thin(self):
        """With hardly a request nothing is decided, and that is said."""
        self.first("thin")
        version = self.push("thin", 1)
        with Traffic(self.nodes, "thin", 2):
            made = self.promote("thin", version, canary(ERRORS, bake="1s", max_bake="4s"))
            rollout = self.wait_phase(made["id"], "paused")
        gate = self.gate(made["id"], "error-ratio")
        self.assertEqual(gate["verdict"], "insufficient")
        self.assertGreater(gate["needs_to_pass"], 50)
        self.assertEqual([p["reason"] for p in rollout["pauses"]], ["inconclusive"])
        self.command(made["id"], "abort")
        self.wait_phase(made["id"], "rolled-back")

    def test_report_only(self):
        self.first("report")
        version = self.push("report", 1, error_rate=0.3, golden=False)
        with Traffic(self.nodes, "report"):
            made = self.promote("report", version,
                                canary({**ERRORS, "report_only": True}, bake="4s", max_bake="60s"))
            self.wait_phase(made["id"], "succeeded", 60)
        gate = self.gate(made["id"], "error-ratio")
        self.assertEqual(gate["verdict"], "fail")
        self.assertTrue(gate["report_only"])

    def test_no_counters(self):
        """The cause names the node and what it lacks."""
        self.first("dark")
        version = self.push("dark", 1)
        self.nodes[0].faults(metrics_off=True)
        self.addCleanup(self.nodes[0].faults, metrics_off=False)
        with Traffic(self.nodes, "dark"):
            made = self.promote("dark", version, canary(ERRORS, bake="1s", max_bake="5s"))
            gate = self.wait_gate(made["id"], "error-ratio", "no-data")
            self.assertIn("node n1", gate["cause"])
            self.assertIn("no metrics at this URL", gate["cause"])
            self.command(made["id"], "abort")
            self.wait_phase(made["id"], "rolled-back")

    def test_first_version(self):
        self.push("fresh", 0)
        made = self.promote("fresh", 1, canary(ERRORS, bake="1s"))
        self.wait_phase(made["id"], "succeeded")
        gate = self.gate(made["id"], "error-ratio")
        self.assertEqual(gate["cause"], "there is no older version to compare with")

    def test_before(self):
        """What was counted before the rollout tells how bursty errors are."""
        self.first("window")
        with Traffic(self.nodes, "window", 100):
            time_before = time.monotonic()
            wait_until(lambda: time.monotonic() > time_before + 8, 20, "some slices of the window")
            version = self.push("window", 1)
            made = self.promote("window", version, canary(ERRORS, bake="30s"))
            gate = wait_until(lambda: (g := self.gate(made["id"], "error-ratio")).get("before") and g, 60, "a window")
        self.assertGreater(gate["before"]["baseline"]["requests"], 100)
        self.assertGreater(gate["before"]["canary"]["requests"], 50)
        self.command(made["id"], "abort")
        self.wait_phase(made["id"], "rolled-back")


    def test_refuses(self):
        """The node that goes first was worse than the others already: nothing can be said by comparing it."""
        self.first("unlike")
        self.nodes[0].faults(error_rate=0.3)
        self.addCleanup(self.nodes[0].faults, error_rate=0)
        with Traffic(self.nodes, "unlike", 100):
            begin = time.monotonic()
            wait_until(lambda: time.monotonic() > begin + 9, 20, "some slices of the window")
            made = self.promote("unlike", self.push("unlike", 1, golden=False), canary(ERRORS))
            gate = self.wait_gate(made["id"], "error-ratio", "error")
            self.assertIn("refuses to judge", gate["cause"])
            rollout = self.wait_phase(made["id"], "paused")
        self.assertEqual([p["reason"] for p in rollout["pauses"]], ["metrics-error"])
        self.command(made["id"], "abort")
        self.wait_phase(made["id"], "rolled-back")


class Restarted(AnalysisCase):
    def test_kill(self):
        """Evidence survives the server: the sums go on where they were."""
        self.first("stay")
        version = self.push("stay", 1)
        with Traffic(self.nodes, "stay"):
            made = self.promote("stay", version, canary(ERRORS, bake="10m", max_bake="10m"))
            wait_until(lambda: self.gate(made["id"], "error-ratio")["canary"]["requests"] > 60, 60, "requests")
            before = self.gate(made["id"], "error-ratio")
            self.server.kill9()
            self.server.start()
            type(self).api = self.server.api
            after = self.gate(made["id"], "error-ratio")
            self.assertGreaterEqual(after["canary"]["requests"], before["canary"]["requests"])
            self.assertGreaterEqual(after["evidence"]["pass"], before["evidence"]["pass"])
            n = after["canary"]["requests"]
            wait_until(lambda: self.gate(made["id"], "error-ratio")["canary"]["requests"] > n + 60, 60, "more")
            self.wait_gate(made["id"], "error-ratio", "pass")
        self.command(made["id"], "abort")
        self.wait_phase(made["id"], "rolled-back")


    def test_window(self):
        """What was counted before a rollout survives the server, too."""
        self.first("kept")
        self.nodes[0].faults(error_rate=0.3)
        self.addCleanup(self.nodes[0].faults, error_rate=0)
        with Traffic(self.nodes, "kept", 100):
            begin = time.monotonic()
            wait_until(lambda: time.monotonic() > begin + 9, 20, "some slices of the window")
        self.server.kill9()
        self.server.start()
        type(self).api = self.server.api
        made = self.promote("kept", self.push("kept", 1, golden=False), canary(ERRORS))
        gate = self.wait_gate(made["id"], "error-ratio", "error")
        self.assertIn("refuses to judge", gate["cause"])
        self.assertGreater(gate["before"]["canary"]["bad"], 100)
        self.assertGreater(gate["burstiness"], 0)
        self.command(made["id"], "abort")
        self.wait_phase(made["id"], "rolled-back")


class Resumed(AnalysisCase):
    def test_again(self):
        """A gate failed, somebody lets it go on: it is judged anew, and judged again it ends the same."""
        self.first("again")
        version = self.push("again", 1, error_rate=0.2, golden=False)
        with Traffic(self.nodes, "again"):
            made = self.promote("again", version, canary(ERRORS, auto_rollback=False, bake="10m", max_bake="10m"))
            self.wait_phase(made["id"], "paused")
            failed = self.gate(made["id"], "error-ratio")
            self.assertEqual(failed["verdict"], "fail")
        self.command(made["id"], "resume")
        gate = self.wait_gate(made["id"], "error-ratio", "insufficient")
        self.assertLess(gate["canary"]["bad"], failed["canary"]["bad"])
        again = self.api.post(f"/rollouts/{made['id']}/analysis/replay")
        self.check("AnalysisReplay", again)
        gate = next(g for g in again["gates"] if g["name"] == "error-ratio")
        self.assertEqual((gate["was"], gate["verdict"], gate["restarts"]), ("insufficient", "insufficient", 1))
        self.assertIn("failed", gate)
        self.command(made["id"], "abort")
        self.wait_phase(made["id"], "rolled-back")


class Posted(AnalysisCase):
    METRIC = {"kind": "metric", "name": "chargebacks", "max": "0.02", "for": "0"}

    def post(self, model, version, value, status=202, **more):
        return self.api.expect(status, "POST", f"/models/{model}/versions/{version}/metrics/chargebacks"
                               "?environment=production", {"value": value, **more})

    def test_metric(self):
        self.first("shop")
        version = self.push("shop", 1)
        made = self.promote("shop", version, canary(self.METRIC, bake="1s", max_bake="60s"))
        gate = self.wait_gate(made["id"], "chargebacks", "insufficient")
        wait_until(lambda: "nobody posted" in self.gate(made["id"], "chargebacks").get("cause", ""), 30, "a cause")
        self.post("shop", 1, "0.9")
        self.post("shop", version, "0.011")
        self.wait_gate(made["id"], "chargebacks", "pass")
        self.wait_phase(made["id"], "succeeded")
        gate = self.gate(made["id"], "chargebacks")
        self.assertEqual([p["value"] for p in gate["series"]], [0.011])
        self.assertEqual(gate["limit"], 0.02)

    def test_metric_fails(self):
        self.first("loss")
        version = self.push("loss", 1)
        made = self.promote("loss", version, canary(self.METRIC))
        self.wait_gate(made["id"], "chargebacks", "insufficient")
        self.server.cli("analysis", "post", f"loss@{version}", "chargebacks", "0.03", "--env", "production")
        self.wait_phase(made["id"], "rolled-back")
        again = self.api.post(f"/rollouts/{made['id']}/analysis/replay", {"gates": {"chargebacks": {"max": "0.05"}}})
        self.assertEqual([(g["was"], g["verdict"]) for g in again["gates"]], [("fail", "pass")])

    def test_refused(self):
        self.first("strict")
        self.post("strict", 1, "x", 400)
        self.post("strict", 9, "1", 404)
        self.post("strict", 1, "1", 404, node="nobody")
        self.post("strict", 1, "1", 400, time="2020-01-01T00:00:00Z")
        self.api.expect(404, "POST", "/models/strict/versions/1/metrics/x?environment=none", {"value": 1})
        self.api.expect(400, "POST", "/models/strict/versions/1/metrics/x", {"value": 1})
        reader = self.api.new_token("reader")
        reader.expect(403, "POST", "/models/strict/versions/1/metrics/x?environment=production", {"value": 1})


@unittest.skipUnless(routercase.find_program("haproxy"), "HAProxy is not installed")
class Routed(AnalysisCase):
    """Nodes that count nothing behind a HAProxy that does."""

    def test_router_counts(self):
        haproxy = routercase.HAProxy({"blind": {node.name: node.port for node in self.nodes}}).start()
        self.addCleanup(haproxy.remove)
        self.api.post("/environments/production/routers", {"name": "lb", "address": f"unix:{haproxy.socket}"}, 201)
        self.faults(metrics_off=True)
        self.first("blind")
        version = self.push("blind", 1, error_rate=0.2, golden=False)
        with routercase.Traffic(haproxy.port, "blind"):
            made = self.promote("blind", version, canary(ERRORS))
            self.wait_phase(made["id"], "rolled-back")
        gate = self.gate(made["id"], "error-ratio")
        self.assertEqual((gate["verdict"], gate["source"]), ("fail", "router"))
        self.assertEqual(gate["baseline"]["bad"], 0)
        self.assertGreater(gate["canary"]["rate"], 0.1)


@unittest.skipUnless(shutil.which("prometheus"), "no prometheus program on this machine")
class Prometheus(AnalysisCase):
    """A real Prometheus reads the nodes each second."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = pathlib.Path(tempfile.mkdtemp(prefix="mreg-prometheus-"))
        cls.addClassCleanup(shutil.rmtree, folder, ignore_errors=True)
        jobs = "".join(f"      - targets: ['127.0.0.1:{node.port}']\n        labels: {{node: '{node.name}'}}\n"
                       for node in cls.nodes)
        (folder / "prometheus.yml").write_text(
            "global: {scrape_interval: 500ms, scrape_timeout: 500ms}\n"
            f"scrape_configs:\n  - job_name: nodes\n    static_configs:\n{jobs}")
        cls.port = cls.free_port()
        with open(folder / "log", "wb") as log:
            cls.process = subprocess.Popen(
                [shutil.which("prometheus"), f"--config.file={folder / 'prometheus.yml'}",
                 f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address=127.0.0.1:{cls.port}"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        cls.addClassCleanup(cls.end)
        api = harness.Api(f"127.0.0.1:{cls.port}")

        def ready():
            if cls.process.poll() is not None:
                raise AssertionError("Prometheus ended: " + (folder / "log").read_text()[-2000:])
            try:
                return api.call("GET", "//-/ready").status == 200
            except OSError:
                return False
        wait_until(ready, 60, "Prometheus", 0.1)

    @staticmethod
    def free_port():
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return probe.getsockname()[1]

    @classmethod
    def end(cls):
        cls.process.terminate()
        cls.process.wait(30)

    def policy_of(self, query, bake="4s", **gate):
        return canary({"kind": "promql", "name": "failures", "query": query, "for": "2s", "every": "1s", **gate},
                      bake=bake, max_bake="60s", prometheus=f"http://127.0.0.1:{self.port}")

    RATE = ('sum(rate(model_infer_request_failure_total{model="$serve_as",node=~"$canary"}[5s])) /'
            ' (sum(rate(model_infer_request_failure_total{model="$serve_as",node=~"$canary"}[5s])) +'
            ' sum(rate(model_infer_request_success_total{model="$serve_as",node=~"$canary"}[5s])))')

    def test_passes(self):
        self.first("calm")
        version = self.push("calm", 1)
        with Traffic(self.nodes, "calm"):
            made = self.promote("calm", version, self.policy_of(self.RATE, max="0.05"))
            self.wait_phase(made["id"], "succeeded", 90)
        gate = self.gate(made["id"], "failures")
        self.assertEqual(gate["verdict"], "pass")
        self.assertTrue(any(p.get("value") == 0 for p in gate["series"]))

    def test_fails(self):
        self.first("risky")
        version = self.push("risky", 1, error_rate=0.2, golden=False)
        with Traffic(self.nodes, "risky"):
            made = self.promote("risky", version, self.policy_of(self.RATE, bake="60s", max="0.05"))
            self.wait_phase(made["id"], "rolled-back", 90)
        gate = self.gate(made["id"], "failures")
        self.assertEqual(gate["verdict"], "fail")
        self.assertGreater(gate["value"], 0.05)

    def test_words(self):
        """An empty answer and a query that Prometheus refuses are told apart, in its own words."""
        self.first("odd")
        version = self.push("odd", 1)
        made = self.promote("odd", version, self.policy_of("no_such_metric", max="1", bake="60s"))
        gate = self.wait_gate(made["id"], "failures", "no-data")
        self.assertEqual(gate["cause"], "the query has no result")
        self.command(made["id"], "abort")
        self.wait_phase(made["id"], "rolled-back")
        made = self.promote("odd", version, self.policy_of("sum(", max="1", bake="60s"))
        gate = self.wait_gate(made["id"], "failures", "error")
        self.assertIn("parse error", gate["cause"])
        self.command(made["id"], "abort")
        self.wait_phase(made["id"], "rolled-back")


if __name__ == "__main__":
    unittest.main()
