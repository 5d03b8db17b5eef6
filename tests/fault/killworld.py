"""Clients that keep a ledger of what mregd acknowledged, for tests that kill it. Standard library only.

Each worker owns the objects it writes, so that after a kill every value is either the last acknowledged
one or the one that was under way. run() works until the connection breaks; check() compares the ledger
with the server and settles what was under way.
"""
import base64
import hashlib
import http.client
import json
import random
import sqlite3
import threading
import time

import fleetcase
import harness


class Gone(Exception):
    """The server went away during a call: the outcome is unknown."""


class Client(harness.Api):
    """Calls over one kept connection; for one thread. Raises Gone when the connection breaks."""

    def __init__(self, server):
        super().__init__(server.address, server.token, 60)
        host, port = self.address.rsplit(":", 1)
        self.connection = http.client.HTTPConnection(host, int(port), timeout=60)

    def call(self, method, path, body=None, headers=None, raw=None):
        send = {"Authorization": "Bearer " + self.token, **(headers or {})}
        data = raw
        if body is not None:
            data = json.dumps(body).encode()
            send["Content-Type"] = "application/json"
        if data is None and method in ("POST", "PUT", "PATCH"):
            data = b""
        answer = None
        try:
            self.connection.request(method, "/api/v1" + path, data, send)
            answer = self.connection.getresponse()
            return harness.Answer(answer.status, answer.getheaders(), answer.read())
        except (OSError, http.client.HTTPException) as broken:
            self.connection.close()
            if answer:
                answer.close()
            raise Gone(f"{method} {path}: {broken!r}") from None

    def close(self):
        self.connection.close()


def sha(data):
    return hashlib.sha256(data).hexdigest()


def content_digest(data):
    return "sha-256=:" + base64.b64encode(hashlib.sha256(data).digest()).decode() + ":"


class Worker:
    """run(client) until Gone; check(client) afterwards. `counts` is what the summary shows."""

    def __init__(self, name, seed):
        self.name = name
        self.rng = random.Random(f"{seed}/{name}")
        self.counts = {}
        self.fault = None

    def count(self, what, n=1):
        self.counts[what] = self.counts.get(what, 0) + n

    def work(self, server, stop):
        """Thread body: steps until the server is gone or `stop` is set."""
        client = Client(server)
        try:
            while not stop.is_set():
                self.step(client)
        except Gone:
            self.count("interrupted")
        except Exception as fault:
            self.fault = fault
        finally:
            client.close()


