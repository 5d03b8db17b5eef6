"""Webhooks and commit statuses against real receivers: signatures, retries, order, crashes, secrets."""
import base64
import hashlib
import hmac
import http.server
import json
import pathlib
import re
import sqlite3
import subprocess
import tempfile
import threading
import time
import unittest

import fleetcase
import harness

COMMIT = "4f1c2e9d8b7a6f5e4d3c2b1a0f9e8d7c6b5a4f3e"
# A thousandth: the schedule becomes 5 ms, 300 ms, 1.8 s, 7.2 s ...
FAST = {"MREG_WEBHOOK_RETRY_SCALE": "1000", "MREG_WEBHOOK_TIMEOUT": "2s"}


class Receiver:
    """An HTTP server that keeps what it gets. `answers`: statuses to give in turn, then 204; or a
    function of the request. `gate`: requests wait for it when set."""

    def __init__(self):
        self.got, self.answers, self.lock = [], [], threading.Lock()
        self.gate = None
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                with receiver.lock:
                    request = {"path": self.path, "headers": dict(self.headers.items()), "body": body,
                               "time": time.monotonic()}
                    receiver.got.append(request)
                    answer = receiver.answers.pop(0) if receiver.answers else 204
                    gate = receiver.gate
                if gate:
                    gate.wait(20)
                status, headers, text = answer if isinstance(answer, tuple) else (answer, {}, b"")
                text = text(request) if callable(text) else text
                try:
                    self.send_response(status)
                    for name, value in headers.items():
                        self.send_header(name, value)
                    if status != 204:
                        self.send_header("Content-Length", str(len(text)))
                    self.end_headers()
                    self.wfile.write(text)
                except OSError:
                    pass  # the sender has given up

            do_GET = do_POST

            def log_message(self, *arguments):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, client_address):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def events(self):
        with self.lock:
            return [json.loads(r["body"]) for r in self.got]

    def wait(self, n, seconds=30):
        harness.wait_until(lambda: len(self.got) >= n, seconds, f"{n} requests (there are {len(self.got)})")
        with self.lock:
            return list(self.got)

    def close(self):
        if self.gate:
            self.gate.set()
        self.server.shutdown()
        self.server.server_close()


def check_v1(secret, request):
    """True if one v1 signature of the request is by the secret."""
    headers = {k.lower(): v for k, v in request["headers"].items()}
    key = base64.b64decode(secret.removeprefix("whsec_"))
    text = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + request["body"]
    wanted = "v1," + base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()
    return wanted in headers["webhook-signature"].split(" ")


def check_v1a(public, request):
    """True if one v1a signature is by the key, as openssl sees it."""
    headers = {k.lower(): v for k, v in request["headers"].items()}
    text = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + request["body"]
    der = bytes.fromhex("302a300506032b6570032100") + base64.b64decode(public.removeprefix("whpk_"))
    pem = b"-----BEGIN PUBLIC KEY-----\n" + base64.encodebytes(der) + b"-----END PUBLIC KEY-----\n"
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "key.pem").write_bytes(pem)
        (folder / "text").write_bytes(text)
        for part in headers["webhook-signature"].split(" "):
            if not part.startswith("v1a,"):
                continue
            (folder / "signature").write_bytes(base64.b64decode(part[4:]))
            done = subprocess.run(["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", folder / "key.pem",
                                   "-rawin", "-in", folder / "text", "-sigfile", folder / "signature"],
                                  capture_output=True, text=True)
            if done.returncode == 0:
                return True
    return False


class HookCase(harness.ServerCase):
    environment = FAST

    def receiver(self):
        receiver = Receiver()
        self.addCleanup(receiver.close)
        return receiver

    def hook(self, url, **more):
        made = self.api.post("/webhooks", {"name": "test", "url": url, **more}, 201)
        self.addCleanup(lambda: self.server.api.call("DELETE", f"/webhooks/{made['id']}"))  # its port may change
        return made

    def deliveries(self, hook):
        return self.api.get(f"/webhooks/{hook['id']}/deliveries?limit=500")["items"]

    def wait_state(self, hook, number, state, seconds=30):
        def look():
            found = [d for d in self.deliveries(hook) if d["number"] == number]
            return found[0] if found and found[0]["state"] == state else None
        return harness.wait_until(look, seconds, f"delivery {number} {state}")


