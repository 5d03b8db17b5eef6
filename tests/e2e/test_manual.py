"""What is made from the command table: manual pages, docs/commands.md, completions in real shells."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import cliworld
import harness
import tmuxcase

ROOT = pathlib.Path(__file__).resolve().parents[2]


def mreg(*arguments):
    return subprocess.run([harness.program("mreg"), *arguments], text=True, capture_output=True, check=True,
                          timeout=60, env=harness.clean_environment()).stdout


class ManualPages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="mreg-man-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)
        mreg("help", "--man", str(cls.folder / "man1"))
        cls.pages = sorted((cls.folder / "man1").glob("*.1"))
        cls.commands = json.loads(mreg("help", "--json"))["commands"]

    def test_a_page_for_every_command(self):
        names = {"mreg"} | {"mreg-" + c["name"].replace(" ", "-") for c in self.commands}
        self.assertEqual({page.stem for page in self.pages}, names)
        for page in self.pages:
            for name in re.findall(r"^\.(?:It )?Xr (\S+) 1", page.read_text(), re.M):
                self.assertIn(name, names, f"{page.name} names {name}")

    def test_pages_say_what_help_says(self):
        for command in self.commands:
            text = (self.folder / "man1" / ("mreg-" + command["name"].replace(" ", "-") + ".1")).read_text()
            for option in command["options"]:
                name = option["name"].replace("-", "\\-")
                self.assertRegex(text, rf"Fl \\-(\\&)?{re.escape(name)}\b")
            self.assertIn(".Sh EXAMPLES", text)

    @unittest.skipUnless(shutil.which("mandoc"), "mandoc is not installed")
    def test_mandoc(self):
        done = subprocess.run(["mandoc", "-Tlint", *map(str, self.pages)], text=True, capture_output=True, timeout=60)
        # It looks for other pages where this system has its own.
        found = [line for line in (done.stdout + done.stderr).splitlines() if "referenced manual not found" not in line]
        self.assertEqual(found, [])

    @unittest.skipUnless(shutil.which("groff"), "groff is not installed")
    def test_groff(self):
        for page in self.pages:
            done = subprocess.run(["groff", "-mandoc", "-Tutf8", "-ww", "-z", str(page)], text=True,
                                  capture_output=True, timeout=60)
            self.assertEqual((done.returncode, done.stderr), (0, ""), page.name)

    def test_markdown_is_current(self):
        self.assertEqual(mreg("help", "--markdown"), (ROOT / "docs/commands.md").read_text(),
                         "run: mreg help --markdown > docs/commands.md")

    def test_topics(self):
        for topic in json.loads(mreg("help", "--json"))["topics"]:
            text = mreg("help", topic["name"])
            for row in topic["rows"]:
                self.assertIn(row["term"], text)
        self.assertIn("not-found: ", mreg("help", "errors", "not-found"))


class Completion(cliworld.World):
    def setUp(self):
        for path in (self.home / "cache/mreg").glob("complete-*"):
            path.unlink()

    def complete(self, *words, **environment):
        lines = self.mreg("__complete", *words, **environment).stdout.splitlines()
        return [line.split("\t")[0] for line in lines]

    def test_words(self):
        held = self.held()
        for words, wanted in ((["pu"], ["push", "pull"]), (["rollout", "pau"], ["pause"]), (["roll"], ["rollback", "rollout"]),
                              (["show", "fra"], ["fraud", ":nospace"]), (["list", "fra"], ["fraud"]),
                              (["show", "fraud@c"], ["fraud@candidate", "fraud@champion"]),
                              (["show", "fraud@lat"], ["fraud@latest"]), (["show", "nothing@"], []),
                              (["promote", "fraud@8", "p"], ["production"]), (["rollback", "fraud", "-e", "p"], ["production"]),
                              (["rollback", "fraud", "--env=p"], ["--env=production"]), (["rollback", "x", "--en"], ["--env"]),
                              (["node", "show", "production", ""], ["n1", "n2"]),
                              (["alias", "delete", "fraud", "c"], ["candidate", "champion"]),
                              (["rollout", "pause", ""], [held]), (["completion", ""], ["bash", "zsh", "fish"]),
                              (["-o", "ya"], ["yaml"]), (["--output=ya"], ["--output=yaml"]), (["context", "use", ""], ["default"]),
                              (["config", "get", "col"], ["color"]), (["push", "fraud", ""], [":files"]),
                              (["pull", "fraud", ""], [":folders"]), (["ls", "fra"], ["fraud"]), (["help", "exit"], ["exit-codes"]),
                              (["version", "del"], ["delete"]), (["--context", "def"], ["default"]), (["nonsense", ""], []),
                              (["token", "create", "x", "--role", "ad"], ["admin"])):
            with self.subTest(words=words):
                self.assertEqual(self.complete(*words), wanted)

    def test_every_place_is_quick_and_silent(self):
        for command in self.commands():
            for n in range(3):
                done = self.mreg("__complete", *command["name"].split(), *["x"] * n, "")
                self.assertEqual(done.stderr, "", command["name"])

    def test_cache_and_dead_server(self):
        self.complete("alias", "delete", "fraud", "")
        self.api.put("/models/fraud/aliases/tinned", {"version": 1})
        self.assertNotIn("tinned", self.complete("alias", "delete", "fraud", ""))  # for a minute
        for path in (self.home / "cache/mreg").glob("complete-*"):
            self.assertEqual(path.stat().st_mode & 0o777, 0o600)
            os.utime(path, (path.stat().st_atime, path.stat().st_mtime - 61))
        self.assertIn("tinned", self.complete("alias", "delete", "fraud", ""))
        self.assertEqual(self.complete("show", "fra", MREG_URL="http://127.0.0.1:1", MREG_TOKEN="x"), [":nospace"])
        (self.home / "config/mreg/config").write_text("nonsense\n")
        self.assertEqual(self.complete("pus"), ["push"])
        (self.home / "config/mreg/config").unlink()

    def test_bash(self):
        script = ('source <(mreg completion bash); COMP_LINE="$1"; COMP_POINT=${#COMP_LINE}; _mreg; '
                  'printf "%s\\n" "${COMPREPLY[@]}"')

        def reply(line):
            done = subprocess.run(["bash", "-c", script, "bash", line], env=self.settings(), cwd=self.work, text=True,
                                  capture_output=True, timeout=60)
            self.assertEqual(done.returncode, 0, done.stderr)
            return done.stdout.split()

        self.assertEqual(reply("mreg show fraud@ch"), ["champion"])  # bash breaks words at '@'
        self.assertEqual(reply("mreg rollback fraud --env=pr"), ["production"])
        self.assertEqual(reply("mreg rollout hal"), ["halt"])
        self.assertIn("policy.json", reply("mreg env create x --policy "))
        self.assertEqual(reply("mreg pull fraud@3 o"), ["out"])

    @unittest.skipUnless(shutil.which("fish"), "fish is not installed")
    def test_fish(self):
        def reply(line):
            done = subprocess.run(["fish", "--no-config", "-c", f"mreg completion fish | source; complete -C '{line}'"],
                                  env=self.settings(), cwd=self.work, text=True, capture_output=True, timeout=60)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            return [row.split("\t")[0] for row in done.stdout.splitlines()]

        self.assertEqual(sorted(reply("mreg show fraud@c")), ["fraud@candidate", "fraud@champion"])
        self.assertEqual(reply("mreg rollout hal"), ["halt"])
        self.assertEqual(reply("mreg promote fraud@8 p"), ["production"])

    @unittest.skipUnless(shutil.which("zsh") and shutil.which("tmux"), "zsh or tmux is not installed")
    def test_zsh(self):
        with tmuxcase.Terminal(80, 24, self.settings(), self.work, "zsh -f") as terminal:
            terminal.run("PS1='$ '; autoload -Uz compinit; compinit -D -u; source <(mreg completion zsh); print rea''dy")
            terminal.wait_for("\nready")
            for typed, wanted in (("mreg show fraud@ch", "mreg show fraud@champion"), ("mreg rollout hal", "mreg rollout halt"),
                                  ("mreg promote fraud@8 p", "mreg promote fraud@8 production")):
                terminal.run("clear")
                terminal.wait_for(lambda shown: shown.strip() == "$")
                terminal.type(typed)
                terminal.wait_for(typed)
                terminal.key("Tab")
                terminal.wait_for(wanted)
                terminal.key("C-u")


if __name__ == "__main__":
    unittest.main()
