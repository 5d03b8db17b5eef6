"""A file over 4 GiB goes in by parts and comes out unchanged, through the real command."""
import hashlib
import os
import pathlib
import shutil
import tempfile
import unittest

import harness

SIZE = (4 << 30) + (24 << 20) + 5  # over 4 GiB, with a short last part
MARK = b"the last bytes of a large file"


class LargeFile(harness.ServerCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="mreg-large-"))
        self.addCleanup(shutil.rmtree, self.folder)
        if shutil.disk_usage(self.folder).free < 20 << 30:
            self.skipTest("less than 20 GiB of free disk")

    def test_over_4_gib(self):
        source = self.folder / "in"
        source.mkdir()
        with open(source / "weights.bin", "wb") as out:  # sparse: zeros but for the two ends
            out.write(b"first")
            out.seek(SIZE - len(MARK))
            out.write(MARK)
        self.server.cli("login", self.server.url)
        self.server.cli("push", "large", source)
        version = self.api.get("/models/large/versions/1")
        self.assertEqual(version["size"], SIZE)
        path = f"/models/large/versions/1/files/{harness.quote('weights.bin')}"
        tail = self.api.expect(206, "GET", path, headers={"Range": f"bytes=-{len(MARK)}"})
        self.assertEqual(tail.body, MARK)
        middle = self.api.expect(206, "GET", path, headers={"Range": f"bytes={4 << 30}-{(4 << 30) + 3}"})
        self.assertEqual(middle.body, bytes(4))
        target = self.folder / "out"
        self.server.cli("pull", "large", target)
        self.server.cli("verify", target)
        self.assertEqual(os.path.getsize(target / "weights.bin"), SIZE)
        shutil.rmtree(source)
        self.assertEqual(digest_file(target / "weights.bin"), version["files"][0]["sha256"])


def digest_file(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    unittest.main()
