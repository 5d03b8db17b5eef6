"""Starts the real mregd (and mreg) for end-to-end tests. Python standard library only.

    class MyTest(harness.ServerCase):
        def test_it(self):
            status, body = self.api.get("/models")

Programs come from the folder in MREG_BUILD. Servers listen on free ports of 127.0.0.1, keep
everything in a temporary folder, and are ended by process id. Waiting is always for a condition.
"""
import base64
import hashlib
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.parse

START_SECONDS = 60
STOP_SECONDS = 60


def build_folder():
    folder = os.environ.get("MREG_BUILD")
    if not folder:
        raise unittest.SkipTest("MREG_BUILD is not set")
    return pathlib.Path(folder)


def program(name):
    """Path of a built program; the reference serving node lies in tests/."""
    for path in (build_folder() / name, build_folder() / "tests" / name):
        if path.is_file() and os.access(path, os.X_OK):
            return str(path)
    raise AssertionError(f"{name} is not built in {build_folder()}")


def wait_until(condition, seconds=30, what="the condition", every=0.02):
    """Calls condition until it gives something true, which is returned."""
    end = time.monotonic() + seconds
    pause = threading.Event()
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= end:
            raise AssertionError(f"{what} did not come true within {seconds} s")
        pause.wait(every)


def clean_environment(**extra):
    """The environment without settings of the person who runs the tests."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MREG_")}
    environment.update({k: str(v) for k, v in extra.items()})
    return environment


class Answer:
    """status, headers (lower-case names), body (bytes)."""

    def __init__(self, status, headers, body):
        self.status, self.body = status, body
        self.headers = {name.lower(): value for name, value in headers}

    @property
    def json(self):
        return json.loads(self.body) if self.body else None

    def __repr__(self):
        return f"<{self.status} {self.body[:300]!r}>"


class ApiError(AssertionError):
    def __init__(self, method, path, answer):
        super().__init__(f"{method} {path}: {answer!r}")
        self.answer = answer


class Api:
    """JSON calls below /api/v1. One connection per call; thread-safe."""

    def __init__(self, address, token=None, timeout=60):
        self.address, self.token, self.timeout = address, token, timeout

    def as_token(self, token):
        return Api(self.address, token, self.timeout)

    def call(self, method, path, body=None, headers=None, raw=None):
        """Any answer, whatever its status. `body` is sent as JSON, `raw` as it is."""
        if not path.startswith("/api/") and not path.startswith("//"):
            path = "/api/v1" + path
        path = path[1:] if path.startswith("//") else path
        send = dict(headers or {})
        if self.token and "Authorization" not in send:
            send["Authorization"] = "Bearer " + self.token
        data = raw
        if body is not None:
            data = json.dumps(body).encode()
            send.setdefault("Content-Type", "application/json")
        if data is None and method in ("POST", "PUT", "PATCH"):
            data = b""
        host, port = self.address.rsplit(":", 1)
        connection = http.client.HTTPConnection(host, int(port), timeout=self.timeout)
        try:
            connection.request(method, path, body=data, headers=send)
            answer = connection.getresponse()
            return Answer(answer.status, answer.getheaders(), answer.read())
        finally:
            connection.close()

    def expect(self, status, method, path, body=None, **more):
        answer = self.call(method, path, body, **more)
        wanted = status if isinstance(status, (tuple, list)) else (status,)
        if answer.status not in wanted:
            raise ApiError(method, path, answer)
        return answer

    def get(self, path, status=200):
        return self.expect(status, "GET", path).json

    def post(self, path, body=None, status=(200, 201, 202)):
        return self.expect(status, "POST", path, {} if body is None else body).json

    def put(self, path, body=None, status=(200, 201, 204)):
        return self.expect(status, "PUT", path, {} if body is None else body).json

    def patch(self, path, body=None, status=200):
        return self.expect(status, "PATCH", path, {} if body is None else body).json

    def delete(self, path, status=204):
        return self.expect(status, "DELETE", path).json

    def new_token(self, role, name=None, models="*", **more):
        """Api that speaks as a new token of that role."""
        made = self.post("/tokens", {"name": name or role, "role": role, "models": models, **more})
        return self.as_token(made["token"])

    def upload(self, model, files, **commit):
        """Pushes {path: bytes} as one version and gives the commit's JSON."""
        plan = [{"path": path, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
                for path, data in files.items()]
        made = self.post("/uploads", {"model": model, "files": plan})
        part_size = made["part_size"]
        contents = list(files.values())
        for number, entry in enumerate(made["files"]):
            if entry["have"]:
                continue
            for part in entry["missing"]:
                data = contents[number][part * part_size:(part + 1) * part_size]
                digest = base64.b64encode(hashlib.sha256(data).digest()).decode()
                self.expect(204, "PUT", f"/uploads/{made['id']}/files/{number}/parts/{part}", raw=data,
                            headers={"Content-Digest": f"sha-256=:{digest}:"})
        return self.post(f"/uploads/{made['id']}/commit", commit)


def quote(name):
    """A name as one path segment."""
    return urllib.parse.quote(name, safe="")


class Server:
    """One mregd on a data folder of its own (made when none is given)."""

    def __init__(self, data=None, arguments=(), environment=None):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="mreg-test-"))
        self.data = pathlib.Path(data) if data else self.folder / "data"
        self.ports = self.folder / "ports"
        self.log_path = self.folder / "log"
        self.arguments = list(arguments)
        self.environment = dict(environment or {})
        self.process = None
        self.address = self.ops_address = None

    def command(self):
        return [program("mregd"), "--data", str(self.data), "--listen", "127.0.0.1:0", "--ops",
                "127.0.0.1:0", "--port-file", str(self.ports), *self.arguments]

    def spawn(self):
        """Starts the process without waiting for it."""
        self.ports.unlink(missing_ok=True)
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, env=clean_environment(**self.environment))
        return self

    def start(self):
        self.spawn()

        def ready():
            if self.process.poll() is not None:
                raise AssertionError(f"mregd ended with {self.process.returncode}:\n{self.log()}")
            return self.ports.exists()

        wait_until(ready, START_SECONDS, "the port file")
        self.address, self.ops_address = self.ports.read_text().split()[:2]
        return self

    @property
    def url(self):
        return "http://" + self.address

    @property
    def port(self):
        return int(self.address.rsplit(":", 1)[1])

    @property
    def token(self):
        return (self.data / "admin.token").read_text().strip()

    @property
    def api(self):
        """Calls with the first admin's token."""
        return Api(self.address, self.token)

    @property
    def anonymous(self):
        return Api(self.address)

    @property
    def ops(self):
        """For paths of the operations listener: ops.call("GET", "//readyz")."""
        return Api(self.ops_address)

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def log_lines(self):
        """Log lines that are JSON objects."""
        return [json.loads(line) for line in self.log().splitlines() if line.startswith("{")]

    def signal(self, number):
        os.kill(self.process.pid, number)

    def wait(self, seconds=STOP_SECONDS):
        """Exit code of the process once it has ended."""
        return self.process.wait(seconds)

    def stop(self):
        """SIGTERM; gives the exit code. Harmless when the process has ended."""
        if not self.process:
            return None
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        try:
            return self.wait()
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError("mregd did not stop after SIGTERM:\n" + self.log()[-4000:]) from None

    def kill9(self):
        self.process.kill()
        self.process.wait()

    def restart(self):
        self.stop()
        return self.start()

    def remove(self):
        """Ends the process in any way and deletes the folder."""
        if self.process and self.process.poll() is None:
            self.kill9()
        shutil.rmtree(self.folder, ignore_errors=True)

    def connect(self, timeout=30):
        """A plain socket to the API."""
        host, port = self.address.rsplit(":", 1)
        return socket.create_connection((host, int(port)), timeout)

    def raw(self, data, timeout=30, shut=False):
        """Sends bytes, gives everything until the server closes or falls silent (`timeout`)."""
        with self.connect(timeout) as s:
            try:
                s.sendall(data)
                if shut:
                    s.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            return read_all(s)

    def cli(self, *arguments, check=True, token=None, input=None, cwd=None, **environment):
        """Runs mreg against this server; CompletedProcess with text output."""
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        settings = clean_environment(HOME=home, XDG_CONFIG_HOME=home / ".config", MREG_URL=self.url,
                                     MREG_TOKEN=token or self.token, NO_COLOR="1", LC_ALL="C.UTF-8")
        settings.update({k: str(v) for k, v in environment.items()})
        done = subprocess.run([program("mreg"), *map(str, arguments)], env=settings, cwd=cwd, text=True,
                              errors="replace", capture_output=True, timeout=300, input=input,
                              stdin=subprocess.DEVNULL if input is None else None)
        if check and done.returncode != 0:
            raise AssertionError(f"mreg {' '.join(map(str, arguments))} gave {done.returncode}\n"
                                 f"{done.stdout}{done.stderr}")
        return done


