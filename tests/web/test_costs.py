"""What the dashboard costs: the page's bytes and idle time, a hundred open streams on the server, and pages of
a registry with ten thousand models and five thousand nodes. Figures are printed; limits are loose, because
machines that run tests are shared.

    MREG_SCALE_MODELS, MREG_SCALE_VERSIONS (per model; 20 are 200,000), MREG_SCALE_NODES: another size"""
import http.client
import json
import os
import pathlib
import resource
import sqlite3
import sys
import threading
import time
import unittest

import harness
import web_case

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "bench"))
import bench_fill  # noqa: E402

N_MODELS = int(os.environ.get("MREG_SCALE_MODELS", "10000"))
N_VERSIONS = int(os.environ.get("MREG_SCALE_VERSIONS", "3"))
N_NODES = int(os.environ.get("MREG_SCALE_NODES", "5000"))
N_LARGE = 2000  # versions of one model
N_STREAMS = 100
SECONDS = 15
# What the overview asks for at each look, with the tags of its last answers; it looks every 15 s when nothing happens.
OVERVIEW = ("/environments", "/rollouts?active=true&limit=200", "/history?limit=15", "/approvals?limit=100",
            "/environments/production/summary")


def cpu_seconds(pid):
    """Processor time that a process has used so far."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Looks:
    """Looks of open overviews, over one connection."""

    def __init__(self, server):
        self.connection = http.client.HTTPConnection(server.address, timeout=60)
        self.token, self.tags, self.n_unchanged = server.token, {}, 0

    def ask(self, path):
        headers = {"Authorization": f"Bearer {self.token}", "If-None-Match": self.tags.get(path) or '"none"'}
        self.connection.request("GET", "/api/v1" + path, headers=headers)
        answer = self.connection.getresponse()
        answer.read()
        if answer.status not in (200, 304):
            raise AssertionError(f"{path}: {answer.status}")
        self.n_unchanged += answer.status == 304
        return answer.headers["ETag"]

    def look(self, n_overviews):
        """All of them have seen the same before."""
        self.tags = [{path: self.ask(path) for path in OVERVIEW} for _ in range(n_overviews)][-1]


class Page(web_case.WebCase):
    def test_costs(self):
        self.versions()
        self.live("fraud", 1)
        self.browse("costs.mjs", 10, {"rollout": self.baking("fraud", 2)})


class Streams(web_case.WebCase):
    n_nodes = 1

    def share(self, seconds, work=lambda: None):
        """Share of a core that the server takes over `seconds`, `work` once a second."""
        before, rest = cpu_seconds(self.server.process.pid), threading.Event()
        for _ in range(seconds):
            work()
            rest.wait(1)
        return 100 * (cpu_seconds(self.server.process.pid) - before) / seconds

    def test_a_hundred_dashboards(self):
        resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
        alone = self.share(SECONDS)
        request = (f"GET /api/v1/events HTTP/1.1\r\nHost: {self.server.address}\r\n"
                   f"Authorization: Bearer {self.server.token}\r\n\r\n").encode()
        streams = [self.server.connect() for _ in range(N_STREAMS)]
        for stream in streams:
            self.addCleanup(stream.close)
            stream.sendall(request)
        for stream in streams:
            text = b""
            while b"retry:" not in text:
                got = stream.recv(4096)
                self.assertTrue(got, text)
                text += got
        idle = self.share(SECONDS)
        n = iter(range(1000))
        busy = self.share(SECONDS, lambda: self.api.post("/models", {"name": f"busy-{next(n)}"}))
        print(f"  server with {N_STREAMS} streams: {idle:.1f} % of a core at rest ({alone:.1f} % without), "
              f"{busy:.1f} % at one change a second", flush=True)
        for stream in streams:
            stream.settimeout(20)
            text = b""
            while text.count(b"event: change") < SECONDS:
                got = stream.recv(65536)
                self.assertTrue(got, "a stream ended")
                text += got
        looks = Looks(self.server)
        self.addCleanup(looks.connection.close)
        polled = self.share(SECONDS, lambda: looks.look(N_STREAMS // 15 + 1))
        before, n_changes = cpu_seconds(self.server.process.pid), 3
        for i in range(n_changes):
            self.api.post("/models", {"name": f"seen-by-all-{i}"})
            looks.look(N_STREAMS)
        each = 1000 * (cpu_seconds(self.server.process.pid) - before) / n_changes
        print(f"  server with {N_STREAMS} open overviews: {polled:.1f} % of a core while nothing changes, "
              f"{each:.0f} ms of a core for a change that all of them look at", flush=True)
        self.assertGreater(looks.n_unchanged, N_STREAMS)
        self.assertLess(idle, 20)
        self.assertLess(busy, 40)
        self.assertLess(polled, 20)
        self.assertLess(each, 3000)


class Scale(web_case.WebCase):
    n_nodes = 1

    def add_nodes(self, db):
        """Nodes in the shape of the one that the server made, each seen serving three models."""
        columns = [row[1] for row in db.execute("PRAGMA table_info(nodes)")]
        pattern = dict(zip(columns, db.execute("SELECT * FROM nodes WHERE name = 'node-0'").fetchone()))
        targets = [row[0] for row in db.execute("SELECT target_id FROM targets WHERE env_id = ?", (pattern["env_id"],))]
        first = db.execute("SELECT max(node_id) FROM nodes").fetchone()[0] + 1
        marks = ",".join("?" * len(columns))
        for i in range(1, N_NODES):
            row = {**pattern, "node_id": first + i, "name": f"node-{i}",
                   "labels": json.dumps({"zone": f"zone-{i % 20}"}, separators=(",", ":"))}
            db.execute(f"INSERT INTO nodes VALUES ({marks})", [row[c] for c in columns])
            for target in targets:
                db.execute("INSERT INTO node_views VALUES (?, ?, ?, ?)",
                           (first + i, target, '{"ready":[%d]}' % (1 + i % 2), pattern["created_ts"]))
        db.commit()

    def test_ten_thousand_models(self):
        self.api.post("/environments", {"name": "fleet"})
        root = self.server.folder / "node-0"
        root.mkdir()
        self.api.post("/environments/fleet/nodes", {"name": "node-0", "driver": "v2", "delivery": "path",
                                                    "root": str(root), "admin_url": "http://127.0.0.1:1",
                                                    "labels": {"zone": "zone-0"}})
        bench_fill.seed(self.server)
        took = bench_fill.fill(self.server.data, N_MODELS, N_VERSIONS, {"large": N_LARGE})
        self.do_start()
        for i in (7, 8, 9):
            self.api.put(f"/environments/fleet/targets/{bench_fill.NAME.format(i)}", {"serve_as": f"m{i}"})
        rate = bench_fill.wait_history(self.server.data)
        self.server.stop()
        db = sqlite3.connect(self.server.data / "mreg.db")
        self.add_nodes(db)
        db.close()
        began = time.monotonic()
        self.do_start()
        print(f"  start of the server: {time.monotonic() - began:.1f} s")
        harness.wait_until(lambda: self.api.get("/environments/fleet/nodes?state=unreachable&limit=1")["items"], 60, "a look")
        print(f"  {N_MODELS} models, {N_MODELS * N_VERSIONS} versions, {N_NODES} nodes in {took:.0f} s; "
              f"history {rate:.0f} rows a second")
        self.browse("scale.mjs", 75, {"models": N_MODELS, "nodes": N_NODES, "large": N_LARGE})
        status = pathlib.Path(f"/proc/{self.server.process.pid}/status").read_text()
        print("  memory of the server: " + ", ".join(" ".join(line.split()) for line in status.splitlines()
                                                     if line.startswith(("VmHWM", "RssAnon"))))


if __name__ == "__main__":
    unittest.main()
