"""Figures of mregd and mreg as ratios to named references measured in the same run.

    python3 tests/bench/bench.py --build BUILD_DIR [--quick] [--only 1,6,26] [--gate 0.5] [--json FILE]

Each figure is the median of several runs, alternating with its reference. --quick takes about three
minutes with smaller files and shorter runs. --gate F: exit 1 when a figure reaches less than F times
its target (0.5). Needs nginx, wrk, curl, openssl; a figure whose tool is missing is an error.
All load stays on 127.0.0.1.
"""
import argparse
import os
import pathlib
import re
import shutil
import socket
import subprocess
import threading
import time

import bench_kit as kit  # sets the path to harness
import bench_fill
import harness

MIB = 1 << 20


class Plan:
    """How much of everything."""

    def __init__(self, quick):
        self.rounds = 3 if quick else 5
        self.seconds = 1 if quick else 3
        self.file_bytes = (256 if quick else 1024) * MIB
        self.n_models, self.n_versions = (300, 60) if quick else (10000, 100)
        self.engine_s = 60 if quick else 300


def small_path(server):
    """The endpoint of figure 1: about 250 bytes from memory, for everybody."""
    path = "/icon.svg"
    assert server.anonymous.call("GET", "/" + path).status == 200, "the build has no dashboard (MREG_WEB)"
    return path


def small_answers(table, plan):
    """1, 2, 5: an answer from memory against a static file of nginx."""
    with kit.Folder() as folder, kit.Registry(folder) as server, kit.Nginx(folder) as nginx:
        path = small_path(server)
        (nginx.root / "small").write_bytes(server.anonymous.call("GET", "/" + path).body)
        for number, connections, target in ((1, 128, 0.75), (2, 2, 1.5)):
            if not table.wants(number):
                continue
            ours, theirs = kit.alternate(
                plan.rounds,
                lambda c=connections: kit.wrk(server.url + path, c, plan.seconds).per_second,
                lambda c=connections: kit.wrk(nginx.url("small"), c, plan.seconds).per_second)
            table.add(number, f"small public GET, {connections} connections / nginx", ours, theirs, "req/s",
                      target)
        if table.wants(5):
            one = kit.wrk(server.url + path, 1, plan.seconds)
            table.add(5, "small GET, 1 connection: p99", one.p99_ms, None, "ms", at_most=5,
                      note=f" p50 {one.p50_ms * 1000:.0f} us")


def reads(table, plan):
    """3, 4, 9 and memory, on a registry full of versions."""
    with kit.Folder() as folder:
        with kit.Registry(folder) as server:
            idle = server.rss_mib()
            bench_fill.seed(server)
        seconds = bench_fill.fill(folder / "data", plan.n_models, plan.n_versions)
        with kit.Registry(folder) as server:
            rate = bench_fill.wait_history(folder / "data")
            if table.wants("mem"):
                table.add("mem", "journal rows to signed commits, catching up", rate, None, "rows/s")
            kit.wait_idle(server)
            read_rates(table, plan, server)
            what = f"{plan.n_models:,} models x {plan.n_versions} versions"
            if table.wants("mem"):
                table.add("mem", "resident memory, idle, empty", idle, None, "MiB")
                table.add("mem", f"the same, {what}, after load", server.rss_mib(), None, "MiB",
                          note=f" filled in {seconds:.0f} s")


def read_rates(table, plan, server):
    rate = lambda path, token=None: kit.wrk(server.url + "/api/v1" + path, 32, plan.seconds, token).per_second
    small = small_path(server)
    base = lambda: kit.wrk(server.url + small, 32, plan.seconds).per_second
    deep = bench_fill.cursor_near_end(server, plan.n_models)
    jobs = ((3, "GET one model / small GET, 32 connections", f"/models/{bench_fill.NAME.format(7)}", base, 0.5),
            (4, "list of 50 versions / small GET, 32 conn.",
             f"/models/{bench_fill.NAME.format(7)}/versions?limit=50", base, 0.2),
            ("4b", "list of 50 models / small GET, 32 conn.", "/models?limit=50", base, None),
            (9, "last page of models / first page", f"/models?limit=50&cursor={deep}",
             lambda: rate("/models?limit=50", server.token), 0.9))
    for number, name, path, reference, target in jobs:
        if table.wants(number):
            ours, theirs = kit.alternate(plan.rounds, lambda p=path: rate(p, server.token), reference)
            table.add(number, name, ours, theirs, "req/s", target)


