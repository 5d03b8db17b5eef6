"""Real Triton processes for the interop tests, from the virtual environment MREG_TRITON.

The server is the one that PyTriton ships, on the processor, with the Python backend only. The backend
starts the first python3 of PATH, and wants the helper for its version beside itself.
"""
import http.client
import json
import os
import pathlib
import shutil
import subprocess
import sysconfig
import tempfile

import harness
from mlnode import free_ports

VENV = pathlib.Path(os.environ.get("MREG_TRITON") or "/nonexistent")
SITE = next(iter(sorted(VENV.glob("lib/python3*/site-packages"))), VENV)
HOME = SITE / "pytriton" / "tritonserver"
PYTHON_VERSION = SITE.parent.name.removeprefix("python")
HAS_TRITON = (HOME / "bin" / "tritonserver").is_file() and sysconfig.get_platform() == "linux-x86_64"
WHY_NOT = "MREG_TRITON has no Triton (PyPI not reached, or no Triton there for this processor)"

# Versions of a model are described by one file beside them: that all of them may be loaded, and what
# goes in and out.
CONFIG = """
backend: "python"
max_batch_size: 0
version_policy { all {} }
input [ { name: "x" data_type: TYPE_FP64 dims: [ -1, -1 ] } ]
output [ { name: "y" data_type: TYPE_FP64 dims: [ -1, -1 ] } ]
instance_group [ { kind: KIND_CPU } ]
"""


class TritonNode:
    def __init__(self, name, *options):
        self.name = name
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="mreg-triton-"))
        self.root = self.folder / "models"
        self.root.mkdir()
        self.http, self.metrics = free_ports(2)
        backend = self.folder / "backends" / "python"
        shutil.copytree(HOME / "backends" / "python", backend)
        stub = backend / "triton_python_backend_stub"
        shutil.copyfile(HOME / "python_backend_stubs" / PYTHON_VERSION / stub.name, stub)
        stub.chmod(0o755)
        environment = harness.clean_environment(
            PATH=f"{VENV / 'bin'}:{os.environ['PATH']}", PYTHONPATH=SITE, PYTHONDONTWRITEBYTECODE=1,
            LD_LIBRARY_PATH=SITE / "nvidia_pytriton.libs")
        with open(self.folder / "log", "wb") as log:
            self.process = subprocess.Popen(
                [str(HOME / "bin" / "tritonserver"), f"--model-repository={self.root}",
                 f"--backend-directory={backend.parent}", "--model-control-mode=explicit",
                 "--http-address=127.0.0.1", f"--http-port={self.http}", "--allow-grpc=false",
                 "--metrics-address=127.0.0.1", f"--metrics-port={self.metrics}", "--metrics-interval-ms=200",
                 "--exit-timeout-secs=5", *options],
                env=environment, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def configure(self, model):
        (self.root / model).mkdir()
        (self.root / model / "config.pbtxt").write_text(CONFIG)

    def log(self):
        return (self.folder / "log").read_text(errors="replace")

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
        assert self.process.poll() is None, self.log()[-2000:]
        try:
            return self.call("GET", "/v2/health/live")[0] == 200
        except OSError:
            return False

    def ready(self, model):
        """The versions that answer."""
        listed = json.loads(self.call("POST", "/v2/repository/index", {})[1])
        return sorted(int(entry["version"]) for entry in listed
                      if entry["name"] == model and entry.get("state") == "READY")

    def n_loads(self):
        """How often an instance of a model was made."""
        return self.log().count("TRITONBACKEND_ModelInstanceInitialize")

    def remove(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
