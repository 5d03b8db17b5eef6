"""The real mreg against a real mregd: login and pins, pushes and pulls and their interruption, what verify
finds, tables, pipes and JSON, roles, wrong usage, exit codes, and rollouts as the command shows them."""
import base64
import collections
import fcntl
import http.client
import http.server
import json
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import tempfile
import termios
import threading
import unittest

import fleetcase
import harness

MIB = 1 << 20
PART = 16 * MIB
DONE, FAILED, USAGE, NOT_FOUND, NO_LOGIN, FORBIDDEN, CONFLICT, CHANGED, UNREACHABLE, TOO_MUCH = range(10)
ROLLED_BACK, STILL_RUNNING, REFUSED, LOCAL_IO, INTERRUPTED, TERMINATED = 10, 11, 13, 20, 130, 143


class Home:
    """A person's home folder, without login unless `login` is called; runs mreg there."""

    def __init__(self, case, server, token=None):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="mreg-home-"))
        case.addCleanup(shutil.rmtree, self.folder, True)
        self.server = server
        self.token_file = self.folder / "token"
        self.token_file.write_text((token or server.token) + "\n")

    def environment(self, **more):
        settings = {"HOME": self.folder, "XDG_CONFIG_HOME": self.folder / "config", "TERM": "xterm",
                    "XDG_CACHE_HOME": self.folder / "cache", "LC_ALL": "C.UTF-8", **more}
        environment = harness.clean_environment(**settings)
        for name in ("GITHUB_ACTIONS", "GITLAB_CI", "CIRCLECI", "TRAVIS", "BUILDKITE", "JENKINS_URL", "COLUMNS",
                     "NO_COLOR"):
            if name not in more:
                environment.pop(name, None)
        return environment

    def start(self, *arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, **environment):
        for folder in ("config", "cache"):
            (self.folder / folder).mkdir(exist_ok=True)
        return subprocess.Popen([harness.program("mreg"), *map(str, arguments)], stdin=stdin, stdout=stdout,
                                stderr=subprocess.PIPE, cwd=self.folder, text=True, errors="replace",
                                env=self.environment(**environment))

    def run(self, *arguments, code=DONE, input=None, **environment):
        """Runs to its end and checks the exit code."""
        process = self.start(*arguments, stdin=subprocess.DEVNULL if input is None else subprocess.PIPE,
                             **environment)
        out, err = process.communicate(input, timeout=300)
        if process.returncode != code:
            raise AssertionError(f"mreg {' '.join(map(str, arguments))} gave {process.returncode}, "
                                 f"not {code}\n{out}{err}")
        return subprocess.CompletedProcess(arguments, code, out, err)

    def json(self, *arguments, code=DONE, **environment):
        """The one JSON object on stdout; stderr must be silent."""
        done = self.run(*arguments, "--json", code=code, **environment)
        assert done.stderr == "", done.stderr
        assert done.stdout.count("\n") == 1, done.stdout
        return json.loads(done.stdout)

    def login(self, url=None):
        self.run("login", url or self.server.url, "--token-file", self.token_file)
        return self

    @property
    def credentials(self):
        return self.folder / "config/mreg/credentials.json"

    def terminal(self, *arguments, columns=80, keys=b"", **environment):
        """Runs in a terminal of that width; exit code and all that was shown."""
        (self.folder / "config").mkdir(exist_ok=True)
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        process = subprocess.Popen([harness.program("mreg"), *map(str, arguments)], stdin=slave,
                                   stdout=slave, stderr=slave, cwd=self.folder,
                                   env=self.environment(**environment))
        os.close(slave)
        shown = b""
        if keys:
            os.write(master, keys)
        while True:
            ready, _, _ = select.select([master], [], [], 60)
            if not ready:
                process.kill()
                raise AssertionError(f"silent terminal: {shown!r}")
            try:
                got = os.read(master, 65536)
            except OSError:
                break
            if not got:
                break
            shown += got
        os.close(master)
        return process.wait(60), shown.decode(errors="replace").replace("\r\n", "\n")


class Proxy:
    """Passes HTTP on to a server, counts calls that were not held, and can hold the n-th transfer of a part
    and all later ones until they are let go."""

    def __init__(self, case, server):
        self.server, self.lock = server, threading.Lock()
        self.calls = collections.Counter()
        self.hold_at = None
        self.held, self.let_go = threading.Event(), threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *arguments):
                pass

            def handle_any(self):
                outer.handle(self)

            do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = handle_any

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02},
                                       daemon=True)
        self.thread.start()
        case.addCleanup(self.close)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.http.server_address[1]}"

    def close(self):
        self.let_go.set()
        self.http.shutdown()
        self.http.server_close()

    def hold(self, number):
        """The number-th part from now on waits."""
        self.calls.clear()
        self.held.clear()
        self.let_go.clear()
        self.hold_at = number

    @staticmethod
    def kind(method, path):
        if method == "PUT" and "/parts/" in path:
            return "part"
        if method == "GET" and "/files/" in path:
            return "file"
        return f"{method} {path.split('?')[0].rsplit('/', 1)[-1]}"

    def handle(self, request):
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        kind = self.kind(request.command, request.path)
        with self.lock:
            if kind in ("part", "file") and self.hold_at is not None:
                is_held = self.calls[kind] + 1 >= self.hold_at
            else:
                is_held = False
            if not is_held:
                self.calls[kind] += 1
        if is_held:
            self.held.set()
            self.let_go.wait(120)
        try:
            self.forward(request, body)
        except OSError:
            request.close_connection = True

    def forward(self, request, body):
        host, port = self.server.address.rsplit(":", 1)
        connection = http.client.HTTPConnection(host, int(port), timeout=60)
        try:
            headers = {k: v for k, v in request.headers.items() if k.lower() not in ("host", "connection")}
            connection.request(request.command, request.path, body or None, headers)
            answer = connection.getresponse()
            data = answer.read()
        finally:
            connection.close()
        request.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("connection", "content-length", "transfer-encoding", "date", "server"):
                request.send_header(name, value)
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        request.wfile.write(data)


class CliCase(harness.ServerCase):
    def setUp(self):
        self.home = Home(self, self.server)
        self.work = self.home.folder / "work"
        self.work.mkdir()

    def folder(self, name="out", **files):
        """A folder with files of bytes; '__' stands for '/', '_' at a name's end for '.bin'."""
        folder = self.work / name
        for path, data in files.items():
            path = folder / (path.replace("__", "/") + ".bin")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return folder

    def error(self, done, code, *parts):
        """The error's style: code name first, then what was asked for."""
        self.assertEqual(done.stdout, "")
        self.assertRegex(done.stderr, rf"(^|\n)error: {code}: ")
        for part in parts:
            self.assertIn(part, done.stderr)