class WebhookTest(HookCase):
    def test_signed_events(self):
        receiver = self.receiver()
        made = self.hook(receiver.url + "/in?x=1", kinds=["model.*", "alias.*"])
        self.assertRegex(made["secret"], r"^whsec_[A-Za-z0-9+/]{43}=$")
        self.assertEqual(len(made["public_keys"]), 1)
        self.api.post("/models", {"name": "signed", "reason": "because"})
        request = receiver.wait(1)[0]
        self.assertEqual(request["path"], "/in?x=1")
        headers = {k.lower(): v for k, v in request["headers"].items()}
        self.assertEqual(headers["content-type"], "application/cloudevents+json; charset=utf-8")
        self.assertLess(abs(int(headers["webhook-timestamp"]) - time.time()), 60)
        self.assertTrue(check_v1(made["secret"], request))
        self.assertFalse(check_v1("whsec_" + base64.b64encode(b"x" * 32).decode(), request))
        self.assertTrue(check_v1a(made["public_keys"][0], request))
        self.assertFalse(check_v1a(made["public_keys"][0], {**request, "body": request["body"] + b" "}))
        event = json.loads(request["body"])
        self.assertEqual(event["id"], headers["webhook-id"])
        self.assertNotIn(".", event["id"])
        registry = self.api.get("")["registry"]
        self.assertEqual(event["source"], "mreg:" + registry)
        self.assertEqual((event["specversion"], event["type"], event["subject"]),
                         ("1.0", "dev.mreg.model.create", "signed"))
        row = [c for c in self.api.get("/changes?kind=model.create&limit=500")["items"]
               if c["object"] == "signed"][0]
        data = event["data"]
        self.assertEqual((data["seq"], data["time"], data["actor"], data["reason"], data["message"]),
                         (row["seq"], row["time"], row["actor"], "because", row["message"]))
        shown = self.api.get(f"/webhooks/{made['id']}")
        self.assertNotIn("secret", shown)
        self.wait_state(made, 1, "delivered")

    def test_filter_and_order(self):
        receiver = self.receiver()
        self.hook(receiver.url, kinds=["model.create"], models="order-*")
        for i in range(30):
            self.api.post("/models", {"name": f"order-{i}"})
            self.api.post("/models", {"name": f"disorder-{i}"})
        receiver.wait(30)
        self.assertEqual([e["subject"] for e in receiver.events()], [f"order-{i}" for i in range(30)])

    def test_numbers_given_meanwhile_lose_no_event(self):
        """A ping takes a number of the hook, maybe while the ones of new events are being stored."""
        receiver = self.receiver()
        made = self.hook(receiver.url, kinds=["model.create"], models="number-*")
        n = 80

        def ping():
            for _ in range(n):
                self.api.post(f"/webhooks/{made['id']}/ping")

        threads = [threading.Thread(target=ping) for _ in range(2)]
        for thread in threads:
            thread.start()
        for i in range(n):
            self.api.post("/models", {"name": f"number-{i}"})
        for thread in threads:
            thread.join()
        receiver.wait(3 * n)
        subjects = [e["subject"] for e in receiver.events() if e["type"].endswith("model.create")]
        self.assertEqual(subjects, [f"number-{i}" for i in range(n)])

    def test_retries_then_order(self):
        """The first event fails twice: those behind it wait for it; ids and bodies stay the same."""
        receiver = self.receiver()
        receiver.answers = [500, (503, {}, b"later")]
        made = self.hook(receiver.url, kinds=["model.create"], models="retry-*")
        for i in range(3):
            self.api.post("/models", {"name": f"retry-{i}"})
        got = receiver.wait(5)
        self.assertEqual([e["subject"] for e in receiver.events()],
                         ["retry-0", "retry-0", "retry-0", "retry-1", "retry-2"])
        self.assertEqual(len({r["body"] for r in got[:3]}), 1)
        self.assertEqual(len({r["headers"]["webhook-id"] for r in got[:3]}), 1)
        for request in got:
            self.assertTrue(check_v1(made["secret"], request))
        first = self.wait_state(made, 1, "delivered")
        self.assertEqual(first["attempts"], 3)

    def test_a_stubborn_failure_is_passed(self):
        """After three failures the others pass; the event itself is tried on."""
        receiver = self.receiver()
        receiver.answers = [500, 500, 500]
        made = self.hook(receiver.url, kinds=["model.create"], models="pass-*")
        self.api.post("/models", {"name": "pass-0"})
        receiver.wait(1)
        self.api.post("/models", {"name": "pass-1"})
        receiver.wait(5)
        self.assertEqual([e["subject"] for e in receiver.events()],
                         ["pass-0", "pass-0", "pass-0", "pass-1", "pass-0"])
        self.assertEqual(self.wait_state(made, 1, "delivered")["attempts"], 4)

    def test_retry_after(self):
        receiver = self.receiver()
        receiver.answers = [(429, {"Retry-After": "1"}, b"")]
        self.hook(receiver.url, kinds=["model.create"], models="after-*")
        self.api.post("/models", {"name": "after-0"})
        first, second = receiver.wait(2)
        self.assertGreater(second["time"] - first["time"], 0.95)

    def test_nobody_is_there(self):
        """A refused connection is retried; the hook shows that it fails, then that it does not."""
        receiver = self.receiver()
        url = receiver.url
        receiver.close()
        made = self.hook(url, kinds=["model.create"], models="nobody-*")
        self.api.post("/models", {"name": "nobody-0"})
        shown = harness.wait_until(
            lambda: (h := self.api.get(f"/webhooks/{made['id']}")) and h.get("failing_since") and h, 20)
        self.assertNotIn("last_status", shown)
        self.assertTrue(shown["last_detail"])
        self.assertEqual(shown["n_pending"], 1)
        other = self.receiver()
        self.api.patch(f"/webhooks/{made['id']}", {"url": other.url, "reason": "moved"})
        other.wait(1)
        self.wait_state(made, 1, "delivered")
        self.assertNotIn("failing_since", self.api.get(f"/webhooks/{made['id']}"))

    def test_redirects_and_long_answers(self):
        target = self.receiver()
        receiver = self.receiver()
        receiver.answers = [(302, {"Location": target.url}, b""), (200, {}, b"x" * 300000)]
        made = self.hook(receiver.url, kinds=["model.create"], models="redirect-*")
        self.api.post("/models", {"name": "redirect-0"})
        receiver.wait(2)
        done = self.wait_state(made, 1, "delivered")
        self.assertEqual((done["attempts"], done["status"]), (2, 200))
        self.assertEqual(target.got, [])

    def test_timeout(self):
        receiver = self.receiver()
        receiver.gate = threading.Event()
        made = self.hook(receiver.url, kinds=["model.create"], models="slow-*")
        self.api.post("/models", {"name": "slow-0"})
        receiver.wait(1)
        receiver.wait(2, 20)  # after webhook.timeout
        receiver.gate.set()
        self.wait_state(made, 1, "delivered")

    def test_slow_receivers_hold_up_nobody(self):
        slow = [self.receiver() for _ in range(5)]
        for receiver in slow:
            receiver.gate = threading.Event()
            self.hook(receiver.url, kinds=["model.create"], models="crowd-*")
        quick = self.receiver()
        self.hook(quick.url, kinds=["model.create"], models="crowd-*")
        start = time.monotonic()
        for i in range(10):
            self.api.post("/models", {"name": f"crowd-{i}"})
        quick.wait(10, 20)
        self.assertLess(time.monotonic() - start, 2 * 2, "it waited for a slow receiver's timeout")
        for receiver in slow:
            self.assertLessEqual(len(receiver.got), 3)

    def test_gone(self):
        receiver = self.receiver()
        receiver.answers = [410]
        made = self.hook(receiver.url, kinds=["model.create"], models="gone-*")
        self.api.post("/models", {"name": "gone-0"})
        shown = harness.wait_until(
            lambda: (h := self.api.get(f"/webhooks/{made['id']}")) and not h["enabled"] and h, 20)
        self.assertIn("410", shown["why"])
        rows = [c for c in self.api.get("/changes?kind=webhook.update&limit=500")["items"]
                if c["object"] == made["id"]]
        self.assertEqual((rows[-1]["actor"], rows[-1]["reason"]), ("mregd", shown["why"]))
        self.api.post("/models", {"name": "gone-1"})
        # enabled again: what happened meanwhile is not sent, what comes is; --since replays
        self.api.patch(f"/webhooks/{made['id']}", {"enabled": True})
        self.api.post("/models", {"name": "gone-2"})
        receiver.wait(2)
        self.assertEqual([e["subject"] for e in receiver.events()], ["gone-0", "gone-2"])
        first = receiver.events()[0]["data"]["seq"]
        self.api.patch(f"/webhooks/{made['id']}", {"since": first - 1})
        receiver.wait(5)
        self.assertEqual([e["subject"] for e in receiver.events()][2:], ["gone-0", "gone-1", "gone-2"])
        self.assertEqual(receiver.events()[2], receiver.events()[0])

    def test_ping_and_redeliver(self):
        receiver = self.receiver()
        made = self.hook(receiver.url, kinds=["model.create"], models="again-*")
        ping = self.api.post(f"/webhooks/{made['id']}/ping", status=202)
        self.assertEqual((ping["kind"], ping["state"]), ("ping", "pending"))
        request = receiver.wait(1)[0]
        self.assertTrue(check_v1(made["secret"], request))
        self.assertEqual(json.loads(request["body"])["type"], "dev.mreg.ping")
        self.wait_state(made, ping["number"], "delivered")
        self.api.post("/models", {"name": "again-0"})
        receiver.wait(2)
        self.wait_state(made, 2, "delivered")
        again = self.api.post(f"/webhooks/{made['id']}/deliveries/2/redeliver", status=202)
        self.assertEqual(again["origin"], "redelivery")
        got = receiver.wait(3)
        self.assertEqual(got[2]["body"], got[1]["body"])
        self.assertEqual(got[2]["headers"]["webhook-id"], got[1]["headers"]["webhook-id"])
        self.wait_state(made, 3, "delivered")
        receiver.answers = [500]
        ping = self.api.post(f"/webhooks/{made['id']}/ping", status=202)
        failed = self.wait_state(made, ping["number"], "failed")  # a test is tried once
        self.assertEqual((failed["status"], failed["attempts"]), (500, 1))
        for path, status in ((f"/webhooks/{made['id']}/deliveries/99/redeliver", 404),
                             (f"/webhooks/{made['id']}/deliveries/x/redeliver", 404),
                             ("/webhooks/h-999999/ping", 404)):
            self.assertEqual(self.api.call("POST", path, {}).status, status)

    def test_rotation(self):
        receiver = self.receiver()
        made = self.hook(receiver.url, kinds=["model.create"], models="rotate-*")
        turned = self.api.post(f"/webhooks/{made['id']}/rotate", {"overlap": "1h", "reason": "leaked"})
        self.assertNotEqual(turned["secret"], made["secret"])
        self.assertEqual(turned["public_keys"][1:], made["public_keys"])
        self.api.post("/models", {"name": "rotate-0"})
        request = receiver.wait(1)[0]
        for secret in (made["secret"], turned["secret"]):
            self.assertTrue(check_v1(secret, request))
        for key in turned["public_keys"]:
            self.assertTrue(check_v1a(key, request))
        self.assertEqual(len(request["headers"]["webhook-signature"].split(" ")), 4)
        last = self.api.post(f"/webhooks/{made['id']}/rotate", {"overlap": "0"})
        self.api.post("/models", {"name": "rotate-1"})
        request = receiver.wait(2)[1]
        self.assertTrue(check_v1(last["secret"], request))
        self.assertFalse(check_v1(turned["secret"], request))
        self.assertEqual(len(request["headers"]["webhook-signature"].split(" ")), 2)
        files = list((self.server.data / "webhooks").iterdir())
        self.assertEqual(len(files), len(self.api.get("/webhooks")["items"]), "an old file is left")

    def test_refusals(self):
        cases = (({"name": "x"}, "/url"), ({"url": "http://h/"}, "/name"),
                 ({"name": "x", "url": "file:///etc/passwd"}, "/url"),
                 ({"name": "x", "url": "http://u:p@h/"}, "/url"),
                 ({"name": "x", "url": "http://h/", "kinds": ["rollout.ends"]}, "/kinds"),
                 ({"name": "x", "url": "http://h/", "kinds": []}, "/kinds"),
                 ({"name": "x", "url": "http://h/", "format": "githup"}, "/format"),
                 ({"name": "x", "url": "http://h/", "format": "github"}, "/token"),
                 ({"name": "x", "url": "http://h/", "token": "t"}, "/token"),
                 ({"name": "x", "url": "http://h/", "format": "github", "token": "a\nb: c"}, "/token"),
                 ({"name": "x", "url": "http://h/?a=b", "format": "github", "token": "t"}, "/url"),
                 ({"name": "x", "url": "http://h/", "repository": "a/b"}, "/repository"),
                 ({"name": "x", "url": "http://h/", "secret": "whsec_AAAA"}, "/secret"))
        for body, pointer in cases:
            with self.subTest(body=body):
                answer = self.api.call("POST", "/webhooks", body)
                self.assertEqual((answer.status, answer.json.get("pointer")), (400, pointer), answer)
        made = self.hook("http://127.0.0.1:9/", kinds=["rollout.*"])
        for body in ({"since": 10 ** 9}, {"kinds": ["x"]}, {"format": "github"}, {"odd": 1}):
            self.assertEqual(self.api.call("PATCH", f"/webhooks/{made['id']}", body).status, 400, body)
        status = self.hook("http://127.0.0.1:9/", format="github", token="tok")
        elsewhere = {"url": "http://127.0.0.1:8/"}
        answer = self.api.call("PATCH", f"/webhooks/{status['id']}", elsewhere)
        self.assertEqual((answer.status, answer.json.get("pointer")), (400, "/token"), "a token does not travel")
        self.api.patch(f"/webhooks/{status['id']}", {**elsewhere, "token": "tok"})
        for role in ("reader", "pusher", "deployer"):
            api = self.api.new_token(role)
            for method, path in (("GET", "/webhooks"), ("POST", "/webhooks"), ("GET", f"/webhooks/{made['id']}"),
                                 ("POST", f"/webhooks/{made['id']}/ping")):
                self.assertEqual(api.call(method, path, {} if method == "POST" else None).status, 403)

    def test_the_documented_checks(self):
        """The two snippets of docs/webhooks.md, as they stand there."""
        text = (pathlib.Path(__file__).resolve().parents[2] / "docs/webhooks.md").read_text()
        receiver = self.receiver()
        made = self.hook(receiver.url, kinds=["model.create"], models="snippet-*")
        self.api.post("/models", {"name": "snippet-0", "description": "a 'b' \\n $c"})
        request = receiver.wait(1)[0]
        headers = {k.lower(): v for k, v in request["headers"].items()}
        names = {}
        exec(re.search(r"```python\n(.*?)```", text, re.S).group(1), names)
        self.assertTrue(names["is_genuine"](made["secret"], headers, request["body"]))
        self.assertFalse(names["is_genuine"](made["secret"], headers, request["body"] + b"x"))
        self.assertFalse(names["is_genuine"](made["secret"], {**headers, "webhook-timestamp": "1"}, request["body"]))
        shell = re.search(r"```sh\n(.*?)```", text, re.S).group(1)
        with tempfile.TemporaryDirectory() as folder:
            for body, word in ((request["body"], "genuine"), (request["body"] + b"x", "forged")):
                (pathlib.Path(folder) / "body").write_bytes(body)
                done = subprocess.run(["sh", "-c", shell], cwd=folder, text=True, capture_output=True, env={
                    "PATH": "/usr/bin:/bin", "secret": made["secret"], "id": headers["webhook-id"],
                    "timestamp": headers["webhook-timestamp"], "signature": headers["webhook-signature"]})
                self.assertEqual(done.stdout.strip(), word, done.stderr)

    def test_metrics(self):
        receiver = self.receiver()
        receiver.answers = [500]
        made = self.hook(receiver.url, kinds=["model.create"], models="counted-*")
        self.api.post("/models", {"name": "counted-0"})
        self.wait_state(made, 1, "delivered")
        text = self.server.ops.call("GET", "//metrics").body.decode()
        for result in ("delivered", "retried"):
            number = re.search(rf'^mreg_webhook_deliveries_total{{result="{result}"}} (\d+)$', text, re.M)
            self.assertGreaterEqual(int(number.group(1)), 1)

    def test_cli(self):
        receiver = self.receiver()
        done = self.server.cli("webhook", "add", "chat", receiver.url, "--kind", "model.create", "--models", "cli-*")
        hook, secret = done.stdout.split()
        self.addCleanup(self.api.call, "DELETE", f"/webhooks/{hook}")
        self.assertIn(hook, self.server.cli("webhook", "list").stdout)
        self.assertIn("\tdelivered\t204", self.server.cli("webhook", "test", hook).stdout)
        receiver.answers = [500]
        failed = self.server.cli("webhook", "test", hook, check=False)
        self.assertEqual(failed.returncode, 1)
        self.assertIn("failed\t500", failed.stdout)
        self.api.post("/models", {"name": "cli-0"})
        self.assertTrue(check_v1(secret, receiver.wait(3)[2]))
        self.wait_state({"id": hook}, 3, "delivered")
        self.assertIn("\tdelivered\t", self.server.cli("webhook", "redeliver", hook, "3").stdout)
        lines = self.server.cli("webhook", "deliveries", hook).stdout.splitlines()
        self.assertEqual([line.split("\t")[0] for line in lines], ["4", "3", "2", "1"])
        _, other = self.server.cli("webhook", "rotate", hook, "--overlap", "0").stdout.split()
        self.assertNotEqual(other, secret)
        self.server.cli("webhook", "edit", hook, "--disable", "--reason", "quiet")
        shown = self.server.cli("webhook", "show", hook).stdout
        self.assertRegex(shown, r"(?m)^enabled +no$")
        self.assertNotIn("whsec_", shown)
        refused = self.server.cli("webhook", "remove", hook, check=False)
        self.assertEqual(refused.returncode, 13)
        self.server.cli("webhook", "remove", hook, "--yes")
        self.assertNotIn(hook, self.server.cli("webhook", "list").stdout)


