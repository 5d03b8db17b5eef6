"""Contexts, settings and where they come from, credential files and helpers, protected contexts, plugins, the
formats of output, mreg api and mreg doctor."""
import json
import os
import pathlib
import unittest

import cliworld
import harness

USAGE, NOT_FOUND, NO_LOGIN, REFUSED, LOCAL_IO = 2, 3, 4, 13, 20


class ContextCase(cliworld.World):
    def setUp(self):
        self.config = self.home / "config/mreg/config"
        for path in (self.home / "config/mreg").glob("*"):
            path.unlink()
        (self.work / ".mreg").unlink(missing_ok=True)
        self.mreg("login", self.server.url, "--token-file", "admin.token")

    def error(self, done, code, *parts):
        self.assertRegex(done.stderr, rf"(^|\n)error: {code}: ")
        for part in parts:
            self.assertIn(part, done.stderr)

    def get(self, key, *arguments, **environment):
        return self.mreg("config", "get", "--origin", key, *arguments, **environment).stdout.strip().split("\t")


class Contexts(ContextCase):
    def test_add_use_remove(self):
        self.mreg("context", "add", "staging", self.server.url + "/")
        self.assertIn("staging\t", self.mreg("context", "list").stdout)
        self.error(self.mreg("list", "--context", "staging", code=NO_LOGIN), "unauthenticated")
        self.mreg("login", "--context", "staging", "--token-file", "admin.token")
        self.assertIn("fraud", self.mreg("list", "--context", "staging").stdout)
        self.mreg("context", "use", "staging")
        shown = self.mreg("context", "show").stdout
        self.assertRegex(shown, r"name +staging")
        self.assertRegex(shown, r"chosen by +\S+/mreg/config")
        credentials = self.home / "config/mreg/credentials-staging.json"
        self.assertEqual(credentials.stat().st_mode & 0o777, 0o600)
        self.mreg("context", "remove", "staging", code=REFUSED)
        self.mreg("context", "remove", "staging", "--yes")
        self.assertFalse(credentials.exists())
        self.assertNotIn("staging", self.mreg("context", "list").stdout)
        self.assertRegex(self.mreg("context", "show").stdout, r"name +default")

    def test_mistakes(self):
        self.mreg("context", "add", "prod", self.server.url)
        self.error(self.mreg("list", "--context", "prd", code=NOT_FOUND), "not-found", "did you mean prod?")
        self.error(self.mreg("context", "use", "prd", code=NOT_FOUND), "not-found", "did you mean prod?")
        self.error(self.mreg("context", "add", "Prod!", self.server.url, code=USAGE), "invalid", "a-z")
        self.error(self.mreg("context", "add", "x", "ftp://x", code=USAGE), "invalid", "http://")
        self.error(self.mreg("context", "add", "prod", "http://127.0.0.1:1", code=6), "exists", "context remove prod")
        self.error(self.mreg("login", "http://127.0.0.1:1", "--context", "prod", "--token-file", "admin.token", code=USAGE),
                   "invalid", self.server.url)
        self.error(self.mreg("config", "set", "colr", "x", code=USAGE), "invalid", "did you mean color?")
        self.error(self.mreg("config", "set", "color", "nevr", code=USAGE), "invalid", "did you mean never?")
        self.error(self.mreg("list", "-o", "jsn", code=USAGE), "invalid", "did you mean json?")
        self.config.write_text("[core]\n  output = json\n  nonsense\n")
        self.error(self.mreg("list", code=USAGE), "invalid", "line 3")
        self.config.write_text("[core]\n  url = http://x\n")
        self.error(self.mreg("list", code=USAGE), "invalid", "cannot be set here")
        self.config.write_text("[core]\n  output = json\n")
        self.config.chmod(0o666)
        self.error(self.mreg("list", code=USAGE), "invalid", "chmod go-w")
        self.config.unlink()

    def test_order_of_origins(self):
        project = self.work / ".mreg"
        self.assertEqual(self.get("context"), ["default", "default"])
        for name in ("one", "two", "three", "four"):
            self.mreg("context", "add", name, self.server.url, "--environment", f"env-{name}")
        self.mreg("context", "use", "one")
        self.assertEqual(self.get("context"), ["one", str(self.config)])
        self.assertEqual(self.get("environment"), ["env-one", f"{self.config}, context one"])
        project.write_text("# of this project\ncontext = two\n")
        self.assertEqual(self.get("context"), ["two", str(project)])
        self.assertEqual(self.get("environment")[0], "env-two")
        self.assertEqual(self.get("context", MREG_CONTEXT="three"), ["three", "variable MREG_CONTEXT"])
        self.assertEqual(self.get("context", "--context", "four", MREG_CONTEXT="three"), ["four", "option --context"])
        project.write_text("environment = env-project\noutput = json\n")
        self.assertEqual(json.loads(self.mreg("config", "get", "environment").stdout)["value"], "env-project")
        project.unlink()
        self.mreg("config", "set", "output", "name")
        self.assertEqual(self.mreg("list", "--context", "default").stdout, "fraud\n")
        self.mreg("config", "set", "output")
        self.assertNotIn("output", self.config.read_text())
        self.mreg("context", "use", "default")
        self.assertEqual(self.get("url"), [self.server.url, "login of context default"])
        self.assertEqual(self.get("url", MREG_URL="http://127.0.0.1:1")[1], "variable MREG_URL")

    def test_project_file(self):
        """It chooses among what the user has set up, from any folder below, and can do nothing else."""
        self.mreg("context", "add", "prod", self.server.url, "--environment", "production")
        deep = self.work / "a/b"
        deep.mkdir(parents=True, exist_ok=True)
        (self.work / ".mreg").write_text("context = prod\n")
        settings = self.settings()
        shown = cliworld.subprocess.run([harness.program("mreg"), "context", "show"], cwd=deep, env=settings, text=True,
                                        capture_output=True, check=True).stdout
        self.assertRegex(shown, r"name +prod")
        self.assertIn(str(self.work / ".mreg"), shown)
        for line in ("url = http://127.0.0.1:1", "helper = touch stolen", "token-file = /etc/passwd", "protected = false"):
            (self.work / ".mreg").write_text(line + "\n")
            self.error(self.mreg("list", code=USAGE), "invalid", "cannot be set here")
        self.assertFalse((self.work / "stolen").exists())

    def test_comments_stay(self):
        self.config.write_text("# mine\n[core]\n    color = auto # why\n\n[context \"a\"] ; old\nurl = http://127.0.0.1:9\n")
        self.mreg("context", "add", "b", self.server.url, "--protected")
        self.mreg("config", "set", "color", "never")
        self.mreg("context", "remove", "a", "-y")
        self.assertEqual(self.config.read_text(), f"# mine\n[core]\n    color = never\n\n[context \"b\"]\n"
                         f"    url = {self.server.url}\n    protected = true\n")

    def test_helper(self):
        """A command that prints the token; it is run only when a call is made, and never for another registry."""
        token = self.work / "admin.token"
        helper = f"echo x >> {self.work}/runs; test \"$MREG_CONTEXT\" = vault && test -n \"$MREG_URL\" && cat {token}"
        self.mreg("context", "add", "vault", self.server.url, "--helper", helper)
        self.mreg("context", "show", "--context", "vault")
        self.assertFalse((self.work / "runs").exists())
        self.assertIn("fraud", self.mreg("list", "--context", "vault").stdout)
        self.assertEqual((self.work / "runs").read_text(), "x\n")
        self.mreg("list", "--context", "vault", MREG_URL="http://127.0.0.1:1", code=8)
        self.assertEqual((self.work / "runs").read_text(), "x\n")
        self.mreg("context", "add", "broken", self.server.url, "--helper", "exit 3")
        self.error(self.mreg("list", "--context", "broken", code=LOCAL_IO), "local-io", "exit 3")
        self.mreg("context", "add", "file", self.server.url, "--token-file", "admin.token")
        self.assertIn("fraud", self.mreg("list", "--context", "file").stdout)


