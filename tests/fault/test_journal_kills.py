"""kill -9 right after every write of the database, during a canary and during a rollback.

The writes of an undisturbed run are counted; then, for each of them, a run is ended right after it
was durable, started again, and must come to the same end: the same facts in the same order, the same
versions on the nodes, no call to a node but one made again. Journal rows are among these writes: that
a kill came after each of them is looked up in the database that the kill left.

MREG_JOURNAL_KILLS: at most so many kills per story, spread evenly (0: after every write).
MREG_JOURNAL_JOBS: how many runs at a time (4: they mostly wait).
"""
import concurrent.futures
import http.client
import mmap
import os
import pathlib
import re
import shutil
import sqlite3
import struct
import sys
import tempfile
import time
import unittest

import fleetcase
import harness
import test_kill

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
        self.n_resets = 0
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
        self.n_first_rows = self.n_rows()
        shutil.copytree(self.server.data, self.folder / "data", symlinks=True)
        for node in self.nodes:
            shutil.copytree(node.root, self.folder / node.name, symlinks=True)

    def reset(self):
        if self.server.process.poll() is None:
            self.server.kill9()
        shutil.rmtree(self.server.data)
        shutil.copytree(self.folder / "data", self.server.data, symlinks=True)
        self.raise_epoch()
        for node in self.nodes:
            shutil.rmtree(node.root)
            shutil.copytree(self.folder / node.name, node.root, symlinks=True)
            status, _ = node.call("POST", f"/v2/repository/models/{MODEL}/load", {})
            assert status == 200
        self.calls_before = [self.calls(node) for node in self.nodes]

    def raise_epoch(self):
        """The nodes run on and obey no earlier epoch than they have seen."""
        self.n_resets += 1
        db = sqlite3.connect(self.server.data / "mreg.db")
        with db:
            db.execute("UPDATE meta SET value = ? WHERE key = 'epoch'", (str(self.n_resets * 10),))
        db.close()

    def submit(self, version):
        return self.server.api.post("/rollouts", {"model": MODEL, "version": str(version),
                                                  "environment": "production", "strategy": {}})["id"]

    def phase(self, rollout):
        return self.server.api.get(f"/rollouts/{rollout}")["phase"]

    def find(self, version):
        """The rollouts to that version, as a caller finds them who does not know whether he was heard."""
        listed = self.server.api.get(f"/rollouts?model={MODEL}&env=production&limit=50")["items"]
        return [rollout["id"] for rollout in listed if rollout["to"] == version]

    def query(self, sql):
        db = sqlite3.connect(f"file:{self.server.data / 'mreg.db'}?mode=ro", uri=True, timeout=30)
        try:
            return db.execute(sql).fetchall()
        finally:
            db.close()

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
            found = self.find(version)
            rollout = found[0] if found else self.submit(version)
            harness.wait_until(lambda: self.phase(rollout) in fleetcase.ENDED, 90, "the end of the rollout")
            self.wait_for_history()
        except (OSError, http.client.HTTPException, AssertionError, ValueError) as fault:
            try:
                harness.wait_until(self.is_dead, 5)
            except AssertionError:
                raise fault from None

    def wait_for_history(self):
        harness.wait_until(lambda: test_kill.history_is_level(self.server), 30, "a history level with the journal")

    def play(self, version, at, expected=None):
        """One run; gives what came of it, how many writes it made and the journal's rows at its kill (None:
        it was not killed)."""
        self.reset()
        was_killed = not self.start_armed(at)
        if not was_killed:
            self.follow(version)
            was_killed = self.is_dead()
        n_syncs = self.counter.n_syncs
        n_rows = self.n_rows() - self.n_first_rows if was_killed else None
        if was_killed:
            self.counter.arm(0)
            self.server.start()
            self.follow(version)
        outcome = self.outcome(version)
        deadline = time.monotonic() + 20
        while not same(outcome, expected) and time.monotonic() < deadline:
            time.sleep(0.05)
            outcome = self.outcome(version)
        test_kill.check_database(self.server)
        test_kill.check_history(self.server)
        return outcome, n_syncs, n_rows

    def new_calls(self):
        return [{kind: now[kind] - then[kind] for kind in now} for now, then in
                zip([self.calls(node) for node in self.nodes], self.calls_before)]

    def n_rows(self):
        return self.query("SELECT count(*) FROM journal")[0][0]

    def serving(self):
        return [node.predict(MODEL)[:2] for node in self.nodes]

    def calls(self, node):
        """How often the node was told to load, and to unload."""
        pattern = r'^rest_server_requests_total\{.*path="/v2/repository/models/\{[a-z_]+\}/(load|unload)".*\} (\d+)$'
        counts = {"load": 0, "unload": 0}
        for kind, n in re.findall(pattern, node.call("GET", "/metrics")[1], re.M):
            counts[kind] += int(n)
        return counts

    def files(self, node):
        """Which versions lie where under the root, with what makes them whole."""
        return sorted(str(path.parent.relative_to(node.root)) for path in node.root.rglob("model-settings.json")
                      if path.parent.name != "serving")

    def outcome(self, version):
        """What must be the same: the end, today's version, the alias, what nodes serve and have, the facts."""
        found = self.find(version)
        rollout = self.server.api.get(f"/rollouts/{found[0]}")
        target = self.server.api.get(f"/environments/production/targets/{MODEL}")
        alias = self.server.api.get(f"/models/{MODEL}/versions/production")
        return {"rollouts": len(found), "phase": rollout["phase"], "why": rollout.get("outcome"),
                "steps": [step["phase"] for step in rollout["steps"]],
                "live": target["live"], "alias": alias["version"], "serving": self.serving(),
                "files": [self.files(node) for node in self.nodes], "facts": self.facts(found[0]),
                "open": self.query("SELECT count(*) FROM node_ops WHERE ended_ts IS NULL"),
                "calls": self.new_calls()}

    def facts(self, rollout):
        """What the run added to the journal: kind, who, of what and which documents, in order."""
        rows = self.query("SELECT j.kind, j.actor, j.object, (SELECT group_concat(path, ' ') FROM "
                          "(SELECT path FROM journal_docs d WHERE d.seq = j.seq ORDER BY path)) "
                          f"FROM journal j WHERE seq > {self.n_first_rows} ORDER BY j.seq")
        return [re.sub(r"rollouts/./././", "rollouts/", " ".join(row).replace(rollout, "ROLLOUT")) for row in rows]

    def remove(self):
        self.server.remove()
        for node in self.nodes:
            node.remove()
        self.counter.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def same(outcome, expected):
    """As expected; of the calls to nodes, one may have been made once more."""
    if expected is None:
        return True
    rest = lambda o: {name: value for name, value in o.items() if name != "calls"}
    more = [now[kind] - then[kind] for now, then in zip(outcome["calls"], expected["calls"]) for kind in then]
    return rest(outcome) == rest(expected) and min(more) >= 0 and sum(more) <= 1