class PrivateTest(HookCase):
    environment = {**FAST, "MREG_WEBHOOK_PRIVATE": "deny"}

    def test_private_addresses_are_refused(self):
        receiver = self.receiver()
        made = self.hook(receiver.url, kinds=["model.create"])
        self.api.post("/models", {"name": "m"})
        harness.wait_until(lambda: self.api.get(f"/webhooks/{made['id']}").get("failing_since"), 20)
        self.assertEqual(receiver.got, [])


class EndTest(HookCase):
    environment = {**FAST, "MREG_WEBHOOK_RETRY_SCALE": "20"}

    def test_disabled_after_all_attempts(self):
        """Ten failures in a row, with a schedule of five seconds instead of three days."""
        receiver = self.receiver()
        receiver.answers = [500] * 40
        made = self.hook(receiver.url, kinds=["model.create"])
        self.api.post("/models", {"name": "m"})
        shown = harness.wait_until(
            lambda: (h := self.api.get(f"/webhooks/{made['id']}")) and not h["enabled"] and h, 20)
        self.assertIn("days", shown["why"])
        self.assertEqual(len(receiver.got), 10)
        self.assertEqual(self.deliveries(made)[0]["state"], "failed")


class CrashTest(HookCase):
    def test_kill_between_event_and_delivery(self):
        """The receiver holds the answer back while the server dies: at least once, in order."""
        receiver = self.receiver()
        receiver.gate = threading.Event()
        made = self.hook(receiver.url, kinds=["model.create"])
        for i in range(5):
            self.api.post("/models", {"name": f"crash-{i}"})
        receiver.wait(1)
        self.server.kill9()
        gate, receiver.gate = receiver.gate, None
        gate.set()
        self.server.start()
        self.__class__.api = self.server.api
        harness.wait_until(lambda: len({e["id"] for e in receiver.events()}) == 5, 30)
        subjects = [e["subject"] for e in receiver.events()]
        self.assertEqual(subjects, ["crash-0"] + [f"crash-{i}" for i in range(5)])
        for request in receiver.got:
            self.assertTrue(check_v1(made["secret"], request))

    def test_many_kills(self):
        """Rows that were answered before kill -9 are all delivered, however often it comes."""
        receiver = self.receiver()
        self.hook(receiver.url, kinds=["model.create"], models="often-*")
        names = []
        for turn in range(6):
            for i in range(4):
                names.append(f"often-{turn}-{i}")
                self.api.post("/models", {"name": names[-1]})
            self.server.kill9()
            self.server.start()
            self.__class__.api = self.server.api
        harness.wait_until(lambda: {e["subject"] for e in receiver.events()} >= set(names), 30)
        once = list(dict.fromkeys(e["subject"] for e in receiver.events()))
        self.assertEqual(once, names)

    def test_stop_with_a_request_under_way(self):
        receiver = self.receiver()
        receiver.gate = threading.Event()
        made = self.hook(receiver.url, kinds=["model.create"], models="stop-*")
        self.api.post("/models", {"name": "stop-0"})
        receiver.wait(1)
        start = time.monotonic()
        self.assertEqual(self.server.stop(), 0)
        self.assertLess(time.monotonic() - start, 20)
        gate, receiver.gate = receiver.gate, None
        gate.set()
        self.server.start()
        self.__class__.api = self.server.api
        self.wait_state(made, 1, "delivered")
        self.assertEqual(len(receiver.got), 2)

    def test_orphaned_secrets_go(self):
        made = self.hook("http://127.0.0.1:9/", kinds=["model.create"])
        folder = self.server.data / "webhooks"
        orphan = folder / "k-orphan.json"
        orphan.write_text("{}")
        kept = {p.name for p in folder.iterdir()} - {orphan.name}
        self.server.restart()
        self.__class__.api = self.server.api
        self.assertEqual({p.name for p in folder.iterdir()}, kept)
        self.assertEqual(self.api.get(f"/webhooks/{made['id']}")["id"], made["id"])