def read_all(s):
    """Bytes of a socket until its end, a reset or its timeout."""
    parts = []
    while True:
        try:
            got = s.recv(65536)
        except OSError:
            break
        if not got:
            break
        parts.append(got)
    return b"".join(parts)


def read_answer(s, head=False):
    """One HTTP answer with Content-Length from a socket, as Answer; None when it closed silently."""
    data = b""
    while b"\r\n\r\n" not in data:
        got = s.recv(1)
        if not got:
            return None
        data += got
    lines = data.decode("latin-1").split("\r\n")
    status = int(lines[0].split()[1])
    headers = [tuple(part.strip() for part in line.split(":", 1)) for line in lines[1:] if ":" in line]
    length = int(dict((k.lower(), v) for k, v in headers).get("content-length", 0))
    body = b""
    while not head and status >= 200 and len(body) < length:
        got = s.recv(length - len(body))
        if not got:
            break
        body += got
    return Answer(status, headers, body)


class ServerCase(unittest.TestCase):
    """A test class with one server (self.server, self.api) for all of its tests."""

    arguments = ()
    environment = {}

    @classmethod
    def setUpClass(cls):
        cls.server = Server(arguments=cls.arguments, environment=cls.environment)
        cls.addClassCleanup(cls.server.remove)
        cls.server.start()
        cls.api = cls.server.api
