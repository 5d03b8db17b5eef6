"""Views that are drawn again and again, in real terminals (tmux) of 80 and 200 columns: rollout watch, status
--watch, list --watch. Nothing is wider than the screen, nothing old is left standing, and no redraw clears it.
And the example of every command, whose tables are no wider than the screen either."""
import re
import shutil
import subprocess
import unittest

import cliworld
import harness
from tmuxcase import Terminal

SIZES = ((80, 24), (200, 50))


class EveryCommand:
    """The example of every command in one long session: nothing that it prints is wider than the screen."""
    columns, rows = 0, 0
    # What they print is a file for others, or belongs to another program.
    FREE = {"api", "completion", "ci init", "keys export", "node register", "plugin list"}

    def test_fits(self):
        with Terminal(self.columns, self.rows, self.settings(), self.work) as terminal:
            terminal.tmux("set-option", "-g", "history-limit", "5000")
            for number, command in enumerate(self.commands()):
                with self.subTest(command=command["name"]):
                    self.run_one(terminal, number, command)
                    self.doCleanups()

    def run_one(self, terminal, number, command):
        line, mark = self.line_of(command), f"ended-{number}"
        script = self.work.parent / "example.sh"
        script.write_text(f"clear\n{line}\necho {mark}.$?.\n")
        terminal.tmux("clear-history")
        terminal.run("sh ../example.sh")
        if command["name"] in cliworld.ASKS:
            terminal.wait_for("[y/N]")
            terminal.run("y")
        shown = terminal.wait_for(lambda text: re.search(mark + r"\.\d+\.", text), 60)
        self.assertRegex(shown, mark + r"\.[01]\.")
        if command["name"] in self.FREE:
            return
        wrapped = self.wrapped(terminal.tmux("capture-pane", "-p", "-J", "-S", "-"), line)
        self.assertEqual(wrapped, [], f"{line}: wider than {self.columns} columns")

    def wrapped(self, shown, line):
        """Joined lines that are longer than the screen is wide; a sentence may be, a table may not."""
        return [text for text in shown.split("\n")
                if len(text.rstrip()) > self.columns and not self.is_sentence(text)]

    def is_sentence(self, text):
        return not re.search(r"\S   *\S.*\S   *\S", text.strip())


@unittest.skipUnless(shutil.which("tmux"), "tmux is not installed")
class At80(EveryCommand, cliworld.World):
    columns, rows = 80, 24


@unittest.skipUnless(shutil.which("tmux"), "tmux is not installed")
class At200(EveryCommand, cliworld.World):
    columns, rows = 200, 50


