"""kill -9 at random moments of a stream of pushes, changes and rollouts; nothing acknowledged is lost.

MREG_KILLS: how many kills (40). MREG_SEED: the seed of all choices; printed at the start.
"""
import os
import pathlib
import random
import sqlite3
import subprocess
import sys
import threading
import time
import unittest

import fleetcase
import harness
import killworld

POLICY = {"strategy": "canary",
          "steps": [{"nodes": 1, "bake": "150ms"}, {"percent": 100, "bake": "50ms"}],
          "min_healthy": "0s", "node_deadline": "10s", "step_deadline": "2m",
          "gates": [{"kind": "health"}, {"kind": "golden"},
                    {"kind": "error-rate", "max": "0.2", "min_requests": 5}]}
SETTINGS = {"MREG_ROLLOUT_OBSERVE_EVERY": "200ms", "MREG_ROLLOUT_SAMPLE_EVERY": "100ms",
            "MREG_LOG_ACCESS": "false", "MREG_LOG_LEVEL": "warning"}


def git(server, *arguments):
    return subprocess.run(["git", "--git-dir", str(server.data / "history.git"), *arguments], text=True,
                          capture_output=True, check=False)


def database(server):
    return sqlite3.connect(f"file:{server.data / 'mreg.db'}?mode=ro", uri=True, timeout=30)


def check_database(server):
    db = database(server)
    try:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert not db.execute("PRAGMA foreign_key_check").fetchall()
        lowest, highest, n = db.execute("SELECT min(seq), max(seq), count(*) FROM journal").fetchone()
        assert lowest == 1 and highest == n, f"the journal has gaps: {lowest}..{highest} in {n} rows"
        backwards = db.execute("SELECT count(*) FROM journal a JOIN journal b ON b.seq = a.seq + 1 "
                               "WHERE b.ts < a.ts OR b.epoch < a.epoch").fetchone()[0]
        assert backwards == 0, "the journal's time or epoch runs backwards"
        bare = db.execute("SELECT count(*) FROM journal j WHERE NOT EXISTS "
                          "(SELECT 1 FROM journal_docs d WHERE d.seq = j.seq)").fetchone()[0]
        assert bare == 0, "journal rows without documents"
        return n
    finally:
        db.close()


def history_is_level(server, least=None):
    """True when main is at the commit of the newest journal row, or of row `least` or a later one."""
    head = git(server, "rev-parse", "refs/heads/main").stdout.strip()
    db = database(server)
    try:
        row = db.execute("SELECT seq FROM commits WHERE commit_id = ?", (head,)).fetchone()
        newest = db.execute("SELECT max(seq) FROM journal").fetchone()[0]
    finally:
        db.close()
    return bool(row) and row[0] >= (least or newest)


def check_history(server):
    """Every journal row is one commit of main, in order; the repository is sound."""
    done = git(server, "fsck", "--strict", "--full")
    assert done.returncode == 0, f"git fsck: {done.stdout}{done.stderr}"
    for line in (done.stdout + done.stderr).splitlines():
        assert line.startswith(("dangling", "notice: ", "Checking ")), f"git fsck: {line}"
    listed = git(server, "rev-list", "--reverse", "refs/heads/main").stdout.split()
    db = database(server)
    try:
        stored = [row[0] for row in db.execute("SELECT commit_id FROM commits ORDER BY seq")]
    finally:
        db.close()
    assert stored[:len(listed)] == listed, "the stored commit ids are not those of main"


class KillTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.seed = int(os.environ.get("MREG_SEED") or random.SystemRandom().randrange(1 << 32))
        cls.n_kills = int(os.environ.get("MREG_KILLS", "40"))
        print(f"seed {cls.seed}, {cls.n_kills} kills", file=sys.stderr, flush=True)
        cls.rng = random.Random(cls.seed)
        cls.server = harness.Server(environment=SETTINGS)
        cls.addClassCleanup(cls.server.remove)
        cls.nodes = []
        for i in range(3):
            node = fleetcase.Node(f"n{i + 1}")
            cls.addClassCleanup(node.remove)
            cls.nodes.append(node.start())

    def prepare(self):
        self.server.start()
        api = self.server.api
        api.post("/environments", {"name": "production", "policy": POLICY})
        for node in self.nodes:
            api.post("/environments/production/nodes",
                     {"name": node.name, "driver": "v2", "admin_url": node.url, "delivery": "path",
                      "root": str(node.root)})
        self.pushers = [killworld.Pusher(f"push{i}", self.seed, big=i == 0) for i in range(3)]
        self.registers = [killworld.Registers(f"regs{i}", self.seed) for i in range(2)]
        self.deployers = [killworld.Deployer(f"roll{i}", self.seed, self.nodes, self.server)
                          for i in range(2)]
        self.workers = self.pushers + self.registers + self.deployers
        client = killworld.Client(self.server)
        for worker in self.registers:
            worker.prepare(client)
        client.close()
        self.traffic = killworld.Traffic(self.nodes, [worker.name for worker in self.deployers])
        self.traffic.start()
        self.addCleanup(self.traffic.stop)

    def in_threads(self, jobs):
        threads = [threading.Thread(target=job, args=arguments, daemon=True) for job, *arguments in jobs]
        for thread in threads:
            thread.start()
        return threads

    def raise_faults(self):
        for worker in self.workers:
            if worker.fault:
                raise AssertionError(f"seed {self.seed}, kill {self.kill}, {worker.name}: {worker.fault}\n"
                                     + self.server.log()[-3000:]) from worker.fault

    def run_until_kill(self):
        stop = threading.Event()
        threads = self.in_threads([(w.work, self.server, stop) for w in self.workers])
        stop.wait(self.rng.choice((0.02, 0.1, 0.3, 0.6)) * self.rng.random() * 2)
        self.server.kill9()
        for thread in threads:
            thread.join(60)
            self.assertFalse(thread.is_alive(), "a client hangs after the kill")
        self.raise_faults()

    def start_again(self):
        """One start in eight is killed too."""
        while self.rng.random() < 0.125:
            self.server.spawn()
            threading.Event().wait(self.rng.random() * 0.05)
            self.server.kill9()
            self.n_start_kills += 1
        begun = time.monotonic()
        self.server.start()
        self.slowest_start = max(self.slowest_start, time.monotonic() - begun)

    def check_worker(self, worker):
        client = killworld.Client(self.server)
        try:
            worker.check(client)
        except Exception as fault:
            worker.fault = fault
        finally:
            client.close()

    def timed(self, part):
        begun = time.monotonic()
        part()
        self.seconds[part.__name__] = self.seconds.get(part.__name__, 0.0) + time.monotonic() - begun

    def check_workers(self):
        threads = self.in_threads([(self.check_worker, worker) for worker in self.workers])
        for thread in threads:
            thread.join(120)
        self.raise_faults()

    def check_data(self):
        self.timed(self.check_rows)
        if self.kill % 3 == 0 or self.kill == self.n_kills:
            self.timed(self.wait_for_history)
        if self.kill % self.fsck_every == 0:
            begun = time.monotonic()
            self.timed(self.check_commits)
            self.fsck_every = max(1, int((time.monotonic() - begun) / 0.05))

    def check_rows(self):
        self.n_rows = check_database(self.server)

    def wait_for_history(self):
        """A write wakes the history at once; rollouts go on meanwhile, so the journal never rests."""
        client = killworld.Client(self.server)
        self.registers[0].step(client)
        client.close()
        harness.wait_until(lambda: history_is_level(self.server, self.n_rows), 30,
                           "a history level with the journal")

    def check_commits(self):
        check_history(self.server)

    def settle_rollouts(self):
        """Lets every rollout end, without kills."""
        client = killworld.Client(self.server)
        end = time.monotonic() + 60
        for worker in self.deployers:
            while worker.rollout or worker.version:
                self.assertLess(time.monotonic(), end, f"rollout {worker.rollout} does not end")
                worker.step(client)
            if worker.live is not None:
                worker.check_live(client)
        client.close()

    def check_leftovers(self):
        """Uploads given up, two sweeps (at start): nothing but published bytes is left."""
        client = killworld.Client(self.server)
        for worker in self.pushers:
            worker.check_all(client)
            if worker.current:
                client.call("DELETE", f"/uploads/{worker.current['id']}")
        client.close()
        for _ in range(2):
            self.assertEqual(self.server.stop(), 0)
            self.server.start()
        db = database(self.server)
        uploads = [row[0] for row in db.execute("SELECT upload_id FROM uploads")]
        blobs = {row[0].hex() for row in db.execute("SELECT digest FROM blobs WHERE bytes IS NULL")}
        db.close()
        staged = [p for p in (self.server.data / "staging").rglob("*") if p.is_file()]
        strangers = [p for p in staged if not any(u in str(p) for u in uploads)]
        self.assertEqual(strangers, [], "staging files without an upload")
        stored = {p.name for p in (self.server.data / "blobs").rglob("*") if p.is_file()}
        self.assertEqual(blobs - stored, set(), "blobs without bytes")
        self.n_orphans = len(stored - blobs)
        hidden = [p for node in self.nodes for p in (pathlib.Path(node.root) / ".mreg").rglob("*")]
        self.n_node_leftovers = len(hidden)

    def summary(self, seconds):
        total = {}
        for worker in self.workers:
            for what, n in worker.counts.items():
                total[what] = total.get(what, 0) + n
        words = ", ".join(f"{n} {what}" for what, n in sorted(total.items()))
        parts = ", ".join(f"{name} {took:.1f} s" for name, took in self.seconds.items())
        print(f"seed {self.seed}: {self.n_kills} kills + {self.n_start_kills} during a start in "
              f"{seconds:.1f} s ({seconds / max(1, self.n_kills):.2f} s each), in all {parts}; {words}; {self.n_rows} journal "
              f"rows; slowest start {self.slowest_start * 1000:.0f} ms; {self.traffic.n} predictions; "
              f"{self.n_orphans} unreferenced blob files; {self.n_node_leftovers} files of mreg on nodes",
              file=sys.stderr, flush=True)
        return total

    def test_kill_at_any_moment(self):
        self.kill = self.n_start_kills = self.n_rows = 0
        self.fsck_every, self.slowest_start, self.seconds = 1, 0.0, {}
        self.prepare()
        begun = time.monotonic()
        for self.kill in range(1, self.n_kills + 1):
            for part in (self.run_until_kill, self.start_again, self.check_workers,
                         self.check_data):
                self.timed(part)
        took = time.monotonic() - begun
        self.timed(self.settle_rollouts)
        self.timed(self.check_leftovers)
        self.fsck_every = 1
        self.check_data()
        harness.wait_until(lambda: history_is_level(self.server), 30, "a history level with the journal")
        total = self.summary(took)
        self.assertGreater(total.get("versions", 0), self.n_kills / 4, "too little was pushed to tell")
        self.assertGreater(total.get("rollouts good", 0), 0, "no rollout ended")


if __name__ == "__main__":
    unittest.main()
