"""Tools of the benchmarks: servers to compare with, load, medians, the table. Standard library only."""
import hashlib
import json
import os
import pathlib
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

import harness  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
MEMORY = pathlib.Path("/dev/shm")


class Table:
    """One line per figure: printed as soon as it is known, all again at the end."""

    def __init__(self, only):
        self.rows, self.only = [], only

    def wants(self, *numbers):
        return not self.only or any(str(n) in self.only for n in numbers)

    def add(self, number, name, measured, reference, unit, target=None, at_most=None, note=""):
        """target: the least ratio measured / reference; at_most: the largest measured value."""
        ratio = measured / reference if reference else None
        verdict = ""
        if target is not None:
            verdict = "ok" if ratio >= target else "UNDER"
            share = ratio / target
        elif at_most is not None:
            verdict = "ok" if measured <= at_most else "OVER"
            share = at_most / measured if measured else 1.0
        else:
            share = None
        self.rows.append({"row": str(number), "name": name, "measured": measured, "reference": reference,
                          "unit": unit, "ratio": ratio, "target": target, "at_most": at_most,
                          "verdict": verdict, "share": share, "note": note})
        self.show(self.rows[-1])

    def show(self, row):
        number = lambda v: "-" if v is None else f"{v:,.0f}" if abs(v) >= 1000 else f"{v:,.2f}"
        goal = f">= {row['target']:g}" if row["target"] is not None else \
            f"<= {row['at_most']:g}" if row["at_most"] is not None else "-"
        print(f"{row['row']:>5}  {row['name'][:50]:50} {number(row['measured']):>10} "
              f"{number(row['reference']):>10} {row['unit']:9} {number(row['ratio']):>7}  {goal:8} "
              f"{row['verdict']:6}{row['note']}", flush=True)

    def head(self):
        print(f"{'row':>5}  {'figure':50} {'measured':>10} {'reference':>10} {'unit':9} {'ratio':>7}  "
              f"{'target':8} ", flush=True)


def alternate(rounds, *measures):
    """Calls the measures in turn, `rounds` times; gives the median of each."""
    results = [[] for _ in measures]
    for _ in range(rounds):
        for measure, into in zip(measures, results):
            into.append(measure())
    return [statistics.median(one) for one in results]


class Folder:
    """A temporary folder, on tmpfs unless told otherwise."""

    def __init__(self, in_memory=True):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="mreg-bench-", dir=MEMORY if in_memory else None))

    def __enter__(self):
        return self.path

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)


class Registry(harness.Server):
    """mregd for one figure; preload is a wrapper library."""

    def __init__(self, folder, preload=None, **settings):
        environment = {"MREG_LOG_ACCESS": "false", "MREG_LOG_LEVEL": "warning", **settings}
        if preload:
            environment["LD_PRELOAD"] = preload
        super().__init__(data=folder / "data", environment=environment)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.remove()

    def rss_mib(self):
        return status_kib(self.process.pid, "VmRSS") / 1024


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wait_idle(server, seconds=120):
    """Until the process does nothing of its own any more (merging of packs, for example)."""
    pause = threading.Event()

    def is_idle():
        before = cpu_seconds(server.process.pid)
        pause.wait(0.5)
        return cpu_seconds(server.process.pid) - before <= 0.02

    harness.wait_until(is_idle, seconds, "an idle server")


def status_kib(pid, field):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(rf"^{field}:\s+(\d+)", text, re.M).group(1))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


NGINX = """
daemon off; worker_processes 2; pid {dir}/pid; error_log {dir}/error.log; {user}
events {{ worker_connections 1024; }}
http {{
  access_log off; sendfile on; keepalive_requests 1000000000; open_file_cache max=100;
  default_type application/json;
  client_max_body_size 0; client_body_temp_path {dir}/tmp;
  proxy_temp_path {dir}/t1; fastcgi_temp_path {dir}/t2; uwsgi_temp_path {dir}/t3; scgi_temp_path {dir}/t4;
  server {{
    listen 127.0.0.1:{port} backlog=1024; root {root};
    location /put/ {{ dav_methods PUT; create_full_put_path on; }}
  }}
}}
"""


