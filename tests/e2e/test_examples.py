"""The example of every command, run against a real server: from a pipe, in a terminal of 80 columns, and with
--json; what is shown is compared with tests/golden/cli. MREG_UPDATE_GOLDEN=1 writes these files anew,
MREG_ONLY="list,show" runs some examples only."""
import json
import os
import pathlib
import re
import unittest

from cliworld import World

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden/cli"
# What is shown depends on how far things have come: only the exit code is compared.
MOVING = {"promote", "rollout show", "rollout watch", "rollout list", "analysis show", "analysis replay", "status",
          "doctor", "node check", "node show", "node drain", "webhook test", "webhook redeliver", "pull", "history",
          "blame", "rollout simulate", "router check", "router list", "router show", "target set",
          "node cordon", "node uncordon", "node list", "push", "queue list", "target list"}

# It becomes another program, to which the output belongs.
SILENT = {"node register"}
# The reference node and the router of the test lack something, which these tell.
CODES = {"node check": (0, 1), "router check": (0, 1)}

TEXTS = [
    (re.compile(r"\x1b\[[0-9;?]*[A-Za-z]"), ""),
    (re.compile(r"/\S*?mreg-(?:home|node|test|haproxy)-\w+"), "<folder>"),
    (re.compile(r"127\.0\.0\.1:\d+"), "<address>"),
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?(?:\.\d+)?Z?"), "<time>"),
    (re.compile(r"SHA256:[A-Za-z0-9+/]{20,}"), "<key>"),
    (re.compile(r"\b(?:sha256:)?[0-9a-f]{64}\b"), "<digest>"),
    (re.compile(r"\b[0-9a-f]{40}\b"), "<commit>"),
    (re.compile(r"\b(mrg|whsec|whpk)_[A-Za-z0-9+/=_-]+"), r"\1_<secret>"),
    (re.compile(r"\breg-[0-9a-z]+"), "<registry>"),
    (re.compile(r"\b([rthfu])-\d+\b"), r"\1-N"),
    (re.compile(r"\b(model|preview|by-hand|hook|spare|node)-\d+\b"), r"\1-N"),
    (re.compile(r"\b\d+(?:\.\d+)? ?(?:ms|s|min|h|d)\b(?: ago)?"), "<while>"),
    (re.compile(r"\bin \d+(?:\.\d+)? ?(?:ms|s)\b"), "in <while>"),
    (re.compile(r"(?m)^(cursor +)\d+"), r"\1<n>"),
    (re.compile(r"(request: )\S+"), r"\1<request>"),
    (re.compile(r"\d+(\.\d+)? [kMGT]?B free"), "<space> free"),
]
# Members whose values are different in every run.
NUMBERS = {"seq", "number", "revision", "generation", "took_ms", "cursor", "n_pending", "step", "log_e", "phi",
           "next", "hint", "etag"}


def plain(text):
    for pattern, by in TEXTS:
        text = pattern.sub(by, text)
    return text


def plain_json(value, key=""):
    if isinstance(value, dict):
        return {plain(k): plain_json(v, k) for k, v in sorted(value.items())}
    if isinstance(value, list):
        return [plain_json(item, key) for item in value]
    if key in NUMBERS or (isinstance(value, int) and abs(value) > 1000000):
        return "<n>"
    return plain(value) if isinstance(value, str) else value


def plain_lines(text):
    """Cells that were cut, and the blanks that only align, depend on the width of ids and ports."""
    lines = []
    for line in plain(text).split("\n"):
        cells = re.split(r"  +", line.rstrip())
        lines.append("  ".join("<cut>" if "…" in cell else cell for cell in cells))
    return "\n".join(lines)


class Examples(World):
    mode = None

    def shown(self, line, code, out, err):
        if self.mode == "json" and out.strip():
            self.assertEqual(out.count("\n"), 1, out)  # one object on one line
            out = json.dumps(plain_json(json.loads(out)), indent=1, ensure_ascii=False) + "\n"
        parts = [f"$ {plain(line)}\nexit {code}\n", out if self.mode == "json" else plain_lines(out)]
        if err:
            parts.append("--- standard error\n" + plain_lines(err))
        return "".join(parts).rstrip("\n") + "\n"

    def compare(self, name, text):
        path = GOLDEN / self.mode / (name.replace(" ", "-") + ".txt")
        if os.environ.get("MREG_UPDATE_GOLDEN"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            return
        self.assertTrue(path.exists(), f"{path} is missing: MREG_UPDATE_GOLDEN=1 makes it")
        self.assertEqual(text, path.read_text(), f"{name}: not what {path.name} says")

    def check_width(self, shown):
        for line in shown.split("\n"):
            line = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line.rsplit("\r", 1)[-1])
            if "  " in line.strip() and not line.startswith(("{", " ", "hint", "usage", "fix")):
                self.assertLessEqual(len(line), 110, line)

    def run_all(self):
        commands = self.commands()
        self.assertGreater(len(commands), 90)
        only = os.environ.get("MREG_ONLY", "").split(",")
        for command in commands:
            if only != [""] and command["name"] not in only:
                continue
            with self.subTest(command=command["name"]):
                line, code, out, err = self.run_example(command, self.mode)
                self.assertIn(code, CODES.get(command["name"], (0,)), f"{line}\n{out}{err}")
                if self.mode == "json" and command["name"] not in SILENT:
                    self.assertEqual(err, "", line)
                    json.loads(out)
                if command["name"] in MOVING:
                    self.compare(command["name"], f"$ {plain(line)}\nexit {code}\n")
                else:
                    self.compare(command["name"], self.shown(line, code, out, err))
                self.doCleanups()


class InPipe(Examples):
    mode = "pipe"

    def test_all(self):
        self.run_all()


class InTerminal(Examples):
    mode = "terminal"

    def test_all(self):
        self.run_all()


class AsJson(Examples):
    mode = "json"

    def test_all(self):
        self.run_all()


del World, Examples  # only those with a mode are run

if __name__ == "__main__":
    unittest.main()
