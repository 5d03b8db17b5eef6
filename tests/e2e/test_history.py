"""The history as people use it: stock git clones it over HTTP and verifies every commit; the feed, the
pages and "as of" agree with it; it survives its deletion, kills and a rotated key."""
import json
import os
import re
import shutil
import subprocess
import unittest

import harness


def git(*arguments, cwd=None, check=True):
    environment = harness.clean_environment(HOME="/nonexistent", GIT_CONFIG_NOSYSTEM="1",
                                            GIT_TERMINAL_PROMPT="0")
    done = subprocess.run(["git", *map(str, arguments)], cwd=cwd, env=environment, text=True,
                          capture_output=True, timeout=120)
    if check and done.returncode:
        raise AssertionError(f"git {' '.join(map(str, arguments))}:\n{done.stdout}{done.stderr}")
    return done


class HistoryCase(harness.ServerCase):
    def url(self, token=None, user="git"):
        return f"http://{user}:{token or self.server.token}@{self.server.address}/history.git"

    def served_head(self):
        answer = self.server.api.call("GET", "//history.git/info/refs")
        return answer.body.split()[0].decode() if answer.status == 200 else None

    def published(self):
        """Waits until git has every row; gives the newest row."""
        def done():
            items = self.all_changes()
            # A row's commit is stored before the branch moves to it.
            whole = items and all("commit" in item for item in items)
            return items[-1] if whole and self.served_head() == items[-1]["commit"] else None
        return harness.wait_until(done, what="the publication")

    def all_changes(self, **filters):
        items, since = [], "0"
        while True:
            query = "&".join(f"{k}={harness.quote(v)}" for k, v in filters.items())
            page = self.api.get(f"/changes?since={since}&limit=500&{query}")
            items += page["items"]
            if not page["items"]:
                return items
            since = page["next"]

    def clone(self, name, token=None):
        target = self.server.folder / name
        shutil.rmtree(target, ignore_errors=True)
        git("clone", "-q", self.url(token), target)
        return target

    def verify(self, clone):
        """Number of commits that stock git accepts with the served trust file; the head's id."""
        trust = self.server.folder / "allowed"
        trust.write_bytes(self.server.anonymous.call("GET", "/trust/allowed_signers").body)
        log = git("-c", f"gpg.ssh.allowedSignersFile={trust}", "log", "--format=%H %G? %GS", cwd=clone)
        lines = log.stdout.split("\n")[:-1]
        for line in lines:
            if not re.match(r"^[0-9a-f]{40} G registry@\S+$", line):
                commit = git("cat-file", "commit", line[:40], cwd=clone).stdout
                raise AssertionError(f"{line}\n{trust.read_text()}\n{commit}")
        git("fsck", "--strict", cwd=clone)
        return len(lines), lines[0].split()[0]