class LoginTest(CliCase):
    def test_pins_the_key(self):
        done = self.home.run("login", self.server.url + "/", "--token-file", self.home.token_file)
        about = self.api.get("")
        self.assertEqual(done.stdout, f"{self.server.url}\tfirst admin\tadmin\n")
        self.assertIn(about["key_id"], done.stderr)
        self.assertEqual(self.home.credentials.stat().st_mode & 0o777, 0o600)
        stored = json.loads(self.home.credentials.read_text())
        self.assertEqual(stored["url"], self.server.url)
        self.assertEqual(stored["key_id"], about["key_id"])
        self.assertIn("ssh-ed25519 ", stored["allowed_signers"])
        self.assertEqual(self.home.run("whoami").stdout.split("\t")[0], self.server.url)
        self.assertEqual(self.home.json("login", self.server.url, MREG_TOKEN=self.server.token)["role"], "admin")

    def test_token_from_standard_input(self):
        self.home.run("login", self.server.url, "--token-file", "-", input=self.server.token + "\n")
        self.home.run("whoami")

    def test_bad_tokens(self):
        self.error(self.home.run("login", self.server.url, code=USAGE), "invalid", "--token-file")
        self.error(self.home.run("login", self.server.url, code=NO_LOGIN, MREG_TOKEN="mrg_wrong"),
                   "unauthenticated")
        self.error(self.home.run("login", self.server.url, "--token-file", "nowhere", code=LOCAL_IO), "local-io")
        self.home.token_file.write_text("two words\n")
        self.error(self.home.run("login", self.server.url, "--token-file", "token", code=USAGE), "invalid")
        self.home.token_file.write_text("\n")
        self.error(self.home.run("login", self.server.url, "--token-file", "token", code=USAGE), "invalid", "empty")
        self.assertFalse(self.home.credentials.exists())

    def test_interrupted_while_a_token_is_typed(self):
        """The terminal shows again what is typed, and gets nothing of the token."""
        (self.home.folder / "config").mkdir(exist_ok=True)
        for number, code in ((signal.SIGINT, INTERRUPTED), (signal.SIGTERM, TERMINATED)):
            master, slave = pty.openpty()
            process = subprocess.Popen([harness.program("mreg"), "login", self.server.url], stdin=slave, stdout=slave,
                                       stderr=slave, cwd=self.home.folder, env=self.home.environment())
            shown = b""
            while b"not shown): " not in shown:
                shown += os.read(master, 4096)
            self.assertFalse(termios.tcgetattr(slave)[3] & termios.ECHO)
            os.write(master, b"mrg_half")
            process.send_signal(number)
            self.assertEqual(process.wait(60), code)
            self.assertTrue(termios.tcgetattr(slave)[3] & termios.ECHO)
            os.write(master, b"\n")
            self.assertEqual(os.read(slave, 100), b"\n")
            os.close(slave)
            os.close(master)

    def test_unsafe_credentials_are_refused(self):
        self.home.login()
        self.home.credentials.chmod(0o644)
        self.error(self.home.run("list", code=USAGE), "invalid", "chmod 600")
        self.home.run("logout")

    def test_logout(self):
        self.home.login()
        self.assertEqual(self.home.json("logout"), {"was_logged_in": True})
        self.assertFalse(self.home.credentials.exists())
        self.assertEqual(self.home.json("logout"), {"was_logged_in": False})
        self.error(self.home.run("list", code=USAGE), "invalid", "mreg login")

    def test_another_url_gets_neither_token_nor_keys(self):
        self.home.login()
        proxy = Proxy(self, self.server)
        self.error(self.home.run("list", "--registry", proxy.url, code=NO_LOGIN), "unauthenticated")
        self.error(self.home.run("list", code=NO_LOGIN, MREG_URL=proxy.url), "unauthenticated")
        self.home.run("list", MREG_URL=self.server.url + "/")

    def test_where_the_token_comes_from(self):
        self.home.login()
        wrong = self.home.folder / "wrong"
        wrong.write_text("mrg_wrong\n")
        self.home.run("list", code=NO_LOGIN, MREG_TOKEN="mrg_wrong")
        self.home.run("list", code=NO_LOGIN, MREG_TOKEN_FILE=wrong)
        self.home.run("list", MREG_TOKEN=self.server.token, MREG_TOKEN_FILE=wrong)
        self.home.run("list", "--token-file", self.home.token_file, MREG_TOKEN="mrg_wrong")

    def test_variables_that_are_none_of_ours(self):
        self.home.login()
        done = self.home.run("list", MREG_TOKE="x", MREG_SERVER_LISTEN="y", MREG_COLOUR="z")
        self.assertIn("warning: MREG_TOKE is unknown; did you mean MREG_TOKEN?", done.stderr)
        self.assertIn("warning: MREG_COLOUR is unknown and has no effect", done.stderr)
        self.assertNotIn("MREG_SERVER", done.stderr)
        self.assertEqual(self.home.run("list", "-q", MREG_TOKE="x").stderr, "")
        self.home.json("list", MREG_TOKE="x")


class ChangedKeyTest(unittest.TestCase):
    """A registry that shows another key than the one that was pinned."""

    def test_changed_key_is_refused(self):
        first = harness.Server().start()
        self.addCleanup(first.remove)
        home = Home(self, first)
        home.login()
        port = first.port
        first.stop()
        second = harness.Server()
        self.addCleanup(second.remove)
        second.command_of = second.command
        second.command = lambda: [f"127.0.0.1:{port}" if a == "127.0.0.1:0" and b == "--listen" else a
                                  for b, a in zip([""] + second.command_of(), second.command_of())]
        second.start()
        home.token_file.write_text(second.token)
        before = home.credentials.read_text()
        done = home.run("login", second.url, "--token-file", home.token_file, code=CHANGED)
        self.assertIn("error: corrupt: the registry shows other keys", done.stderr)
        self.assertIn("--pin", done.stderr)
        self.assertEqual(home.credentials.read_text(), before)
        made = second.api.upload("fraud", {"model.bin": b"x"})
        done = home.run("pull", f"fraud@{made['version']}", "x", "--token-file", home.token_file, code=CHANGED)
        self.assertIn("not a trusted key", done.stderr)
        self.assertFalse((home.folder / "x").exists())
        home.run("login", second.url, "--token-file", home.token_file, "--pin")
        home.run("pull", "fraud@1", "x")
        home.run("verify", "fraud@1", "x")


