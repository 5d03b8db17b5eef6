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
    (re.compile(r"\b\d\d:\d\d:\d\d\b"), "<clock>"),
    (re.compile(r"\b\d+h \d\dm\b|\b\d+m \d\ds\b"), "<while>"),
    (re.compile(r"\b\d+(?:\.\d+)? ?(?:ms|s|min|h|d)\b(?: ago)?"), "<while>"),
    (re.compile(r"\bp1(?:-[0-9a-f]{8,})+"), "<plan>"),
    (re.compile(r'valid-after=(\\?")\d+Z'), r"valid-after=\1<time>"),
    (re.compile(r"ssh-ed25519 \S{60,}?(?=\\n|\s|$)"), "ssh-ed25519 <key>"),
    (re.compile(r"(?m)^\d+(?=[\t ]+<time>)"), "<n>"),
    (re.compile(r"(?m)^\d+(?=  +<while>  +(?:mregd|dora|first admin)\b)"), "<n>"),
    (re.compile(r"(?m)(?<=\t)\d+(?=\t<time>\t(?:dora|first admin) \(t-N\)\t(?:annotated|published|set) )"),
     "<n>"),
    (re.compile(r"(?m)(?<=\t)\d+(?=\t<time>\tt-N\t)|(?<=  )\d+(?=  +<time>  +t-N)"), "<n>"),
    (re.compile(r"(?m)^( +(?:database|its log|free) +)\S+ [kMGT]?B$"), r"\1<size>"),
    (re.compile(r"\d+ rows, \d+ without"), "<n> rows, <n> without"),
    (re.compile(r"\bin \d+(?:\.\d+)? ?(?:ms|s)\b"), "in <while>"),
    (re.compile(r"(?m)^(cursor +)\d+"), r"\1<n>"),
    (re.compile(r"(request: )\S+"), r"\1<request>"),
    (re.compile(r"\d+(\.\d+)? [kMGT]?B free"), "<space> free"),
]
# Members whose values are different in every run.
NUMBERS = {"seq", "number", "revision", "generation", "took_ms", "cursor", "n_pending", "step", "log_e", "phi",
           "next", "hint", "etag", "rows", "published"}


# What a node did meanwhile, which is told newest first.
OPERATIONS = re.compile(r"(?m)(?:^<time>[\t ]+(?:stage|load|unload|switch|golden|place|remove|observe)\b.*\n)+")
# Lines of a rollout that is watched, of which some may be missed.
WATCHED = re.compile(r"(?m)(?:^<time>\tr-N\t.*\n)+(?=<time>\tr-N\t)")


def last_picture(text):
    """What a terminal shows in the end of what is drawn again and again."""
    before, home, pictures = text.partition("\x1b[H")
    return before + pictures.rsplit("\x1b[H", 1)[-1] if home else text


def plain(text):
    for pattern, by in TEXTS:
        text = pattern.sub(by, text)
    return text


def plain_json(value, key=""):
    if isinstance(value, dict):
        value = {k: v for k, v in value.items() if k != "commit" or "seq" not in value}
        if "operations" in value and "admin_url" in value:
            value = {**value, "operations": sorted({one["action"] for one in value["operations"]})}
        return {plain(k): plain_json(v, k) for k, v in sorted(value.items())}
    if isinstance(value, list):
        return [plain_json(item, key) for item in value]
    if key in NUMBERS or (key.endswith("_ms") and isinstance(value, int)) or (isinstance(value, int) and abs(value) > 1000000):
        return "<n>"
    return plain(value) if isinstance(value, str) else value


def plain_lines(text):
    """Cells that were cut, and the blanks that only align, depend on the width of ids and ports."""
    lines = []
    for line in plain(re.sub(r"(?m)^.*\r", "", text)).split("\n"):
        cells = re.split(r"  +", line.rstrip())
        lines.append("  ".join("<cut>" if "…" in cell else cell for cell in cells))
    return WATCHED.sub("", OPERATIONS.sub("<operations>\n", "\n".join(lines)))


class Examples(World):
    mode = None

    def shown(self, line, code, out, err):
        if self.mode == "json" and out.strip():
            self.assertEqual(out.count("\n"), 1, out)  # one object on one line
            out = json.dumps(plain_json(json.loads(out)), indent=1, ensure_ascii=False) + "\n"
        out = last_picture(out) if self.mode == "terminal" else out
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