class SecretTest(HookCase):
    def test_secrets_are_in_files_only(self):
        """A receiver that echoes everything; then every byte of the data folder and the log is looked at."""
        receiver = self.receiver()
        echo = lambda r: json.dumps(r["headers"]).encode()
        made = self.hook(receiver.url, kinds=["model.create"])
        api_token = "ghp_ThisIsATokenOfAnotherServer0123456789"
        status = self.hook(receiver.url, format="github", token=api_token)
        turned = self.api.post(f"/webhooks/{made['id']}/rotate", {})
        receiver.answers = [(500, {}, echo), (500, {}, lambda r: made["secret"].encode())]
        self.api.post("/models", {"name": "quiet"})
        receiver.wait(3)
        self.wait_state(made, 1, "delivered")
        replay = self.api.call("POST", f"/webhooks/{made['id']}/rotate", {}, headers={"Idempotency-Key": "k1"})
        again = self.api.call("POST", f"/webhooks/{made['id']}/rotate", {}, headers={"Idempotency-Key": "k1"})
        self.assertEqual((replay.status, again.status), (200, 409))
        harness.wait_until(lambda: all("commit" in c for c in self.api.get("/changes?limit=500")["items"]), 30)
        n_read = 0
        for secret in (made["secret"], turned["secret"], replay.json["secret"], api_token):
            forms = {secret.encode(), secret.removeprefix("whsec_").encode()}
            if secret.startswith("whsec_"):
                forms.add(base64.b64decode(secret.removeprefix("whsec_")))
            for path in [p for p in self.server.folder.rglob("*") if p.is_file()]:
                if path.parent.name == "webhooks":
                    self.assertEqual(path.stat().st_mode & 0o777, 0o600)
                    continue
                try:
                    data = path.read_bytes()
                except FileNotFoundError:
                    continue  # a lock file of the history
                n_read += 1
                self.assertFalse(any(form in data for form in forms), f"{path} holds a secret")
        self.assertGreater(n_read, 40)
        folder = self.server.data / "webhooks"
        self.assertEqual(folder.stat().st_mode & 0o777, 0o700)
        self.assertIn(api_token, "".join(p.read_text() for p in folder.iterdir()))  # the search can find
        packs = subprocess.run(["git", "-C", str(self.server.data / "history.git"), "log", "-p", "--all"],
                               capture_output=True, text=True, check=True).stdout
        self.assertIn(made["public_keys"][0], packs)
        self.assertIn(f"webhooks/{status['id']}.json", packs)
        for secret in (made["secret"], turned["secret"], api_token):
            self.assertNotIn(secret.removeprefix("whsec_"), packs)


