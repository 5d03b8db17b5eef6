"""schema/openapi.yaml against a running server: the same routes and permissions, requests and answers that
fit the schemas (an answer's member that the schema does not know is a fault), errors as problem documents,
and no schema or parameter that nothing uses. Every JSON route is called at least once."""
import collections
import pathlib
import re
import unittest
import urllib.parse

import fleetcase
import harness
import issuer as issuers

try:
    import yaml
except ImportError:  # packaging/common.sh installs it; without it nothing here can run
    yaml = None

FILE = pathlib.Path(__file__).resolve().parents[2] / "schema" / "openapi.yaml"
METHODS = ("get", "post", "put", "patch", "delete")
KEYWORDS = {"type", "properties", "required", "items", "enum", "const", "pattern", "minimum", "maximum",
            "minLength", "maxLength", "minItems", "maxItems", "additionalProperties", "oneOf", "$ref",
            "description", "default"}
TYPES = {"object": dict, "array": list, "string": str, "boolean": bool}


class Schemas:
    """The small part of JSON Schema 2020-12 that the file uses."""

    def __init__(self, document):
        self.document = document

    def find(self, ref):
        found = self.document
        for part in ref.removeprefix("#/").split("/"):
            found = found[part]
        return found

    def faults(self, schema, value, at="", strict=False):
        """What does not fit, as texts. strict: members that the schema does not name are faults, too."""
        unknown = set(schema) - KEYWORDS
        if unknown:
            raise AssertionError(f"{at}: this test does not know {unknown}")
        if "$ref" in schema:
            yield from self.faults(self.find(schema["$ref"]), value, at, strict)
        if "oneOf" in schema:
            fitting = [s for s in schema["oneOf"] if not list(self.faults(s, value, at, strict))]
            if len(fitting) != 1:
                yield f"{at}: fits {len(fitting)} of oneOf"
        yield from self.type_faults(schema, value, at)
        if isinstance(value, dict) and ("properties" in schema or "additionalProperties" in schema):
            yield from self.object_faults(schema, value, at, strict)
        if isinstance(value, list):
            for i, item in enumerate(value):
                yield from self.faults(schema.get("items", {}), item, f"{at}/{i}", strict)

    @staticmethod
    def type_faults(schema, value, at):
        wanted = schema.get("type")
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        fits = {None: True, "number": is_number,
                "integer": isinstance(value, int) and is_number}.get(wanted, False) if wanted not in TYPES \
            else isinstance(value, TYPES[wanted])
        if not fits:
            yield f"{at}: {value!r} is no {wanted}"
            return
        if "enum" in schema and value not in schema["enum"]:
            yield f"{at}: {value!r} is none of {schema['enum']}"
        if "const" in schema and (value != schema["const"] or type(value) is not type(schema["const"])):
            yield f"{at}: {value!r} is not {schema['const']!r}"
        if "pattern" in schema and not re.search(schema["pattern"], value):
            yield f"{at}: {value!r} does not match {schema['pattern']}"
        size = len(value) if isinstance(value, (str, list)) else value
        for low, high in (("minimum", "maximum"), ("minLength", "maxLength"), ("minItems", "maxItems")):
            if low in schema and size < schema[low] or high in schema and size > schema[high]:
                yield f"{at}: {value!r} is out of bounds"

    def object_faults(self, schema, value, at, strict):
        properties, more = schema.get("properties", {}), schema.get("additionalProperties")
        for name in schema.get("required", []):
            if name not in value:
                yield f"{at}: {name} is missing"
        for name, member in value.items():
            if name in properties:
                yield from self.faults(properties[name], member, f"{at}/{name}", strict)
            elif isinstance(more, dict):
                yield from self.faults(more, member, f"{at}/{name}", strict)
            elif more is False or strict:
                yield f"{at}: {name} is not in the schema"


def load():
    if yaml is None:
        raise unittest.SkipTest("python3-yaml is missing: the API's description is not tested")
    return yaml.safe_load(FILE.read_text(encoding="utf-8"))


