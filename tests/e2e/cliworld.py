"""A registry in which the example of every command of mreg can be run, and what must be done before each.

    for command in world.commands():
        code, shown = world.run(command, "pipe")

The commands and their examples come from `mreg help --json`. Examples name things (r-55, h-12, ./out) that are
made just before, under the names that the server gives them.
"""
import fcntl
import http.server
import json
import os
import pathlib
import pty
import re
import select
import shutil
import struct
import subprocess
import tempfile
import termios
import threading
import time

import fleetcase
import harness
import routercase

FAST = {"strategy": "rolling", "bake": "0", "min_healthy": "0", "gates": [{"kind": "health"}]}
HELD = {"strategy": "canary", "steps": [{"nodes": 1, "bake": "10m"}, {"percent": 100, "bake": "0"}],
        "min_healthy": "0", "gates": [{"kind": "health"}]}
JUDGED = {**HELD, "steps": [{"nodes": 1, "bake": "10m", "max_bake": "20m"}, {"percent": 100, "bake": "0"}],
          "gates": [{"kind": "health"}, {"kind": "error-ratio", "ratio": "1.5", "floor": "0.005", "max": "0.02"}]}
# Examples that ask before they do it; a pipe gets --yes, a terminal types y.
ASKS = {"rollout promote", "rollout abort", "rollout halt", "version delete", "env delete", "node remove", "router remove", "webhook remove"}
TOKENS = re.compile(r"mrg_\w+")


def run_in_terminal(command, environment, cwd, answers=(), columns=80, seconds=120):
    """Exit code and all that a terminal of that width shows; answers: (what is waited for, what is then typed)."""
    answers = list(answers)
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, cwd=cwd, env=environment,
                               start_new_session=True)
    os.close(slave)
    shown = b""
    while True:
        if answers and answers[0][0].encode() in shown:
            os.write(master, answers.pop(0)[1].encode())
        ready, _, _ = select.select([master], [], [], seconds)
        if not ready:
            process.kill()
            process.wait()
            os.close(master)
            raise AssertionError(f"silent terminal: {command}: {shown!r}")
        try:
            got = os.read(master, 65536)
        except OSError:
            break
        if not got:
            break
        shown += got
    os.close(master)
    return process.wait(60), shown.decode(errors="replace").replace("\r\n", "\n")


class Receiver:
    """Says 200 to every webhook."""

    def __init__(self):
        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *arguments):
                pass

            def do_POST(self):
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/hook"

    def close(self):
        self.http.shutdown()
        self.http.server_close()