class Nginx:
    """nginx with two workers, an open-file cache, sendfile and DAV PUT below /put/."""

    def __init__(self, folder):
        self.folder = folder / "nginx"
        self.root = self.folder / "root"
        self.port = free_port()
        self.process = None

    def __enter__(self):
        (self.root / "put").mkdir(parents=True)
        (self.folder / "tmp").mkdir()
        user = "user root;" if os.getuid() == 0 else ""
        config = self.folder / "nginx.conf"
        config.write_text(NGINX.format(dir=self.folder, root=self.root, port=self.port, user=user))
        self.process = subprocess.Popen(["nginx", "-c", str(config), "-p", str(self.folder), "-e",
                                         str(self.folder / "error.log")], stderr=subprocess.DEVNULL)
        harness.wait_until(self.answers, 10, "the start of nginx")
        return self

    def answers(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def url(self, path):
        return f"http://127.0.0.1:{self.port}/{path}"


class Reference:
    """bench_ref in one of its modes, driven like mregd."""

    def __init__(self, folder, mode, preload=None):
        path = folder / f"reference-{mode}.db"
        for old in folder.glob(path.name + "*"):
            old.unlink()
        environment = dict(os.environ, **({"LD_PRELOAD": preload} if preload else {}))
        self.begun = time.monotonic()
        self.process = subprocess.Popen([harness.program("bench_ref"), mode, str(path),
                                         str(ROOT / "schema/database.sql")], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, env=environment)

    def __enter__(self):
        self.port = int(self.process.stdout.readline())
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


WRK_POST = """
local thread_number = 0
function setup(thread) thread:set("id", thread_number); thread_number = thread_number + 1 end
local n = 0
local headers = {{["Authorization"] = "Bearer {token}", ["Content-Type"] = "application/json"}}
function request()
  n = n + 1
  return wrk.format("POST", "{path}", headers, '{{"name":"{mark}-' .. id .. '-' .. n .. '"}}')
end
"""


class Load:
    """What one run of wrk saw."""

    def __init__(self, text):
        self.text = text
        bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
        errors = re.search(r"Socket errors: (.*)", text)
        assert not bad, f"wrk got {bad.group(1)} refusals:\n{text}"
        assert not errors or "timeout" in errors.group(1) and re.search(
            r"connect 0, read 0, write 0", errors.group(1)), text
        self.per_second = float(re.search(r"Requests/sec:\s+([\d.]+)", text).group(1))
        percentile = re.search(r"99%\s+([\d.]+)(us|ms|s)\b", text)
        self.p99_ms = float(percentile.group(1)) * {"us": 1e-3, "ms": 1, "s": 1e3}[percentile.group(2)]
        middle = re.search(r"50%\s+([\d.]+)(us|ms|s)\b", text)
        self.p50_ms = float(middle.group(1)) * {"us": 1e-3, "ms": 1, "s": 1e3}[middle.group(2)]


def wrk(url, connections, seconds, token=None, script=None, threads=2):
    command = ["wrk", f"-t{min(threads, connections)}", f"-c{connections}", f"-d{seconds}s", "--latency"]
    if token:
        command += ["-H", f"Authorization: Bearer {token}"]
    if script:
        command += ["-s", str(script)]
    done = subprocess.run(command + [url], text=True, capture_output=True, timeout=seconds + 60, check=True)
    return Load(done.stdout)


def wrk_post(folder, port, connections, seconds, path, token=""):
    """Creations of models with names that were never used."""
    wrk_post.n = getattr(wrk_post, "n", 0) + 1
    script = folder / "post.lua"
    script.write_text(WRK_POST.format(token=token, path=path, mark=f"m{wrk_post.n}"))
    return wrk(f"http://127.0.0.1:{port}", connections, seconds, script=script).per_second


def timed(command, **options):
    """Seconds that a command took."""
    begun = time.monotonic()
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, **options)
    took = time.monotonic() - begun
    assert done.returncode == 0, f"{command}: {done.stdout[-500:]}{done.stderr[-500:]}"
    return took


def curl(*arguments):
    return timed(["curl", "-sS", "--fail-with-body", "-o", "/dev/null", *arguments])


def make_file(path, size, mark=0):
    """Bytes that differ from those of any other mark from the first on."""
    block = hashlib.shake_256(f"block {mark}".encode()).digest(1 << 20)
    with open(path, "wb") as out:
        for i in range(size >> 20):
            out.write(i.to_bytes(8, "big") + block[8:])
        out.write(block[:size & ((1 << 20) - 1)])
    return path


def file_sha(path):
    done = subprocess.run(["openssl", "dgst", "-sha256", "-r", str(path)], text=True, capture_output=True,
                          check=True)
    return done.stdout.split()[0]


def free_bytes(folder):
    return shutil.disk_usage(folder).free


def save(rows, path):
    pathlib.Path(path).write_text(json.dumps(rows, indent=1) + "\n")
