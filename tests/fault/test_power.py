"""Power failures, approximated: after kill -9 the data folder is rebuilt from what had been synced.

The wrapper power_io.c keeps what each fsync made durable. The folder after the failure takes, for each
file and each folder by a throw of dice, either its last synced state or its present one (a system may
write earlier than asked); every second time only what was synced. Writes that are torn inside a file
are not modelled, but for a log that lost its end. MREG_POWER_CUTS: how many (12).
"""
import ctypes
import os
import pathlib
import random
import shutil
import sys
import tempfile
import threading
import time
import unittest

import harness
import killworld
import test_kill


class Statx(ctypes.Structure):
    """The part of struct statx that is used."""

    _fields_ = [("head", ctypes.c_uint8 * 28), ("mode", ctypes.c_uint16), ("pad", ctypes.c_uint16),
                ("ino", ctypes.c_uint64), ("rest", ctypes.c_uint8 * 24), ("atime", ctypes.c_uint8 * 16),
                ("btime_s", ctypes.c_int64), ("btime_ns", ctypes.c_uint32), ("tail", ctypes.c_uint8 * 200)]


LIBC = ctypes.CDLL(None, use_errno=True)


def key_of(path):
    """The name of a file or folder in the shadow; as key_of of power_io.c."""
    st = Statx()
    rc = LIBC.statx(-100, os.fsencode(path), 0x100, 0x901, ctypes.byref(st))
    if rc != 0:
        raise OSError(ctypes.get_errno(), "statx", str(path))
    kind = "d" if (st.mode & 0o170000) == 0o040000 else "f"
    return f"{kind}{st.ino}-{st.btime_s}.{st.btime_ns}"


class Wreck:
    """Builds the folder as the failure leaves it."""

    def __init__(self, rng, shadow, is_strict):
        self.rng, self.shadow, self.is_strict = rng, shadow, is_strict
        self.now = {}
        self.n_old = self.n_lost = 0
        self.story = []

    def takes_synced(self):
        return self.is_strict or self.rng.random() < 0.5

    def index(self, folder):
        """Where each inode is now, for bytes that were never synced."""
        for place in [folder, *folder.rglob("*")]:
            self.now[key_of(place)] = place

    def choose(self, key):
        """"synced", "present" or "nothing" (neither the bytes nor the names were ever synced)."""
        has_synced, has_present = (self.shadow / key).exists(), key in self.now
        if has_present and not self.takes_synced():
            return "present"
        return "synced" if has_synced else "nothing"

    def names(self, key):
        choice = self.choose(key)
        self.story.append((key, choice, str(self.now.get(key))))
        if choice == "present":
            return [(key_of(child), child.name) for child in self.now[key].iterdir()]
        if choice == "nothing":
            return []
        self.n_old += 1
        return [line.split(" ", 1) for line in (self.shadow / key).read_text().splitlines()]

    def build(self, key, target):
        if key.startswith("d"):
            target.mkdir(mode=0o700)
            for child, name in self.names(key):
                self.build(child, target / name)
            return
        choice = self.choose(key)
        if choice == "nothing":
            self.n_lost += 1
            target.touch()
        else:
            shutil.copyfile(self.shadow / key if choice == "synced" else self.now[key], target)
        target.chmod(0o600)
        self.story.append((key, choice, str(target), target.stat().st_size))