class World(fleetcase.FleetCase):
    """The registry, a home folder with a login, a folder to work in, and preparations by command."""
    n_nodes = 2
    policy = FAST
    environment = {"MREG_ROLLOUT_SAMPLE_EVERY": "250ms", "MREG_ROLLOUT_OBSERVE_EVERY": "500ms"}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.home = pathlib.Path(tempfile.mkdtemp(prefix="mreg-home-"))
        cls.addClassCleanup(shutil.rmtree, cls.home, True)
        cls.work = cls.home / "work"
        for folder in ("work", "config", "cache", "bin"):
            (cls.home / folder).mkdir()
        (cls.home / "bin/mreg").symlink_to(harness.program("mreg"))
        cls.receiver = Receiver()
        cls.addClassCleanup(cls.receiver.close)
        cls.deployer = cls.api.new_token("deployer", "dora")
        cls.n_models = 0
        cls.epoch = int(time.time()) + 400 * 86400 + 43200
        cls.fill(cls("skipTest"))

    def fill(self):
        """fraud 1 to 7, of which 5 is live, and what the examples take from the folder."""
        for i in range(1, 8):
            self.push("fraud", intercept=i, commit={"metrics": {"auc": f"0.9{i}"}, "description": f"try {i}"})
        self.push("fraud", intercept=8, commit={"metrics": {"auc": "0.98"}, "alias": ["candidate"]})
        for alias, version in (("champion", 6), ("old", 1)):
            self.api.put(f"/models/fraud/aliases/{alias}", {"version": version})
        self.wait_phase(self.promote("fraud", 5)["id"], "succeeded")
        for path, data in fleetcase.linear_files(9).items():
            path = self.work / "out" / path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        (self.work / "policy.json").write_text(json.dumps(FAST))
        (self.work / "admin.token").write_text(self.server.token + "\n")
        (self.work / "ana.password").write_text("correct horse battery staple\n")
        self.mreg("login", self.server.url, "--token-file", "admin.token")

    # --- running ---

    def settings(self, **more):
        environment = harness.clean_environment(**{
            "HOME": self.home, "XDG_CONFIG_HOME": self.home / "config", "XDG_CACHE_HOME": self.home / "cache",
            "TERM": "xterm", "LC_ALL": "C.UTF-8", "PATH": f"{self.home / 'bin'}:/usr/bin:/bin",
            "SOURCE_DATE_EPOCH": self.epoch, **more})
        for name in ("GITHUB_ACTIONS", "GITLAB_CI", "CIRCLECI", "TRAVIS", "BUILDKITE", "JENKINS_URL", "COLUMNS",
                     "NO_COLOR", "CLICOLOR_FORCE"):
            if name not in more:
                environment.pop(name, None)
        return environment

    def mreg(self, *arguments, code=0, input=None, **environment):
        done = subprocess.run([harness.program("mreg"), *map(str, arguments)], env=self.settings(**environment),
                              cwd=self.work, text=True, errors="replace", capture_output=True, timeout=120,
                              input=input, stdin=subprocess.DEVNULL if input is None else None)
        if done.returncode != code:
            raise AssertionError(f"mreg {' '.join(map(str, arguments))} gave {done.returncode}, not {code}\n"
                                 f"{done.stdout}{done.stderr}")
        return done

    def commands(self):
        return json.loads(self.mreg("help", "--json").stdout)["commands"]

    def line_of(self, command):
        """The example with the names that things really have."""
        line = command["example"]
        prepare = getattr(self, "before_" + re.sub(r"\W", "_", command["name"]), None)
        for old, new in ((prepare() if prepare else None) or {}).items():
            assert old in line, (old, line)
            line = line.replace(old, str(new))
        return line

    def run_example(self, command, mode):
        """Exit code, standard output and error ("terminal": all of it as output) of the example."""
        line = self.line_of(command)
        asks = command["name"] in ASKS
        if mode == "terminal":
            code, shown = run_in_terminal(["sh", "-c", line], self.settings(), self.work,
                                          [("[y/N] ", "y\n")] if asks else [])
            return line, code, shown, ""
        front, dashes, behind = line.partition(" -- ")
        line = front + (" --json" if mode == "json" else "") + (" --yes" if asks else "") + dashes + behind
        done = subprocess.run(["sh", "-c", line], env=self.settings(), cwd=self.work, text=True, errors="replace",
                              capture_output=True, stdin=subprocess.DEVNULL, timeout=120)
        return line, done.returncode, done.stdout, done.stderr

    # --- things to make ---

    def settle(self):
        """What the examples before this one have left behind is ended; nothing moves any more."""
        for rollout in self.api.get("/rollouts?active=true&limit=500")["items"]:
            if rollout["kind"] != "rollback":
                self.api.call("POST", f"/rollouts/{rollout['id']}/commands", {"verb": "abort"})
        self.wait_for(lambda: not self.api.get("/rollouts?active=true")["items"], 60, "the end of all rollouts")

    def new_model(self, n=2):
        """A model of its own whose first version is live, and others that are not."""
        type(self).n_models += 1
        model = f"model-{self.n_models}"
        for i in range(n):
            self.push(model, intercept=i + 1)
        self.wait_phase(self.promote(model, 1)["id"], "succeeded")
        return model

    def held(self, model=None, version=2, **policy):
        """A rollout that bakes for long."""
        made = self.promote(model or self.new_model(), version, {**HELD, **policy})["id"]
        self.wait_for(lambda: self.rollout(made)["step_phase"] == "bake", what="the bake")
        return made

    def queued(self, n):
        """A held rollout, and n more behind it, of one model."""
        model = self.new_model(n + 2)
        self.api.put(f"/environments/production/targets/{model}", {"policy": {"queue": "queue"}})
        return model, self.held(model), [self.promote(model, i + 3)["id"] for i in range(n)]

    def webhook(self):
        return self.api.post("/webhooks", {"name": f"hook-{time.monotonic_ns()}", "url": self.receiver.url})["id"]

    def freeze(self):
        return self.api.post("/freezes", {"environment": "production", "reason": "sale", "until": "2099-01-01"})["id"]

    # --- before each example ---

    def before_login(self):
        return {"http://127.0.0.1:7070": self.server.url}

    def log_in(self):
        self.mreg("login", self.server.url, "--token-file", "admin.token")

    before_whoami = before_list = before_doctor = before_config_get = log_in

    def before_context_show(self):
        self.mreg("config", "set", "context")

    def before_pull(self):
        self.log_in()
        shutil.rmtree(self.work / "model", True)

    def before_verify(self):
        shutil.rmtree(self.work / "model", True)
        self.mreg("pull", "fraud@3", "./model")

    def before_history(self):
        self.settle()

    def before_rollback(self):
        self.settle()

    def before_rollout_list(self):
        self.settle()
        self.held()

    def ended_rollout(self):
        self.settle()
        model = self.new_model()
        made = self.promote(model, 2)["id"]
        self.wait_phase(made, "succeeded")
        return {"r-55": made}

    before_rollout_show = before_rollout_watch = before_rollout_logs = ended_rollout

    def before_rollout_retry(self):
        """A rollout that a person ended."""
        self.settle()
        made = self.held()
        self.command(made, "abort")
        self.wait_phase(made, "rolled-back")
        return {"r-55": made}

    def before_rollout_pause(self):
        return {"r-55": self.held()}

    before_rollout_promote = before_rollout_abort = before_rollout_pause

    def before_rollout_resume(self):
        made = self.held()
        self.command(made, "pause")
        self.wait_phase(made, "paused")
        return {"r-55": made}

    def before_rollout_halt(self):
        return {"r-57": self.held()}

    before_rollout_extend = before_rollout_halt

    def before_rollout_override(self):
        model = self.new_model()
        freeze = self.freeze()
        made = self.promote(model, 2)["id"]
        self.wait_for(lambda: "f-" in self.rollout(made).get("waiting", ""), what="the wait")
        self.addCleanup(self.api.delete, f"/freezes/{freeze}?reason=over")
        return {"r-57": made}

    def before_env_create(self):
        return {"production": f"preview-{time.monotonic_ns() % 1000000:06d}"}

    def before_env_delete(self):
        self.api.post("/environments", {"name": "staging"})

    def new_node(self):
        node = fleetcase.Node("n9")
        type(self).addClassCleanup(node.remove)
        return node.start()

    def before_node_add(self):
        node = self.new_node()
        return {"http://127.0.0.1:8080": node.url, "/srv/n1": node.root, "production n1": "production n9"}

    def before_node_remove(self):
        self.settle()
        return {"n1": "n9"}

    def before_node_uncordon(self):
        self.api.post("/environments/production/nodes/n1/cordon", {"reason": "disk fails"})

    def before_node_check(self):
        self.api.post("/environments/production/nodes/n1/uncordon", {})
        self.settle()

    before_node_drain = before_node_cordon = before_node_check

    def before_node_adopt(self):
        """A node that served a version by hand before mreg knew it, in an environment of its own."""
        node, name = self.new_node(), f"by-hand-{time.monotonic_ns() % 1000000:06d}"
        self.api.post("/environments/production/nodes/n1/uncordon", {})
        self.api.post("/environments", {"name": name, "policy": FAST})
        folder = node.root / "fraud/4"  # 3 was deleted by an example
        folder.mkdir(parents=True)
        (folder / "model.json").write_bytes(fleetcase.linear_files(4)["model.json"])
        (folder / "model-settings.json").write_text(json.dumps(
            {"name": "fraud", "implementation": "mreg_node.Linear",
             "parameters": {"version": "4", "uri": "./model.json"}}))
        assert node.call("POST", "/v2/repository/models/fraud/load")[0] == 200
        self.api.post(f"/environments/{name}/nodes", {"name": "n1", "admin_url": node.url, "root": str(node.root)})
        return {"production": name, "fraud@3": "fraud@4"}

    def before_node_register(self):
        node = self.new_node()
        token = self.api.post("/tokens", {"name": f"node-{time.monotonic_ns()}", "role": "node",
                                          "environment": "production", "root": str(node.folder)})["token"]
        (self.work / "node.token").write_text(token)
        return {"http://10.0.0.7:8080": node.url, "--root /srv/n7": f"--root {node.root} --token-file node.token",
                "mlserver start /srv/n7": "true"}

    def before_token_revoke(self):
        return {"t-12": self.api.post("/tokens", {"name": f"spare-{time.monotonic_ns()}", "role": "reader"})["id"]}

    def before_queue_list(self):
        model, _, _ = self.queued(1)
        return {"fraud": model}

    def before_queue_move(self):
        return {"r-57": self.queued(2)[2][1]}

    def before_queue_remove(self):
        return {"r-57": self.queued(1)[2][0]}

    def before_queue_start(self):
        model, active, _ = self.queued(1)
        self.command(active, "halt", reason="look at it")
        self.wait_phase(active, "halted")
        return {"fraud": model}

    def before_freeze_remove(self):
        return {"f-12": self.freeze()}

    def before_quarantine_lift(self):
        model = self.new_model(1)
        self.push(model, intercept=2, golden=False, fail_load=True)
        self.wait_phase(self.promote(model, 2)["id"], "rolled-back")
        return {"fraud@7": f"{model}@2"}

    def before_approval_list(self):
        model = self.new_model()
        made = self.deployer.post("/rollouts", {"model": model, "version": "2", "environment": "production",
                                                "strategy": {"approvals": 1}})["id"]
        self.wait_for(lambda: any(i["rollout"] == made for i in self.api.get("/approvals")["items"]), what="its wait")
        return {"r-57": made} if self.asks_for_rollout else {}

    asks_for_rollout = False

    def before_approval_approve(self):
        self.asks_for_rollout = True
        return self.before_approval_list()

    before_approval_reject = before_rollout_approve = before_rollout_reject = before_approval_approve

    def before_stop_line_off(self):
        self.api.put("/stop-line", {"on": True, "reason": "incident"})

    def before_quarantine_list(self):
        self.api.put("/stop-line", {"on": False, "reason": "over"})
        for freeze in self.api.get("/freezes")["items"]:
            self.api.delete(f"/freezes/{freeze['id']}?reason=over")

    def before_model_delete(self):
        self.api.post("/models", {"name": "old-fraud"})

    def before_context_add(self):
        self.mreg("context", "remove", "prod", "--yes", code=3)

    def before_context_list(self):
        self.log_in()

    def before_config_list(self):
        self.log_in()

    def before_config_set(self):
        pass

    def before_api(self):
        self.mreg("config", "set", "color")

    def judged(self):
        model = self.new_model()
        made = self.held(model, **JUDGED)

        def is_judged():
            shown = self.api.get(f"/rollouts/{made}/analysis")
            return shown.get("nodes") and all(gate["verdict"] != "none" for gate in shown["gates"])

        self.wait_for(is_judged, what="the judge's first look")
        self.command(made, "abort")
        self.wait_phase(made, "rolled-back")
        return {"r-55": made}

    before_analysis_show = before_analysis_replay = judged

    def haproxy(self):
        if not routercase.find_program("haproxy"):
            self.skipTest("HAProxy is not installed")
        cls = type(self)
        if not hasattr(cls, "router"):
            cls.router = routercase.HAProxy({"fraud": {n.name: n.port for n in cls.nodes}}).start()
            cls.addClassCleanup(cls.router.remove)
        return cls.router

    def before_router_add(self):
        return {"/run/haproxy/admin.sock": self.haproxy().socket}

    def before_router_show(self):
        """It was read, and knows of every model."""
        self.haproxy()
        models = {t["model"] for t in self.api.get("/environments/production/targets?limit=500")["items"]}

        def is_known():
            router = self.api.get("/environments/production/routers/lb")
            routes = {r["model"]: r for r in router.get("routes", [])}
            return (router["reachable"] and models <= set(routes) and
                    all("wanted" in n for n in routes["fraud"]["nodes"]))

        self.wait_for(is_known, what="the router")

    before_router_check = before_router_list = before_router_show

    def before_router_edit(self):
        """The router that the example before has removed."""
        router = self.haproxy()
        self.mreg("router", "add", "production", "lb", "--address", f"unix:{router.socket}")
        self.before_router_show()
        self.addCleanup(self.api.delete, "/environments/production/routers/lb?reason=over")

    before_env_show = before_target_show = settle

    def before_auth_status(self):
        self.log_in()

    def before_router_remove(self):
        self.haproxy()
        self.settle()

    def before_webhook_show(self):
        return {"h-12": self.webhook()}

    before_webhook_remove = before_webhook_rotate = before_webhook_test = before_webhook_show

    def before_webhook_edit(self):
        return {"h-12": self.webhook(), "1200": self.api.get("/changes?limit=1")["items"][0]["seq"]}

    def before_webhook_deliveries(self):
        hook = self.webhook()
        self.api.post(f"/webhooks/{hook}/ping")
        self.wait_for(lambda: self.api.get(f"/webhooks/{hook}/deliveries")["items"][0]["state"] == "delivered",
                      what="the delivery")
        return {"h-12": hook}

    def before_webhook_redeliver(self):
        found = self.before_webhook_deliveries()
        number = self.api.get(f"/webhooks/{found['h-12']}/deliveries")["items"][0]["number"]
        return {"h-12 37": f"{found['h-12']} {number}"}

    def before_ci_init(self):
        for path in (".github", "ci"):
            shutil.rmtree(self.work / path, True)