class Forge(Receiver):
    """GitHub, GitLab and Gitea as far as commit statuses go: exact paths, methods, headers and bodies; what
    the real one would refuse is refused."""

    SHAPES = {
        "github": (r"/repos/([^/]+/[^/]+)/statuses/([0-9a-f]{40})", "Authorization", "Bearer tok-github",
                   {"state", "target_url", "description", "context"}, {"pending", "success", "failure", "error"}),
        "gitlab": (r"/api/v4/projects/([^/]+)/statuses/([0-9a-f]{40})", "PRIVATE-TOKEN", "tok-gitlab",
                   {"state", "target_url", "description", "name"},
                   {"pending", "running", "success", "failed", "canceled"}),
        "gitea": (r"/api/v1/repos/([^/]+/[^/]+)/statuses/([0-9a-f]{40})", "Authorization", "token tok-gitea",
                  {"state", "target_url", "description", "context"},
                  {"pending", "success", "failure", "error", "warning"}),
    }

    def __init__(self, kind):
        super().__init__()
        self.kind, self.statuses, self.faults = kind, [], []
        self.answers = self

    # The receiver asks `answers` for the next answer.
    def __bool__(self):
        return True

    def pop(self, _):
        request = self.got[-1]
        status, fault = self.judge(request)
        if fault:
            self.faults.append((fault, request["path"], request["body"]))
        return status, {"Content-Type": "application/json"}, json.dumps({"message": fault or "ok"}).encode()

    def judge(self, request):
        path, header, credential, members, states = self.SHAPES[self.kind]
        found = re.fullmatch(path, request["path"])
        if not found:
            return 404, "no such path"
        if request["headers"].get(header) != credential:
            return 401, "bad credentials"
        if request["headers"].get("Content-Type") != "application/json":
            return 415, "not JSON"
        if self.kind == "github" and request["headers"].get("Accept") != "application/vnd.github+json":
            return 415, "Accept"
        body = json.loads(request["body"])
        if set(body) - members or "state" not in body or body["state"] not in states:
            return 422, "Validation Failed"
        if len(body["description"].encode()) > (140 if self.kind == "github" else 255):
            return 422, "description is too long"
        if self.kind == "gitlab" and self.statuses and self.statuses[-1][2]["state"] == body["state"]:
            self.statuses.append((found.group(1), found.group(2), body))
            return 400, "Cannot transition status via :run from :running"
        self.statuses.append((found.group(1), found.group(2), body))
        return 201, None