class PushTest(CliCase):
    def setUp(self):
        super().setUp()
        self.home.login()

    def test_folder_file_and_standard_input(self):
        out = self.folder(model=b"m" * 70000, empty=b"", sub__empty=b"", sub__deep__x=b"x")
        (out / ".git").mkdir()
        (out / ".git/config").write_text("not part of it")
        done = self.home.run("push", "three", out, "-a", "candidate", "--alias=first", "-m", "auc=0.941",
                             "--param", "depth=3", "--tag", "team=risk", "--lineage", "data=s3://x/y",
                             "-d", "a description", "--reason", "because")
        self.assertRegex(done.stdout, r"^three@1\tsha256:[0-9a-f]{64}\n$")
        self.assertIn("pushed: new model three version 1, format unknown, 70.0 kB\n", done.stderr)
        version = self.api.get("/models/three/versions/1")
        self.assertEqual([f["path"] for f in version["files"]],
                         ["empty.bin", "model.bin", "sub/deep/x.bin", "sub/empty.bin"])
        self.assertEqual((version["metrics"], version["params"], version["tags"], version["description"]),
                         ({"auc": "0.941"}, {"depth": "3"}, {"team": "risk"}, "a description"))
        self.assertEqual(version["lineage"], {"data": "s3://x/y"})
        self.assertEqual(sorted(version["aliases"]), ["candidate", "first"])
        self.assertEqual(self.api.get("/history?model=three")["items"][0]["reason"], "because")

        self.assertIn("three@2", self.home.run("push", "three", out / "model.bin").stdout)
        self.assertEqual([f["path"] for f in self.api.get("/models/three/versions/2")["files"]], ["model.bin"])

        done = self.home.run("push", "three", "-", "--name", "from-pipe.txt", input="text of a pipe")
        self.assertIn("three@3", done.stdout)
        self.assertEqual(self.api.call("GET", "/models/three/versions/3/files/from-pipe.txt").body,
                         b"text of a pipe")
        self.assertEqual(list((self.home.folder / "cache/mreg").glob("stdin-*")), [])

    def test_the_same_again(self):
        out = self.folder(model=b"same")
        first = self.home.json("push", "same", out, "--metric", "auc=0.5")
        again = self.home.json("push", "same", out, "--metric", "auc=0.6")
        self.assertEqual((first["version"], again["version"], again["already"]), (1, 1, True))
        self.assertIn("already there", self.home.run("push", "same", out).stderr)
        forced = self.home.json("push", "same", out, "--new-version")
        self.assertEqual((forced["version"], forced["content"]), (2, first["content"]))

    def test_mistakes_are_found_before_anything_is_sent(self):
        out = self.folder(model=b"x")
        for arguments, part in ((("--metric", "auc=high"), "--metric auc"), (("--metric", "auc"), "NAME=VALUE"),
                                (("--metric", "=1"), "NAME=VALUE"), (("--alias", "7"), "7"),
                                (("--alias", "latest"), "latest"), (("--tag", "x"), "NAME=VALUE")):
            self.error(self.home.run("push", "mistake", out, *arguments, code=USAGE), "invalid", part)
        for name in ("", "a/b/c", "a:b", "a@1", ".."):
            self.error(self.home.run("push", name, out, code=USAGE), "invalid")
        self.error(self.home.run("push", "mistake", "-", code=USAGE, input=""), "invalid", "--name")
        self.error(self.home.run("push", "mistake", "-", "--name", "a/b", code=USAGE, input=""), "invalid")
        (self.work / "empty").mkdir()
        self.error(self.home.run("push", "mistake", self.work / "empty", code=USAGE), "invalid", "no files")
        self.error(self.home.run("push", "mistake", self.work / "nowhere", code=LOCAL_IO), "local-io", "nowhere")
        (out / "link").symlink_to("model.bin")
        self.error(self.home.run("push", "mistake", out, code=USAGE), "invalid", "link")
        self.api.get("/models/mistake", 404)

    def test_ci_lineage(self):
        out = self.folder(model=b"from ci")
        version = self.home.json("push", "ci", out, GITHUB_ACTIONS="true", GITHUB_SHA="4f1c2e9",
                                 GITHUB_REF_NAME="main", GITHUB_REPOSITORY="ana/fraud", GITHUB_RUN_ID="17",
                                 GITHUB_ACTOR="ana")
        self.assertEqual(version["lineage"], {"ci": "github", "git_commit": "4f1c2e9", "git_branch": "main",
                                              "git_repository": "ana/fraud", "ci_run": "17", "ci_actor": "ana"})
        version = self.home.json("push", "ci", out, "--new-version", "--lineage", "git_commit=mine",
                                 GITLAB_CI="true", CI_COMMIT_SHA="theirs")
        self.assertEqual(version["lineage"], {"ci": "gitlab", "git_commit": "mine"})

    def test_changed_file_is_never_published(self):
        """A hash cache that lies stands for a file that is written while it is pushed."""
        out = self.folder(model=b"a" * 100000)
        model = out / "model.bin"
        old = model.stat().st_mtime - 100
        os.utime(model, (old, old))

        def settled():  # the change time must have been long enough ago for the hash to be kept
            self.home.run("push", "liar", out)
            cache = self.home.folder / "cache/mreg/hashes.json"
            return cache.exists() and "{}" != cache.read_text()

        harness.wait_until(settled, 30, "a remembered hash", 0.5)
        cache = self.home.folder / "cache/mreg/hashes.json"
        entries = json.loads(cache.read_text())
        cache.write_text(json.dumps({key: "00" * 32 for key in entries}))
        done = self.home.run("push", "liar", out, "--new-version", code=CHANGED)
        self.error(done, "corrupt", "nothing was published")
        self.assertEqual(self.api.get("/models/liar")["latest"], 1)
        cache.unlink()
        self.assertIn("liar@2", self.home.run("push", "liar", out, "--new-version").stdout)

    def test_more_files_than_may_be_open(self):
        out = self.folder(**{f"f{i}": b"%d" % i for i in range(300)})
        script = 'ulimit -n 64 && exec "$@"'
        for arguments in (("push", "many", out), ("pull", "many@1", self.work / "back"),
                          ("verify", "many@1", self.work / "back")):
            done = subprocess.run(["bash", "-c", script, "-", harness.program("mreg"), *map(str, arguments)],
                                  env=self.home.environment(), capture_output=True, text=True, timeout=300)
            self.assertEqual(done.returncode, DONE, done.stderr)


class InterruptedTest(CliCase):
    """Kills in the middle of a transfer. The proxy holds one part; all parts before it are done."""

    n_parts = 6

    def setUp(self):
        super().setUp()
        self.proxy = Proxy(self, self.server)
        self.home.login(self.proxy.url)
        self.new_data()

    def new_data(self):
        """Bytes that the server cannot have yet."""
        self.data = os.urandom(MIB) * (16 * (self.n_parts - 1)) + b"tail"
        self.out = self.folder(model=self.data)

    def uploads(self):
        cache = json.loads((self.home.folder / "cache/mreg/uploads.json").read_text())
        return [self.server.api.get(f"/uploads/{name}") for name in cache.values()]

    def held_push(self, model, number=3):
        self.proxy.hold(number)
        process = self.home.start("push", model, self.out)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.assertTrue(self.proxy.held.wait(120))
        harness.wait_until(lambda: len(self.missing()) == self.n_parts - (number - 1), 60, "the parts before it")
        return process

    def missing(self):
        uploads = self.uploads()
        self.assertEqual(len(uploads), 1)
        return uploads[0]["files"][0]["missing"]

    def finish_push(self, model, n_sent):
        """The next push sends only what is missing."""
        self.proxy.calls.clear()
        done = self.home.run("push", model, self.out)
        self.assertIn("going on with the interrupted upload", done.stderr)
        self.assertEqual(self.proxy.calls["part"], n_sent)
        self.assertEqual(self.proxy.calls["POST uploads"], 0)
        self.assertEqual(json.loads((self.home.folder / "cache/mreg/uploads.json").read_text()), {})
        self.pull_back(model)

    def pull_back(self, model):
        back = self.work / f"back-{model}"
        self.home.run("pull", model, back)
        self.assertEqual((back / "model.bin").read_bytes(), self.data)

    def let_go(self):
        self.proxy.hold_at = None
        self.proxy.let_go.set()

    def test_killed_client(self):
        process = self.held_push("killed-client")
        process.kill()
        process.wait()
        missing = self.missing()
        self.assertTrue(0 < len(missing) < self.n_parts)
        self.proxy.hold_at = None
        self.finish_push("killed-client", len(missing))
        self.let_go()

    def test_interrupted_client(self):
        for number, code in ((signal.SIGINT, INTERRUPTED), (signal.SIGTERM, TERMINATED)):
            with self.subTest(code=code):
                self.new_data()
                process = self.held_push(f"interrupted-{code}")
                process.send_signal(number)
                _, err = process.communicate(timeout=60)
                self.assertEqual(process.returncode, code)
                self.assertIn("nothing was lost", err)
                self.proxy.hold_at = None
                self.finish_push(f"interrupted-{code}", len(self.missing()))
                self.let_go()

    def test_killed_server_and_the_client_goes_on(self):
        process = self.held_push("killed-server")
        self.server.kill9()
        self.server.start()
        self.let_go()
        out, err = process.communicate(timeout=120)
        self.assertEqual(process.returncode, DONE, err)
        self.assertIn("killed-server@1", out)
        self.pull_back("killed-server")

    def test_killed_server_and_another_client(self):
        process = self.held_push("killed-both")
        process.kill()
        process.wait()
        self.server.kill9()
        self.server.start()
        missing = self.missing()
        self.assertTrue(0 < len(missing) <= self.n_parts)
        self.proxy.hold_at = None
        self.finish_push("killed-both", len(missing))
        self.let_go()

    def test_lost_upload_starts_anew(self):
        process = self.held_push("lost")
        process.kill()
        process.wait()
        self.server.api.delete(f"/uploads/{self.uploads()[0]['id']}")
        self.let_go()
        self.proxy.calls.clear()
        self.home.run("push", "lost", self.out)
        self.assertEqual(self.proxy.calls["POST uploads"], 1)
        self.pull_back("lost")

    def test_killed_before_its_commit_was_heard(self):
        """The server has committed, the client did not live to hear of it."""
        cache = self.home.folder / "cache/mreg/uploads.json"
        process = self.held_push("unheard")
        process.kill()
        process.wait()
        remembered = cache.read_text()
        self.proxy.hold_at = None
        self.finish_push("unheard", len(self.missing()))
        cache.write_text(remembered)
        self.let_go()
        again = self.home.json("push", "unheard", self.out)
        self.assertEqual((again["version"], again["already"]), (1, True))
        self.assertEqual(json.loads(cache.read_text()), {})

    def test_interrupted_pull(self):
        self.home.run("push", "pulled", self.out)
        back = self.work / "half"
        self.proxy.hold(4)
        process = self.home.start("pull", "pulled", back)
        self.assertTrue(self.proxy.held.wait(120))
        noted = back / ".mreg/pull.list"
        harness.wait_until(lambda: noted.exists() and len(re.findall(r"^0 \d+$", noted.read_text(), re.M)) == 3,
                           60, "the pieces before it")
        process.kill()
        process.wait()
        self.assertFalse((back / "model.bin").exists())
        self.error(self.home.run("verify", back, code=CHANGED), "corrupt", "missing")
        self.let_go()
        self.proxy.calls.clear()
        self.home.run("pull", "pulled", back)
        self.assertEqual(self.proxy.calls["file"], self.n_parts - 3)
        self.assertEqual((back / "model.bin").read_bytes(), self.data)
        self.assertEqual(sorted(p.name for p in (back / ".mreg").iterdir()),
                         ["allowed_signers", "manifest.json", "manifest.json.sig", "statement.json",
                          "statement.json.sig"])
        self.home.run("verify", back)

    def test_standard_input_is_removed_when_interrupted(self):
        self.proxy.hold(1)
        process = self.home.start("push", "piped", "-", "--name", "x.bin", stdin=open(self.out / "model.bin"))
        self.assertTrue(self.proxy.held.wait(120))
        self.assertEqual(len(list((self.home.folder / "cache/mreg").glob("stdin-*"))), 1)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        self.assertEqual(process.returncode, INTERRUPTED)
        self.assertEqual(list((self.home.folder / "cache/mreg").glob("stdin-*")), [])
        self.let_go()