def durable_writes(table, plan):
    """6, 7: creations of models against one transaction per request behind a mutex, same HTTP library."""
    slow = str(pathlib.Path(harness.program("libslow_fsync.so")))
    jobs = (("6", 32, None, "", 1.8), ("6b", 32, slow, ", +1 ms fsync", 6), ("7", 128, slow, ", +1 ms fsync", 10))
    for number, connections, preload, words, target in jobs:
        if not table.wants(number):
            continue
        with kit.Folder(in_memory=False) as folder, kit.Registry(folder, preload) as server, \
                kit.Reference(folder, "mutex", preload) as reference:
            ours, theirs = kit.alternate(
                plan.rounds,
                lambda f=folder, s=server, c=connections: kit.wrk_post(f, s.port, c, plan.seconds,
                                                                       "/api/v1/models", s.token),
                lambda f=folder, r=reference, c=connections: kit.wrk_post(f, r.port, c, plan.seconds, "/models"))
            table.add(number, f"POST model, {connections} conn. / mutex{words}", ours, theirs, "req/s", target)


def put_once(server, path, mark):
    """Seconds from the first byte of the body to the published version, and of the body alone."""
    size = path.stat().st_size
    with open(path, "r+b") as out:
        out.write(mark.to_bytes(8, "big"))
    digest = kit.file_sha(path)
    made = server.api.post("/uploads", {"model": "big", "files": [
        {"path": "model.bin", "size": size, "sha256": digest}]})
    url = f"{server.url}/api/v1/uploads/{made['id']}"
    begun = time.monotonic()
    body = kit.curl("-T", str(path), "-H", f"Authorization: Bearer {server.token}", f"{url}/files/0/content")
    server.api.post(f"/uploads/{made['id']}/commit", {})
    return time.monotonic() - begun, body


class Marks:
    """Makes each upload's content new, so that nothing is saved by de-duplication."""

    def __init__(self):
        self.n = 0

    def next(self):
        self.n += 1
        return self.n


def copy_and_digest(path, folder):
    target = folder / "copy"
    took = kit.timed(["cp", path, target]) + kit.timed(["openssl", "dgst", "-sha256", target])
    target.unlink()
    return took


def nginx_put(nginx, path):
    took = kit.curl("-T", str(path), nginx.url("put/file"))
    (nginx.root / "put/file").unlink()
    return took


def drop_blobs(server):
    """Makes room between the rounds; the rows stay, which no later round looks at."""
    for path in (server.data / "blobs").rglob("*"):
        if path.is_file() and path.stat().st_size > MIB:
            path.unlink()


