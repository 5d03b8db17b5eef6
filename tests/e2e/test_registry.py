"""Models, versions, aliases, uploads and downloads against the real mregd, by the raw API."""
import base64
import concurrent.futures
import hashlib
import pathlib
import pickle
import random
import shutil
import subprocess
import tempfile
import threading
import time
import unittest

import harness
from harness import quote

PART = 16 << 20


def noise(seed, size):
    return random.Random(seed).randbytes(size)


def entry(path, data):
    return {"path": path, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def digest_header(data):
    return {"Content-Digest": "sha-256=:" + base64.b64encode(hashlib.sha256(data).digest()).decode() + ":"}


class Registry(harness.ServerCase):
    def refused(self, status, method, path, body=None, **more):
        """The problem document of a call that must fail with this status."""
        answer = self.api.call(method, path, body, **more)
        self.assertEqual(answer.status, status, answer)
        self.assertEqual(answer.headers["content-type"], "application/problem+json")
        return answer.json

    def test_push_and_read(self):
        data = pickle.dumps({"weights": list(range(100))}, protocol=4)
        made = self.api.upload("push", {"model.pkl": data, "golden/a.json": b"{}"}, metrics={"auc": "0.941", "n": 3},
                               params={"depth": "4"}, lineage={"git_commit": "abc"}, tags={"team": "risk"},
                               description="first", alias=["candidate"], reason="try")
        self.assertEqual(made["version"], 1)
        self.assertNotIn("already", made)
        self.assertEqual(made["format"], "pickle")
        self.assertEqual(made["metrics"], {"auc": "0.941", "n": "3"})
        self.assertEqual(made["lineage"], {"git_commit": "abc"})
        self.assertEqual(made["aliases"], ["candidate"])
        self.assertEqual([f["path"] for f in made["files"]], ["golden/a.json", "model.pkl"])
        for ref in ("1", "latest", "candidate", made["content"], "@{2999-01-01}"):
            self.assertEqual(self.api.get(f"/models/push/versions/{quote(ref)}"), made)
        model = self.api.get("/models/push")
        self.assertEqual((model["latest"], model["n_versions"], model["aliases"], model["live"]),
                         (1, 1, {"candidate": 1}, {}))
        changes = self.api.get("/changes?object=push")["items"]
        self.assertEqual([c["kind"] for c in changes], ["version.publish"])
        self.assertEqual(changes[0]["reason"], "try")

    def test_etag(self):
        self.api.upload("etag", {"a": b"1"})
        for path in ("/models/etag", "/models/etag/versions", "/models/etag/versions/1", "/models?q=etag",
                     "/models/etag/versions/1/manifest", "/models/etag/versions/1/files/a"):
            first = self.api.expect(200, "GET", path)
            again = self.api.call("GET", path, headers={"If-None-Match": first.headers["etag"]})
            self.assertEqual((again.status, again.body), (304, b""), path)

    def test_parts_in_parallel_and_any_order(self):
        data = noise(1, 3 * PART + 12345)
        plan = self.api.post("/uploads", {"model": "parts", "files": [entry("big.bin", data), entry("empty", b"")]})
        self.assertEqual(plan["part_size"], PART)
        self.assertEqual([f["missing"] for f in plan["files"]], [[0, 1, 2, 3], [0]])
        base = f"/uploads/{plan['id']}"
        self.refused(409, "POST", base + "/commit", {})

        def put(part):
            body = data[part * PART:(part + 1) * PART]
            return self.api.call("PUT", f"{base}/files/0/parts/{part}", raw=body, headers=digest_header(body)).status

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            self.assertEqual(list(pool.map(put, [3, 1, 0, 2])), [204] * 4)
        self.assertEqual(put(1), 204)  # again, with the same bytes
        self.assertEqual(self.api.get(base)["files"][0]["missing"], [])
        self.api.expect(204, "PUT", f"{base}/files/1/content", raw=b"")
        made = self.api.post(base + "/commit")
        self.assertEqual(made["size"], len(data))
        got = self.api.expect(200, "GET", "/models/parts/versions/1/files/big.bin")
        self.assertEqual(hashlib.sha256(got.body).hexdigest(), entry("", data)["sha256"])
        self.assertEqual(self.api.expect(200, "GET", "/models/parts/versions/1/files/empty").body, b"")
        self.refused(404, "GET", base)

    def test_wrong_bytes(self):
        data = noise(2, PART + 5000)
        parts = [data[:PART], data[PART:]]
        plan = self.api.post("/uploads", {"model": "wrong", "files": [entry("a", b"x"), entry("b", data)]})
        base = f"/uploads/{plan['id']}"
        bad = noise(3, 5000)
        self.assertEqual(self.refused(422, "PUT", f"{base}/files/1/parts/1", raw=bad,
                                      headers=digest_header(parts[1]))["code"], "corrupt")
        self.assertEqual(self.refused(422, "PUT", f"{base}/files/0/parts/0", raw=b"y")["code"], "corrupt")
        self.refused(400, "PUT", f"{base}/files/1/parts/1", raw=bad, headers={"Content-Digest": "sha-256=:zz:"})
        self.refused(404, "PUT", f"{base}/files/9/parts/0", raw=b"")
        self.refused(404, "PUT", f"{base}/files/1/parts/7", raw=b"")
        self.assertEqual([f["missing"] for f in self.api.get(base)["files"]], [[0], [0, 1]])
        self.api.expect(204, "PUT", f"{base}/files/0/parts/0", raw=b"x")
        self.api.expect(204, "PUT", f"{base}/files/1/parts/0", raw=parts[0])
        self.api.expect(204, "PUT", f"{base}/files/1/parts/1", raw=bad)  # nobody says what it should be
        problem = self.refused(422, "POST", base + "/commit", {})
        self.assertTrue(problem["pointer"].startswith("/files/1"), problem)
        self.refused(404, "GET", "/models/wrong")
        self.assertEqual(self.api.get(base)["files"][1]["missing"], [0, 1])
        for number, part in enumerate(parts):
            self.api.expect(204, "PUT", f"{base}/files/1/parts/{number}", raw=part)
        self.assertEqual(self.api.post(base + "/commit")["version"], 1)

    def test_dedup_and_already(self):
        data = noise(4, 40000)
        first = self.api.upload("dedup", {"w.bin": data}, metrics={"auc": "0.9"})
        plan = self.api.post("/uploads", {"model": "dedup", "files": [entry("w.bin", data), entry("n", b"new")]})
        self.assertEqual([f["have"] for f in plan["files"]], [True, False])
        self.assertNotIn("missing", plan["files"][0])
        self.api.delete(f"/uploads/{plan['id']}")
        self.refused(404, "GET", f"/uploads/{plan['id']}")

        seq = self.last_seq()
        again = self.api.upload("dedup", {"w.bin": data}, metrics={"auc": "0.9"})
        self.assertEqual((again.pop("already"), again), (True, first))
        self.assertEqual(self.last_seq(), seq)
        with_run = self.api.upload("dedup", {"w.bin": data}, lineage={"run": "17"})
        self.assertEqual((with_run["version"], with_run["lineage"]), (1, {"run": "17"}))
        self.assertEqual(self.api.get("/changes?object=dedup")["items"][-1]["kind"], "version.annotate")
        forced = self.api.upload("dedup", {"w.bin": data}, new_version=True)
        self.assertEqual((forced["version"], forced["content"]), (2, first["content"]))
        other = self.api.upload("dedup-other", {"w.bin": data})
        self.assertEqual((other["version"], other["content"]), (1, first["content"]))

    def last_seq(self):
        return self.api.get("/history?limit=1")["items"][0]["seq"]

    def test_ranges(self):
        data = noise(5, 100000)
        small = b"hello, range"
        self.api.upload("ranges", {"dir/w ü.bin": data, "small.txt": small})
        for path, whole in (("dir/w ü.bin", data), ("small.txt", small)):
            url = f"/models/ranges/versions/1/files/{quote(path)}"
            got = self.api.expect(200, "GET", url)
            sha = hashlib.sha256(whole)
            self.assertEqual(got.body, whole)
            self.assertEqual(got.headers["etag"], f'"sha256:{sha.hexdigest()}"')
            self.assertEqual(got.headers["content-digest"], digest_header(whole)["Content-Digest"])
            self.assertEqual(got.headers["content-type"], "application/octet-stream")
            self.assertTrue(got.headers["content-disposition"].startswith("attachment; "))
            head = self.api.call("HEAD", url)
            self.assertEqual((head.status, head.headers["content-length"], head.body), (200, str(len(whole)), b""))
            n = len(whole)
            for value, first, last in (("bytes=0-0", 0, 0), ("bytes=5-", 5, n - 1), ("bytes=-4", n - 4, n - 1),
                                       ("bytes=2-999999999", 2, n - 1)):
                part = self.api.call("GET", url, headers={"Range": value})
                self.assertEqual((part.status, part.body), (206, whole[first:last + 1]), value)
                self.assertEqual(part.headers["content-range"], f"bytes {first}-{last}/{n}")
                self.assertNotIn("content-digest", part.headers)
            self.assertEqual(self.api.call("GET", url, headers={"Range": f"bytes={n}-"}).status, 416)
            fresh = self.api.call("GET", url, headers={"Range": "bytes=0-0", "If-Range": '"other"'})
            self.assertEqual((fresh.status, fresh.body), (200, whole))
        self.assertIn('did you mean "small.txt"', self.refused(404, "GET", "/models/ranges/versions/1/files/smal.txt")
                      ["detail"])

    def test_aliases(self):
        for text in (b"one", b"two"):
            self.api.upload("aliased", {"f": text})
        put = lambda status, body, alias="champion": self.api.expect(
            status, "PUT", f"/models/aliased/aliases/{alias}", body).json
        self.assertEqual(put(200, {"version": 1}), {"alias": "champion", "version": 1})
        self.assertEqual(put(409, {"version": 2, "expected": 2})["code"], "conflict")
        self.assertEqual(put(200, {"version": 2, "expected": 1})["previous"], 1)
        self.assertEqual(put(409, {"version": 1, "expected": 0})["code"], "conflict")
        put(404, {"version": 3})
        self.assertEqual(put(400, {"version": "2"})["pointer"], "/version")
        self.assertEqual(put(400, {"versoin": 2})["pointer"], "/versoin")
        put(400, {"version": 1}, "latest")
        put(400, {"version": 1}, "17")
        put(200, {"version": 1}, quote("größe 1"))
        self.assertEqual(self.api.get("/models/aliased")["aliases"], {"champion": 2, "größe 1": 1})
        items = self.api.get("/models/aliased/aliases")["items"]
        self.assertEqual([(i["alias"], i["version"]) for i in items], [("champion", 2), ("größe 1", 1)])
        self.assertIn('did you mean "champion"', self.refused(404, "GET", "/models/aliased/versions/champoin")["detail"])
        self.api.post("/environments", {"name": "aliasenv"})
        self.assertIn("rollouts", put(409, {"version": 1}, "aliasenv")["detail"])
        self.api.delete("/models/aliased/aliases/champion?reason=done")
        self.refused(404, "DELETE", "/models/aliased/aliases/champion")
        self.assertEqual(self.api.get("/changes?object=aliased")["items"][-1]["reason"], "done")

    def test_deletion(self):
        for text in (b"one", b"two"):
            self.api.upload("gone", {"f": text})
        self.api.put("/models/gone/aliases/keep", {"version": 1})
        manifest = self.api.expect(200, "GET", "/models/gone/versions/2/manifest").body
        self.assertIn("keep", self.refused(409, "DELETE", "/models/gone/versions/1")["detail"])
        before = self.api.get("/models/gone")
        time_before = self.api.get("/changes?object=gone")["items"][-1]["time"]
        self.wait_past(time_before)
        self.api.delete("/models/gone/versions/2?reason=bad")
        self.refused(404, "GET", "/models/gone/versions/2")
        self.refused(404, "GET", "/models/gone/versions/2/files/f")
        self.assertEqual(self.api.get("/models/gone/versions/latest")["version"], 1)
        self.assertEqual([v["version"] for v in self.api.get("/models/gone/versions")["items"]], [1])
        self.assertEqual(self.api.expect(200, "GET", "/models/gone/versions/2/manifest").body, manifest)
        then = self.api.get(f"/models/gone?at={quote(time_before)}")
        self.assertEqual(then, before)
        self.assertEqual(self.api.get(f"/models/gone/versions/latest?at={quote(time_before)}")["version"], 2)
        self.assertEqual(self.api.upload("gone", {"f": b"two"})["version"], 3)
        self.api.delete("/models/gone")
        self.refused(404, "GET", "/models/gone")
        self.assertEqual(self.api.upload("gone", {"f": b"one"})["version"], 4)
        self.assertEqual(self.api.get("/models/gone")["aliases"], {})

    def wait_past(self, when):
        """Until the server's clock shows a later millisecond: rows of one millisecond are one moment."""
        harness.wait_until(lambda: self.api.upload("clock", {"t": str(time.time_ns()).encode()})["created"] > when)

    def test_edits_and_as_of(self):
        self.api.upload("edited", {"f": b"1"}, metrics={"auc": "0.5"})
        t1 = self.api.get("/changes?object=edited")["items"][-1]["time"]
        self.wait_past(t1)
        changed = self.api.patch("/models/edited/versions/1", {"metrics": {"auc": "0.7", "f1": 1},
                                                               "tags": {"a": "b"}, "description": "d"})
        self.assertEqual(changed["metrics"], {"auc": "0.7", "f1": "1"})
        self.api.patch("/models/edited", {"description": "x", "tags": {"k": "v", "l": "m"}})
        model = self.api.patch("/models/edited", {"tags": {"k": ""}})
        self.assertEqual((model["description"], model["tags"]), ("x", {"l": "m"}))
        then = self.api.get(f"/models/edited/versions/1?at={quote(t1)}")
        self.assertEqual((then["metrics"], then["tags"], then["description"]), ({"auc": "0.5"}, {}, ""))
        now = self.api.get("/models/edited/versions/1?at=2999-01-01")
        self.assertEqual(now, self.api.get("/models/edited/versions/1"))
        self.assertEqual(self.api.get("/models/edited?at=2999-01-01"), self.api.get("/models/edited"))
        self.refused(404, "GET", "/models/edited?at=2001-01-01")
        self.refused(400, "GET", "/models/edited?at=yesterday")
        statement = self.api.expect(200, "GET", "/models/edited/versions/1/statement").json
        self.assertEqual(statement["metrics"], {"auc": "0.5"})

    def test_bad_input_names_the_place(self):
        good = entry("a", b"x")
        for body, pointer in (
                ({"files": [good]}, "/model"),
                ({"model": "a/b/c", "files": [good]}, "/model"),
                ({"model": "m", "files": [good, dict(good, path="../b")]}, "/files/1/path"),
                ({"model": "m", "files": [good, dict(good, path="b", sha256="zz")]}, "/files/1/sha256"),
                ({"model": "m", "files": [dict(good, size=-1)]}, "/files/0/size"),
                ({"model": "m", "files": "x"}, "/files"),
                ({"model": "m", "files": [good], "filse": 1}, "/filse")):
            self.assertEqual(self.refused(400, "POST", "/uploads", body).get("pointer"), pointer, body)
        plan = self.api.post("/uploads", {"model": "m", "files": [good]})
        commit = f"/uploads/{plan['id']}/commit"
        for body, pointer in (({"metrics": {"auc": "good"}}, "/metrics/auc"), ({"alias": ["ok", "12"]}, "/alias/1"),
                              ({"tags": {"a": 1}}, "/tags/a"), ({"new_version": "yes"}, "/new_version")):
            self.assertEqual(self.refused(400, "POST", commit, body).get("pointer"), pointer, body)
        self.assertEqual(self.refused(400, "POST", "/models", {"name": ".."})["pointer"], "/name")
        self.refused(400, "GET", "/models?cursor=%21")
        self.refused(400, "GET", "/models?limit=501")
        self.refused(400, "GET", "/models/m/versions/007")

    def test_create_model(self):
        made = self.api.expect(201, "POST", "/models", {"name": "ns/made", "description": "d", "tags": {"a": "b"}})
        self.assertEqual((made.json["description"], made.json["tags"], made.json["n_versions"]), ("d", {"a": "b"}, 0))
        self.assertNotIn("latest", made.json)
        self.api.expect(200, "POST", "/models", {"name": "ns/made"})
        self.assertEqual(self.api.get("/models/ns%2Fmade"), made.json)
        self.refused(404, "GET", "/models/ns%2Fmade/versions/latest")
        self.assertIn('did you mean "ns/made"', self.refused(404, "GET", "/models/ns%2Fmode")["detail"])

    def test_visibility(self):
        secret = noise(6, 30000)
        self.api.upload("hidden/m", {"w": secret})
        self.api.upload("open/m", {"w": b"seen"})
        who = self.api.new_token("pusher", models="open/*")
        self.assertEqual([m["name"] for m in who.get("/models")["items"]], ["open/m"])
        for method, path, body in (("GET", "/models/hidden%2Fm", None), ("GET", "/models/hidden%2Fm/versions", None),
                                   ("GET", "/models/hidden%2Fm/versions/1", None),
                                   ("GET", "/models/hidden%2Fm/versions/1/manifest", None),
                                   ("GET", "/models/hidden%2Fm/versions/1/statement.sig", None),
                                   ("GET", "/models/hidden%2Fm/versions/1/files/w", None),
                                   ("GET", "/models/hidden%2Fm/aliases", None),
                                   ("PATCH", "/models/hidden%2Fm", {"description": "x"}),
                                   ("PATCH", "/models/hidden%2Fm/versions/1", {"description": "x"}),
                                   ("PUT", "/models/hidden%2Fm/aliases/a", {"version": 1}),
                                   ("DELETE", "/models/hidden%2Fm/aliases/a", None)):
            answer = who.expect(404, method, path, body)
            self.assertEqual(answer.json["detail"], 'no model "hidden/m"', (method, path))
        self.assertEqual(who.expect(404, "GET", "/models/hidden%2Fn").json["detail"], 'no model "hidden/n"')
        who.expect(403, "POST", "/models", {"name": "hidden/x"})
        who.expect(403, "POST", "/uploads", {"model": "hidden/x", "files": [entry("w", b"x")]})
        mine = who.post("/uploads", {"model": "open/m", "files": [entry("w", secret)]})
        self.assertFalse(mine["files"][0]["have"], "a digest alone must not give the bytes")
        who.expect(409, "POST", f"/uploads/{mine['id']}/commit", {})
        other = self.api.post("/uploads", {"model": "hidden/m", "files": [entry("w", b"y")]})
        who.expect(404, "GET", f"/uploads/{other['id']}")
        who.expect(404, "PUT", f"/uploads/{other['id']}/files/0/parts/0", raw=b"y")
        who.expect(404, "POST", f"/uploads/{other['id']}/commit", {})
        who.expect(404, "DELETE", f"/uploads/{other['id']}")
        reader = self.api.new_token("reader")
        reader.expect(403, "POST", "/models", {"name": "r"})
        reader.expect(403, "DELETE", "/models/open%2Fm")

    def test_versions_page(self):
        for i in range(7):
            self.api.upload("paged", {"f": str(i).encode()}, alias=[f"a{i}"], metrics={"i": i})
        seen, cursor = [], ""
        while cursor is not None:
            page = self.api.get(f"/models/paged/versions?limit=3&cursor={cursor}")
            seen += page["items"]
            cursor = page.get("next")
        self.assertEqual([v["version"] for v in seen], [7, 6, 5, 4, 3, 2, 1])
        self.assertEqual([v["aliases"] for v in seen], [[f"a{i}"] for i in range(6, -1, -1)])
        self.assertEqual([v["metrics"] for v in seen], [{"i": str(i)} for i in range(6, -1, -1)])
        for v in seen:
            self.assertFalse({"files", "params", "lineage"} & set(v))

    def test_many_pushers_take_distinct_numbers(self):
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            made = list(pool.map(lambda i: self.api.upload("race", {"f": b"%d" % i})["version"], range(40)))
        self.assertEqual(sorted(made), list(range(1, 41)))

    def test_commits_of_one_upload_make_one_version(self):
        plan = self.api.post("/uploads", {"model": "twice", "files": [entry("f", b"same")]})
        self.api.expect(204, "PUT", f"/uploads/{plan['id']}/files/0/content", raw=b"same")
        commit = lambda _: self.api.call("POST", f"/uploads/{plan['id']}/commit", {"new_version": True}).status
        with concurrent.futures.ThreadPoolExecutor(6) as pool:
            codes = sorted(pool.map(commit, range(6)))
        self.assertEqual(codes, [201] + [404] * 5)
        self.assertEqual(self.api.get("/models/twice")["n_versions"], 1)


@unittest.skipUnless(shutil.which("ssh-keygen"), "ssh-keygen is not installed")
class Signatures(harness.ServerCase):
    def test_stock_ssh_keygen_verifies(self):
        self.api.upload("signed", {"w": b"bytes"}, metrics={"auc": "0.9"})
        domain = self.api.get("")["domain"]
        signers = self.server.anonymous.expect(200, "GET", "/trust/allowed_signers").body
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            (folder / "signers").write_bytes(signers)
            for what in ("manifest", "statement"):
                message = self.api.expect(200, "GET", f"/models/signed/versions/1/{what}").body
                armor = self.api.expect(200, "GET", f"/models/signed/versions/1/{what}.sig")
                self.assertTrue(armor.headers["content-type"].startswith("text/plain"))
                (folder / "sig").write_bytes(armor.body)

                def verify(text, space):
                    return subprocess.run(
                        ["ssh-keygen", "-Y", "verify", "-f", folder / "signers", "-I", f"registry@{domain}",
                         "-n", space, "-s", folder / "sig"], input=text, capture_output=True).returncode

                space = f"mreg-{what}@{domain}"
                self.assertEqual(verify(message, space), 0)
                self.assertNotEqual(verify(message.replace(b"1", b"2", 1), space), 0)
                self.assertNotEqual(verify(message, "git"), 0)

    def test_documents_are_linked_by_digest(self):
        made = self.api.upload("linked", {"w": b"bytes"})
        manifest = self.api.expect(200, "GET", "/models/linked/versions/1/manifest")
        statement = self.api.expect(200, "GET", "/models/linked/versions/1/statement")
        self.assertEqual("sha256:" + hashlib.sha256(manifest.body).hexdigest(), made["content"])
        self.assertEqual(statement.json["content"], made["content"])
        self.assertEqual((statement.json["model"], statement.json["version"]), ("linked", 1))
        self.assertEqual(statement.json["created"], made["created"])
        self.assertEqual(statement.json["registry"], self.api.get("")["registry"])


class ManyModels(harness.ServerCase):
    def test_paging_through_a_thousand(self):
        names = [f"model-{i:04d}" for i in range(1000)]
        shuffled = random.Random(7).sample(names, len(names))
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda n: self.api.expect(201, "POST", "/models", {"name": n, "tags": {"n": n}}), shuffled))
        self.api.upload("model-0500", {"f": b"x"}, alias=["champion"])
        for limit in (50, 333, 500):
            seen, cursor, n_pages = [], "", 0
            while cursor is not None:
                page = self.api.get(f"/models?limit={limit}&cursor={cursor}")
                seen += page["items"]
                cursor, n_pages = page.get("next"), n_pages + 1
            self.assertEqual([m["name"] for m in seen], names)
            self.assertEqual(n_pages, -(-1000 // limit))
            self.assertTrue(all(m["tags"] == {"n": m["name"]} for m in seen))
            self.assertEqual([m["name"] for m in seen if m["aliases"] or m["n_versions"]], ["model-0500"])
        self.assertEqual([m["name"] for m in self.api.get("/models?q=model-012")["items"]], names[120:130])
        few = self.api.new_token("reader", models="model-00?0,model-0999")
        self.assertEqual([m["name"] for m in few.get("/models")["items"]], names[0:100:10] + [names[999]])


class Crash(unittest.TestCase):
    def test_upload_resumes_after_kill_9(self):
        server = harness.Server()
        self.addCleanup(server.remove)
        server.start()
        data = noise(8, 5 * PART + 999)
        plan = server.api.post("/uploads", {"model": "crash", "files": [entry("w", data)]})
        base = f"/uploads/{plan['id']}"

        def put(api, part):
            body = data[part * PART:(part + 1) * PART]
            return api.call("PUT", f"{base}/files/0/parts/{part}", raw=body, headers=digest_header(body)).status

        for part in (0, 2):
            self.assertEqual(put(server.api, part), 204)

        # A part is on its way when the server dies.
        body = data[PART:2 * PART]
        s = server.connect()
        s.sendall((f"PUT /api/v1{base}/files/0/parts/1 HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
                   f"Authorization: Bearer {server.token}\r\n\r\n").encode())
        half = threading.Thread(target=self.send_quietly, args=(s, body[:PART // 2]))
        half.start()
        half.join()
        server.kill9()
        s.close()
        server.start()
        resumed = server.api.get(base)
        self.assertEqual(resumed["files"][0]["missing"], [1, 3, 4, 5])
        for part in resumed["files"][0]["missing"]:
            self.assertEqual(put(server.api, part), 204)
        made = server.api.post(base + "/commit")
        self.assertEqual(made["files"], [entry("w", data)])
        server.kill9()
        server.start()
        got = server.api.expect(200, "GET", "/models/crash/versions/1/files/w").body
        self.assertEqual(hashlib.sha256(got).hexdigest(), entry("", data)["sha256"])

    @staticmethod
    def send_quietly(s, data):
        try:
            s.sendall(data)
        except OSError:
            pass

    def test_commits_survive_kill_9_whole_or_not_at_all(self):
        server = harness.Server()
        self.addCleanup(server.remove)
        server.start()
        acknowledged = []

        def pusher(worker):
            try:
                for i in range(1000):
                    made = server.api.upload(f"k{worker}", {"w": noise((worker << 20) + i, 20000), "t": b"%d" % i})
                    acknowledged.append((made["model"], made["version"], made["content"]))
            except (OSError, harness.ApiError, ValueError, harness.http.client.HTTPException):
                pass

        threads = [threading.Thread(target=pusher, args=(i,)) for i in range(3)]
        for t in threads:
            t.start()
        harness.wait_until(lambda: len(acknowledged) >= 20)
        server.kill9()
        for t in threads:
            t.join()
        server.start()
        for model, number, content in acknowledged:
            self.assertEqual(server.api.get(f"/models/{model}/versions/{number}")["content"], content)
        for model in server.api.get("/models")["items"]:
            versions = server.api.get(f"/models/{model['name']}/versions?limit=500")["items"]
            self.assertEqual([v["version"] for v in versions], list(range(model["n_versions"], 0, -1)))
            for v in versions:
                whole = server.api.get(f"/models/{model['name']}/versions/{v['version']}")
                for f in whole["files"]:
                    got = server.api.expect(200, "GET", f"/models/{model['name']}/versions/{v['version']}/files/"
                                            + f["path"]).body
                    self.assertEqual(hashlib.sha256(got).hexdigest(), f["sha256"])


if __name__ == "__main__":
    unittest.main()