class PullTest(CliCase):
    def setUp(self):
        super().setUp()
        self.home.login()
        self.files = {"model.bin": os.urandom(100000), "sub/a b%.txt": b"odd name", "sub/empty": b"", "empty": b"",
                      "twin": os.urandom(100000)}
        self.version = self.api.upload("pull", self.files)["version"]
        self.back = self.work / "back"

    def pulled(self):
        return {str(p.relative_to(self.back)): p.read_bytes() for p in self.back.rglob("*")
                if p.is_file() and ".mreg" not in p.parts}

    def test_pull_and_verify(self):
        done = self.home.run("pull", f"pull@{self.version}", self.back)
        self.assertEqual(done.stdout, f"pull@{self.version}\t{self.back}\n")
        self.assertEqual(self.pulled(), self.files)
        done = self.home.run("verify", f"pull@{self.version}", self.back)
        self.assertRegex(done.stdout, rf"^pull@{self.version}\tverified\tSHA256:\S+\n$")
        again = self.home.json("pull", f"pull@{self.version}", self.back)
        self.assertEqual((again["n_files"], again["n_fetched"], again["key_from"]), (5, 0, "pinned"))

    def test_default_folder_is_the_model(self):
        self.api.upload("team/namespaced", {"x": b"x"})
        self.home.run("pull", "team/namespaced")
        self.assertEqual((self.home.folder / "namespaced/x").read_bytes(), b"x")

    def test_some_files(self):
        done = self.home.run("pull", f"pull@{self.version}", self.back, "--files", "sub/*")
        self.assertEqual(sorted(self.pulled()), ["sub/a b%.txt", "sub/empty"])
        self.assertIn("left out", done.stderr)
        self.error(self.home.run("pull", f"pull@{self.version}", self.back, "--files", "zzz*", code=NOT_FOUND),
                   "not-found", "zzz")

    def test_other_peoples_files_are_not_replaced(self):
        self.back.mkdir()
        (self.back / "model.bin").write_text("mine")
        self.error(self.home.run("pull", f"pull@{self.version}", self.back, code=CONFLICT), "conflict", "--yes")
        self.assertEqual((self.back / "model.bin").read_text(), "mine")
        self.home.run("pull", f"pull@{self.version}", self.back, "--yes")
        self.assertEqual(self.pulled(), self.files)

    def test_another_version_into_the_same_folder(self):
        self.home.run("pull", f"pull@{self.version}", self.back)
        made = self.api.upload("pull", {"model.bin": b"new", "empty": b""})
        done = self.home.run("pull", f"pull@{made['version']}", self.back)
        self.assertEqual((self.back / "model.bin").read_bytes(), b"new")
        self.assertIn("3 files that are not of this version", done.stderr)
        done = self.home.run("verify", self.back, code=CHANGED)
        self.assertEqual(done.stdout, "".join(f"{path}\tnot part of the version\n" for path in ("sub/a b%.txt", "sub/empty", "twin")))

    def test_without_login(self):
        home = Home(self, self.server)
        where = {"MREG_URL": self.server.url, "MREG_TOKEN": self.server.token}
        done = home.run("pull", f"pull@{self.version}", "x", **where)
        self.assertIn("no key is pinned", done.stderr)
        self.assertIn("no key is pinned", home.run("verify", f"pull@{self.version}", "x", **where).stderr)
        self.assertEqual(home.json("verify", "x", **where)["key_from"], "server")
        self.error(home.run("verify", "x", code=USAGE), "invalid", "mreg login")
        signers = home.folder / "signers"
        signers.write_bytes(self.api.call("GET", "/trust/allowed_signers").body)
        done = home.run("pull", f"pull@{self.version}", "y", "--allowed-signers", "signers", **where)
        self.assertNotIn("pinned", done.stderr)
        self.assertEqual(home.json("verify", "y", "--allowed-signers", "signers")["key_from"], "file")
        signers.write_text("ana@example ssh-ed25519 AAAA\n")
        self.error(home.run("verify", "y", "--allowed-signers", "signers", code=USAGE), "invalid", "no usable line")
        self.error(home.run("verify", "y", "--allowed-signers", "none", code=LOCAL_IO), "local-io")

    def test_disk_full_or_folder_in_the_way(self):
        (self.work / "file").write_text("in the way")
        self.error(self.home.run("pull", f"pull@{self.version}", self.work / "file/x", code=LOCAL_IO), "local-io")
        self.back.mkdir()
        (self.back / "model.bin").mkdir()
        self.error(self.home.run("pull", f"pull@{self.version}", self.back, "--yes", code=LOCAL_IO), "local-io")

    def test_paths_that_are_never_written(self):
        for path in (".git/hooks/post-checkout", ".mreg/statement.json", "sub/.GIT/config"):
            with self.subTest(path=path):
                made = self.api.upload("evil", {path: path.encode(), "x": b"x"})
                done = self.home.run("pull", f"evil@{made['version']}", self.back, code=CHANGED)
                self.error(done, "corrupt", "never written")
                self.assertFalse(self.back.exists())

    def test_a_server_that_sends_another_version(self):
        """Well signed, but not what was asked for."""
        made = self.api.upload("pull", {"model.bin": b"the second"})
        for i in range(made["version"]):
            self.api.upload("other", {"model.bin": b"%d" % i})

        class Liar(Proxy):
            swap = ("", "")

            def forward(self, request, body):
                request.path = request.path.replace(*self.swap)
                super().forward(request, body)

        liar = Liar(self, self.server)
        self.home.login(liar.url)
        for swap in ((f"/pull/versions/{made['version']}", f"/pull/versions/{self.version}"),
                     ("/models/pull/", "/models/other/")):
            liar.swap = swap
            done = self.home.run("pull", f"pull@{made['version']}", self.back, code=CHANGED)
            self.error(done, "corrupt", "the server sent documents of")
            self.assertFalse(self.back.exists())
        liar.swap = ("files/model.bin", "files/twin")
        done = self.home.run("pull", f"pull@{self.version}", self.back, code=CHANGED)
        self.error(done, "corrupt", "do not have the signed digest")
        self.assertFalse((self.back / "model.bin").exists())
        liar.swap = ("", "")
        self.home.run("pull", f"pull@{self.version}", self.back)
        self.assertEqual(self.pulled(), self.files)


