"""The machine's clock is set while mregd runs, and before it starts: time goes on evenly, nothing that
waits ends early or late, nothing is refused that was just allowed. clock_set.c sets it, for mregd alone."""
import datetime
import mmap
import pathlib
import struct
import tempfile
import time
import unittest

import fleetcase
import harness

HOUR_MS = 3_600_000


def ms_of(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000


class ClockSet(fleetcase.FleetCase):
    n_nodes = 2

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="mreg-clock-")
        cls.addClassCleanup(folder.cleanup)
        path = pathlib.Path(folder.name) / "clock"
        path.write_bytes(bytes(4096))
        file = open(path, "r+b")
        cls.addClassCleanup(file.close)
        cls.page = mmap.mmap(file.fileno(), 4096)
        cls.addClassCleanup(cls.page.close)
        cls.environment = {"LD_PRELOAD": harness.program("libclock_set.so"), "MREG_CLOCK": str(path)}
        super().setUpClass()

    def set(self, by_ms):
        self.page[0:8] = struct.pack("q", by_ms)

    def rows(self):
        rows = self.api.get("/history?limit=500")["items"]
        return sorted((row["seq"], ms_of(row["time"])) for row in rows)

    def rolls_out(self, version, bake_s):
        """A rollout with a bake takes what it takes, to a tenth, by the test's own clock."""
        began = time.monotonic()
        rollout = self.promote("steady", version, {"strategy": "all-at-once", "gates": [], "bake": f"{bake_s}s"})
        self.wait_phase(rollout["id"], "succeeded", 30)
        took = time.monotonic() - began
        self.assertGreaterEqual(took, bake_s * 0.9)
        self.assertLess(took, bake_s + 15)

    def test_it_is_set(self):
        for intercept in range(3):
            self.push("steady", intercept)
        token = self.api.post("/tokens", {"name": "short", "role": "reader", "expires": "1h"})["token"]
        self.rolls_out(1, 3)
        for by_ms, version in ((-HOUR_MS, 2), (-HOUR_MS + 300_000, 3), (-24 * HOUR_MS, 1)):
            with self.subTest(f"set to {by_ms} ms"):
                self.set(by_ms)
                self.rolls_out(version, 3)
                self.assertEqual(self.api.as_token(token).call("GET", "/whoami").status, 200)
        self.api.post("/models", {"name": "before"})
        self.server.stop()
        self.server.start()
        self.api = self.server.api  # at a new port
        self.assertIn("behind the journal's last entry", self.server.log())
        self.api.post("/models", {"name": "after"})
        self.rolls_out(2, 3)
        rows = self.rows()
        self.assertEqual([at for _, at in rows], sorted(at for _, at in rows), "time went back")
        self.assertLess(abs(rows[-1][1] - time.time() * 1000), 60_000, "it runs as it did")
        times = [at for seq, at in rows[-5:]]
        self.assertGreater(times[-1] - times[0], 1000, "time stands")


if __name__ == "__main__":
    unittest.main()
