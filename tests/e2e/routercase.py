"""Routers before the nodes of a FleetCase: Debian's HAProxy and nginx, started on free ports, and traffic
that goes through them all the time.

Ports are found by asking the system for a free one just before the start; a start that loses the race is
tried again.
"""
import http.client
import json
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import threading
import time

import fleetcase
import harness


def find_program(name):
    """Path of a system program, also where only root looks."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin:/usr/local/sbin")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Program:
    """A router's process in a folder of its own."""

    def __init__(self, prefix):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=prefix))
        self.port = free_port()
        self.process = None

    def launch(self, command):
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def listens(self):
        if self.process.poll() is not None:
            raise AssertionError((self.folder / "log").read_text())
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def remove(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class HAProxy(Program):
    """One frontend whose first path segment tells the backend: /fraud/v2/... goes to backend fraud."""

    def __init__(self, backends, uses_tcp=False):
        """backends: {"fraud": {"n1": port}}; uses_tcp: its Runtime API has a port too."""
        super().__init__("mreg-haproxy-")
        self.backends = backends
        self.socket = self.folder / "admin.sock"
        self.admin_port = free_port() if uses_tcp else None

    @property
    def address(self):
        """Where mreg reaches the Runtime API."""
        return f"127.0.0.1:{self.admin_port}" if self.admin_port else f"unix:{self.socket}"

    def config(self):
        lines = ["global", f"  stats socket {self.socket} mode 600 level admin", "  maxconn 2000",
                 f"  stats socket ipv4@127.0.0.1:{self.admin_port} level admin" if self.admin_port else "",
                 "defaults", "  mode http", "  retries 0", "  timeout connect 5s", "  timeout client 30s",
                 "  timeout server 30s", "frontend all", f"  bind 127.0.0.1:{self.port}"]
        for name in self.backends:
            lines.append(f"  use_backend {name} if {{ path_beg /v2/models/{name.split('-')[-1]}/ }}")
        for name, servers in self.backends.items():
            lines += [f"backend {name}", "  balance roundrobin"]
            lines += [f"  server {server} 127.0.0.1:{port} weight 100" for server, port in servers.items()]
        return "\n".join(lines) + "\n"

    def start(self):
        path = self.folder / "haproxy.cfg"
        path.write_text(self.config())
        self.launch([find_program("haproxy"), "-db", "-f", str(path)])
        harness.wait_until(self.listens, 20, "the start of HAProxy")
        return self

    def ask(self, line):
        """The answer to one line of the Runtime API."""
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(str(self.socket))
            s.sendall(line.encode() + b"\n")
            answer = b""
            while chunk := s.recv(65536):
                answer += chunk
        return answer.decode()

    def weights(self, backend):
        lines = self.ask(f"show servers state {backend}").split("\n")
        head = lines[1].lstrip("# ").split()
        rows = [dict(zip(head, line.split())) for line in lines[2:] if line]
        return {row["srv_name"]: int(row["srv_uweight"]) for row in rows}


class Nginx(Program):
    """Includes the file that mreg writes; /mreg-router tells the state."""

    def __init__(self, models):
        super().__init__("mreg-nginx-")
        self.models = models
        self.routes = self.folder / "routes.conf"
        self.pid_file = self.folder / "nginx.pid"

    def config(self):
        locations = "\n".join(f"""
        location /v2/models/{model}/ {{
            mirror /mirror-{model};
            proxy_pass http://{model};
            proxy_next_upstream off;
        }}
        location = /mirror-{model} {{
            internal;
            if ($mreg_mirror_{model} = "") {{ return 204; }}
            proxy_pass http://$mreg_mirror_{model}$request_uri;
        }}""" for model in self.models)
        temp = "\n".join(f"    {kind}_temp_path {self.folder}/{kind};"
                         for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        return f"""
daemon off;
worker_processes 2;
pid {self.pid_file};
error_log {self.folder}/error.log warn;
events {{ worker_connections 1024; }}
http {{
    access_log off;
{temp}
    include {self.routes};
    server {{
        listen 127.0.0.1:{self.port};
        {locations}
        location = /mreg-router {{ default_type text/plain; return 200 $mreg_router; }}
    }}
}}
"""

    def start(self):
        path = self.folder / "nginx.conf"
        path.write_text(self.config())
        self.launch([find_program("nginx"), "-e", str(self.folder / "start.log"), "-c", str(path)])
        harness.wait_until(self.listens, 20, "the start of nginx")
        return self

    @property
    def state_url(self):
        return f"http://127.0.0.1:{self.port}/mreg-router"

    def state(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", "/mreg-router")
            return connection.getresponse().read().decode()
        finally:
            connection.close()

    def weights(self, backend):
        for pool in self.state().split(";")[1:]:
            name, *servers = pool.split()
            if name == backend:
                return {s.split("=")[0]: int(s.split("=")[1].rstrip("m")) for s in servers}
        return {}


class Traffic:
    """Predictions through a port from a few threads until stopped. Every request is one connection, is sent
    once, and counts as lost unless it is answered 200."""

    def __init__(self, port, model, threads=3, pause=0.005):
        self.port, self.model, self.pause = port, model, pause
        self.stops = threading.Event()
        self.lock = threading.Lock()
        self.n_ok = 0
        self.lost = []
        self.by_version = {}
        self.threads = [threading.Thread(target=self.run) for _ in range(threads)]

    def once(self):
        body = json.dumps({"inputs": [{"name": "x", "shape": [1, 1], "datatype": "FP64", "data": [1.0]}]})
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("POST", f"/v2/models/{self.model}/infer", body,
                               {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
            if answer.status != 200:
                return None, f"{answer.status} {text[:200]!r}"
            return json.loads(text)["model_version"], None
        except OSError as fault:
            return None, repr(fault)
        finally:
            connection.close()

    def run(self):
        while not self.stops.is_set():
            version, fault = self.once()
            with self.lock:
                if fault:
                    self.lost.append((time.time(), fault))
                else:
                    self.n_ok += 1
                    self.by_version[version] = self.by_version.get(version, 0) + 1
            self.stops.wait(self.pause)

    def counts(self):
        with self.lock:
            return dict(self.by_version)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stops.set()
        for thread in self.threads:
            thread.join()


class RouterCase(fleetcase.FleetCase):
    """Each test gets a fresh router; loads take a while and a node that loads answers nobody."""

    n_nodes = 4

    def setUp(self):
        for node in self.nodes:
            node.faults(load_delay_ms=250, busy_loading=True)

    def n_during_load(self):
        return sum(node.call("GET", "/faults")[1]["n_during_load"] for node in self.nodes)

    def ports(self):
        return {node.name: node.port for node in self.nodes}

    def router(self, name):
        return self.api.get(f"/environments/production/routers/{name}")

    def route(self, name, model):
        for route in self.router(name)["routes"]:
            if route["model"] == model:
                return route
        return None

    def shares(self, name, model):
        """Percent by node, as mreg saw it last."""
        route = self.route(name, model)
        return {n["node"]: float(n["share"]) for n in route["nodes"] if n["known"]} if route else {}