class VerifyTest(CliCase):
    def setUp(self):
        super().setUp()
        self.home.login()
        self.version = self.api.upload("verify", {"model.bin": b"abc" * 1000, "sub/x": b"x"})["version"]
        self.back = self.work / "back"
        self.home.run("pull", f"verify@{self.version}", self.back)

    def finds(self, fault, path, code=CHANGED):
        done = self.home.run("verify", self.back, code=code)
        self.assertEqual(done.stdout, f"{path}\t{fault}\n")
        self.assertIn("error: corrupt: 1 difference", done.stderr)
        self.assertIn("hint: mreg pull", done.stderr)
        self.assertEqual(self.home.json("verify", self.back, code=code)["faults"], [{"path": path, "fault": fault}])
        self.home.run("pull", f"verify@{self.version}", self.back)

    def test_changed_byte(self):
        data = bytearray((self.back / "model.bin").read_bytes())
        data[1500] ^= 1
        (self.back / "model.bin").write_bytes(data)
        self.finds("changed", "model.bin")
        self.home.run("verify", self.back)

    def test_other_size(self):
        with open(self.back / "model.bin", "ab") as f:
            f.write(b"x")
        self.finds("another size", "model.bin")

    def test_missing_file(self):
        (self.back / "sub/x").unlink()
        self.finds("missing", "sub/x")

    def test_extra_file(self):
        (self.back / "sub/y").write_text("more")
        done = self.home.run("verify", self.back, code=CHANGED)
        self.assertEqual(done.stdout, "sub/y\tnot part of the version\n")

    def test_link_instead_of_a_file(self):
        (self.work / "copy").write_bytes((self.back / "model.bin").read_bytes())
        (self.back / "model.bin").unlink()
        (self.back / "model.bin").symlink_to(self.work / "copy")
        self.error(self.home.run("verify", self.back, code=CHANGED), "corrupt", "link")

    def test_all_files_gone(self):
        (self.back / "model.bin").unlink()
        shutil.rmtree(self.back / "sub")
        done = self.home.run("verify", self.back, code=CHANGED)
        self.assertEqual(done.stdout, "model.bin\tmissing\nsub/x\tmissing\n")

    def test_changed_documents(self):
        for name, old, new in (("statement.json", b'"version": ', b'"version": 1'),
                               ("statement.json", b"\n}\n", b"\n}\n\n"),
                               ("manifest.json", b'"size": 3000', b'"size": 3001'),
                               ("statement.json.sig", b"U1NIU0lH", b"U1NIU0lI"),
                               ("manifest.json.sig", b"-----END", b"AAAA\n-----END")):
            with self.subTest(name=name, old=old):
                path = self.back / ".mreg" / name
                kept = path.read_bytes()
                self.assertIn(old, kept)
                path.write_bytes(kept.replace(old, new))
                self.error(self.home.run("verify", self.back, code=CHANGED), "corrupt")
                path.unlink()
                self.error(self.home.run("verify", self.back, code=CHANGED), "corrupt", "is missing")
                path.write_bytes(kept)
        self.home.run("verify", self.back)

    def test_other_key(self):
        key = self.work / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        other = self.work / "signers"
        other.write_text("registry@registry.local " + key.with_suffix(".pub").read_text())
        done = self.home.run("verify", self.back, "--allowed-signers", other, code=CHANGED)
        self.error(done, "corrupt", "not a trusted key")
        # Somebody who swaps the keys in the folder as well gains nothing.
        shutil.copy(other, self.back / ".mreg/allowed_signers")
        self.home.run("verify", self.back)

    def test_documents_of_another_version(self):
        made = self.api.upload("verify", {"model.bin": b"second"})
        self.home.run("pull", f"verify@{made['version']}", self.work / "two")
        for name in ("statement.json", "statement.json.sig"):
            shutil.copy(self.work / "two/.mreg" / name, self.back / ".mreg" / name)
        self.error(self.home.run("verify", self.back, code=CHANGED), "corrupt", "another content")

    def test_name_on_the_command_line(self):
        self.home.run("verify", f"verify@{self.version}", self.back)
        self.home.run("verify", "verify", self.back)
        content = self.api.get(f"/models/verify/versions/{self.version}")["content"]
        self.home.run("verify", f"verify@{content}", self.back)
        self.error(self.home.run("verify", f"verify@{self.version + 1}", self.back, code=CHANGED), "corrupt")
        self.error(self.home.run("verify", f"other@{self.version}", self.back, code=CHANGED), "corrupt")
        self.error(self.home.run("verify", f"verify@sha256:{'0' * 64}", self.back, code=CHANGED), "corrupt")
        self.error(self.home.run("verify", "verify@", self.back, code=USAGE), "invalid")
        self.api.put("/models/verify/aliases/here", {"version": self.version})
        self.home.run("verify", "verify@here", self.back)
        made = self.api.upload("verify", {"model.bin": os.urandom(8)})
        self.error(self.home.run("verify", "verify@latest", self.back, code=CHANGED), "corrupt",
                   f"is version {made['version']} now")

    def test_offline(self):
        """With the keys pinned, nothing is asked of the server."""
        stored = json.loads(self.home.credentials.read_text())
        stored["url"] = "http://127.0.0.1:1"
        self.home.credentials.write_text(json.dumps(stored))
        self.home.run("verify", f"verify@{self.version}", self.back)

    def test_no_pulled_version(self):
        self.error(self.home.run("verify", self.work / "nowhere", code=LOCAL_IO), "local-io")
        (self.work / "plain").mkdir()
        self.error(self.home.run("verify", self.work / "plain", code=NOT_FOUND), "not-found", ".mreg")