def n_calls(outcome):
    return sum(sum(calls.values()) for calls in outcome["calls"])


def differences(outcome, expected):
    return "\n".join(f"{name}: {outcome[name]}\n  instead of {value}" for name, value in expected.items()
                     if outcome[name] != value)


class JournalKillsTest(unittest.TestCase):
    def setUp(self):
        self.stages = []
        self.addCleanup(lambda: [stage.remove() for stage in self.stages])

    def stage(self):
        stage = Stage()
        self.stages.append(stage)
        return stage

    def kills(self, n_writes):
        most = int(os.environ.get("MREG_JOURNAL_KILLS", "0"))
        step = 1 if most == 0 else max(1, (n_writes + most - 1) // most)
        return range(1, n_writes + 1, step)

    def play_all(self, stage, version, points, expected):
        """Plays the runs of one stage; gives (write, journal rows at the kill, calls made again) of each."""
        played = []
        for at in points:
            outcome, _, n_rows = stage.play(version, at, expected)
            assert same(outcome, expected), f"killed after write {at}, {n_rows} rows: " \
                + differences(outcome, expected) + "\n" + stage.server.log()[-3000:]
            played.append((at, n_rows, n_calls(outcome) - n_calls(expected)))
        return played

    def play_missing(self, stage, version, expected, n_rows, played):
        """Runs differ by a write or two, so a row's write may have been met by no run: try about there."""
        for n_tries in range(36):
            missing = sorted(set(range(n_rows + 1)) - {rows for _, rows, _ in played})
            if not missing:
                return
            below = max((at for at, rows, _ in played if rows is not None and rows < missing[0]), default=1)
            above = min((at for at, rows, _ in played if rows is None or rows > missing[0]), default=below)
            aside = n_tries % 9
            at = max(1, (below + above) // 2 + (aside + 1) // 2 * (1 if aside % 2 else -1))
            played += self.play_all(stage, version, [at], expected)
        self.fail(f"no kill came right after {missing} of the {n_rows} rows")

    def check(self, story):
        version, phase, live = STORIES[story]
        begun = time.monotonic()
        first = self.stage()
        expected, n_writes, _ = first.play(version, 0)
        self.assertEqual((expected["phase"], expected["live"]), (phase, live))
        n_rows = len(expected["facts"])
        self.assertGreater(n_writes, n_rows)
        points = self.kills(n_writes)
        n_jobs = int(os.environ.get("MREG_JOURNAL_JOBS", "4"))
        stages = [first] + [self.stage() for _ in range(n_jobs - 1)]
        with concurrent.futures.ThreadPoolExecutor(n_jobs) as pool:
            jobs = [pool.submit(self.play_all, stage, version, points[i::n_jobs], expected)
                    for i, stage in enumerate(stages)]
            played = [run for job in jobs for run in job.result()]
        if len(points) == n_writes:
            self.play_missing(first, version, expected, n_rows, played)
        n_killed = sum(rows is not None for _, rows, _ in played)
        met = len({rows for _, rows, _ in played} - {None, 0})
        print(f"{story}: {n_writes} writes; {n_killed} of {len(played)} runs killed, after {met} of {n_rows} journal "
              f"rows; {sum(again for *_, again in played)} calls made again; the same end each time "
              f"({time.monotonic() - begun:.0f} s)", file=sys.stderr, flush=True)
        # The last writes may come later than the end that is looked for.
        self.assertGreater(n_killed, len(played) * 3 // 4)

    def test_canary(self):
        self.check("canary")

    def test_rollback(self):
        self.check("rollback")


if __name__ == "__main__":
    unittest.main()