class CommitStatusTest(fleetcase.FleetCase):
    n_nodes = 1
    environment = {**FAST, "MREG_SERVER_URL": "https://mreg.example.com"}
    policy = {"strategy": "all-at-once", "min_healthy": "0", "bake": "0", "on_no_data": "ignore",
              "gates": [{"kind": "health"}, {"kind": "golden"}]}

    def test_three_forges(self):
        forges, hooks = {}, {}
        for kind in Forge.SHAPES:
            forges[kind] = Forge(kind)
            self.addCleanup(forges[kind].close)
            hooks[kind] = self.api.post("/webhooks", {"name": kind, "url": forges[kind].url, "format": kind,
                                                      "token": "tok-" + kind}, 201)
            self.assertNotIn("secret", hooks[kind])
            self.assertEqual(hooks[kind]["kinds"], ["rollout.*"])
        lineage = {"git_commit": COMMIT, "git_repository": "https://forge.example.com/team/fraud.git"}
        version = self.push("fraud", intercept=1, commit={"lineage": lineage})
        rollout = self.promote("fraud", version)
        self.wait_phase(rollout["id"], "succeeded")
        for kind, forge in forges.items():
            with self.subTest(forge=kind):
                harness.wait_until(lambda: [s for s in forge.statuses if s[2]["state"] == "success"], 20,
                                   f"the success at {kind}")
                real = [f for f in forge.faults if not f[0].startswith("Cannot transition")]
                self.assertEqual(real, [])
                project, commit, first = forge.statuses[0]
                self.assertEqual(project, "team%2Ffraud" if kind == "gitlab" else "team/fraud")
                self.assertEqual(commit, COMMIT)
                self.assertEqual(first["state"], "pending")
                label = "name" if kind == "gitlab" else "context"
                self.assertEqual({s[2][label] for s in forge.statuses}, {"mreg/production/fraud"})
                self.assertEqual({s[2]["target_url"] for s in forge.statuses},
                                 {f"https://mreg.example.com/rollouts/{rollout['id']}"})
                self.assertEqual([s[2]["state"] for s in forge.statuses].count("success"), 1)
        for kind, hook in hooks.items():
            harness.wait_until(lambda: self.api.get(f"/webhooks/{hook['id']}")["n_pending"] == 0, 20)
            states = {d["state"] for d in self.api.get(f"/webhooks/{hook['id']}/deliveries")["items"]}
            self.assertEqual(states, {"delivered"}, kind)
        before = {kind: len(forge.got) for kind, forge in forges.items()}
        # a version that fails turns red; one without a commit says nothing
        bad = self.push("fraud", intercept=2, golden=99, commit={
            "lineage": {"git_commit": COMMIT[::-1], "git_repository": "team/fraud"}})
        rollout = self.promote("fraud", bad)
        self.wait_for(lambda: self.rollout(rollout["id"])["phase"] in fleetcase.ENDED, what="the end")
        for kind, forge in forges.items():
            red = "failed" if kind == "gitlab" else "failure"
            harness.wait_until(lambda: [s for s in forge.statuses if s[2]["state"] == red], 20, f"red at {kind}")
            self.assertEqual(forge.statuses[-1][1], COMMIT[::-1])
            self.assertGreater(len(forge.got), before[kind])
        before = {kind: len(forge.got) for kind, forge in forges.items()}
        plain = self.push("fraud", intercept=3)
        rollout = self.promote("fraud", plain)
        self.wait_phase(rollout["id"], "succeeded")
        probe = Receiver()  # an ordinary hook shows when the rows were looked at
        self.addCleanup(probe.close)
        self.api.post("/webhooks", {"name": "probe", "url": probe.url, "kinds": ["model.create"]}, 201)
        self.api.post("/models", {"name": "probe"})
        probe.wait(1)
        self.assertEqual({kind: len(forge.got) for kind, forge in forges.items()}, before)
        refused = self.api.call("POST", f"/webhooks/{hooks['github']['id']}/ping", {})
        self.assertEqual(refused.status, 409)