def uploads(table, plan):
    """10, 11 on tmpfs, where a sync costs nothing; 12 on the disk."""
    marks, mib = Marks(), plan.file_bytes / MIB
    with kit.Folder() as folder, kit.Registry(folder) as server, kit.Nginx(folder) as nginx:
        path = kit.make_file(folder / "big", plan.file_bytes)
        bodies = []

        def put():
            total, body = put_once(server, path, marks.next())
            bodies.append(body)
            drop_blobs(server)
            return total

        if table.wants(10, 11):
            ours, copied, theirs = kit.alternate(plan.rounds, put, lambda: copy_and_digest(path, folder),
                                                 lambda: nginx_put(nginx, path))
            alone = sorted(bodies)[len(bodies) // 2]
            table.add(10, "PUT + commit, tmpfs / cp, then openssl dgst", mib / ours, mib / copied, "MiB/s", 1.3)
            table.add(11, "PUT + commit, tmpfs / nginx DAV PUT (no hash)", mib / ours, mib / theirs, "MiB/s", 0.85)
            table.add("11b", "PUT alone, tmpfs / nginx DAV PUT (no hash)", mib / alone, mib / theirs, "MiB/s", 0.85)
    if table.wants(12):
        durable_upload(table, plan, marks)


def copy_and_sync(path, folder):
    target = folder / "copy"
    took = kit.timed(["cp", path, target]) + kit.timed(["sync", target])
    target.unlink()
    return took


def durable_upload(table, plan, marks):
    mib = plan.file_bytes / MIB
    with kit.Folder() as source, kit.Folder(in_memory=False) as folder, kit.Registry(folder) as server:
        path = kit.make_file(source / "big", plan.file_bytes)

        def put():
            total, _ = put_once(server, path, marks.next())
            drop_blobs(server)
            return total

        ours, theirs = kit.alternate(plan.rounds, put, lambda: copy_and_sync(path, folder))
        table.add(12, "PUT + commit, disk, fsynced / cp and sync", mib / ours, mib / theirs, "MiB/s", 0.55)


def downloads(table, plan):
    """16, 17: one large file to curl against sendfile."""
    mib = plan.file_bytes / MIB
    with kit.Folder() as folder, kit.Registry(folder) as server, kit.Nginx(folder) as nginx:
        path = kit.make_file(nginx.root / "big", plan.file_bytes)
        put_once(server, path, 1)
        url = server.url + "/api/v1/models/big/versions/1/files/model.bin"
        token = ["-H", f"Authorization: Bearer {server.token}"]
        ours, theirs = kit.alternate(plan.rounds + 2, lambda: kit.curl(*token, url),
                                     lambda: kit.curl(nginx.url("big")))
        table.add(16, "GET to curl / nginx sendfile", mib / ours, mib / theirs, "MiB/s", 0.95)


def cli_transfers(table, plan):
    """push, pull: the whole command, with hashing on both sides."""
    mib = plan.file_bytes / MIB
    with kit.Folder() as folder, kit.Registry(folder) as server:
        model = folder / "model"
        model.mkdir()
        path = kit.make_file(model / "model.bin", plan.file_bytes)
        marks = Marks()

        def push():
            with open(path, "r+b") as out:
                out.write(marks.next().to_bytes(8, "big"))
            begun = time.monotonic()
            server.cli("push", "big", model)
            return time.monotonic() - begun

        def pull():
            target = folder / "pulled"
            begun = time.monotonic()
            server.cli("pull", f"big@{marks.n}", target)
            took = time.monotonic() - begun
            assert (target / "model.bin").stat().st_size == plan.file_bytes
            shutil.rmtree(target)
            return took

        pushed, pulled, copied = kit.alternate(3, push, pull, lambda: copy_and_digest(path, folder))
        table.add("push", "mreg push / cp, then openssl dgst", mib / pushed, mib / copied, "MiB/s")
        table.add("pull", "mreg pull (verified) / cp, then openssl dgst", mib / pulled, mib / copied, "MiB/s")


def git_events(table, plan):
    """18: prints of bench_history are its own; here its ratios."""
    program = harness.program("bench_history")
    for number, preload, words, target in (("18", None, "", 25), ("18b", "libslow_fsync.so", ", +1 ms fsync", 100)):
        if not table.wants(number):
            continue
        with kit.Folder(in_memory=False) as folder:
            environment = dict(os.environ, TMPDIR=str(folder))
            if preload:
                environment["LD_PRELOAD"] = harness.program(preload)
            done = subprocess.run([program], text=True, capture_output=True, check=False, env=environment,
                                  timeout=600)
        assert done.returncode == 0, done.stdout + done.stderr
        found = {name: float(value.replace(",", "")) for name, value in
                 re.findall(r"^(measured|reference) ([\d.,]+)", done.stdout, re.M)}
        table.add(number, f"git events / treebuilder, loose, fsync{words}", found["measured"],
                  found["reference"], "events/s", target)


def first_answer(spawn, find_port):
    """Milliseconds from exec to the first HTTP answer."""
    begun = time.monotonic()
    process = spawn()
    port = find_port(process)
    with socket.create_connection(("127.0.0.1", port), 5) as s:
        s.sendall(b"GET /api/v1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert s.recv(64).startswith(b"HTTP/1.1 200")
    return (time.monotonic() - begun) * 1000


def busy_port(server):
    """The port, looked for without pauses that would be measured too."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            words = server.ports.read_text().split()
            if words:
                return int(words[0].rsplit(":", 1)[1])
        except FileNotFoundError:
            time.sleep(0.0002)
    raise AssertionError("no start: " + server.log())


def starts(table, plan):
    """24: against a program that only initialises the same libraries, opens a database and listens."""
    with kit.Folder() as folder, kit.Registry(folder) as server:
        def ours():
            server.stop()
            return first_answer(server.spawn, lambda _: busy_port(server))

        def theirs():
            reference = kit.Reference(folder, "empty")
            with reference:
                with socket.create_connection(("127.0.0.1", reference.port), 5) as s:
                    s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                    assert s.recv(64).startswith(b"HTTP/1.1 200")
                return (time.monotonic() - reference.begun) * 1000

        mine, other = kit.alternate(max(5, plan.rounds), ours, theirs)
        table.add(24, "exec to first answer (at most 2 x reference)", mine, other, "ms", at_most=2 * other)


def stops(table, plan):
    """25: SIGTERM to the end of the process, idle."""
    with kit.Folder() as folder, kit.Registry(folder) as server:
        def stop():
            begun = time.monotonic()
            server.stop()
            took = (time.monotonic() - begun) * 1000
            server.start()
            return took
        took, = kit.alternate(plan.rounds, stop)
        table.add(25, "SIGTERM to exit, idle", took, None, "ms", at_most=100)


def cold_starts(table, plan):
    """27: the command from exec to exit, against /bin/true started the same way."""
    with kit.Folder() as folder, kit.Registry(folder) as server:
        settings = harness.clean_environment(HOME=folder, XDG_CONFIG_HOME=folder, XDG_CACHE_HOME=folder,
                                             MREG_URL=server.url, MREG_TOKEN=server.token)

        def took(*command):
            begun = time.monotonic()
            process = os.posix_spawn(command[0], command, settings, file_actions=[
                (os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0), (os.POSIX_SPAWN_DUP2, 1, 2)])
            assert os.waitpid(process, 0)[1] == 0, command
            return (time.monotonic() - begun) * 1000

        mreg = harness.program("mreg")
        rounds = 50 if plan.rounds < 5 else 200
        nothing, version, listing, words = kit.alternate(
            rounds, lambda: took("/bin/true"), lambda: took(mreg, "--version"), lambda: took(mreg, "list"),
            lambda: took(mreg, "__complete", "show", ""))
        table.add("27", "mreg --version / true", version, nothing, "ms", at_most=15)
        table.add("27b", "mreg list / true", listing, nothing, "ms", at_most=15)
        table.add("27c", "completion of a model / true", words, nothing, "ms", at_most=150)


class SlowBodies:
    """Clients that send a byte of a body now and then, again and again, until stopped."""

    def __init__(self, server, n):
        self.server, self.n = server, n
        self.stop_now = threading.Event()
        self.lives = []
        self.threads = []

    def __enter__(self):
        self.threads = [threading.Thread(target=self.run, daemon=True) for _ in range(self.n)]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop_now.set()
        for thread in self.threads:
            thread.join()

    def run(self):
        while not self.stop_now.is_set():
            begun = time.monotonic()
            try:
                if self.drip():
                    self.lives.append(time.monotonic() - begun)
            except OSError:
                self.lives.append(time.monotonic() - begun)

    def drip(self):
        """True when the server ended it."""
        head = (f"POST /api/v1/models HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.server.token}\r\n"
                "Content-Type: application/json\r\nContent-Length: 60000\r\n\r\n")
        with self.server.connect() as s:
            s.sendall(head.encode())
            s.settimeout(0.2)
            while not self.stop_now.is_set():
                s.sendall(b" ")
                try:
                    if not s.recv(4096):
                        return True
                except TimeoutError:
                    continue
        return False


def slow_clients(table, plan):
    """26: half of the workers hold a body that comes too slowly; the others must not notice."""
    limit_s = 1.0
    settings = {"MREG_SERVER_THREADS": 64, "MREG_SERVER_BODY_TIMEOUT": "1s", "MREG_SERVER_RATE_WINDOW": "1s"}
    with kit.Folder() as folder, kit.Registry(folder, **settings) as server:
        load = lambda: kit.wrk(server.url + small_path(server), 16, max(2, plan.seconds)).per_second
        slow = SlowBodies(server, 32)

        def disturbed():
            with slow:
                rate = load()
            slow.stop_now.clear()
            return rate

        ours, theirs = kit.alternate(plan.rounds, disturbed, load)
        table.add(26, "slow bodies on half of the workers / undisturbed", ours, theirs, "req/s", 0.9)
        assert slow.lives, "no slow body was ended"
        table.add("26b", "longest life of a slow body (limit 1 s)", max(slow.lives), None, "s",
                  at_most=2 * limit_s + 0.2)


def engine(table, plan):
    """28: the controller with 10,000 targets on 1,000 nodes and 500 rollouts at once (bench_engine)."""
    with kit.Folder() as folder:
        done = subprocess.run([harness.program("bench_engine"), "--dir", str(folder), "--seconds", str(plan.engine_s)],
                              check=True, text=True, stdout=subprocess.PIPE, timeout=600)
    figure = lambda pattern: float(re.findall(pattern, done.stdout, re.M)[-1])
    table.add(28, "p99 of the controller's rounds, 500 rollouts", figure(r"^rolling:.* p99 ([\d.]+) ms"), None, "ms",
              at_most=50)
    table.add("28b", "memory with 10,000 targets", figure(r"^memory: .*at most (\d+) MiB"), None, "MiB", at_most=256)
    table.add("28c", "start of the controller", figure(r"^start: (\d+) ms"), None, "ms", at_most=1000)
    table.add("28d", "bad answer to first call of the way back", figure(r"^bad answer .* p50 ([\d.]+) ms"), None, "ms",
              at_most=100, note=f"most {figure(r'^bad answer .* most ([0-9.]+) ms'):.0f}")


FIGURES = (
    (small_answers, (1, 2, 5)), (reads, (3, 4, "4b", 9, "mem")), (durable_writes, (6, "6b", 7)),
    (uploads, (10, 11, "11b", 12)), (downloads, (16,)), (cli_transfers, ("push", "pull")),
    (git_events, (18, "18b")), (starts, (24,)), (stops, (25,)), (slow_clients, (26,)),
    (cold_starts, (27, "27b", "27c")),
    (engine, (28, "28b", "28c", "28d")),
)


def main():
    parser = argparse.ArgumentParser(description="figures of mregd as ratios to references")
    parser.add_argument("--build", required=True)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--gate", type=float, default=0.5)
    parser.add_argument("--json")
    options = parser.parse_args()
    os.environ["MREG_BUILD"] = str(pathlib.Path(options.build).resolve())
    table = kit.Table(set(filter(None, options.only.split(","))))
    plan = Plan(options.quick)
    failures = []
    table.head()
    for figure, numbers in FIGURES:
        if not table.wants(*numbers):
            continue
        try:
            figure(table, plan)
        except Exception as fault:
            failures.append(f"{figure.__name__}: {fault!r}")
            print(f"ERROR  {failures[-1]}", flush=True)
    if options.json:
        kit.save(table.rows, options.json)
    low = [row for row in table.rows if row["share"] is not None and row["share"] < options.gate]
    n_met = sum(row["verdict"] == "ok" for row in table.rows)
    n_aimed = sum(bool(row["verdict"]) for row in table.rows)
    print(f"{n_met} of {n_aimed} targets met, {len(low)} below {options.gate:g} of the target, "
          f"{len(failures)} errors")
    raise SystemExit(1 if low or failures else 0)


if __name__ == "__main__":
    main()
