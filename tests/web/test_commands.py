"""The commands that pages show: each is one of mreg's, with options that it has."""
import pathlib
import re
import subprocess
import unittest

import harness

SOURCES = pathlib.Path(__file__).resolve().parents[2] / "web" / "src"
SHOWN = re.compile(r"`mreg ([^`]*(?:`[^`]*`[^`]*)*?)`|\"mreg ([^\"]*)\"|>mreg ([^<]*)<")


def shown():
    """Command lines of all pages, templates and all."""
    for path in sorted(SOURCES.rglob("*.tsx")):
        for found in SHOWN.finditer(path.read_text()):
            yield path.name, next(part for part in found.groups() if part is not None)


class Commands(unittest.TestCase):
    def help_of(self, *words):
        done = subprocess.run([harness.program("mreg"), *words, "--help"], text=True, capture_output=True,
                              timeout=30, env=harness.clean_environment(), stdin=subprocess.DEVNULL)
        return done.stdout if done.returncode == 0 and f"mreg {' '.join(words)}" in done.stdout else None

    def test_shown_commands_exist(self):
        lines = list(shown())
        self.assertGreater(len(lines), 25, lines)
        for name, line in lines:
            with self.subTest(f"{name}: mreg {line}"):
                words = re.findall(r"^[a-z-]+(?: [a-z-]+)?", line)[0].split()
                text = self.help_of(*words) or self.help_of(words[0])
                self.assertIsNotNone(text, "no such command")
                for option in re.findall(r"--[a-z-]+", line):
                    self.assertIn(option, text)


if __name__ == "__main__":
    unittest.main()