class RolloutEventTest(fleetcase.FleetCase):
    n_nodes = 2
    environment = FAST
    policy = {"strategy": "canary", "steps": [{"nodes": 1, "bake": "1h"}, {"percent": 100, "bake": "0"}],
              "min_healthy": "0", "bake": "0", "gates": [{"kind": "health"}], "on_no_data": "ignore"}

    def test_every_transition(self):
        receiver = Receiver()
        self.addCleanup(receiver.close)
        self.api.post("/webhooks", {"name": "all", "url": receiver.url, "kinds": ["rollout.*"],
                                    "environment": "production", "models": "fraud"}, 201)
        self.push("fraud", intercept=1, golden=False)
        rollout = self.promote("fraud", 1, strategy={"strategy": "all-at-once"}, reason="first")
        self.wait_phase(rollout["id"], "succeeded")
        rows = [c for c in self.api.get("/changes?limit=500")["items"] if c["kind"].startswith("rollout.")]
        receiver.wait(len(rows))
        events = receiver.events()
        self.assertEqual([e["data"]["seq"] for e in events], [c["seq"] for c in rows])
        self.assertEqual([e["type"] for e in events], ["dev.mreg." + c["kind"] for c in rows])
        last = events[-1]["data"]
        self.assertEqual((last["environment"], last["model"]), ("production", "fraud"))
        self.assertEqual((last["rollout"]["phase"], last["rollout"]["to"], last["rollout"]["reason"]),
                         ("succeeded", 1, "first"))
        self.assertEqual(events[0]["data"]["rollout"]["phase"], "submitted")


if __name__ == "__main__":
    unittest.main()