class DescriptionTest(unittest.TestCase):
    """The file by itself."""

    def setUp(self):
        self.document = load()
        self.schemas = Schemas(self.document)

    def walk(self, value):
        yield value
        for member in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            yield from self.walk(member)

    def test_references(self):
        used = {v["$ref"] for v in self.walk(self.document) if isinstance(v, dict) and "$ref" in v}
        for ref in used:
            self.schemas.find(ref)
        for kind in ("schemas", "parameters", "responses", "headers"):
            for name in self.document["components"][kind]:
                self.assertIn(f"#/components/{kind}/{name}", used, f"{name} is not used")

    def test_operations(self):
        ids = collections.Counter()
        tags = {tag["name"] for tag in self.document["tags"]}
        for path, item in self.document["paths"].items():
            for method, operation in item.items():
                if method == "parameters":
                    continue
                with self.subTest(path=path, method=method):
                    ids[operation["operationId"]] += 1
                    self.assertIn(method, METHODS)
                    self.assertTrue(set(operation["tags"]) <= tags and operation["summary"])
                    given = [self.schemas.find(p["$ref"]) if "$ref" in p else p
                             for p in item.get("parameters", []) + operation.get("parameters", [])]
                    in_path = {p["name"] for p in given if p["in"] == "path"}
                    self.assertEqual(in_path, set(re.findall(r"{(\w+)}", path)))
                    self.assertTrue(any(code[0] in "23" for code in operation["responses"]))
                    is_public = operation["x-permission"] == "public"
                    self.assertEqual("default" in operation["responses"], not is_public)
                    self.assertEqual(operation.get("security") == [], is_public)
        self.assertEqual([name for name, n in ids.items() if n > 1], [])

    def test_the_validator_finds_faults(self):
        """A test of the test: each of these must be refused."""
        good = {"model": "m", "environment": "e", "version": 1, "already": True}
        wrong = ({**good, "version": 0}, {**good, "version": "1"}, {**good, "version": True},
                 {**good, "version": 1.5}, {**good, "already": 1}, {**good, "odd": 1}, [], None,
                 {k: v for k, v in good.items() if k != "model"})
        schema = {"$ref": "#/components/schemas/RolloutAlready"}
        self.assertEqual(list(self.schemas.faults(schema, good, strict=True)), [])
        for value in wrong:
            self.assertTrue(list(self.schemas.faults(schema, value, strict=True)), value)
        schema = {"$ref": "#/components/schemas/Time"}
        self.assertEqual(list(self.schemas.faults(schema, "2026-05-03T10:00:00.123Z")), [])
        for value in ("2026-05-03", "2026-05-03T10:00:00", 7):
            self.assertTrue(list(self.schemas.faults(schema, value)))


