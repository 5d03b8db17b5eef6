"""A disk that is full or fails: refused with the right status, nothing acknowledged is lost, and the
server works again without a restart.

Faults come from a small tmpfs where the tests may mount one, and from a preloaded wrapper
(fault_io.c) that makes fsync and write fail.
"""
import errno
import mmap
import os
import pathlib
import sqlite3
import struct
import subprocess
import tempfile
import unittest

import harness
import killworld


class Faults:
    """The page that fault_io.c reads."""

    def __init__(self, folder):
        self.path = pathlib.Path(folder) / "faults"
        self.path.write_bytes(bytes(4096))
        self.file = open(self.path, "r+b")
        self.page = mmap.mmap(self.file.fileno(), 4096)

    def set(self, sync_errno=0, write_errno=0, n_pass=0):
        """Writes count and pass first, so that the fault begins whole."""
        self.page[8:12] = struct.pack("i", n_pass)
        self.page[0:8] = struct.pack("ii", sync_errno, write_errno)

    @property
    def n_failed(self):
        return struct.unpack("i", self.page[12:16])[0]

    def close(self):
        self.page.close()
        self.file.close()


def one_version(api, model, size, mark=b"x"):
    files = {"a.bin": (mark * (size // len(mark) + 1))[:size]}
    return api.upload(model, files)["version"], files


class Checks:
    def check_integrity(self, server):
        db = sqlite3.connect(f"file:{server.data / 'mreg.db'}?mode=ro", uri=True, timeout=30)
        try:
            self.assertEqual(db.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
            lowest, highest, n = db.execute("SELECT min(seq), max(seq), count(*) FROM journal").fetchone()
            self.assertEqual((lowest, highest), (1, n), "the journal has gaps")
        finally:
            db.close()

    def check_versions(self, api, kept):
        for (model, number), files in kept.items():
            for path, data in files.items():
                got = api.expect(200, "GET", f"/models/{model}/versions/{number}/files/{path}").body
                self.assertEqual(killworld.sha(got), killworld.sha(data), f"{model} {number} {path}")

    def check_history(self, server):
        harness.wait_until(lambda: self.is_level(server), 30, "a history level with the journal")
        done = subprocess.run(["git", "--git-dir", server.data / "history.git", "fsck", "--strict", "--full"],
                              text=True, capture_output=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)

    @staticmethod
    def is_level(server):
        db = sqlite3.connect(f"file:{server.data / 'mreg.db'}?mode=ro", uri=True, timeout=30)
        try:
            return db.execute("SELECT (SELECT max(seq) FROM journal) = (SELECT max(seq) FROM commits)").fetchone()[0]
        finally:
            db.close()

    def check_all(self, server, kept):
        self.check_versions(server.api, kept)
        self.check_integrity(server)
        self.check_history(server)
        self.assertEqual(server.stop(), 0)
        server.start()
        self.check_versions(server.api, kept)
        self.check_integrity(server)


class FullDisk(unittest.TestCase, Checks):
    """A data folder on a tmpfs of 64 MiB that something else fills up."""

    def setUp(self):
        if os.getuid() != 0:
            self.skipTest("mounting a tmpfs needs root")
        self.mount = pathlib.Path(tempfile.mkdtemp(prefix="mreg-full-"))
        self.addCleanup(self.mount.rmdir)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", self.mount],
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            self.skipTest(f"no tmpfs can be mounted: {done.stderr.strip()}")
        self.addCleanup(subprocess.run, ["umount", "-l", str(self.mount)], check=True)
        self.server = harness.Server(data=self.mount / "data",
                                     environment={"MREG_LIMITS_FREE_SPACE": "1MiB"})
        self.addCleanup(self.server.remove)
        self.server.start()
        self.api = self.server.api

    def fill(self, leave):
        """Takes all space but for `leave` bytes."""
        free = os.statvfs(self.mount)
        n = free.f_bavail * free.f_frsize - leave
        with open(self.mount / "filler", "ab") as out:
            try:
                out.write(bytes(max(0, n)))
            except OSError:
                pass

    def make_room(self):
        (self.mount / "filler").unlink()

    def push_until_refused(self, size):
        """Pushes until the first answer that is no success; gives it and what was acknowledged."""
        kept = {}
        for i in range(4000):
            try:
                number, files = one_version(self.api, "fraud", size, b"%06d" % i)
                kept["fraud", number] = files
            except harness.ApiError as refused:
                return refused.answer, kept
        raise AssertionError("the disk never got full")

    def check_refusal(self, answer):
        self.assertEqual(answer.status, 507, answer)
        self.assertEqual(answer.json["code"], "no-space", answer)

    def test_pushes_of_files(self):
        self.fill(24 << 20)
        answer, kept = self.push_until_refused(3 << 20)
        self.check_refusal(answer)
        self.assertGreaterEqual(len(kept), 2)
        self.check_versions(self.api, kept)
        self.make_room()
        number, files = one_version(self.api, "fraud", 3 << 20, b"after")
        kept["fraud", number] = files
        self.check_all(self.server, kept)

    def test_small_writes_into_the_database(self):
        kept = {}
        for i in range(3):
            number, files = one_version(self.api, "kept", 60_000, b"%d" % i)
            kept["kept", number] = files
        self.fill(2 << 20)
        answer, more = self.push_until_refused(900)
        self.check_refusal(answer)
        kept.update(more)
        self.check_versions(self.api, kept)
        self.assertEqual(self.api.get("/models/kept")["n_versions"], 3)
        ready = self.server.ops.call("GET", "//readyz")
        self.assertEqual(ready.status, 503, ready)
        self.assertEqual(self.server.ops.call("GET", "//livez").status, 200)
        self.make_room()
        number, files = one_version(self.api, "fraud", 900, b"after")
        kept["fraud", number] = files
        harness.wait_until(lambda: self.server.ops.call("GET", "//readyz").status == 200, 30, "readiness")
        self.check_all(self.server, kept)

    def test_restart_on_a_full_disk(self):
        number, files = one_version(self.api, "fraud", 900, b"before")
        kept = {("fraud", number): files}
        self.fill(0)
        self.server.kill9()
        n_before = len(self.server.log())
        self.server.spawn()
        ended = lambda: self.server.process.poll() is not None or self.server.ports.exists()
        harness.wait_until(ended, 30, "a start or a refusal")
        if self.server.process.poll() is not None:
            self.assertIn("full", self.server.log()[n_before:], "the reason is not said")
        else:
            self.server.kill9()
        self.make_room()
        self.server.start()
        number, files = one_version(self.server.api, "fraud", 900, b"after")
        kept["fraud", number] = files
        self.check_all(self.server, kept)


class FailingDisk(unittest.TestCase, Checks):
    """fsync and write that fail, for a while or from the n-th call on."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="mreg-fault-"))
        self.addCleanup(lambda: subprocess.run(["rm", "-rf", str(self.folder)], check=False))
        self.faults = Faults(self.folder)
        self.addCleanup(self.faults.close)
        wrapper = harness.program("libfault_io.so")
        self.server = harness.Server(environment={"LD_PRELOAD": wrapper, "MREG_FAULTS": self.faults.path,
                                                  "MREG_LOG_LEVEL": "error"})
        self.addCleanup(self.server.remove)
        self.server.start()
        self.api = self.server.api
        number, files = one_version(self.api, "fraud", 60_000, b"first")
        self.kept = {("fraud", number): files}

    def try_push(self, size, mark):
        """Pushes; gives the refusal, or None."""
        try:
            number, files = one_version(self.api, "fraud", size, mark)
            self.kept["fraud", number] = files
            return None
        except harness.ApiError as refused:
            return refused.answer

    def come_back(self, mark):
        """The fault is over: the server must work again, itself or after the restart it asks for."""
        self.faults.set()
        def works():
            if self.server.process.poll() is not None:
                self.server.start()
            self.api = self.server.api
            return self.try_push(60_000, mark) is None
        harness.wait_until(works, 30, "work after the fault", 0.1)

    def sweep(self, size, statuses, **fault):
        """The fault from the n-th call on, for n = 0, 1, 2 ... until a push passes untouched."""
        for n_pass in range(200):
            before = self.faults.n_failed
            self.faults.set(n_pass=n_pass, **fault)
            answer = self.try_push(size, b"sweep %d %d " % (size, n_pass))
            self.faults.set()
            hit = self.faults.n_failed > before
            if answer is not None:
                self.assertIn(answer.status, statuses, answer)
            self.check_versions(self.api, dict(list(self.kept.items())[-2:]))
            if not hit and answer is None:
                return n_pass
        raise AssertionError("no push ever passed")

    def test_each_fsync_of_a_push(self):
        n = self.sweep(60_000, (500, 503, 507), sync_errno=errno.EIO)
        self.assertGreater(n, 1, "the fault was never hit")
        self.come_back(b"back")
        self.check_all(self.server, self.kept)

    def test_each_write_of_a_push(self):
        n = self.sweep(60_000, (500, 503, 507), write_errno=errno.EIO)
        self.assertGreater(n, 1, "the fault was never hit")
        self.come_back(b"back")
        self.check_all(self.server, self.kept)

    def test_each_write_without_space(self):
        for size in (900, 60_000):
            n = self.sweep(size, (507,), write_errno=errno.ENOSPC)
            self.assertGreater(n, 1, "the fault was never hit")
        self.come_back(b"back")
        self.check_all(self.server, self.kept)

    def test_fsync_fails_for_a_while(self):
        self.faults.set(sync_errno=errno.EIO)
        for i in range(10):
            answer = self.try_push(900 if i % 2 else 60_000, b"while %d" % i)
            self.assertIsNotNone(answer, "acknowledged without a sync")
            self.assertIn(answer.status, (500, 503, 507), answer)
        self.come_back(b"back")
        self.check_all(self.server, self.kept)


if __name__ == "__main__":
    unittest.main()
