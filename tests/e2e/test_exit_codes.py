"""Every exit code of mreg is reached, and each is one that `mreg help exit-codes` explains."""
import http.server
import json
import os
import pathlib
import re
import signal
import subprocess
import threading
import unittest

import cliworld
import fleetcase
import harness

ROOT = pathlib.Path(__file__).resolve().parents[2]
reached = set()


class ExitCodes(cliworld.World):
    def leaves(self, code, *arguments, **more):
        done = self.mreg(*arguments, code=code, **more)
        reached.add(code)
        return done

    def start(self, *arguments):
        return subprocess.Popen([harness.program("mreg"), *arguments], env=self.settings(), cwd=self.work, text=True,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def ends(self, process, code):
        out, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, code, out + err)
        reached.add(code)
        return err

    def test_00_done(self):
        self.leaves(0, "list")
        self.leaves(0, "promote", "fraud@5", "production")  # it is live already
        self.leaves(0, "promote", "fraud@6", "production", "--dry-run")

    def test_01_failed(self):
        self.leaves(1, "diff", "fraud@1", "fraud@2", "--exit-code")
        self.leaves(1, "doctor", MREG_URL="http://127.0.0.1:1")

    def test_02_usage(self):
        for arguments in ((), ("nonsense",), ("list", "--nonsense"), ("rollout",), ("push", "fraud"), ("list", "-o", "x")):
            self.leaves(2, *arguments)

    def test_03_not_found(self):
        self.leaves(3, "show", "nothing")
        self.leaves(3, "list", "--context", "nowhere")

    def test_04_not_authenticated(self):
        self.leaves(4, "list", MREG_TOKEN="mrg_wrong")

    def test_05_not_allowed(self):
        reader = self.api.new_token("reader", "exit-reader")
        self.leaves(5, "model", "create", "x", MREG_TOKEN=reader.token)

    def test_06_conflict(self):
        self.leaves(6, "version", "delete", "fraud@5", "--yes")
        self.leaves(6, "rollout", "pause", self.ended_rollout()["r-55"])

    def test_07_verification(self):
        self.mreg("pull", "fraud@3", "./changed")
        with open(self.work / "changed/model.json", "a") as file:
            file.write("x")
        self.leaves(7, "verify", "./changed")

    def test_08_unreachable(self):
        self.leaves(8, "list", MREG_URL="http://127.0.0.1:1", MREG_TOKEN="x")

    def test_09_too_much(self):
        (self.work / "big.json").write_text(json.dumps({"x": "y" * (2 << 20)}))
        self.leaves(9, "env", "set", "production", "--policy", "big.json")

        class Busy(http.server.BaseHTTPRequestHandler):
            def log_message(self, *arguments):
                pass

            def do_GET(self):
                text = b'{"code":"throttled","detail":"slow down","request_id":"1"}'
                self.send_response(429)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

        busy = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Busy)
        threading.Thread(target=busy.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        self.addCleanup(busy.server_close)
        self.addCleanup(busy.shutdown)
        self.leaves(9, "list", MREG_URL=f"http://127.0.0.1:{busy.server_address[1]}", MREG_TOKEN="x")

    def test_10_rolled_back(self):
        model = self.new_model(1)
        self.push(model, intercept=2, golden=False, fail_load=True)
        done = self.leaves(10, "promote", f"{model}@2", "production", "--watch", "--timeout", "60s")
        self.assertIn("rolled-back", done.stderr)

    def test_11_still_running(self):
        done = self.leaves(11, "rollout", "watch", self.held(), "--timeout", "100ms")
        self.assertIn("come back with", done.stderr)

    def test_12_partly(self):
        for name in ("first", "second"):
            self.mreg("model", "create", name)
        done = self.leaves(12, "model", "delete", "first", "gone", "second", "--confirm", "first", "--confirm", "gone",
                           "--confirm", "second")
        self.assertIn("error: not-found: gone: ", done.stderr)
        self.assertIn("2 models removed", done.stderr)
        self.mreg("user", "create", "kim", "--role", "reader", "--password-file", "ana.password")
        told = json.loads(self.leaves(12, "user", "remove", "kim", "nobody", "--yes", "--json").stdout)
        self.assertEqual((told["removed"], told["failed"][0]["code"]), (["kim"], "not-found"))
        self.leaves(3, "user", "remove", "nobody", "noone", "--yes")

    def test_13_refused(self):
        done = self.leaves(13, "env", "delete", "production")
        self.assertIn("add --yes", done.stderr)
        self.leaves(13, "model", "delete", "fraud", "--yes")
        self.leaves(13, "node", "remove", "production", "n1", "--no-input")

    def test_14_approval(self):
        model = self.new_model()
        (self.work / "two.json").write_text(json.dumps({"approvals": 1}))
        done = self.leaves(14, "promote", f"{model}@2", "production", "--policy", "two.json", "--watch", "--until-approval",
                           "--timeout", "60s", MREG_TOKEN=self.deployer.token)
        self.assertRegex(done.stdout, r"r-\d+")

    def test_20_local(self):
        self.leaves(20, "push", "fraud", "./nowhere")
        with open("/dev/full", "w") as full:
            process = subprocess.run([harness.program("mreg"), "list"], env=self.settings(), stdout=full,
                                     stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, timeout=60)
        self.assertEqual(process.returncode, 20)

    def test_70_bug(self):
        process = self.start("rollout", "watch", self.held())
        process.stdout.readline()
        process.send_signal(signal.SIGABRT)
        said = self.ends(process, 70)
        self.assertIn("error: bug: ", said)
        report = pathlib.Path(re.search(r"report: (\S+)", said).group(1))
        self.assertEqual(report.stat().st_mode & 0o777, 0o600)
        text = report.read_text()
        self.assertIn("command rollout watch\nsignal 06\n", text)
        self.assertNotIn(self.server.token, text)

    def test_90_interrupted(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            process = self.start("rollout", "watch", self.held())
            process.stdout.readline()
            process.send_signal(number)
            self.assertIn("goes on", self.ends(process, 128 + number))
        process = self.start("list", "--watch")
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        self.ends(process, 130)

    def test_99_all(self):
        topics = json.loads(self.mreg("help", "--json").stdout)["topics"]
        rows = {int(r["term"]) for r in next(t for t in topics if t["name"] == "exit-codes")["rows"]}
        self.assertEqual(reached, rows)
        source = (ROOT / "cli/cli.h").read_text()
        named = set(map(int, re.findall(r"\bEXIT_\w+ = (\d+)", source)))
        self.assertEqual(named, rows)
        errors = next(t for t in topics if t["name"] == "errors")["rows"]
        codes = dict(re.findall(r'\{"([a-z-]+)", \d+, (\d+)\}', (ROOT / "lib/err.c").read_text()))
        told = {r["term"]: re.search(r"Exit code (\d+)", r["text"]).group(1) for r in errors}
        codes.pop("ok")
        self.assertEqual(told, {**codes, "unconfirmed": "13"})


if __name__ == "__main__":
    unittest.main()
