"""A real terminal to look at: tmux with a screen of a given size, on a socket of its own."""
import pathlib
import shutil
import subprocess
import tempfile

import harness


class Terminal:
    """with Terminal(80, 24, environment, folder) as t: t.type("mreg list\\n"); t.wait_for("fraud")"""

    def __init__(self, columns, rows, environment, folder, shell="sh"):
        self.room = pathlib.Path(tempfile.mkdtemp(prefix="mreg-tmux-"))
        self.size = (columns, rows)
        self.environment = {**environment, "PS1": "$ ", "TERM": "xterm-256color", "SHELL": "/bin/sh"}
        self.folder, self.shell = folder, shell

    def tmux(self, *arguments):
        done = subprocess.run(["tmux", "-S", str(self.room / "socket"), "-f", "/dev/null", *map(str, arguments)],
                              env=self.environment, text=True, capture_output=True, timeout=60)
        if done.returncode:
            raise AssertionError(f"tmux {arguments}: {done.stderr}")
        return done.stdout

    def __enter__(self):
        columns, rows = self.size
        self.tmux("new-session", "-d", "-x", columns, "-y", rows, "-c", self.folder, self.shell)
        self.tmux("set-option", "-g", "status", "off")
        return self

    def __exit__(self, *_):
        try:
            self.tmux("kill-server")
        except AssertionError:
            pass  # the shell has ended, and the server with it
        shutil.rmtree(self.room, ignore_errors=True)

    def type(self, text):
        self.tmux("send-keys", "-l", text)

    def key(self, name):
        """Enter, Tab, C-c ..."""
        self.tmux("send-keys", name)

    def run(self, line):
        self.type(line)
        self.key("Enter")

    def resize(self, columns, rows):
        self.tmux("resize-window", "-x", columns, "-y", rows)

    def screen(self):
        return self.tmux("capture-pane", "-p")

    def wait_for(self, condition, seconds=30, what=None):
        """Waits until a text is on the screen, or condition(screen) is true; gives the screen."""
        is_there = condition if callable(condition) else lambda shown: condition in shown
        last = []

        def look():
            last[:] = [self.screen()]
            return is_there(last[0])

        try:
            harness.wait_until(look, seconds, what or repr(condition))
        except AssertionError as fault:
            raise AssertionError(f"{fault}\n{last[0]}") from None
        return last[0]
