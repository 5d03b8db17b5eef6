"""kill -9 right after every write of the database, during a canary and during a rollback.

The writes of an undisturbed run are counted; then, for each of them, a run is ended right after it
was durable, started again, and must come to the same end. Journal rows are among these writes.

MREG_JOURNAL_KILLS: at most so many kills per story, spread evenly (12; 0: after every write).
MREG_JOURNAL_JOBS: how many runs at a time (2).
"""
import concurrent.futures
import mmap
import os
import pathlib
import shutil
import sqlite3
import struct
import tempfile
import time
import unittest

import fleetcase
import harness

POLICY = {"strategy": "canary", "steps": [{"nodes": 1, "bake": "100ms"}, {"percent": 100, "bake": "50ms"}],
          "min_healthy": "0s", "node_deadline": "20s", "step_deadline": "2m",
          "gates": [{"kind": "health"}, {"kind": "golden"}]}
SETTINGS = {"MREG_ROLLOUT_OBSERVE_EVERY": "200ms", "MREG_ROLLOUT_SAMPLE_EVERY": "100ms",
            "MREG_LOG_ACCESS": "false", "MREG_LOG_LEVEL": "warning"}
MODEL = "fraud"
STORIES = {"canary": (2, "succeeded", 2), "rollback": (3, "rolled-back", 1)}


class KillCounter:
    """The numbers that the wrapper shares with the test."""

    def __init__(self, folder):
        self.path = str(folder / "kill")
        with open(self.path, "wb") as file:
            file.write(bytes(8))
        self.file = open(self.path, "r+b")
        self.map = mmap.mmap(self.file.fileno(), 8)

    def arm(self, at):
        struct.pack_into("<ii", self.map, 0, at, 0)

    @property
    def n_syncs(self):
        return struct.unpack_from("<ii", self.map, 0)[1]

    def close(self):
        self.map.close()
        self.file.close()