class ShowTest(CliCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.api.upload("fraud", {"model.bin": b"1" * 1500}, metrics={"auc": "0.9"}, alias=["champion"])
        cls.api.upload("fraud", {"model.bin": b"2"}, description="line\n\x1b[31mtwo", lineage={"git_commit": "4f1c2e9"})
        cls.api.upload("team/churn", {"model.bin": b"3"})
        cls.api.patch("/models/fraud", {"description": "finds fraud", "tags": {"team": "risk"}})

    def setUp(self):
        super().setUp()
        self.home.login()

    def test_list(self):
        rows = [line.split("\t") for line in self.home.run("list").stdout.splitlines()]
        self.assertEqual([row[:5] for row in rows],
                         [["fraud", "2", "2", "-", "champion=1"], ["team/churn", "1", "1", "-", "-"]])
        rows = [line.split("\t") for line in self.home.run("list", "fraud").stdout.splitlines()]
        self.assertEqual([(row[0], row[2], row[4], row[5]) for row in rows],
                         [("2", "1", "-", "-"), ("1", "1500", "auc=0.9", "champion")])
        self.assertRegex(rows[0][1], r"^\d{4}-\d\d-\d\dT[\d:.]+Z$")
        self.assertEqual([m["name"] for m in self.home.json("list")["items"]], ["fraud", "team/churn"])
        one = self.home.run("list", "--limit", "1")
        self.assertEqual(len(one.stdout.splitlines()), 1)
        self.assertIn("--limit", one.stderr)
        self.assertTrue(self.home.json("list", "--limit", "1")["more"])
        self.assertFalse(self.home.json("list")["more"])

    def test_pages(self):
        for i in range(12):
            self.api.upload("paged", {"x": b"%d" % i})
        got = self.home.json("list", "paged", "--limit", "11")
        self.assertEqual([v["version"] for v in got["items"]], list(range(12, 1, -1)))
        self.assertEqual(len(self.home.json("history", "--limit", "1000")["items"]),
                         len(self.api.get("/history?limit=500")["items"]))

    def test_show(self):
        text = self.home.run("show", "fraud").stdout
        for part in ("finds fraud", "2, latest 2", "champion = version 1", "team = risk"):
            self.assertIn(part, text)
        text = self.home.run("show", "fraud@champion").stdout
        for part in ("fraud@1", "auc = 0.9", "1.5 kB", "sha256:", "model.bin"):
            self.assertIn(part, text)
        self.assertIn("git_commit = 4f1c2e9", self.home.run("show", "fraud@latest").stdout)
        self.assertEqual(self.home.json("show", "fraud@2")["version"], 2)
        self.assertEqual(self.home.json("show", "team/churn")["name"], "team/churn")
        self.assertEqual(self.home.json("show", "team/churn@1")["model"], "team/churn")

    def test_foreign_text_cannot_drive_the_terminal(self):
        text = self.home.run("show", "fraud@2").stdout
        self.assertNotIn("\x1b", text)
        self.assertIn("description  line\n              [31mtwo\n", text)  # a label stands at the begin of its line

    def test_at_a_time(self):
        self.error(self.home.run("show", "fraud", "--at", "2020-01-01", code=NOT_FOUND), "not-found")
        self.assertEqual(self.home.json("show", "fraud")["latest"], 2)
        self.error(self.home.run("show", "fraud", "--at", "2999-01-01", code=USAGE), "invalid", "is in the future")
        self.error(self.home.run("show", "fraud", "--at", "yesterday", code=USAGE), "invalid")
        self.assertEqual(self.home.json("history", "--at", "2020-01-01")["items"], [])
        self.assertEqual(self.home.json("status", "--at", "2020-01-01")["items"], [])

    def test_history(self):
        rows = [line.split("\t") for line in self.home.run("history", "fraud").stdout.splitlines()]
        self.assertTrue(len(rows) >= 3)
        self.assertEqual(rows, sorted(rows, key=lambda r: -int(r[0])))
        self.assertEqual(rows[-1][3], "version.publish")
        every = self.home.json("history")["items"]
        self.assertEqual(every[-1]["kind"], "registry.init")
        self.error(self.home.run("history", "nobody", code=NOT_FOUND), "not-found", 'no model "nobody"')

    def test_did_you_mean(self):
        self.error(self.home.run("show", "frad", code=NOT_FOUND), "not-found", 'did you mean "fraud"?', "request: ")
        self.error(self.home.run("show", "fraud@champio", code=NOT_FOUND), "not-found", "champion")
        failed = self.home.json("show", "frad", code=NOT_FOUND)["error"]
        self.assertEqual((failed["code"], failed["exit"]), ("not-found", NOT_FOUND))
        self.assertTrue(failed["request_id"])

    def test_terminal(self):
        code, wide = self.home.terminal("list", columns=200)
        self.assertEqual(code, DONE)
        self.assertIn("\x1b[2mMODEL\x1b[0m", wide)
        self.assertRegex(wide, r"\d (s|min) ago|now")
        plain = [self.home.terminal("list", columns=n, NO_COLOR="1")[1] for n in (200, 40)]
        self.assertNotIn("\x1b", "".join(plain))
        self.assertTrue(plain[0].startswith("MODEL       VERSIONS  LATEST  LIVE  ALIASES     UPDATED"))
        lines = plain[1].splitlines()
        self.assertEqual(len(lines), 1 + len(plain[0].splitlines()) - 1)
        self.assertTrue(all(len(line) <= 46 for line in lines), plain[1])
        self.assertIn("…", plain[1])
        self.assertNotIn("\x1b", self.home.terminal("list", TERM="dumb")[1])

    def test_readers_that_leave_and_full_disks(self):
        reader, writer = os.pipe()
        os.close(reader)
        process = self.home.start("history", stdout=writer)
        os.close(writer)
        _, err = process.communicate(timeout=60)
        self.assertEqual((process.returncode, err), (DONE, ""))
        with open("/dev/full", "w") as full:
            process = self.home.start("history", stdout=full)
            _, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, LOCAL_IO)
        self.assertIn("standard output", err)