class ServerTest(fleetcase.FleetCase):
    n_nodes = 2
    policy = {"strategy": "canary", "steps": [{"nodes": 1, "bake": "1h"}, {"percent": 100, "bake": "0"}],
              "min_healthy": "0", "bake": "0", "max_unavailable": 1,
              "gates": [{"kind": "health"}, {"kind": "golden"}, {"kind": "error-rate", "max": "0.02", "min_requests": 1},
                        {"kind": "latency", "max_ms": "250", "min_requests": 1}]}

    @classmethod
    def setUpClass(cls):
        cls.document = load()
        cls.schemas = Schemas(cls.document)
        cls.issuer = issuers.Issuer(secret="")
        cls.addClassCleanup(cls.issuer.close)
        cls.environment = {"MREG_OIDC_ISSUER": cls.issuer.url, "MREG_OIDC_CLIENT_ID": cls.issuer.client,
                           "MREG_OIDC_ROLE_DEFAULT": "reader"}
        super().setUpClass()

    def setUp(self):
        self.called = set()

    def operation(self, method, path):
        """Template and operation of a request's path."""
        path = path.split("?")[0]
        for template, item in self.document["paths"].items():
            pattern = re.escape(template).replace(r"\{", "{").replace(r"\}", "}")
            last = ".+" if template.startswith("/history.git") else "[^/]+"
            if method in item and re.fullmatch(re.sub(r"{\w+}", lambda m: last, pattern), path):
                return template, item[method]
        raise AssertionError(f"{method} {path} is not described")

    def check(self, method, path, answer, body=None):
        """Request and answer against the operation's schemas."""
        template, operation = self.operation(method, path)
        if answer.status < 400:
            self.called.add((method.upper(), template))
        if body is not None and answer.status < 400:
            schema = operation["requestBody"]["content"]["application/json"]["schema"]
            self.assertEqual(list(self.schemas.faults(schema, body)), [], f"request of {method} {path}")
        response = operation["responses"].get(str(answer.status), operation["responses"].get("default"))
        self.assertIsNotNone(response, f"{method} {path} gave {answer.status}")
        if "$ref" in response:
            response = self.schemas.find(response["$ref"])
        content = response.get("content", {})
        if not content:
            self.assertEqual(answer.body, b"", f"{method} {path}")
            return
        kind = answer.headers["content-type"].split(";")[0]
        self.assertIn(kind, content, f"{method} {path} {answer.status}")
        schema = content[kind].get("schema")
        if kind.endswith("json"):
            faults = list(self.schemas.faults(schema, answer.json, strict=True))
            self.assertEqual(faults, [], f"{method} {path}: {answer.body[:2000]!r}")
            if kind == "application/problem+json":
                self.assertEqual(answer.json["status"], answer.status)

    def ask(self, method, path, body=None, status=None, api=None, raw_answer=False, **more):
        full = path if path.startswith("/history.git") else "/api/v1" + path
        answer = (api or self.api).call(method.upper(), "/" + full if full[1] == "h" else full, body, **more)
        if status is not None:
            self.assertEqual(answer.status, status, f"{method} {path}: {answer!r}")
        self.check(method, full, answer, body)
        return answer if raw_answer else answer.json if answer.headers.get("content-type", "").startswith("application/json") else answer

    def test_the_same_routes(self):
        served = {(r["method"], r["path"].replace("...}", "}"), r["permission"], r["summary"])
                  for r in self.api.get("")["routes"]}
        described = {(method.upper(), path, operation["x-permission"], operation["summary"])
                     for path, item in self.document["paths"].items()
                     for method, operation in item.items() if method != "parameters"}
        self.assertEqual(sorted(served - described), [], "served, but not (so) described")
        self.assertEqual(sorted(described - served), [], "described, but not (so) served")

    def test_every_route(self):
        self.identity()
        self.sessions()
        self.models()
        self.uploads()
        self.fleet()
        self.rollouts()
        self.history()
        self.webhooks()
        self.errors()
        self.deletions()
        described = {(method.upper(), path) for path, item in self.document["paths"].items()
                     for method in item if method != "parameters"}
        self.assertEqual(sorted(described - self.called), [], "never called with success")

    def sessions(self):
        self.ask("get", "/session/ways", status=200)
        answer = self.ask("post", "/session", {"token": self.server.token}, raw_answer=True)
        nobody, cookie = self.server.anonymous, {"Cookie": answer.headers["set-cookie"].split(";")[0]}
        self.ask("get", "/session", status=200, api=nobody, headers=cookie)
        self.ask("delete", "/session", status=403, api=nobody, headers=cookie)
        word = {**cookie, "Mreg-Csrf": answer.json["csrf"]}
        self.ask("delete", "/session", status=204, api=nobody, headers=word)
        self.ask("get", "/session", status=401, api=nobody, headers=cookie)
        person = {"name": "ana", "role": "deployer", "models": "*", "password": "twelve letters",
                  "subject": "https://id.example ana", "reason": "r"}
        self.ask("post", "/users", person, 201)
        self.ask("post", "/session", {"user": "ana", "password": "twelve letters"}, 200, api=self.server.anonymous)
        self.ask("patch", "/users/ana", {"role": "approver", "password": "other letters", "reason": "r"}, 200)
        self.ask("get", "/users", status=200)
        self.ask("delete", "/users/ana?reason=r", status=204)
        answer = self.ask("get", "/session/oidc", status=302, api=nobody, raw_answer=True)
        cookie = {"Cookie": answer.headers["set-cookie"].split(";")[0]}
        there = urllib.parse.urlsplit(answer.headers["location"])
        back = self.issuer.authorize(dict(urllib.parse.parse_qsl(there.query)))
        for status in (200, 302):
            self.ask("get", back.split("/api/v1")[1], status=status, api=nobody, headers=cookie)
        self.ask("get", "/storage", status=200)
        self.ask("get", "/settings", status=200)

    def stream(self):
        """The feed of events has no end: its head and its first event are enough."""
        request = (f"GET /api/v1/events?since=0 HTTP/1.1\r\nHost: {self.server.address}\r\n"
                   f"Authorization: Bearer {self.server.token}\r\n\r\n")
        with self.server.connect() as s:
            s.sendall(request.encode())
            text = b""
            while b"\nevent: change\n" not in text:
                got = s.recv(4096)
                self.assertTrue(got, text)
                text += got
        self.assertIn(b" 200 ", text.split(b"\r\n")[0])
        self.assertIn(b"content-type: text/event-stream", text.lower())
        self.called.add(("GET", "/api/v1/events"))

    def identity(self):
        self.ask("get", "", status=200)
        self.ask("get", "/trust/allowed_signers", status=200)
        self.ask("get", "/whoami", status=200)
        spec = {"name": "ci", "role": "pusher", "models": "team/*", "expires": "90d", "reason": "for CI"}
        made = self.ask("post", "/tokens", spec, 201)
        plain = self.ask("post", "/tokens", {"name": "reads", "role": "reader"}, 201)
        self.reader = self.api.as_token(plain["token"])
        self.ask("get", "/whoami", status=200, api=self.reader)
        self.ask("delete", f"/tokens/{made['id']}?reason=old", status=204)
        self.assertTrue(self.ask("get", "/tokens", status=200)["items"])
        self.assertIn("next", self.ask("get", "/tokens?limit=1", status=200))

    def models(self):
        spec = {"name": "team/x", "description": "d", "tags": {"a": "b"}, "reason": "r"}
        self.ask("post", "/models", spec, 201)
        self.ask("post", "/models", {"name": "team/x"}, 200)
        self.ask("patch", "/models/team%2Fx", {"description": "e", "tags": {"a": "", "c": "d"}, "reason": "r"}, 200)
        self.ask("get", "/models/team%2Fx", status=200)
        for intercept in (1, 2):
            self.push("fraud", intercept=intercept, commit={
                "metrics": {"auc": "0.9"}, "params": {"depth": "3"}, "lineage": {"git_commit": "4f1c2e9"},
                "tags": {"t": "u"}, "description": "text", "alias": ["candidate"], "reason": "nightly"})
        self.ask("get", "/models?q=fr", status=200)
        self.assertIn("next", self.ask("get", "/models?limit=1", status=200))
        self.ask("get", "/models/fraud?at=2999-01-01", status=200)
        self.ask("get", "/models?at=2999-01-01", status=200)
        self.ask("get", "/models/fraud/versions?at=2999-01-01", status=200)
        self.ask("get", "/models/fraud/versions", status=200)
        self.ask("get", "/models/fraud/versions/latest", status=200)
        self.ask("patch", "/models/fraud/versions/1",
                 {"description": "d", "tags": {"t": ""}, "metrics": {"later": 0.5}, "reason": "r"}, 200)
        for document in ("manifest", "manifest.sig", "statement", "statement.sig"):
            self.ask("get", f"/models/fraud/versions/1/{document}", status=200)
        self.ask("get", "/models/fraud/versions/1/files/model.json", status=200)
        self.ask("get", "/models/fraud/versions/1/files/model.json", status=206, headers={"Range": "bytes=0-3"})
        self.ask("put", "/models/fraud/aliases/best", {"version": 1, "reason": "r"}, 200)
        self.ask("put", "/models/fraud/aliases/best", {"version": 2, "expected": 1}, 200)
        self.ask("get", "/models/fraud/aliases", status=200)
        self.ask("delete", "/models/fraud/aliases/best", status=204)

    def uploads(self):
        digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        plan = {"model": "up", "files": [{"path": "a", "size": 3, "sha256": digest}]}
        made = self.ask("post", "/uploads", plan, 201)
        self.ask("get", f"/uploads/{made['id']}", status=200)
        self.ask("put", f"/uploads/{made['id']}/files/0/parts/0", raw=b"abc", status=204,
                 headers={"Content-Digest": "sha-256=:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=:"})
        self.ask("post", f"/uploads/{made['id']}/commit", {}, 201)
        again = self.ask("post", "/uploads", plan, 201)
        self.assertTrue(self.ask("post", f"/uploads/{again['id']}/commit", {}, 200)["already"])
        forced = self.ask("post", "/uploads", plan, 201)
        self.ask("post", f"/uploads/{forced['id']}/commit", {"new_version": True}, 201)
        other = {"model": "up", "files": [{"path": "a", "size": 3, "sha256": "0" * 64}]}
        made = self.ask("post", "/uploads", other, 201)
        self.ask("put", f"/uploads/{made['id']}/files/0/content", raw=b"abd")
        self.ask("delete", f"/uploads/{made['id']}", status=204)
        whole = {"model": "up", "files": [{"path": "b", "size": 2, "sha256":
                 "fb8e20fc2e4c3f248c60c39bd652f3c1347298bb977b8b4d5903b85055620603"}]}
        made = self.ask("post", "/uploads", whole, 201)
        self.ask("put", f"/uploads/{made['id']}/files/0/content", raw=b"ab", status=204)

    def fleet(self):
        self.ask("post", "/environments", {"name": "later", "position": 3, "policy": self.policy, "reason": "r"}, 201)
        self.ask("patch", "/environments/later", {"position": 4, "policy": {"strategy": "rolling"}, "reason": "r"}, 200)
        self.ask("get", "/environments", status=200)
        self.ask("get", "/environments/production", status=200)
        root = self.server.folder / "root"
        root.mkdir()
        node = {"name": "n9", "driver": "v2", "admin_url": "http://127.0.0.1:1", "delivery": "path",
                "root": str(root), "labels": {"rack": "4"}, "reason": "r"}
        self.ask("post", "/environments/later/nodes", node, 201)
        self.ask("patch", "/environments/later/nodes/n9", {"labels": {"rack": "5"}, "reason": "r"}, 200)
        self.ask("get", "/environments/later/nodes/n9", status=200)
        for verb, body in (("cordon", {"reason": "r"}), ("drain", {"unload": True, "reason": "r"}),
                           ("uncordon", {"reason": "r"}), ("check", {})):
            self.ask("post", f"/environments/later/nodes/n9/{verb}", body, 200)
            self.ask("get", "/environments/later/nodes/n9", status=200)
        self.ask("delete", "/environments/later/nodes/n9?reason=r", status=204)
        own = {"name": "n8", "admin_url": "http://127.0.0.1:1", "root": str(root), "lease": "1h", "labels": {}}
        self.ask("post", "/environments/later/nodes/register", own, 201)
        self.ask("post", "/environments/later/nodes/register", own, 200)
        self.ask("get", "/environments/later/nodes/n8", status=200)
        self.ask("get", "/environments/later/nodes", status=200)
        self.ask("post", "/environments/later/nodes/n8/leave", {"reason": "r"}, 204)
        scaler = {"name": "scaler", "role": "node", "environment": "later", "root": str(root), "expires": "1d"}
        self.ask("post", "/tokens", scaler, 201)
        self.ask("get", "/tokens", status=200)
        router = {"name": "lb", "address": "unix:/nonexistent/admin.sock", "server_label": "rack", "reason": "r"}
        self.ask("post", "/environments/later/routers", router, 201)
        self.ask("patch", "/environments/later/routers/lb", {"backend": "be_{serve_as}", "reason": "r"}, 200)
        self.ask("get", "/environments/later/routers", status=200)
        self.ask("get", "/environments/later/routers/lb", status=200)
        self.ask("delete", "/environments/later/routers/lb?reason=r", status=204)
        self.ask("get", "/environments/production/nodes", status=200)
        for words, n in (("state=unreachable", 0), ("q=N1", 1), ("label=rack=5", 0), ("state=cordoned", 0)):
            page = self.ask("get", f"/environments/production/nodes?{words}", status=200)
            self.assertEqual(len(page["items"]), n, words)
        self.ask("get", "/environments/production/nodes?state=odd", status=400)
        for path in ("", "/production", "/production/nodes", "/production/nodes/n1", "/later/nodes"):
            self.ask("get", f"/environments{path}?at=2999-01-01", status=200)
        self.ask("get", "/environments/production/summary", status=200)
        self.ask("get", "/environments/production/summary?by=rack", status=200)
        target = {"serve_as": "fraud-model", "policy": {"on_no_data": "ignore"}, "reason": "r"}
        self.ask("put", "/environments/production/targets/fraud", target)
        self.ask("get", "/environments/production/targets/fraud", status=200)

    def rollouts(self):
        spec = {"model": "fraud", "version": "1", "environment": "production", "reason": "r", "kind": "promote",
                "strategy": {"strategy": "all-at-once", "on_no_data": "ignore"}}
        self.ask("post", "/rollouts", {**spec, "dry_run": True}, 200)
        first = self.ask("post", "/rollouts", spec, 201)
        self.wait_phase(first["id"], "succeeded")
        self.ask("post", "/rollouts", spec, 200)
        self.ask("post", "/environments/production/nodes/n1/adopt", {"model": "fraud", "version": "1", "reason": "r"},
                 200)
        self.ask("get", f"/rollouts/{first['id']}", status=200)
        self.ask("get", f"/rollouts/{first['id']}?at=2999-01-01", status=200)
        self.ask("get", "/rollouts?at=2999-01-01", status=200)
        self.ask("get", f"/rollouts/{first['id']}/analysis?points=10", status=200)
        self.ask("post", f"/rollouts/{first['id']}/analysis/replay", {}, 200)
        self.ask("post", "/models/fraud/versions/1/metrics/clicks?environment=production", {"value": "0.5"}, 202)
        second = self.ask("post", "/rollouts", {"model": "fraud", "version": "latest",
                                                "environment": "production"}, 201)
        self.wait_for(lambda: self.rollout(second["id"])["step_phase"] == "bake", what="the bake")
        self.ask("get", f"/rollouts/{second['id']}", status=200)
        self.ask("get", "/environments/production/nodes", status=200)
        self.ask("get", "/environments/production/targets", status=200)
        command = f"/rollouts/{second['id']}/commands"
        self.ask("post", command, {"verb": "pause", "expected_step": 1, "reason": "r"}, 202)
        self.wait_phase(second["id"], "paused")
        self.ask("get", f"/rollouts/{second['id']}", status=200)
        self.ask("get", "/rollouts?active=true&model=fraud&env=production", status=200)
        self.ask("post", command, {"verb": "promote", "expected_step": 9}, 409)
        self.ask("post", "/rollouts", {**spec, "strategy": {"queue": "reject"}}, 409)
        self.ask("post", "/rollouts", {**spec, "expected_generation": 1}, 409)
        self.limits(spec)
        self.ask("post", command, {"verb": "abort"}, 202)
        self.wait_for(lambda: self.rollout(second["id"])["phase"] in fleetcase.ENDED, what="the end")
        self.ask("get", f"/rollouts/{second['id']}", status=200)
        self.assertIn("next", self.ask("get", "/rollouts?limit=1", status=200))
        self.ask("get", "/models", status=200)
        self.ask("get", "/models/fraud/versions/1", status=200)

    def limits(self, spec):
        """While another rollout is active: queue, freezes, overrides, approvals, quarantine."""
        target = "/environments/production/targets/fraud"
        waiting = [self.ask("post", "/rollouts", {**spec, "strategy": {"queue": "queue", "bake": f"{i}s"}}, 201)["id"]
                   for i in range(2)]
        self.ask("post", "/rollouts", {**spec, "strategy": {"queue": "queue", "bake": "1s"}}, 200)
        self.ask("get", f"{target}/queue", status=200)
        self.ask("get", "/rollouts?queued=true", status=200)
        self.ask("patch", f"{target}/queue", {"order": waiting[::-1], "reason": "r"}, 200)
        self.ask("get", target, status=200)
        self.ask("post", f"/rollouts/{waiting[0]}/overrides", {"override": ["freeze"], "reason": "r"}, 200)
        for one in waiting:
            self.ask("delete", f"{target}/queue/{one}?reason=r", status=204)
        self.ask("post", f"{target}/queue/start", {"reason": "r"}, 409)
        made = self.ask("post", "/freezes", {"environment": "production", "model": "fraud", "until": "2999-01-01T00:00:00Z",
                                             "weekly": "Sun 02:00-Sun 02:01", "reason": "r"}, 201)
        self.ask("get", "/freezes?env=production", status=200)
        self.ask("get", "/environments/production", status=200)
        self.ask("post", "/rollouts", {**spec, "dry_run": True}, 200)
        self.ask("delete", f"/freezes/{made['id']}?reason=r", status=204)
        self.ask("put", "/stop-line", {"on": True, "environment": "later", "reason": "r"}, 200)
        self.ask("put", "/stop-line", {"on": False, "environment": "later", "reason": "r"}, 200)
        self.ask("post", "/models", {"name": "other"}, 201)
        self.push("asks", intercept=1)
        asks = self.ask("post", "/rollouts", {"model": "asks", "version": "1", "environment": "production",
                                              "strategy": {"approvals": 1}}, 201)
        self.wait_phase(asks["id"], "queued")
        self.ask("get", "/approvals?env=production&model=asks", status=200)
        self.ask("post", f"/rollouts/{asks['id']}/commands", {"verb": "halt", "reason": "r"}, 202)
        self.wait_for(lambda: self.rollout(asks["id"])["phase"] == "cancelled", what="the end")
        self.bad_version()
        for model in ("seta", "setb"):
            self.push(model, intercept=1)
        together = {"together": [{"model": "seta", "version": "1"}, {"model": "setb", "version": "1"}],
                    "environment": "production", "strategy": {"strategy": "all-at-once", "gates": [{"kind": "health"}]}}
        made = self.ask("post", "/rollouts", together, 201)
        for item in made["items"]:
            self.wait_phase(item["id"], "succeeded")
        self.ask("post", "/rollouts", together, 200)
        self.halted()

    def bad_version(self):
        """Two that fail: the second finds the first's version in quarantine, and what else was under way."""
        version = self.push("bad", intercept=1, golden=False, fail_load=True)
        made = self.ask("post", "/rollouts", {"model": "bad", "version": str(version), "environment": "production",
                                              "strategy": {"strategy": "all-at-once"}}, 201)
        self.wait_phase(made["id"], "rolled-back")
        self.assertIn("in_flight", self.ask("get", f"/rollouts/{made['id']}", status=200))
        self.assertTrue(self.ask("get", "/environments/production/quarantine", status=200)["items"])
        self.ask("get", "/environments/production/targets/bad", status=200)
        self.ask("post", "/rollouts", {"model": "bad", "version": str(version), "environment": "production"}, 422)
        self.ask("delete", f"/environments/production/targets/bad/quarantine/{version}?reason=r", status=204)

    def halted(self):
        for _ in range(2):
            self.push("halts", intercept=len(self.called))
        spec = {"model": "halts", "environment": "production", "strategy": {"min_healthy": "1h"}}
        first = self.ask("post", "/rollouts", {**spec, "version": "1"}, 201)
        second = self.ask("post", "/rollouts", {**spec, "version": "1", "strategy": {"strategy": "all-at-once"}}, 201)
        self.wait_phase(first["id"], "running")
        self.ask("post", f"/rollouts/{first['id']}/commands", {"verb": "halt"}, 202)
        self.wait_phase(first["id"], "halted")
        self.ask("post", "/environments/production/targets/halts/queue/start", {"reason": "r"}, 200)
        self.ask("post", f"/rollouts/{second['id']}/commands", {"verb": "abort"}, 202)
        self.wait_for(lambda: self.rollout(second["id"])["phase"] in fleetcase.ENDED, what="the end")

    def history(self):
        page = self.ask("get", "/changes?since=0&limit=5", status=200)
        self.assertEqual(len(page["items"]), 5)
        self.ask("get", f"/changes?since={page['next']}&kind=version.publish", status=200)
        self.wait_for(lambda: all("commit" in c for c in self.api.get("/changes?limit=500")["items"]),
                      what="the commits")
        self.ask("get", "/changes?limit=500", status=200)
        self.ask("get", "/history?model=fraud&limit=2", status=200)
        self.ask("get", "/history?env=production&before=9999&at=2999-01-01", status=200)
        self.stream()
        for words in ("frau", "candidate", "r-", "env:production", "state:succeeded by:t-2", "n1"):
            self.assertTrue(self.ask("get", f"/search?q={harness.quote(words)}", status=200)["items"], words)
        content = self.api.get("/models/fraud/versions/1")["content"]
        self.assertEqual(self.ask("get", f"/search?q={content}&limit=5", status=200)["items"][0]["kind"], "version")
        self.ask("get", "/search?q=enw:production", status=400)
        self.ask("get", "/serving", status=200)
        self.ask("get", "/serving?at=2999-01-01&env=production&model=fraud", status=200)
        self.ask("get", "/serving?at=2001-01-01", status=200)
        self.ask("get", "/history.git/HEAD", status=200)

    def webhooks(self):
        spec = {"name": "w", "url": "http://127.0.0.1:1/x", "format": "standard", "kinds": ["env.*", "rollout.end"],
                "environment": "later", "models": "*", "enabled": True, "reason": "r"}
        made = self.ask("post", "/webhooks", spec, 201)
        status = self.ask("post", "/webhooks", {"name": "s", "url": "http://127.0.0.1:1", "format": "gitea",
                                                "token": "t", "repository": "a/b"}, 201)
        self.assertIn("next", self.ask("get", "/webhooks?limit=1", status=200))
        ping = self.ask("post", f"/webhooks/{made['id']}/ping", {}, 202)
        self.wait_for(lambda: self.api.get(f"/webhooks/{made['id']}").get("failing_since"), what="a failure")
        self.ask("get", f"/webhooks/{made['id']}", status=200)
        self.ask("post", f"/webhooks/{made['id']}/deliveries/{ping['number']}/redeliver", {}, 202)
        self.assertIn("next", self.ask("get", f"/webhooks/{made['id']}/deliveries?limit=1", status=200))
        self.ask("post", f"/webhooks/{made['id']}/rotate", {"overlap": "1h", "reason": "r"}, 200)
        self.ask("get", "/webhooks", status=200)
        self.ask("patch", f"/webhooks/{made['id']}", {"since": 1, "enabled": False, "reason": "r"}, 200)
        self.ask("patch", f"/webhooks/{status['id']}", {"token": "u", "models": "fraud"}, 200)
        self.ask("post", f"/webhooks/{status['id']}/rotate", {}, 409)
        self.ask("get", "/webhooks/h-999999", status=404)
        for hook in (made, status):
            self.ask("delete", f"/webhooks/{hook['id']}?reason=r", status=204)

    def errors(self):
        nobody = harness.Api(self.server.address, "mrg_nobody")
        cases = (
            ("get", "/models/nothing", None, 404, self.api), ("get", "/models", None, 401, nobody),
            ("get", "/models", None, 401, self.server.anonymous), ("get", "/tokens", None, 403, self.reader),
            ("post", "/models", {"name": "a", "odd": 1}, 400, self.api), ("post", "/models", {}, 400, self.api),
            ("post", "/models", {"name": "a/b/c"}, 400, self.api), ("get", "/models?limit=0", None, 400, self.api),
            ("get", "/models?cursor=%21", None, 400, self.api), ("get", "/models/fraud?at=x", None, 400, self.api),
            ("get", "/models/fraud/versions/99", None, 404, self.api),
            ("put", "/models/fraud/aliases/production", {"version": 1}, 409, self.api),
            ("put", "/models/fraud/aliases/7", {"version": 1}, 400, self.api),
            ("delete", "/models/fraud", None, 409, self.api),
            ("post", "/uploads", {"model": "x", "files": []}, 400, self.api),
            ("post", "/rollouts", {"model": "fraud", "version": "1", "environment": "nowhere"}, 404, self.api),
            ("post", "/rollouts", {"model": "fraud", "version": "2", "environment": "production",
                                   "strategy": {"strategy": "odd"}}, 400, self.api),
            ("get", "/rollouts/r-999999", None, 404, self.api),
            ("get", "/models/fraud/versions/1/files/model.json", None, 416, self.api),
            ("delete", "/environments/production", None, 409, self.api),
        )
        for method, path, body, status, api in cases:
            with self.subTest(method=method, path=path):
                more = {"headers": {"Range": "bytes=99999-"}} if status == 416 else {}
                self.ask(method, path, body, status, api, **more)
        answer = self.api.call("POST", "/models", raw=b"{", headers={"Content-Type": "application/json"})
        self.assertEqual(answer.status, 400)
        self.check("post", "/api/v1/models", answer)

    def deletions(self):
        self.ask("delete", "/models/fraud/aliases/candidate?reason=r", status=204)
        version = self.push("fraud", intercept=9)
        self.ask("delete", f"/models/fraud/versions/{version}?reason=r", status=204)
        self.ask("delete", "/models/up?reason=r", status=204)
        self.ask("delete", "/environments/later?reason=r", status=204)


if __name__ == "__main__":
    unittest.main()
