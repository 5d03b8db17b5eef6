"""Debian's HAProxy in front of nodes, with its Runtime API on a socket, and callers who count what they lose."""
import http.client
import json
import pathlib
import shutil
import subprocess
import tempfile
import threading
import time

from mlnode import free_ports

CONFIG = """
global
    stats socket {socket} mode 600 level admin
    stats timeout 10s
    maxconn 500
defaults
    mode http
    timeout connect 2s
    timeout client 30s
    timeout server 30s
    option redispatch
    retries 3
frontend models
    bind 127.0.0.1:{port}
    default_backend {backend}
backend {backend}
    balance roundrobin
{servers}
"""


class Haproxy:
    def __init__(self, backend, servers):
        """servers: {name: port}."""
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="mreg-haproxy-"))
        self.socket = self.folder / "admin.sock"
        self.port, = free_ports(1)
        lines = "\n".join(f"    server {name} 127.0.0.1:{port} weight 100" for name, port in servers.items())
        (self.folder / "haproxy.cfg").write_text(
            CONFIG.format(socket=self.socket, port=self.port, backend=backend, servers=lines))
        with open(self.folder / "log", "wb") as log:
            self.process = subprocess.Popen(["haproxy", "-db", "-f", str(self.folder / "haproxy.cfg")],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def is_up(self):
        assert self.process.poll() is None, (self.folder / "log").read_text()[-2000:]
        return self.socket.exists()

    def remove(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(20)
        shutil.rmtree(self.folder, ignore_errors=True)


class Callers:
    """Calls one address at a rate from several threads. An answer of the model, right or wrong, is an
    answer; no answer, or one that HAProxy made itself (502, 503, 504), is a lost request."""

    def __init__(self, port, path, body, per_second, n_threads=8):
        self.port, self.path, self.body = port, path, json.dumps(body)
        self.every = n_threads / per_second
        self.seen, self.lock, self.stopped = [], threading.Lock(), threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(i,)) for i in range(n_threads)]
        for thread in self.threads:
            thread.start()

    def set_rate(self, per_second):
        self.every = len(self.threads) / per_second

    def ask(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("POST", self.path, self.body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def run(self, i):
        self.stopped.wait(self.every * i / len(self.threads))
        while not self.stopped.is_set():
            at = time.monotonic()
            try:
                status, answer = self.ask()
            except OSError as fault:
                status, answer = 0, str(fault).encode()
            version = json.loads(answer).get("model_version") if status == 200 else None
            with self.lock:
                self.seen.append((at, status, version and int(version), answer[:200] if status != 200 else b""))
            self.stopped.wait(max(0.001, self.every - (time.monotonic() - at)))

    def since(self, start):
        with self.lock:
            return [entry for entry in self.seen if entry[0] >= start]

    def lost(self, start=0):
        return [entry for entry in self.since(start) if entry[1] in (0, 502, 503, 504) or entry[1] in (400, 404)]

    def stop(self):
        self.stopped.set()
        for thread in self.threads:
            thread.join()