class Stage:
    """A registry with two nodes that is brought back to its beginning before each run."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="mreg-stage-"))
        self.counter = KillCounter(self.folder)
        self.nodes = [fleetcase.Node("n1").start(), fleetcase.Node("n2").start()]
        self.server = harness.Server(environment=dict(
            SETTINGS, LD_PRELOAD=harness.program("libkill_at_sync.so"), MREG_KILL_AT=self.counter.path))
        self.prepare()

    def prepare(self):
        self.server.start()
        api = self.server.api
        api.post("/environments", {"name": "production", "policy": POLICY})
        for node in self.nodes:
            api.post("/environments/production/nodes",
                     {"name": node.name, "driver": "v2", "admin_url": node.url, "delivery": "path",
                      "root": str(node.root)})
        for intercept, golden in ((1, None), (2, None), (3, 77.0)):
            api.upload(MODEL, fleetcase.linear_files(intercept, golden))
        first = self.submit(1)
        harness.wait_until(lambda: self.phase(first) == "succeeded", 60, "the first version")
        assert self.server.stop() == 0
        shutil.copytree(self.server.data, self.folder / "data", symlinks=True)
        for node in self.nodes:
            shutil.copytree(node.root, self.folder / node.name, symlinks=True)

    def reset(self):
        self.server.stop()
        shutil.rmtree(self.server.data)
        shutil.copytree(self.folder / "data", self.server.data, symlinks=True)
        for node in self.nodes:
            node.kill9()
            shutil.rmtree(node.root)
            shutil.copytree(self.folder / node.name, node.root, symlinks=True)
            node.start()
            status, _ = node.call("POST", f"/v2/repository/models/{MODEL}/load", {})
            assert status == 200

    def submit(self, version):
        return self.server.api.post("/rollouts", {"model": MODEL, "version": str(version),
                                                  "environment": "production", "strategy": {}})["id"]

    def phase(self, rollout):
        return self.server.api.get(f"/rollouts/{rollout}")["phase"]

    def find(self, version):
        """The rollout to that version, if it was recorded."""
        db = sqlite3.connect(f"file:{self.server.data / 'mreg.db'}?mode=ro", uri=True, timeout=30)
        try:
            row = db.execute("SELECT rollout_id FROM rollouts WHERE to_number = ?", (version,)).fetchone()
        finally:
            db.close()
        return row and row[0]

    def is_dead(self):
        return self.server.process.poll() is not None

    def start_armed(self, at):
        """False if the start itself met the kill."""
        self.counter.arm(at)
        self.server.spawn()
        harness.wait_until(lambda: self.is_dead() or self.server.ports.exists(), 60, "the start")
        if self.is_dead():
            return False
        self.server.address, self.server.ops_address = self.server.ports.read_text().split()[:2]
        return True

    def follow(self, version):
        """Submits and waits until it has ended or the server is gone."""
        try:
            rollout = self.find(version) or self.submit(version)
            harness.wait_until(lambda: self.phase(rollout) in fleetcase.ENDED, 90, "the end of the rollout")
        except (OSError, AssertionError, ValueError):
            harness.wait_until(self.is_dead, 5, "the end of the server, or of the rollout")

    def play(self, version, at):
        """One run; gives what came of it and whether the server was killed."""
        self.reset()
        was_killed = not self.start_armed(at)
        if not was_killed:
            self.follow(version)
            was_killed = self.is_dead()
        n_syncs = self.counter.n_syncs
        if was_killed:
            self.counter.arm(0)
            self.server.start()
            self.follow(version)
        return self.outcome(version), n_syncs, was_killed

    def serving(self):
        answers = [node.predict(MODEL)[:2] for node in self.nodes]
        return answers

    def outcome(self, version):
        """What must be the same: the end, today's version, the alias, what nodes serve and say."""
        rollout = self.server.api.get(f"/rollouts/{self.find(version)}")
        target = self.server.api.get(f"/environments/production/targets/{MODEL}")
        alias = self.server.api.get(f"/models/{MODEL}/versions/production")
        wanted = [(200, target["live"])] * len(self.nodes)
        deadline = time.monotonic() + 30
        while self.serving() != wanted and time.monotonic() < deadline:
            time.sleep(0.05)
        return {"phase": rollout["phase"], "live": target["live"], "alias": alias["version"],
                "serving": self.serving(), "steps": [step["phase"] for step in rollout["steps"]],
                "rows": self.rows(rollout["id"])}

    def rows(self, rollout):
        """The rollout's rows of the journal, as kinds."""
        db = sqlite3.connect(f"file:{self.server.data / 'mreg.db'}?mode=ro", uri=True, timeout=30)
        try:
            return [row[0] for row in
                    db.execute("SELECT kind FROM journal WHERE object = ? ORDER BY seq", (rollout,))]
        finally:
            db.close()

    def remove(self):
        self.server.remove()
        for node in self.nodes:
            node.remove()
        self.counter.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class JournalKillsTest(unittest.TestCase):
    def setUp(self):
        self.stages = []
        self.addCleanup(lambda: [stage.remove() for stage in self.stages])

    def stage(self):
        stage = Stage()
        self.stages.append(stage)
        return stage

    def kills(self, n_writes):
        most = int(os.environ.get("MREG_JOURNAL_KILLS", "12"))
        step = 1 if most == 0 else max(1, (n_writes + most - 1) // most)
        return range(1, n_writes + 1, step)

    def play_all(self, stage, version, points, expected):
        """Plays the runs of one stage; gives how many were killed."""
        n_killed = 0
        for at in points:
            outcome, _, was_killed = stage.play(version, at)
            n_killed += was_killed
            assert outcome == expected, f"killed after write {at}: {outcome}\ninstead of {expected}\n" \
                + stage.server.log()[-3000:]
        return n_killed

    def check(self, story):
        version, phase, live = STORIES[story]
        first = self.stage()
        expected, n_writes, _ = first.play(version, 0)
        self.assertEqual((expected["phase"], expected["live"]), (phase, live))
        self.assertGreater(n_writes, 5)
        points = self.kills(n_writes)
        n_jobs = int(os.environ.get("MREG_JOURNAL_JOBS", "2"))
        stages = [first] + [self.stage() for _ in range(n_jobs - 1)]
        with concurrent.futures.ThreadPoolExecutor(n_jobs) as pool:
            jobs = [pool.submit(self.play_all, stage, version, points[i::n_jobs], expected)
                    for i, stage in enumerate(stages)]
            n_killed = sum(job.result() for job in jobs)
        print(f"{story}: {n_writes} writes, {len(expected['rows'])} rows of the rollout, "
              f"{n_killed} of {len(points)} runs killed, all with the same end")
        # Runs differ a little in their number of writes: the last points may not be reached.
        self.assertGreater(n_killed, len(points) * 2 // 3)

    def test_canary(self):
        self.check("canary")

    def test_rollback(self):
        self.check("rollback")


if __name__ == "__main__":
    unittest.main()