class Protected(ContextCase):
    def setUp(self):
        super().setUp()
        self.mreg("context", "add", "prod", self.server.url, "--protected")
        self.mreg("login", "--context", "prod", "--token-file", "admin.token")
        self.mreg("context", "use", "prod")

    def test_changes_want_the_name_and_a_reason(self):
        self.mreg("list")
        self.mreg("diff", "fraud@1", "fraud@2")
        change = ("alias", "set", "fraud@1", "guarded")
        self.error(self.mreg(*change, code=REFUSED), "unconfirmed", "context prod is protected", "--confirm prod")
        self.error(self.mreg(*change, "--yes", code=REFUSED), "unconfirmed")
        self.error(self.mreg(*change, "--confirm", "default", "--reason", "x", code=REFUSED), "unconfirmed")
        self.error(self.mreg(*change, "--confirm", "prod", code=REFUSED), "unconfirmed", "reason")
        self.assertEqual(self.api.get("/models/fraud/aliases")["items"][0].get("guarded"), None)
        self.mreg(*change, "--confirm", "prod", "--reason", "CHG-1")
        last = self.api.get("/history?model=fraud&limit=1")["items"][0]
        self.assertEqual(last["reason"], "CHG-1")
        told = json.loads(self.mreg(*change, "--json", code=REFUSED).stdout)["error"]
        self.assertEqual((told["code"], told["exit"]), ("unconfirmed", REFUSED))
        self.error(self.mreg("api", "POST", "/models", "-f", "name=x", code=REFUSED), "unconfirmed")
        self.mreg("promote", "fraud@1", "production", "--dry-run")
        members = ["fraud@1", f"{self.new_model(2)}@2", "--together", "--to", "production"]
        newest = self.api.get("/rollouts?limit=1")["items"][0]["id"]
        for option in ("--dry-run", "--plan p1-x", "--plan-out plan.json", "--env production"):
            done = self.mreg("promote", *members, *option.split(), "--confirm", "prod", "--reason", "x", code=2)
            self.error(done, "invalid", option.split()[0], "nothing was sent")
        self.error(self.mreg("promote", "fraud@1", "production", "--to", "production", "--dry-run", code=2), "invalid")
        self.error(self.mreg("promote", *members, code=REFUSED), "unconfirmed")
        self.mreg("rollout", "simulate", "fraud@1", "production")
        self.assertEqual(self.api.get("/rollouts?limit=1")["items"][0]["id"], newest)
        # Named outright, the registry is not the context's business only if it is another one.
        self.error(self.mreg(*change, "--registry", self.server.url, code=REFUSED), "unconfirmed")

    def test_terminal(self):
        line = [harness.program("mreg"), "alias", "set", "fraud@2", "typed"]
        code, shown = cliworld.run_in_terminal(line, self.settings(), self.work,
                                               [("Type prod to go on: ", "prod\n"), ("Reason: ", "CHG-2\n")])
        self.assertEqual(code, 0, shown)
        self.assertEqual(self.api.get("/history?model=fraud&limit=1")["items"][0]["reason"], "CHG-2")
        code, shown = cliworld.run_in_terminal(line, self.settings(), self.work, [("Type prod to go on: ", "prd\n")])
        self.assertEqual(code, REFUSED, shown)
        self.assertIn("another name was typed", shown)