class ObjectsTest(CliCase):
    def setUp(self):
        super().setUp()
        self.home.login()

    def test_aliases_and_annotations(self):
        self.api.upload("objects", {"x": b"1"})
        self.api.upload("objects", {"x": b"2"})
        done = self.home.run("alias", "set", "objects@1", "champion", "--reason", "CHG-1")
        self.assertEqual(done.stdout, "")
        self.assertIn("objects@champion is version 1", done.stderr)
        self.home.run("alias", "set", "objects@latest", "champion")
        self.assertEqual(self.home.run("alias", "list", "objects").stdout.split("\t")[:2], ["champion", "2"])
        self.assertEqual(self.home.json("alias", "set", "objects@1", "champion")["previous"], 2)
        self.home.run("alias", "delete", "objects", "champion")
        self.error(self.home.run("alias", "delete", "objects", "champion", code=NOT_FOUND), "not-found")
        self.error(self.home.run("alias", "set", "objects@1", "7", code=USAGE), "invalid")
        self.home.run("version", "set", "objects@1", "--tag", "a=b", "--metric", "later=1.5", "-d", "text")
        version = self.api.get("/models/objects/versions/1")
        self.assertEqual((version["tags"], version["metrics"], version["description"]),
                         ({"a": "b"}, {"later": "1.5"}, "text"))
        self.home.run("version", "set", "objects@1", "--tag", "a=")
        self.assertEqual(self.api.get("/models/objects/versions/1")["tags"], {})

    def test_confirmation(self):
        self.api.upload("confirm", {"x": b"1"})
        self.error(self.home.run("version", "delete", "confirm@1", code=REFUSED), "unconfirmed", "--yes")
        self.assertEqual(self.home.json("version", "delete", "confirm@1", code=REFUSED)["error"]["exit"], REFUSED)
        code, text = self.home.terminal("version", "delete", "confirm@1", keys=b"n\n")
        self.assertEqual(code, REFUSED)
        self.assertIn("declined", text)
        self.api.get("/models/confirm/versions/1")
        code, _ = self.home.terminal("version", "delete", "confirm@1", keys=b"y\n")
        self.assertEqual(code, DONE)
        self.error(self.home.run("show", "confirm@1", code=NOT_FOUND), "not-found", "deleted")

    def test_environments_nodes_and_targets(self):
        self.api.upload("placed", {"model.json": b"{}"})
        policy = self.work / "policy.json"
        policy.write_text(json.dumps({"strategy": "rolling", "batch": 1}))
        self.home.run("env", "create", "stage", "--policy", policy)
        self.assertEqual(self.api.get("/environments/stage")["policy"]["strategy"], "rolling")
        self.home.run("env", "set", "stage", "--policy", "-", input='{"strategy":"all-at-once"}')
        self.assertEqual(self.api.get("/environments/stage")["policy"]["strategy"], "all-at-once")
        self.error(self.home.run("env", "set", "stage", "--policy", "none.json", code=LOCAL_IO), "local-io")
        self.error(self.home.run("env", "set", "stage", "--policy", "-", code=USAGE, input="{"), "invalid")
        self.error(self.home.run("env", "set", "stage", "--policy", "-", code=USAGE, input='{"strateg":"x"}'),
                   "invalid", "strategy")
        self.error(self.home.run("node", "add", "stage", "n1", code=USAGE), "invalid", "--root")
        root = self.work / "root"
        root.mkdir()
        # The node's --url is not the registry's.
        self.home.run("node", "add", "stage", "n1", "--url", "http://127.0.0.1:1", "--root", root, "-l", "rack=4")
        self.assertEqual(self.api.get("/environments/stage/nodes/n1")["labels"], {"rack": "4"})
        self.assertIn("n1\tv2\thttp://127.0.0.1:1\tno", self.home.run("node", "list", "stage").stdout)
        self.home.run("target", "set", "stage", "placed", "--serve-as", "placed-model")
        self.assertIn("placed\tplaced-model", self.home.run("target", "list", "stage").stdout)
        row = self.home.run("status", "-e", "stage").stdout.rstrip("\n").split("\t")
        self.assertEqual(row, ["stage", "placed", "-", "-", "-", "-", "n1", "-", "unreachable", "-", "-"])
        self.assertEqual(self.home.json("status")["items"][0]["model"], "placed")
        self.error(self.home.run("status", "-e", "stag", code=NOT_FOUND), "not-found", "stage")
        self.error(self.home.run("env", "delete", "stage", "-y", code=CONFLICT), "conflict")
        self.error(self.home.run("node", "remove", "stage", "n1", code=REFUSED), "unconfirmed")
        self.home.run("node", "remove", "stage", "n1", "--yes", "--reason", "moved")
        self.assertEqual(self.home.run("env", "list").stdout.split("\t")[:3], ["stage", "0", "0"])

    def test_rollout_list_filters(self):
        for arguments in ((), ("--active",), ("--phase", "paused")):
            self.assertEqual(self.home.json("rollout", "list", *arguments)["items"], [])
        for arguments in (("--model", "x"), ("--env", "y"), ("--active", "--model", "x y", "--env", "y")):
            self.error(self.home.run("rollout", "list", *arguments, code=NOT_FOUND), "not-found")

    def test_tokens_and_roles(self):
        self.api.upload("team/roles", {"x": b"x"})
        out = self.folder(x=b"y")
        homes = {}
        for role in ("reader", "pusher", "deployer"):
            token = self.home.run("token", "create", f"for {role}", "--role", role).stdout.strip()
            self.assertTrue(token.startswith("mrg_"))
            homes[role] = Home(self, self.server, token)
            homes[role].login()
        denied = (("reader", ("push", "team/roles", out)), ("reader", ("alias", "set", "team/roles@1", "a")),
                  ("reader", ("rollout", "abort", "r-1")), ("pusher", ("env", "create", "x")),
                  ("pusher", ("token", "list")), ("deployer", ("token", "create", "x")),
                  ("pusher", ("version", "delete", "team/roles@1", "-y")))
        for role, arguments in denied:
            with self.subTest(role=role, arguments=arguments):
                self.error(homes[role].run(*arguments, code=FORBIDDEN), "forbidden", "ask an admin")
        homes["reader"].run("list")
        homes["reader"].run("pull", "team/roles", "x")
        homes["pusher"].run("push", "team/roles", out)
        narrow = Home(self, self.server, self.home.run("token", "create", "narrow", "-r", "pusher", "--models",
                                                       "team/*", "--expires", "1h").stdout.strip())
        narrow.login()
        self.assertEqual([m["name"] for m in narrow.json("list")["items"]], ["team/roles"])
        self.error(narrow.run("push", "elsewhere", out, code=FORBIDDEN), "forbidden", "team/*")
        listed = {t["name"]: t for t in self.home.json("token", "list")["items"]}
        self.home.run("token", "revoke", listed["narrow"]["id"])
        self.error(narrow.run("list", code=NO_LOGIN), "unauthenticated", "mreg login")
        self.error(self.home.run("token", "create", "x", "--role", "king", code=USAGE), "invalid")
        self.error(self.home.run("token", "revoke", "t-99999", code=NOT_FOUND), "not-found")