class PowerTest(unittest.TestCase):
    def setUp(self):
        self.seed = int(os.environ.get("MREG_SEED") or random.SystemRandom().randrange(1 << 32))
        self.n_cuts = int(os.environ.get("MREG_POWER_CUTS", "12"))
        print(f"seed {self.seed}, {self.n_cuts} power failures", file=sys.stderr, flush=True)
        self.rng = random.Random(self.seed)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="mreg-power-"))
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.server = None
        self.addCleanup(lambda: self.server and self.server.remove())

    def boot(self, data):
        shadow = pathlib.Path(tempfile.mkdtemp(prefix="shadow-", dir=self.folder))
        self.shadow = shadow
        if self.server:
            self.server.remove()
        self.server = harness.Server(data=data, environment={
            **test_kill.SETTINGS, "LD_PRELOAD": harness.program("libpower_io.so"), "MREG_POWER": data,
            "MREG_SHADOW": shadow})
        self.server.start()

    def work_until_cut(self):
        stop = threading.Event()
        threads = [threading.Thread(target=w.work, args=(self.server, stop), daemon=True) for w in self.workers]
        for thread in threads:
            thread.start()
        stop.wait(0.1 + self.rng.random() * 0.7)
        self.server.kill9()
        for thread in threads:
            thread.join(60)

    def cut(self, number):
        wreck = Wreck(self.rng, self.shadow, is_strict=number % 2 == 0)
        wreck.index(self.server.data)
        data = self.folder / f"data{number}"
        wreck.build(key_of(self.server.data), data)
        for left in data.glob("*-shm"):
            left.unlink()
        shutil.rmtree(self.server.data)
        shutil.rmtree(self.shadow)
        self.story = wreck.story
        self.n_old, self.n_lost = self.n_old + wreck.n_old, self.n_lost + wreck.n_lost
        return data

    def forget_uploads(self, client):
        """Parts need not survive a power failure; what a commit published must."""
        for worker in self.pushers:
            now = worker.current
            if now and now["is_committing"]:
                number = worker.find_version(client, now)
                if number:
                    worker.learn(now, number)
            worker.current = None

    def check(self, number):
        client = killworld.Client(self.server)
        try:
            self.forget_uploads(client)
            for worker in self.workers:
                if worker.fault:
                    raise worker.fault
                worker.check(client)
        except Exception as fault:
            story = "\n".join(str(line) for line in self.story if "objects" not in line[2] and "blobs/" not in line[2])
            raise AssertionError(f"seed {self.seed}, failure {number}: {fault!r}\n{story[-4000:]}\n"
                                 + self.server.log()[-3000:]) from fault
        finally:
            client.close()
        test_kill.check_database(self.server)
        try:
            harness.wait_until(lambda: test_kill.history_is_level(self.server), 30, "a level history")
            test_kill.check_history(self.server)
        except AssertionError as fault:
            raise AssertionError(f"seed {self.seed}, failure {number}: {fault}\n" + self.where_history_is()) from fault

    def where_history_is(self):
        """What tells why the history is not level with the journal."""
        head = test_kill.git(self.server, "rev-parse", "refs/heads/main")
        folder = self.server.data / "history.git"
        names = {str(path.relative_to(folder)): path.stat().st_size for path in sorted(folder.rglob("*"))
                 if path.is_file()}
        db = test_kill.database(self.server)
        rows = [db.execute(sql).fetchall() for sql in (
            "SELECT min(seq), max(seq), count(*) FROM journal", "SELECT min(seq), max(seq), count(*) FROM commits",
            "SELECT seq, commit_id FROM commits ORDER BY seq DESC LIMIT 3")]
        db.close()
        return f"main {head.stdout}{head.stderr}{rows}\n{names}\n{self.server.log()[-3000:]}"

    def test_only_synced_bytes_survive(self):
        self.n_old = self.n_lost = 0
        self.boot(self.folder / "data")
        self.pushers = [killworld.Pusher(f"push{i}", self.seed) for i in range(3)]
        registers = [killworld.Registers("regs", self.seed)]
        self.workers = self.pushers + registers
        client = killworld.Client(self.server)
        for worker in registers:
            worker.prepare(client)
        client.close()
        begun = time.monotonic()
        for number in range(self.n_cuts):
            self.work_until_cut()
            self.boot(self.cut(number))
            self.check(number)
        client = killworld.Client(self.server)
        for worker in self.pushers:
            worker.check_all(client)
        client.close()
        n_versions = sum(w.counts.get("versions", 0) for w in self.pushers)
        print(f"seed {self.seed}: {self.n_cuts} power failures in {time.monotonic() - begun:.1f} s, {n_versions} "
              f"versions kept; {self.n_old} folders set back, {self.n_lost} unsynced files emptied",
              file=sys.stderr, flush=True)
        self.assertGreater(n_versions, self.n_cuts, "too little was pushed to tell")


if __name__ == "__main__":
    unittest.main()