class Output(ContextCase):
    def test_formats(self):
        ids = [row.split("\t")[0] for row in self.mreg("token", "list").stdout.splitlines()]
        self.assertEqual(self.mreg("token", "list", "-o", "id").stdout.split(), ids)
        self.assertEqual(self.mreg("token", "list", "-o", "name").stdout.splitlines(), ["first admin", "dora"])
        self.assertEqual(self.mreg("list", "-o", "name").stdout, "fraud\n")
        self.assertIn("fraud@8\n", self.mreg("list", "fraud", "-o", "name").stdout)
        rows = [json.loads(line) for line in self.mreg("list", "fraud", "-o", "ndjson").stdout.splitlines()]
        self.assertEqual([row["version"] for row in rows], list(range(8, 0, -1)))
        self.assertEqual(json.loads(self.mreg("list", "-o", "json").stdout), json.loads(self.mreg("list", "--json").stdout))
        self.assertTrue(self.mreg("list", "-o", "table").stdout.startswith("MODEL"))
        self.assertTrue(self.mreg("list", "-o", "table", "--no-header").stdout.startswith("fraud "))
        self.assertEqual(self.mreg("list", MREG_OUTPUT="name").stdout, "fraud\n")
        wide = cliworld.run_in_terminal([harness.program("mreg"), "list", "fraud", "-o", "wide"], self.settings(),
                                        self.work, columns=40)[1]
        self.assertNotIn("…", wide)
        plain = cliworld.run_in_terminal([harness.program("mreg"), "list", "-o", "plain"], self.settings(), self.work)[1]
        self.assertTrue(plain.startswith("fraud\t"))

    def test_yaml(self):
        try:
            import yaml
        except ImportError:
            self.skipTest("python3-yaml is not installed")
        for words in (("list",), ("show", "fraud@3"), ("env", "list"), ("alias", "list", "fraud"), ("whoami",),
                      ("history", "fraud"), ("diff", "fraud@1", "fraud@2"), ("help",)):
            with self.subTest(words=words):
                wanted = json.loads(self.mreg(*words, "-o", "json").stdout)
                self.assertEqual(yaml.safe_load(self.mreg(*words, "-o", "yaml").stdout), wanted)
        told = yaml.safe_load(self.mreg("show", "nothing", "-o", "yaml", code=NOT_FOUND).stdout)
        self.assertEqual(told["error"]["code"], "not-found")
        self.error(self.mreg("show", "nothing", "-o", "name", code=NOT_FOUND), "not-found")

    def test_columns(self):
        self.assertEqual(self.mreg("list", "--columns", "latest,model").stdout, "8\tfraud\n")
        done = self.mreg("list", "--columns", "LATST", code=USAGE)
        self.error(done, "invalid", "did you mean LATEST?")
        self.assertEqual(done.stdout, "")
        self.error(self.mreg("list", "--columns", "zzzzzz", code=USAGE), "invalid", "MODEL, VERSIONS")
        self.error(self.mreg("list", "--columns", "", code=USAGE), "invalid", "empty")
        rows = json.loads(self.mreg("list", "--json", "--columns", "name,latest").stdout)["items"]
        self.assertEqual(rows, [{"name": "fraud", "latest": 8}])

    def test_colour(self):
        def has_colour(*arguments, **environment):
            shown = cliworld.run_in_terminal([harness.program("mreg"), "list", *arguments],
                                             {**self.settings(), **environment}, self.work)[1]
            return "\x1b[" in shown

        self.assertTrue(has_colour())
        self.assertFalse(has_colour("--color", "never"))
        self.assertFalse(has_colour("--color=auto", NO_COLOR="1"))
        self.assertTrue(has_colour("--color=always", NO_COLOR="1"))
        self.assertFalse(has_colour(TERM="dumb"))
        self.assertTrue(has_colour(TERM="dumb", CLICOLOR_FORCE="1"))
        faint = cliworld.run_in_terminal([harness.program("mreg"), "list", "--accessible"], self.settings(), self.work)[1]
        self.assertNotIn("\x1b[2m", faint)
        self.assertNotIn("\x1b[", self.mreg("list", "-o", "table").stdout)
        self.assertIn("\x1b[", self.mreg("list", "-o", "table", "--color", "always").stdout)
        self.assertIn("\x1b[", self.mreg("list", "-o", "table", CLICOLOR_FORCE="1").stdout)
        self.assertNotIn("\x1b[", self.mreg("list", "-o", "table", CLICOLOR_FORCE="0").stdout)