@unittest.skipUnless(shutil.which("tmux"), "tmux is not installed")
class Screens(cliworld.World):
    def open(self, columns, rows, *arguments):
        terminal = Terminal(columns, rows, self.settings(), self.work)
        terminal.__enter__()
        self.addCleanup(terminal.__exit__)
        terminal.run("clear; mreg " + " ".join(arguments) + "; echo ended $?")
        return terminal

    def fits(self, shown, columns, rows):
        lines = shown.rstrip("\n").split("\n")
        self.assertLessEqual(len(lines), rows)
        self.assertTrue(all(len(line) <= columns for line in lines), shown)

    def test_status(self):
        for columns, rows in SIZES:
            with self.subTest(columns=columns):
                terminal = self.open(columns, rows, "status", "--watch")
                shown = terminal.wait_for("q leaves")
                self.fits(shown, columns, rows)
                self.assertRegex(shown, r"produc\S* +fraud +5 .* n1 +5 ")
                model = self.new_model(1)
                shown = terminal.wait_for(lambda text: re.search(rf"produc\S* +{model[:4]}\S* +1 .* n2 ", text))
                self.fits(shown, columns, rows)
                self.assertEqual(shown.count("ENV "), 1)
                terminal.key("q")
                terminal.wait_for("ended 0")

    def test_list_grows_and_shrinks(self):
        for columns, rows in SIZES:
            with self.subTest(columns=columns):
                terminal = self.open(columns, rows, "alias", "list", "fraud", "--watch")
                terminal.wait_for("champion")
                self.api.put("/models/fraud/aliases/passing", {"version": 2})
                shown = terminal.wait_for("passing")
                self.fits(shown, columns, rows)
                self.api.delete("/models/fraud/aliases/passing")
                shown = terminal.wait_for(lambda text: "passing" not in text and "champion" in text)
                self.assertEqual(shown.count("ALIAS"), 1)
                terminal.resize(60, 20)
                terminal.wait_for(lambda text: "champion" in text and all(len(l) <= 60 for l in text.split("\n")))
                terminal.key("C-c")
                terminal.wait_for("ended 130")

    def test_rollout_watch(self):
        for columns, rows in SIZES:
            with self.subTest(columns=columns):
                held = self.held()
                terminal = self.open(columns, rows, "rollout", "watch", held)
                shown = terminal.wait_for(lambda text: held in text and "q leave" in text)
                self.fits(shown, columns, rows)
                terminal.key("p")
                terminal.wait_for(f"pause {held}?")
                terminal.key("y")
                self.wait_phase(held, "paused")
                terminal.wait_for("paused")
                terminal.key("a")
                terminal.wait_for(f"abort {held}?")
                terminal.key("y")
                shown = terminal.wait_for("ended 10")
                self.assertIn("rolled", shown)
                self.assertNotIn("q leave", shown)

    def test_step_that_has_ended_meanwhile(self):
        """Who agreed to the end of step 1 does not end step 2."""
        for words, key, code in ((["watch"], "y", 0), (["promote"], "y\n", 6)):
            with self.subTest(words=words):
                held = self.held(steps=[{"nodes": 1, "bake": "10m"}, {"percent": 100, "bake": "10m"}])
                terminal = self.open(120, 40, "rollout", *words, held)
                if words == ["watch"]:
                    terminal.wait_for("end this step now")
                    terminal.key("n")
                terminal.wait_for("ends step 1 of 2 now")
                self.command(held, "promote")
                self.wait_for(lambda: self.rollout(held)["step"] == 2, what="the next step")
                if words == ["watch"]:
                    terminal.wait_for("step 2/2")
                terminal.type(key)
                terminal.wait_for("at step 2")
                if words == ["watch"]:
                    terminal.key("q")
                terminal.wait_for(f"ended {code or 11}")
                self.assertEqual((self.rollout(held)["step"], self.rollout(held)["phase"]), (2, "running"))

    def test_rollout_that_has_gone_through_much(self):
        held = self.held()
        for i in range(1, 251):
            self.deployer.post(f"/rollouts/{held}/commands", {"verb": "extend", "for": "1s", "reason": f"try {i}"})
        shown = self.mreg("rollout", "show", held).stdout
        self.assertRegex(shown, rf"\n  \d\d\d earlier: mreg rollout logs {held}\n")
        self.assertIn("try 250", shown.splitlines()[-1])

    def test_redraw_does_not_flicker(self):
        """After the first picture the screen is never cleared: lines are written over and their ends erased."""
        shown = self.drawn()
        self.assertEqual(shown.count("\x1b[2J"), 1)
        self.assertGreaterEqual(shown.count("\x1b[H"), 2)
        self.assertNotIn("\x1b[3J", shown)
        self.assertEqual(shown.count("\x1b[?25l"), shown.count("\x1b[?25h"))

    def drawn(self):
        """All bytes of `list --watch` until its second picture."""
        return cliworld.run_in_terminal(["mreg", "list", "--watch"], self.settings(), self.work,
                                        [("\x1b[H", ""), ("\x1b[J\x1b[H", "q")])[1]

    def test_pipe_and_accessible(self):
        """Without a screen to draw on, it is printed again when it has changed."""
        for extra in ([], ["--accessible"]):
            process = subprocess.Popen([harness.program("mreg"), "alias", "list", "fraud", "--watch", *extra],
                                       env=self.settings(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                       stderr=subprocess.DEVNULL, text=True)
            first = [process.stdout.readline() for _ in range(4)]
            self.assertTrue(any("champion" in line for line in first), first)
            self.api.put("/models/fraud/aliases/later", {"version": 2})
            again = [process.stdout.readline() for _ in range(5)]
            self.assertTrue(any("later" in line for line in again), again)
            self.assertNotIn("\x1b", "".join(first + again))
            process.terminate()
            self.assertEqual(process.wait(30), 143)
            process.stdout.close()
            self.api.delete("/models/fraud/aliases/later")

    def test_plain_watch_of_what_has_ended(self):
        """Lines, with the time when it ended and not when it was asked."""
        made = self.ended_rollout()["r-55"]
        ended = self.rollout(made)["ended"]
        for extra in (["-o", "plain"], ["--accessible"], ["--plain"]):
            code, shown = cliworld.run_in_terminal(["mreg", "rollout", "watch", made, *extra],
                                                   self.settings(NO_COLOR="1"), self.work)
            self.assertEqual((code, shown.split("\t")[:3]), (0, [ended, made, "succeeded"]), shown)
            self.assertNotIn("\x1b", shown)


if __name__ == "__main__":
    unittest.main()