class Pusher(Worker):
    """Pushes versions of models of its own, part by part."""

    def __init__(self, name, seed, n_models=3, big=False):
        super().__init__(name, seed)
        self.models = [f"{name}-{i}" for i in range(n_models)]
        self.big = big
        self.versions = {model: {} for model in self.models}  # number -> {path: (size, sha)}
        self.fresh = []  # acknowledged since the last check
        self.current = None
        self.n_made = 0

    def make_files(self):
        self.n_made += 1
        mark = f"{self.name} {self.n_made} ".encode()
        sizes = [self.rng.choice((40, 900, 16384, 16385, 60_000, 300_000)) for _ in range(self.rng.randint(1, 2))]
        if self.big:
            sizes[0] = (16 << 20) + self.rng.choice((0, 1, 70_000))
        files = {}
        for i, size in enumerate(sizes):
            unit = mark + self.rng.randbytes(min(size, 4096))
            files[f"part{i}.bin"] = (unit * (size // len(unit) + 1))[:size]
        return files

    def begin(self, client):
        files = self.make_files()
        model = self.rng.choice(self.models)
        plan = [{"path": p, "size": len(d), "sha256": sha(d)} for p, d in files.items()]
        made = client.expect(201, "POST", "/uploads", {"model": model, "files": plan}).json
        self.current = {"id": made["id"], "model": model, "files": files, "done": set(), "is_committing": False,
                        "parts": [(n, p) for n, f in enumerate(made["files"]) for p in f.get("missing", ())],
                        "part_size": made["part_size"], "key": f"{self.name}-{self.n_made}"}

    def step(self, client):
        now = self.current
        if now is None:
            return self.begin(client)
        todo = [part for part in now["parts"] if part not in now["done"]]
        if todo:
            return self.send(client, now, todo[0])
        if self.rng.random() < 0.04 and not now["is_committing"]:
            return self.abandon(client, now)
        return self.commit(client, now)

    def send(self, client, now, part):
        number, index = part
        data = list(now["files"].values())[number][index * now["part_size"]:(index + 1) * now["part_size"]]
        client.expect(204, "PUT", f"/uploads/{now['id']}/files/{number}/parts/{index}", raw=data,
                      headers={"Content-Digest": content_digest(data)})
        now["done"].add(part)
        self.count("parts")

    def abandon(self, client, now):
        self.current = None
        client.call("DELETE", f"/uploads/{now['id']}")
        self.count("abandoned")

    def commit(self, client, now):
        now["is_committing"] = True
        answer = client.expect((200, 201), "POST", f"/uploads/{now['id']}/commit",
                               {"metrics": {"n": str(self.n_made)}, "reason": now["key"]},
                               headers={"Idempotency-Key": now["key"]})
        self.learn(now, answer.json["version"])

    def learn(self, now, number):
        known = {path: (len(data), sha(data)) for path, data in now["files"].items()}
        self.versions[now["model"]][number] = known
        self.fresh.append((now["model"], number))
        self.current = None
        self.count("versions")

    def check(self, client):
        self.settle(client)
        old = [(m, n) for m, numbers in self.versions.items() for n in numbers]
        for model, number in self.fresh + self.rng.sample(old, min(2, len(old))):
            self.check_version(client, model, number)
        self.fresh = []
        for model in self.models:
            self.check_list(client, model)

    def check_all(self, client):
        for model, numbers in self.versions.items():
            for number in numbers:
                self.check_version(client, model, number)

    def settle(self, client):
        """What was under way at the kill is there as a whole, or not at all and can be continued."""
        now = self.current
        if now is None:
            return
        answer = client.call("GET", f"/uploads/{now['id']}")
        if now["is_committing"]:
            return self.settle_commit(client, now, answer)
        assert answer.status == 200, f"acknowledged upload {now['id']} is lost: {answer!r}"
        missing = {(n, p) for n, f in enumerate(answer.json["files"]) for p in f.get("missing", ())}
        lost = missing & now["done"]
        assert not lost, f"acknowledged parts {lost} of upload {now['id']} are lost"
        now["done"] = {part for part in now["parts"] if part not in missing}

    def settle_commit(self, client, now, upload):
        number = self.find_version(client, now)
        if number:
            assert upload.status == 404, f"upload {now['id']} is published and still there: {upload!r}"
            self.count("commits found done")
        else:
            assert upload.status == 200, f"upload {now['id']} is neither there nor published: {upload!r}"
            self.count("commits found not done")
            answer = client.expect(201, "POST", f"/uploads/{now['id']}/commit", {"reason": now["key"]})
            number = answer.json["version"]
        self.learn(now, number)

    def find_version(self, client, now):
        wanted = {path: (len(data), sha(data)) for path, data in now["files"].items()}
        answer = client.call("GET", f"/models/{now['model']}/versions?limit=3")
        if answer.status == 404:
            return None
        for item in answer.json["items"]:
            if item["version"] not in self.versions[now["model"]]:
                assert self.files_of(client, now["model"], item["version"]) == wanted
                return item["version"]
        return None

    @staticmethod
    def files_of(client, model, number):
        version = client.get(f"/models/{model}/versions/{number}")
        return {f["path"]: (f["size"], f["sha256"]) for f in version["files"]}

    def check_version(self, client, model, number):
        wanted = self.versions[model][number]
        assert self.files_of(client, model, number) == wanted, f"{model} {number} has other files"
        for path, (size, digest) in wanted.items():
            data = client.expect(200, "GET", f"/models/{model}/versions/{number}/files/{path}").body
            assert (len(data), sha(data)) == (size, digest), f"{model} {number} {path}: wrong bytes"
            self.count("downloads")

    def check_list(self, client, model):
        wanted = sorted(self.versions[model])
        if wanted:
            got = client.get(f"/models/{model}")
            assert got["n_versions"] == len(wanted), f"{model}: {got} instead of {len(wanted)} versions"
            assert wanted == list(range(1, len(wanted) + 1)), f"{model}: numbers {wanted}"


class Registers(Worker):
    """Moves aliases and changes annotations of one model: each is a register with one writer."""

    def __init__(self, name, seed, n_versions=3):
        super().__init__(name, seed)
        self.n_versions = n_versions
        self.acked = {}
        self.pending = {}

    def prepare(self, client):
        for i in range(self.n_versions):
            client.upload(self.name, {"a": f"{self.name} {i}".encode()})

    def step(self, client):
        self.count("changes")
        kind = self.rng.choice(("alias", "tag", "about", "drop"))
        if kind in ("alias", "drop"):
            self.move_alias(client, f"a{self.rng.randrange(4)}", kind == "drop")
        elif kind == "tag":
            number = self.rng.randint(1, self.n_versions)
            value = str(self.counts["changes"])
            self.write(client, ("tag", number), value, "PATCH", f"/models/{self.name}/versions/{number}",
                       {"tags": {"mark": value}, "metrics": {"m": value}})
        else:
            value = f"text {self.counts['changes']}"
            self.write(client, ("about",), value, "PATCH", f"/models/{self.name}", {"description": value})

    def move_alias(self, client, alias, is_drop):
        key = ("alias", alias)
        path = f"/models/{self.name}/aliases/{alias}"
        if is_drop and self.acked.get(key):
            return self.write(client, key, None, "DELETE", path, None)
        choices = [n for n in range(1, self.n_versions + 1) if n != self.acked.get(key)]
        number = self.rng.choice(choices)
        return self.write(client, key, number, "PUT", path, {"version": number})

    def write(self, client, key, value, method, path, body):
        self.pending = {key: value}
        client.expect((200, 201, 204), method, path, body)
        self.acked[key] = value
        self.pending = {}

    def check(self, client):
        model = client.call("GET", f"/models/{self.name}").json
        found = {("about",): model["description"]}
        for number in range(1, self.n_versions + 1):
            version = client.get(f"/models/{self.name}/versions/{number}")
            found["tag", number] = version["tags"].get("mark")
            assert version["metrics"].get("m") == version["tags"].get("mark"), f"half a change: {version}"
        for i in range(4):
            found["alias", f"a{i}"] = model["aliases"].get(f"a{i}")
        for key, value in found.items():
            allowed = [self.acked.get(key)] + ([self.pending[key]] if key in self.pending else [])
            assert (value or None) in [v or None for v in allowed], \
                f"{self.name} {key} is {value!r} instead of one of {allowed}"
            self.acked[key] = value
        self.pending = {}


BAD = ({"raise": True}, {"golden": 999.0}, {"fail_load": True}, {"error_rate": 0.7})


class Deployer(Worker):
    """Rolls good and bad versions of one model out, one after the other, and checks each end."""

    def __init__(self, name, seed, nodes, server):
        super().__init__(name, seed)
        self.nodes, self.server = nodes, server
        self.live = None
        self.version = self.rollout = None
        self.is_good = True
        self.n_made = 0

    def step(self, client):
        if self.version is None:
            return self.push(client)
        if self.rollout is None:
            return self.submit(client)
        return self.follow(client)

    def files(self):
        if self.is_good:
            return fleetcase.linear_files(self.n_made)
        fault = dict(BAD[self.n_made % len(BAD)])
        return fleetcase.linear_files(self.n_made, golden=fault.pop("golden", False), **fault)

    def push(self, client):
        if not getattr(self, "is_pushing", False):
            self.n_made += 1
            self.is_good = self.live is None or self.rng.random() < 0.5
            self.is_pushing = True
        self.version = client.upload(self.name, self.files())["version"]
        self.is_pushing = False

    def submit(self, client):
        mark = f"{self.name} {self.n_made}"
        for rollout in client.get(f"/rollouts?model={self.name}&env=production&limit=3")["items"]:
            if rollout.get("reason") == mark:
                self.rollout = rollout["id"]
                return
        made = client.expect(201, "POST", "/rollouts", {"model": self.name, "version": str(self.version),
                                                       "environment": "production", "reason": mark}).json
        self.rollout = made["id"]

    def follow(self, client):
        rollout = client.get(f"/rollouts/{self.rollout}")
        if rollout["phase"] == "paused":
            client.call("POST", f"/rollouts/{self.rollout}/commands", {"verb": "resume"})
            self.count("resumed")
        if rollout["phase"] not in fleetcase.ENDED:
            threading.Event().wait(0.02)
            return
        self.check_end(client, rollout)
        self.count("rollouts good" if self.is_good else "rollouts bad")
        self.version = self.rollout = None

    def check_end(self, client, rollout):
        wanted = "succeeded" if self.is_good else "rolled-back"
        assert rollout["phase"] == wanted, \
            f"version {self.version} ended {rollout['phase']}, not {wanted}: {self.evidence(rollout)}"
        if self.is_good:
            self.live = self.version
        self.check_live(client)

    def evidence(self, rollout):
        """All that may tell why a rollout ended as it did."""
        db = sqlite3.connect(f"file:{self.server.data / 'mreg.db'}?mode=ro", uri=True, timeout=30)
        lines = [json.dumps(rollout)]
        for sql in ("SELECT * FROM node_ops WHERE rollout_id = ? ORDER BY started_ts",
                    "SELECT * FROM journal WHERE object = ? ORDER BY seq"):
            lines += [str(row) for row in db.execute(sql, (rollout["id"],))]
        db.close()
        for node in self.nodes:
            status, index = node.call("POST", "/v2/repository/index", {})
            lines.append(f"{node.name}: {status} {json.dumps(index)}")
            lines += [str(p) for p in sorted(node.root.rglob("*")) if p.is_dir() and self.name in str(p)]
        return "\n".join(lines)

    def check_live(self, client):
        model = client.get(f"/models/{self.name}")
        assert model["live"].get("production") == self.live, f"live is not {self.live}: {model}"
        version = client.get(f"/models/{self.name}/versions/production")
        assert version["version"] == self.live, f"alias production is not {self.live}"
        for node in self.nodes:
            served = node.predict(self.name)[1]
            assert served == self.live, f"{node.name} serves {self.name} {served}, live is {self.live}"

    def check(self, client):
        if self.live is not None:
            model = client.get(f"/models/{self.name}")
            live = model["live"].get("production")
            allowed = {self.live} | ({self.version} if self.is_good and self.rollout else set())
            assert live in allowed, f"live is {live} instead of one of {allowed}"
        if self.rollout:
            client.get(f"/rollouts/{self.rollout}")


class Traffic(threading.Thread):
    """Predictions on every node, so that the gates have something to judge."""

    def __init__(self, nodes, models, per_second=250):
        super().__init__(daemon=True)
        self.nodes, self.models, self.per_second = nodes, models, per_second
        self.stop_now = threading.Event()
        self.n = 0

    def run(self):
        links = {node: http.client.HTTPConnection("127.0.0.1", node.port, timeout=30) for node in self.nodes}
        body = json.dumps({"inputs": [{"name": "x", "shape": [1, 1], "datatype": "FP64", "data": [1.0]}]})
        begun = time.monotonic()
        while not self.stop_now.is_set():
            node = self.nodes[self.n % len(self.nodes)]
            model = self.models[self.n // len(self.nodes) % len(self.models)]
            try:
                links[node].request("POST", f"/v2/models/{model}/infer", body)
                links[node].getresponse().read()
            except (OSError, http.client.HTTPException):
                links[node].close()
            self.n += 1
            ahead = self.n / self.per_second - (time.monotonic() - begun)
            if ahead > 0:
                self.stop_now.wait(ahead)

    def stop(self):
        self.stop_now.set()
        self.join()