class Tools(ContextCase):
    def plugin(self, name, text):
        path = self.home / "bin" / f"mreg-{name}"
        path.write_text("#!/bin/sh\n" + text)
        path.chmod(0o755)
        self.addCleanup(path.unlink)
        return path

    def test_plugin(self):
        path = self.plugin("greet", 'echo "$MREG_URL $MREG_CONTEXT $#:$1:$2"; "$MREG_COMMAND" list\nexit 5\n')
        self.plugin("list", "echo never\n")
        done = self.mreg("greet", "--json", "a b", code=5)
        self.assertTrue(done.stdout.startswith(f"{self.server.url} default 2:--json:a b\n"), done.stdout)
        self.assertIn("fraud\t", done.stdout)
        listed = self.mreg("plugin", "list").stdout
        self.assertIn(f"greet\tok\t{path}", listed)
        self.assertIn("list\thidden by a command", listed)
        self.assertNotIn("never", self.mreg("list").stdout)
        self.assertIn("greet", self.mreg("__complete", "gre").stdout)
        self.error(self.mreg("gret", code=USAGE), "invalid", "no command")
        env = self.mreg("--context", "default", "greet", code=5).stdout
        self.assertIn(" default ", env)

    def test_api(self):
        self.assertEqual(json.loads(self.mreg("api", "GET", "/models").stdout)["items"][0]["name"], "fraud")
        self.assertEqual(json.loads(self.mreg("api", "GET", "models/fraud").stdout)["latest"], 8)
        self.assertIn("ssh-ed25519", self.mreg("api", "GET", "/trust/allowed_signers").stdout)
        made = json.loads(self.mreg("api", "POST", "/models", "-f", "name=by-api", "-f", "tags:={\"a\":\"b\"}").stdout)
        self.assertEqual((made["name"], made["tags"]), ("by-api", {"a": "b"}))
        self.mreg("api", "PATCH", "/models/by-api", "--input", "-", input='{"description": "x"}')
        self.assertEqual(self.mreg("api", "DELETE", "/models/by-api").stdout, "")
        self.assertEqual(len(json.loads(self.mreg("api", "GET", "/models/fraud/versions", "--paginate").stdout)["items"]), 8)
        self.error(self.mreg("api", "GET", "/models/nothing", code=NOT_FOUND), "not-found", "request: ")
        self.error(self.mreg("api", "FETCH", "/models", code=USAGE), "invalid", "none of GET")
        self.error(self.mreg("api", "POST", "/models", "-f", "name", code=USAGE), "invalid", "NAME=TEXT")
        self.error(self.mreg("api", "POST", "/models", "-f", "tags:={", code=USAGE), "invalid", "no JSON")
        self.assertIn("debug: GET: ", self.mreg("api", "GET", "/models", "--debug").stderr)
        self.assertNotIn(self.server.token, self.mreg("api", "GET", "/models", MREG_DEBUG="1").stderr)

    def test_doctor(self):
        told = json.loads(self.mreg("doctor", "--json").stdout)
        self.assertEqual(told["failed"], 0, told)
        self.assertLessEqual({"configuration", "cache", "credentials", "registry", "keys", "token", "nodes"},
                             {check["check"] for check in told["checks"]})
        shown = self.mreg("doctor", MREG_TOKE="x").stdout
        self.assertRegex(shown, r"\[ok\]   registry")
        self.assertRegex(shown, r"\[warn\] environment +MREG_TOKE is unknown\n +fix: did you mean MREG_TOKEN\?")
        self.assertRegex(self.mreg("doctor", code=1, MREG_URL="http://127.0.0.1:1").stdout,
                         r"\[fail\] registry .*\n +fix: is mregd running")
        self.assertRegex(self.mreg("doctor", code=1, MREG_TOKEN="mrg_wrong").stdout, r"\[fail\] token ")
        self.config.write_text("nonsense\n")
        self.assertRegex(self.mreg("doctor", code=1).stdout, r"\[fail\] configuration .*line 1.*\n +fix: edit ")
        self.config.unlink()
        credentials = self.home / "config/mreg/credentials.json"
        stored = json.loads(credentials.read_text())
        stored["allowed_signers"] = stored["allowed_signers"].replace("AAAA", "AAAB", 1)
        credentials.write_text(json.dumps(stored))
        self.assertRegex(self.mreg("doctor", code=1).stdout, r"\[fail\] keys +the registry shows other keys")

    def test_models_and_people(self):
        self.mreg("model", "create", "team/shop", "-d", "first", "-t", "owner=a")
        self.mreg("model", "edit", "team/shop", "-d", "second", "--tag", "owner=", "--reason", "r")
        shown = self.api.get("/models/team%2Fshop")
        self.assertEqual((shown["description"], shown.get("tags", {})), ("second", {}))
        self.error(self.mreg("model", "edit", "team/shop", code=USAGE), "invalid", "nothing to change")
        self.error(self.mreg("model", "delete", "team/shop", "--yes", code=REFUSED), "unconfirmed", "--confirm team/shop")
        self.mreg("model", "delete", "team/shop", "--confirm", "team/shop")
        self.mreg("user", "create", "eva", "--role", "pusher", "--password-file", "ana.password")
        self.assertIn("eva\t", self.mreg("user", "list").stdout)
        self.mreg("user", "edit", "eva", "--role", "reader")
        for subject in ("https://id.example eva", ""):
            self.mreg("user", "edit", "eva", "--subject", subject)
            people = json.loads(self.mreg("user", "list", "--json").stdout)["items"]
            self.assertEqual([p.get("subject", "") for p in people if p["name"] == "eva"], [subject])
        self.assertEqual({u["name"]: u["role"] for u in self.api.get("/users")["items"]}["eva"], "reader")
        self.mreg("user", "remove", "eva", code=REFUSED)
        self.mreg("user", "remove", "eva", "-y")

    def test_diff(self):
        shown = self.mreg("diff", "fraud@1", "@2").stdout
        self.assertIn("fraud@1 -> fraud@2", shown)
        self.assertRegex(shown, r"metrics +~ auc  0.91 -> 0.92  \(\+0.01\)")
        self.assertRegex(shown, r"files +~ model.json ")
        self.mreg("diff", "fraud@1", "fraud@2", "--exit-code", code=1)
        self.mreg("diff", "fraud@1", "fraud@1", "--exit-code")
        told = json.loads(self.mreg("diff", "fraud@1", "fraud@2", "--only", "metrics", "--json").stdout)
        self.assertEqual(told["metrics"], [{"name": "auc", "change": "changed", "a": "0.91", "b": "0.92"}])
        self.assertNotIn("files", told)
        self.error(self.mreg("diff", "fraud@1", "fraud@2", "--only", "metrcs", code=USAGE), "invalid", "did you mean metrics")

    def test_blame_and_search(self):
        rows = [row.split("\t") for row in self.mreg("blame", "fraud").stdout.splitlines()]
        aliases = [row[1] for row in rows if row[0].startswith("alias")]
        self.assertTrue(any("champion" in alias for alias in aliases), rows)
        self.assertEqual(len(aliases), len(set(aliases)))
        self.assertIn("fraud", self.mreg("search", "frau").stdout)
        self.assertIn("production", self.mreg("search", "prod").stdout)
        self.error(self.mreg("search", "colour:red", code=USAGE), "invalid")

    def test_other_words(self):
        for word, command in (("ls", ["list"]), ("get", ["show", "fraud"]), ("log", ["history"])):
            self.assertEqual(self.mreg(word, *command[1:]).stdout, self.mreg(*command).stdout)
        self.error(self.mreg("undo", "fraud", code=USAGE), "invalid", "rollback needs an environment")
        self.mreg("context", "add", "e", self.server.url, "--environment", "nowhere", "--token-file", "admin.token")
        self.error(self.mreg("undo", "fraud", "--context", "e", code=NOT_FOUND), "not-found", "nowhere")


if __name__ == "__main__":
    unittest.main()