class HistoryTest(HistoryCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.api.post("/models", {"name": "fraud", "description": "Größe\nzwei", "reason": "the first"})
        cls.api.post("/models", {"name": "team/churn"})
        cls.api.upload("fraud", {"model.bin": b"one"}, metrics={"auc": "0.91"}, reason="better")
        cls.api.upload("fraud", {"model.bin": b"two"}, alias=["candidate"])
        cls.api.put("/models/fraud/aliases/champion", {"version": 1, "reason": "good"})
        cls.api.put("/models/fraud/aliases/champion", {"version": 2})

    def test_clone_and_verify(self):
        newest = self.published()
        clone = self.clone("clone")
        count, head = self.verify(clone)
        self.assertEqual(count, newest["seq"])
        self.assertEqual(head, newest["commit"])
        by_seq = {str(item["seq"]): item for item in self.all_changes()}
        log = git("log", "--reverse", "--format=%H%x00%s%x00%an%x00%(trailers:key=Seq,valueonly)", cwd=clone)
        for line in re.findall(r"[^\n]+", log.stdout):
            commit, subject, actor, seq = line.split("\0")
            item = by_seq.pop(seq.strip())
            self.assertEqual((commit, subject, actor), (item["commit"], item["message"], item["actor"]))
        self.assertEqual(by_seq, {})

    def test_fetch_of_what_is_new(self):
        self.published()
        clone = self.clone("old")
        self.api.patch("/models/fraud", {"description": "new", "reason": "words"})
        newest = self.published()
        git("pull", "-q", cwd=clone)
        self.assertEqual(git("rev-parse", "HEAD", cwd=clone).stdout.strip(), newest["commit"])

    def test_documents_are_what_the_api_serves(self):
        self.published()
        clone = self.clone("documents")
        folder = next(clone.glob("models/*/*/*/fraud"))
        for name in ("manifest", "statement"):
            served = self.api.call("GET", f"/models/fraud/versions/1/{name}").body
            self.assertEqual((folder / "versions/1" / f"{name}.json").read_bytes(), served)
        champion = json.loads((folder / "aliases/champion.json").read_bytes())
        self.assertEqual(champion["version"], 2)
        self.assertEqual(list(clone.glob("models/*/*/*/~*/model.json")).__len__(), 1)
        for path in clone.rglob("*.json"):
            text = path.read_bytes()
            self.assertNotIn(self.server.token.encode(), text)
            json.loads(text)

    def test_clone_needs_a_token(self):
        self.published()
        target = self.server.folder / "refused"
        for url in (f"{self.server.url}/history.git", self.url("mrg_wrong")):
            self.assertNotEqual(git("clone", "-q", url, target, check=False).returncode, 0)
        answer = self.server.anonymous.call("GET", "//history.git/info/refs")
        self.assertEqual(answer.status, 401)
        self.assertIn("Basic", answer.headers["www-authenticate"])
        self.clone("as-reader", self.api.new_token("reader").token)
        some = self.api.new_token("reader", models="fr*")
        self.assertEqual(some.call("GET", "//history.git/info/refs").status, 403)

    def test_only_the_repository_is_served(self):
        for path in ("config", "description", "hooks", "../mreg.db", "..%2fidentity.key", "objects/pack/",
                     "refs/heads/main", "", "HEAD/", "info//refs", "%48EAD/x"):
            answer = self.api.call("GET", f"//history.git/{path}")
            self.assertIn(answer.status, (400, 404), path)
        head = self.api.call("HEAD", "//history.git/HEAD")
        self.assertEqual((head.status, head.body), (200, b""))
        self.assertEqual(self.api.call("GET", "//history.git/HEAD").body, b"ref: refs/heads/main\n")
        self.assertEqual(self.api.call("POST", "//history.git/info/refs").status, 405)

    def test_history_of_a_model(self):
        pages, before = [], None
        while True:
            page = self.api.get("/history?model=fraud&limit=2" + (f"&before={before}" if before else ""))
            self.assertLessEqual(len(page["items"]), 2)
            pages += page["items"]
            before = page.get("next")
            if not before:
                break
        self.assertEqual(pages, self.api.get("/history?model=fraud&limit=500")["items"])
        self.assertEqual([p["seq"] for p in pages], sorted({p["seq"] for p in pages}, reverse=True))
        self.assertTrue(all(p["object"] == "fraud" for p in pages))
        self.assertEqual(pages[-1]["kind"], "model.create")
        self.assertEqual(pages[-1]["reason"], "the first")
        kinds = {p["kind"] for p in pages}
        self.assertLessEqual({"model.create", "version.publish", "alias.set"}, kinds)
        then = next(p for p in pages if p["kind"] == "version.publish")
        at = self.api.get(f"/history?model=fraud&at={then['time']}")["items"]
        self.assertEqual(at[0]["time"] <= then["time"], True)
        self.assertIn(then["seq"], [p["seq"] for p in at])

    def test_restricted_tokens(self):
        some = self.api.new_token("reader", models="team/*")
        seen = some.get("/changes?limit=500")["items"]
        self.assertTrue(seen)
        for item in seen:
            self.assertNotEqual(item["object"], "fraud")
            self.assertFalse(item["kind"].startswith("token."))
        self.assertEqual(some.call("GET", "/history?model=fraud").status, 404)
        self.assertEqual(some.get("/history?model=team%2Fchurn")["items"][0]["object"], "team/churn")


class RecoveryTest(HistoryCase):
    def test_deleted_killed_rotated(self):
        for number in range(20):
            self.api.post("/models", {"name": f"m{number}"})
        newest = self.published()
        repository = self.server.data / "history.git"

        self.server.kill9()
        shutil.rmtree(repository)
        self.server.start()
        self.assertEqual(harness.wait_until(self.served_head), newest["commit"])

        self.server.stop()
        shutil.rmtree(repository)
        done = subprocess.run([harness.program("mregd"), "--data", str(self.server.data), "rotate-key"],
                              env=harness.clean_environment(), text=True, capture_output=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.server.start()
        self.__class__.api = self.server.api
        self.api.post("/models", {"name": "after"})
        newest_after = self.published()
        clone = self.clone("rotated")
        count, head = self.verify(clone)
        self.assertEqual((count, head), (newest_after["seq"], newest_after["commit"]))
        git("merge-base", "--is-ancestor", newest["commit"], head, cwd=clone)
        trust = self.server.anonymous.call("GET", "/trust/allowed_signers").body.decode()
        self.assertEqual(trust.count("\n"), 2)
        self.assertEqual(trust.count("valid-before"), 1)

        def cut_pack():
            pack = next(repository.glob("objects/pack/*.pack"))
            pack.chmod(0o644)
            os.truncate(pack, 100)

        for damage in (cut_pack,
                       lambda: (repository / "refs/heads/main").unlink(),
                       lambda: (repository / "refs/heads/main.lock").touch()):
            self.server.kill9()
            damage()
            self.server.start()
            self.assertEqual(harness.wait_until(self.served_head), newest_after["commit"])
        self.__class__.api = self.server.api


if __name__ == "__main__":
    unittest.main()
