"""Real MLServer processes for the interop tests, from the virtual environment MREG_VENV."""
import http.client
import json
import os
import pathlib
import random
import shutil
import socket
import subprocess
import tempfile

import harness

VENV = os.environ.get("MREG_VENV", "")
HAS_MLSERVER = bool(VENV) and os.access(os.path.join(VENV, "bin", "mlserver"), os.X_OK)
WHY_NOT = "MREG_VENV has no MLServer (PyPI not reached)"


def python(code, *arguments):
    """Runs code with the environment's Python."""
    subprocess.run([os.path.join(VENV, "bin", "python"), "-c", code, *map(str, arguments)], check=True, timeout=300)


def free_ports(n):
    """Free ports below the range that the system gives to outgoing connections."""
    ports = []
    while len(ports) < n:
        port = random.randrange(15000, 32000)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                ports.append(port)
            except OSError:
                pass
    return ports


class MlserverNode:
    def __init__(self, name, **more):
        """more: further variables of the server's environment."""
        self.name = name
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="mreg-mlserver-"))
        self.root = self.folder / "models"
        self.root.mkdir()
        self.http, self.grpc, self.metrics = free_ports(3)
        environment = harness.clean_environment(
            MLSERVER_HOST="127.0.0.1", MLSERVER_HTTP_PORT=self.http, MLSERVER_GRPC_PORT=self.grpc,
            MLSERVER_METRICS_PORT=self.metrics, MLSERVER_PARALLEL_WORKERS=0, MLSERVER_DEBUG="false",
            MLSERVER_MODEL_REPOSITORY_ROOT=self.root, **more)
        with open(self.folder / "log", "wb") as log:
            self.process = subprocess.Popen([os.path.join(VENV, "bin", "mlserver"), "start", str(self.root)],
                                            env=environment, cwd=self.folder, stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log)

    def call(self, method, path, body=None, timeout=20):
        connection = http.client.HTTPConnection("127.0.0.1", self.http, timeout=timeout)
        try:
            connection.request(method, path, None if body is None else json.dumps(body),
                               {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def is_live(self):
        assert self.process.poll() is None, (self.folder / "log").read_text()[-2000:]
        try:
            return self.call("GET", "/v2/health/live")[0] == 200
        except OSError:
            return False

    def remove(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