class UsageTest(CliCase):
    """What needs no server to be refused, and servers that are not there."""

    def commands(self):
        return self.home.json("help")["commands"]

    def test_every_command_has_help_and_refuses_nonsense(self):
        commands = self.commands()
        self.assertGreater(len(commands), 35)
        overview = self.home.run("help").stdout
        for command in commands:
            name, words = command["name"], command["name"].split()
            with self.subTest(command=name):
                verb = rf"(?:(?!\n  \S)[\s\S])*\s{words[1]}\b" if words[1:] else ""
                self.assertRegex(overview, rf"\n  {words[0]}\b{verb}")
                text = self.home.run("help", *words).stdout
                self.assertIn(f"usage: mreg {name}", text)
                self.assertIn("example:\n  mreg ", text)
                self.assertEqual(self.home.run(*words, "--help").stdout, text)
                self.error(self.home.run(*words, "--zzzzzz", code=USAGE), "invalid", f"mreg help {name}")
                self.error(self.home.run(*words, *["x"] * (command["max_args"] + 1), code=USAGE), "invalid", "m")
                if command["min_args"]:
                    self.error(self.home.run(*words, code=USAGE), "invalid", "too few", f"hint: mreg help {name}")
                failed = self.home.json(*words, "--zzzzzz", code=USAGE)
                self.assertEqual((failed["error"]["code"], failed["error"]["exit"]), ("invalid", USAGE))

    def test_top(self):
        self.assertIn("usage: mreg COMMAND", self.home.run(code=USAGE).stdout)
        self.assertIn("usage: mreg COMMAND", self.home.run("--help").stdout)
        self.assertIn("rollout pause ID", self.home.run("help", "rollout").stdout)
        self.assertIn("rollout pause ID", self.home.run("rollout", "--help").stdout)
        self.error(self.home.run("rollout", code=USAGE), "invalid", "needs a verb")
        self.error(self.home.run("help", "pusj", code=USAGE), "invalid", "mreg push")
        self.error(self.home.run("pusj", code=USAGE), "invalid", 'did you mean "mreg push"?')
        self.error(self.home.run("--json=x", "list", code=USAGE), "invalid")
        version = self.home.json("version")["version"]
        self.assertEqual(self.home.run("--version").stdout, f"mreg {version}\n")
        self.assertEqual(self.home.run("version").stdout, f"mreg {version}\n")

    def test_numbers_and_durations(self):
        where = {"MREG_URL": self.server.url, "MREG_TOKEN": self.server.token}
        for arguments in (("list", "--limit", "x"), ("list", "--limit", "0"), ("list", "--limit", "5x"),
                          ("rollout", "pause", "r-1", "--step", "x"), ("rollout", "abort", "r-1", "--step", "-1"),
                          ("rollout", "watch", "r-1", "--timeout", "soon"),
                          ("promote", "m", "e", "--watch", "--timeout", "5"),
                          ("promote", "m", "e", "--steps", "1:30s,half"), ("promote", "m", "e", "--steps", "0"),
                          ("promote", "m", "e", "--steps", ""), ("rollback", "m")):
            with self.subTest(arguments=arguments):
                self.error(self.home.run(*arguments, code=USAGE, **where), "invalid")

    def test_unreachable_servers(self):
        for arguments in (("list",), ("push", "x", self.folder(x=b"x")), ("rollout", "watch", "r-1"), ("status",)):
            with self.subTest(arguments=arguments):
                done = self.home.run(*arguments, code=UNREACHABLE, MREG_URL="http://127.0.0.1:1", MREG_TOKEN="x")
                self.assertIn("error: unavailable: http://127.0.0.1:1", done.stderr)
                self.assertIn("nothing was lost", done.stderr)
        self.error(self.home.run("list", code=USAGE, MREG_URL="ftp://x", MREG_TOKEN="x"), "invalid", "http://")
        self.error(self.home.run("list", code=NO_LOGIN, MREG_URL=self.server.url), "unauthenticated")

    def test_servers_that_are_no_registry(self):
        class Odd(http.server.BaseHTTPRequestHandler):
            status, text = 200, b"<html>"

            def log_message(self, *arguments):
                pass

            def do_GET(self):
                self.send_response(self.status)
                self.send_header("Content-Length", str(len(self.text)))
                self.end_headers()
                self.wfile.write(self.text)

        odd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Odd)
        thread = threading.Thread(target=odd.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        self.addCleanup(odd.server_close)
        self.addCleanup(odd.shutdown)
        url = f"http://127.0.0.1:{odd.server_address[1]}"
        new = b'{"code":"brand-new","detail":"a code of a later version","request_id":"7"}'
        for status, text, code, part in ((200, b"<html>", FAILED, "not JSON"), (302, b"", FAILED, "answered 302"),
                                         (503, b"", UNREACHABLE, "answered 503"), (429, b"", TOO_MUCH, "429"),
                                         (404, b"x", NOT_FOUND, "404"), (500, b"x", FAILED, "500"),
                                         (409, new, CONFLICT, "later version"), (418, new, USAGE, "later version")):
            with self.subTest(status=status):
                Odd.status, Odd.text = status, text
                done = self.home.run("list", code=code, MREG_URL=url, MREG_TOKEN="x")
                self.assertIn(part, done.stderr)

    def test_too_large(self):
        policy = self.work / "big.json"
        policy.write_text(json.dumps({"x": "y" * (2 * MIB)}))
        self.error(self.home.run("env", "create", "x", "--policy", policy, code=TOO_MUCH, MREG_URL=self.server.url,
                                 MREG_TOKEN=self.server.token), "too-large")


class RolloutTest(fleetcase.FleetCase):
    n_nodes = 2
    policy = {"strategy": "canary", "steps": [{"nodes": 1, "bake": "1h"}, {"percent": 100, "bake": "0"}],
              "min_healthy": "0", "bake": "0", "gates": [{"kind": "health"}, {"kind": "golden"}]}

    def setUp(self):
        self.home = Home(self, self.server)
        self.home.login()

    def promoted(self, model, *arguments, code=DONE):
        self.push(model, intercept=1)
        return self.home.run("promote", model, "production", "--strategy", "all-at-once", "--watch",
                             "--timeout", "120s", *arguments, code=code)

    def test_promote_watch_and_status(self):
        done = self.promoted("live")
        lines = done.stdout.splitlines()
        self.assertRegex(lines[0], r"^r-\d+$")
        self.assertTrue(all(line.split("\t")[1] == lines[0] for line in lines[1:]))
        self.assertEqual(lines[-1].split("\t")[2], "succeeded")
        rows = [line.split("\t") for line in self.home.run("status").stdout.splitlines()]
        row = [r for r in rows if r[:2] == ["production", "live"]][0]
        self.assertRegex(row[3], r"^2\d{3}-\d\d-\d\dT")
        self.assertEqual(row[:3] + row[5:], ["production", "live", "1", lines[0], "n1", "1", "ok", "-", "-"])
        self.assertRegex(row[4], r"^[\w ]+ \(t-\d+\)$")
        self.assertIn("live in      production", self.home.run("show", "live@1").stdout)
        self.assertIn("succeeded", self.home.run("rollout", "list", "--model", "live").stdout)
        self.assertEqual(len(self.home.json("rollout", "list", "--model", "live", "-e", "production")["items"]), 1)
        self.assertIn("already so", self.home.run("promote", "live@1", "production").stderr)
        self.assertTrue(self.home.json("promote", "live@1", "production")["already"])
        now = self.api.get("/changes?limit=500")["items"][-1]["time"]
        served = self.home.run("status", "production", "--at", now).stdout
        self.assertIn("\t".join(row), served)
        self.error_is(self.home.run("version", "delete", "live@1", "-y", code=CONFLICT), "conflict")

    def error_is(self, done, code):
        self.assertRegex(done.stderr, rf"(^|\n)error: {code}: ")

    def test_commands_and_outcomes(self):
        self.promoted("steps")
        self.push("steps", intercept=2)
        plan = self.home.run("promote", "steps@2", "production", "--dry-run")
        self.assertIn("nothing was changed", plan.stderr)
        self.assertIn("plan  steps 1 -> 2 in production  2 nodes, 2 steps\n", plan.stdout)
        self.assertEqual(self.home.json("promote", "steps@2", "production", "-n")["to"], 2)
        self.assertEqual(self.home.json("rollout", "list", "--model", "steps", "--active")["items"], [])
        rollout = self.home.run("promote", "steps@2", "production", "--reason", "CHG-7").stdout.strip()
        self.wait_for(lambda: self.rollout(rollout)["step_phase"] == "bake", what="the bake")
        self.error_is(self.home.run("promote", "steps@1", "production", "--policy", "-", code=CONFLICT,
                                    input='{"queue":"reject"}'), "conflict")
        done = self.home.run("rollout", "watch", rollout, "--timeout", "200ms", code=STILL_RUNNING)
        self.assertIn(f"mreg rollout watch {rollout}", done.stderr)
        self.assertEqual(self.home.json("rollout", "watch", rollout, "--timeout", "0", code=STILL_RUNNING)["id"],
                         rollout)
        self.assertIn("step 1", self.home.run("rollout", "show", rollout).stdout)
        process = self.home.start("rollout", "watch", rollout)
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, INTERRUPTED)
        self.assertIn("goes on", err)
        self.error_is(self.home.run("rollout", "promote", rollout, "--step", "2", code=CONFLICT), "conflict")
        self.home.run("rollout", "pause", rollout, "--reason", "look")
        self.wait_for(lambda: self.rollout(rollout)["phase"] == "paused", what="the pause")
        self.home.run("rollout", "resume", rollout)
        self.home.run("rollout", "abort", rollout, "--reason", "wrong model")
        done = self.home.run("rollout", "watch", rollout, code=ROLLED_BACK)
        self.assertIn(f"error: {rollout} ended", done.stderr)
        self.assertEqual(self.home.json("rollout", "watch", rollout, code=ROLLED_BACK)["id"], rollout)
        self.error_is(self.home.run("rollout", "abort", rollout, code=CONFLICT), "conflict")
        self.error_is(self.home.run("rollout", "show", "r-99999", code=NOT_FOUND), "not-found")

    def test_rollback(self):
        self.promoted("back")
        self.promoted("back")
        self.push("back", intercept=5)
        self.home.run("promote", "back@latest", "production", "-s", "all-at-once", "-w", "--timeout", "120s")
        live = self.api.get("/models/back")["live"]["production"]
        done = self.home.run("rollback", "back", "--env", "production", "--watch", "--timeout", "120s",
                             "--reason", "too many complaints")
        self.assertIn("succeeded", done.stdout)
        self.assertLess(self.api.get("/models/back")["live"]["production"], live)


if __name__ == "__main__":
    unittest.main()
