"""The dashboard's build: the same sources give the same bytes, and those bytes are what the server serves
with the page's headers, from its own binary."""
import gzip
import hashlib
import pathlib
import re
import subprocess
import tempfile
import unittest
import urllib.request

import harness

WEB = pathlib.Path(__file__).resolve().parents[2] / "web"
HEADERS = {
    "Content-Security-Policy": ("default-src 'none'", "script-src 'self'", "frame-ancestors 'none'",
                                "require-trusted-types-for 'script'"),
    "X-Content-Type-Options": ("nosniff",),
    "Referrer-Policy": ("no-referrer",),
    "Cross-Origin-Opener-Policy": ("same-origin",),
}


def build(folder):
    """File name to bytes of one build."""
    subprocess.run(["bash", str(WEB / "build.sh"), folder], check=True, capture_output=True, timeout=300)
    return {p.name: p.read_bytes() for p in pathlib.Path(folder).iterdir()}


class Build(harness.ServerCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.builds = []
        for _ in range(2):
            folder = tempfile.TemporaryDirectory(prefix="mreg-web-")
            cls.addClassCleanup(folder.cleanup)
            cls.builds.append(build(folder.name))

    def fetch(self, path, headers=None):
        with urllib.request.urlopen(urllib.request.Request(self.server.url + path, headers=headers or {}),
                                    timeout=30) as answer:
            return answer.headers, answer.read()

    def test_two_builds_are_equal(self):
        digests = [{name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
                   for files in self.builds]
        self.assertEqual(digests[0], digests[1])
        names = {re.sub(r"-[A-Z2-7]{8}\.", "-HASH.", name) for name in digests[0]}
        packed = {"app.css", "app.js", "theme.js", "chunk-HASH.js", "late-HASH.js"}
        self.assertEqual(names, packed | {name + ".gz" for name in packed} | {"icon.svg", "index.html"})

    def test_packed_files(self):
        for name, data in self.builds[0].items():
            if name.endswith(".gz"):
                with self.subTest(name):
                    self.assertEqual(gzip.decompress(data), self.builds[0][name[:-3]])
                    headers, body = self.fetch("/" + name[:-3], {"Accept-Encoding": "gzip, br"})
                    self.assertEqual((headers["Content-Encoding"], headers["Vary"], body), ("gzip", "Accept-Encoding", data))

    def test_caching(self):
        """Files that are named by their content for a year; the others are asked for each time."""
        for name in self.builds[0]:
            if not name.endswith(".gz"):
                with self.subTest(name):
                    headers, _ = self.fetch("/" + name)
                    is_hashed = re.search(r"-[A-Z2-7]{8}\.js$", name) is not None
                    self.assertEqual(headers["Cache-Control"], "public, max-age=31536000, immutable" if is_hashed
                                     else "no-cache")
                    self.assertTrue(headers["ETag"])

    def test_the_server_serves_this_build(self):
        for name, data in self.builds[0].items():
            with self.subTest(name):
                self.assertEqual(data, self.fetch("/" + name)[1])
        self.assertEqual(self.builds[0]["index.html"], self.fetch("/models/team%2Fchurn")[1])

    def test_headers(self):
        for path in ("/", "/app.js", "/rollouts/r-1"):
            headers, _ = self.fetch(path)
            for name, parts in HEADERS.items():
                for part in parts:
                    with self.subTest(f"{path} {name} {part}"):
                        self.assertIn(part, headers.get(name, ""))

    def test_nothing_from_elsewhere(self):
        for name, data in self.builds[0].items():
            with self.subTest(name):
                urls = set(re.findall(rb"https?://[^\"'`\s<>)]+", data))
                self.assertLessEqual(urls, {b"http://www.w3.org/2000/svg", b"http://www.w3.org/1998/Math/MathML",
                                            b"http://www.w3.org/1999/xhtml", b"http://www.w3.org/1999/xlink"})


if __name__ == "__main__":
    unittest.main()
