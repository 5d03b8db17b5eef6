"""Logging in at an OpenID Connect issuer: the flow with PKCE, people, and everything that must be turned away."""
import http.client
import pathlib
import signal
import subprocess
import tempfile
import threading
import unittest
import urllib.parse

import harness
import issuer as issuers


def fetch(address, path, cookies=None, **headers):
    """One GET, redirects not followed; Set-Cookie fields go into `cookies` ({name: value})."""
    host, port = address.rsplit(":", 1)
    connection = http.client.HTTPConnection(host, int(port), timeout=60)
    if cookies:
        headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
    try:
        connection.request("GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()})
        answer = connection.getresponse()
        fields = answer.getheaders()
        body = answer.read()
    finally:
        connection.close()
    for name, value in fields:
        if name.lower() == "set-cookie" and cookies is not None:
            key, _, rest = value.partition("=")
            cookies[key] = rest.split(";")[0]
            if "Max-Age=0" in rest:
                del cookies[key]
    return harness.Answer(answer.status, fields, body)


def below(url):
    """Address, and path with query, of a URL."""
    parts = urllib.parse.urlsplit(url)
    return parts.netloc, parts.path + ("?" + parts.query if parts.query else "")


class OidcCase(unittest.TestCase):
    settings = {}

    @classmethod
    def setUpClass(cls):
        cls.issuer = issuers.Issuer()
        cls.addClassCleanup(cls.issuer.close)
        folder = tempfile.TemporaryDirectory(prefix="mreg-secret-")
        cls.addClassCleanup(folder.cleanup)
        cls.secret_file = pathlib.Path(folder.name) / "secret"
        cls.secret_file.write_text(cls.issuer.secret + "\n")
        cls.server = harness.Server(environment={
            "MREG_OIDC_ISSUER": cls.issuer.url, "MREG_OIDC_CLIENT_ID": cls.issuer.client,
            "MREG_OIDC_CLIENT_SECRET_FILE": cls.secret_file, "MREG_OIDC_NAME": "Our Place", **cls.settings})
        cls.addClassCleanup(cls.server.remove)
        cls.server.start()
        cls.api = cls.server.api

    def setUp(self):
        self.issuer.wrong.clear()
        self.issuer.description.clear()
        self.issuer.userinfo = None

    def begin(self, cookies):
        """The issuer's address that the browser is sent to."""
        answer = fetch(self.server.address, "/api/v1/session/oidc", cookies)
        self.assertEqual(answer.status, 302, answer)
        return answer.headers["location"]

    def visit(self, url):
        """The address that the issuer sends back to."""
        answer = fetch(*below(url))
        self.assertEqual(answer.status, 302, answer)
        return answer.headers["location"]

    def come_back(self, url, cookies):
        address, path = below(url)
        self.assertEqual(address, self.server.address)
        return fetch(address, path, cookies)

    def login(self, cookies=None):
        cookies = {} if cookies is None else cookies
        return self.come_back(self.visit(self.begin(cookies)), cookies)

    def turned_away(self, answer, word, why):
        self.assertEqual((answer.status, answer.headers.get("location")), (302, "/?login=" + word), answer)
        self.assertNotIn("mreg=", answer.headers.get("set-cookie", ""))
        self.assertIn(why, [line["message"] for line in self.server.log_lines()
                            if line.get("event", {}).get("action", line.get("event.action")) == "oidc"][-1])

    def who(self, cookies, **headers):
        return fetch(self.server.address, "/api/v1/session", cookies, **headers).json

    def person(self, sub, name):
        self.issuer.person = {"sub": sub, "preferred_username": name}


class KnownPeopleTest(OidcCase):
    """Only people who were added with their subject."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.api.post("/users", {"name": "ada", "role": "deployer", "subject": cls.issuer.url + " p-1"})

    def setUp(self):
        super().setUp()
        self.person("p-1", "Ada")

    def test_ways(self):
        self.assertEqual(self.server.anonymous.get("/session/ways")["oidc"],
                         {"name": "Our Place", "url": "/api/v1/session/oidc"})

    def test_login(self):
        cookies = {}
        answer = fetch(self.server.address, "/api/v1/session/oidc", cookies)
        field = answer.headers["set-cookie"]
        for attribute in ("mreg-oidc=", "HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=600"):
            self.assertIn(attribute, field)
        self.assertEqual(answer.headers["cache-control"], "no-store")
        asked = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(answer.headers["location"]).query))
        self.assertEqual(asked["redirect_uri"], self.server.url + "/api/v1/session/oidc/callback")
        for name in ("state", "nonce", "code_challenge"):
            self.assertNotIn(asked[name], field)
        answer = self.come_back(self.visit(answer.headers["location"]), cookies)
        self.assertEqual(answer.status, 200, answer)
        self.assertIn(b'http-equiv="refresh" content="0;url=/"', answer.body)
        self.assertNotIn("mreg-oidc", cookies)
        who = self.who(cookies)
        self.assertEqual((who["name"], who["role"]), ("ada", "deployer"))
        self.assertTrue(who["csrf"])
        people = self.api.get("/users")["items"]
        self.assertEqual([p["name"] for p in people], ["ada"])
        self.assertIn("last_login", people[0])

    def test_nothing_secret_is_logged_or_kept(self):
        cookies = {}
        back = self.visit(self.begin(cookies))
        ticket = cookies["mreg-oidc"]
        code = urllib.parse.parse_qs(urllib.parse.urlsplit(back).query)["code"][0]
        self.assertEqual(self.come_back(back, cookies).status, 200)
        log = self.server.log()
        for word in (code, ticket, cookies["mreg"], self.issuer.secret, "at-1"):
            self.assertNotIn(word, log)

    def test_unknown_person(self):
        self.person("p-2", "ada")
        self.turned_away(self.login(), "refused", f'nobody here has the subject "{self.issuer.url} p-2"')
        self.assertEqual(len(self.api.get("/users")["items"]), 1)

    def test_state(self):
        mine, other = {}, {}
        back = self.visit(self.begin(mine))
        self.begin(other)
        for cookies in ({}, other, {"mreg-oidc": "x"}, {"mreg-oidc": mine["mreg-oidc"][:-1] + "_"},
                        {"mreg-oidc": mine["mreg-oidc"].replace(".1", ".2", 1)}):
            with self.subTest(cookies=cookies):
                self.assertEqual(self.come_back(back, dict(cookies)).headers["location"], "/?login=failed")
        before = dict(mine)
        self.assertEqual(self.come_back(back, mine).status, 200)
        for again in (back, back.replace("code=", "code=x")):
            self.turned_away(self.come_back(again, dict(before)), "refused", "finished before")

    def test_code_of_somebody_else(self):
        """A code that was asked for under another challenge: PKCE at the issuer says no."""
        mine, other = {}, {}
        back, foreign = self.visit(self.begin(mine)), self.visit(self.begin(other))
        code = lambda url: urllib.parse.parse_qs(urllib.parse.urlsplit(url).query)["code"][0]
        self.turned_away(self.come_back(back.replace(code(back), code(foreign)), mine), "refused",
                         "token endpoint answered 400 invalid_grant")

    def test_tokens_that_do_not_fit(self):
        far = 4000000000
        cases = (
            ({"claims": {"nonce": "x"}}, "(nonce)"), ({"claims": {"nonce": None}}, "(nonce)"),
            ({"claims": {"iss": "https://elsewhere.example"}}, "(iss)"), ({"claims": {"aud": "other"}}, "(aud)"),
            ({"claims": {"aud": ["mreg", "other"]}}, "(azp)"), ({"claims": {"azp": "other"}}, "(azp)"),
            ({"claims": {"exp": 1}}, "expired"), ({"claims": {"exp": None}}, "expired"),
            ({"claims": {"nbf": far}}, "not valid yet"), ({"claims": {"iat": far, "exp": far + 1}}, "in the future"),
            ({"claims": {"sub": None}}, "(sub)"), ({"claims": {"sub": "a\nb"}}, "(sub)"),
            ({"header": {"alg": "none"}}, 'algorithm "none"'), ({"header": {"alg": "HS256"}}, 'algorithm "HS256"'),
            ({"header": {"alg": "ES256"}}, "no key"), ({"header": {"kid": "odd"}}, 'no key "odd"'),
            ({"header": {"crit": ["x"]}}, "extension"), ({"token": "a.b"}, "three parts"),
            ({"error": "access_denied"}, "said no: access_denied"), ({"issuer": "https://odd.example"}, "another issuer"),
        )
        for wrong, why in cases:
            with self.subTest(wrong=wrong):
                self.issuer.wrong = dict(wrong)
                self.turned_away(self.login(), "refused", why)
        self.issuer.wrong = {"claims": {"aud": ["mreg", "other"], "azp": "mreg"}, "issuer": self.issuer.url}
        self.assertEqual(self.login().status, 200)

    def test_altered_token(self):
        good = self.issuer.key.token({"sub": "p-1"})
        head, _, signature = good.split(".")
        claims = issuers.encode(b'{"sub":"p-1","iss":"x"}')
        self.issuer.wrong = {"token": f"{head}.{claims}.{signature}"}
        self.turned_away(self.login(), "refused", "signature does not fit")

    def test_keys(self):
        self.assertEqual(self.login().status, 200)
        before = self.issuer.count("/keys")
        self.assertEqual(self.login().status, 200)
        self.assertEqual(self.issuer.count("/keys"), before, "known keys are not asked for again")
        self.issuer.rotate("two", "ES256")
        self.assertEqual(self.login().status, 200)
        self.assertEqual(self.issuer.count("/keys"), before + 1)
        self.issuer.rotate("three", keeps_old=True)
        self.issuer.wrong = {"header": {"kid": None}}
        self.assertEqual(self.login().status, 200, "without a kid every key is tried, fresh ones, too")
        self.issuer.wrong = {}
        self.issuer.rotate("weak", bits=1024)
        self.turned_away(self.login(), "refused", "2048")
        self.issuer.rotate("four")
        self.assertEqual(self.login().status, 200)

    def test_other_client_authentication(self):
        self.secret_file.write_text("no")
        try:
            self.turned_away(self.login(), "refused", "401 invalid_client")
        finally:
            self.secret_file.write_text(self.issuer.secret)
        self.assertEqual(self.login().status, 200, "the file is read at each login")

    def test_removed(self):
        """Who is removed is out; a subject is one person's."""
        spec = {"name": "bob", "role": "reader", "subject": self.issuer.url + " p-3"}
        self.person("p-3", "bob")
        self.turned_away(self.login(), "refused", "nobody here")
        self.api.post("/users", spec)
        self.addCleanup(self.api.call, "DELETE", "/users/bob")
        self.assertEqual(self.api.call("POST", "/users", {**spec, "name": "rob"}).status, 409)
        cookies = {}
        self.assertEqual(self.login(cookies).status, 200)
        self.assertEqual(self.who(cookies)["name"], "bob")
        self.api.delete("/users/bob")
        self.assertEqual(fetch(self.server.address, "/api/v1/session", cookies).status, 401)
        self.turned_away(self.login(), "refused", "nobody here")

    def test_tied_and_untied(self):
        """Somebody who has an account here gets a subject, and loses it."""
        subject = self.issuer.url + " p-4"
        self.person("p-4", "cleo")
        self.api.post("/users", {"name": "cleo", "role": "pusher"})
        self.addCleanup(self.api.call, "DELETE", "/users/cleo")
        self.turned_away(self.login(), "refused", "nobody here")
        cookies = {}
        self.assertEqual(self.api.patch("/users/cleo", {"subject": subject})["subject"], subject)
        self.assertEqual(self.login(cookies).status, 200)
        self.assertEqual(self.who(cookies)["name"], "cleo")
        self.api.patch("/users/cleo", {"role": "reader"})
        taken = self.api.call("PATCH", "/users/ada", {"subject": subject})
        self.assertEqual((taken.status, taken.json["pointer"]), (409, "/subject"))
        self.assertEqual(self.login(cookies).status, 200, "another change leaves the subject")
        self.assertNotIn("subject", self.api.patch("/users/cleo", {"subject": ""}))
        self.assertEqual(fetch(self.server.address, "/api/v1/session", cookies).status, 401, "sessions end")
        self.turned_away(self.login(), "refused", "nobody here")
        rows = [c["message"] for c in self.api.get("/changes?kind=user.update&since=0")["items"] if "cleo" in c["message"]]
        self.assertEqual([m.split(") ")[1] for m in rows],
                         ["changed, tied to the identity provider", "changed", "changed, not tied to an identity provider"])
        self.assertNotIn("p-4", str(rows))

    def test_wrong_requests(self):
        answer = self.server.anonymous.call("HEAD", "/session/oidc")
        self.assertEqual(answer.status, 400)
        cookies = {}
        self.begin(cookies)
        self.assertEqual(fetch(self.server.address, "/api/v1/session/oidc/callback", cookies).headers["location"],
                         "/?login=failed")

    def test_slow_issuer(self):
        """Callers wait at most ten seconds, a few at a time; the others are told at once, the server goes on."""
        gate = threading.Event()
        cookies = [{} for _ in range(8)]
        back = [self.visit(self.begin(c)) for c in cookies]
        answers = [None] * len(back)

        def run(i):
            answers[i] = self.come_back(back[i], cookies[i])

        self.issuer.wrong = {"delay": gate}
        threads = [threading.Thread(target=run, args=(i,)) for i in range(len(back))]
        try:
            for t in threads:
                t.start()
            harness.wait_until(lambda: sum(a is not None for a in answers) == 2, what="two that were not let in")
            self.assertEqual(self.api.get("/whoami")["role"], "admin")
            for t in threads:
                t.join(20)
            self.assertEqual({a.headers["location"] for a in answers}, {"/?login=failed"})
        finally:
            gate.set()
        self.issuer.wrong = {}
        harness.wait_until(lambda: self.login().status == 200, what="a login afterwards")


class NewPeopleTest(OidcCase):
    """People are added when they come; the server is reached under another address, by TLS."""

    settings = {"MREG_OIDC_ROLE_DEFAULT": "reader", "MREG_OIDC_CLAIM": "email", "MREG_SERVER_PROXY": "declared",
                "MREG_SERVER_URL": "https://mreg.example/"}

    def come_back(self, url, cookies):
        address, path = below(url)
        self.assertEqual(address, "mreg.example")
        return fetch(self.server.address, path, cookies, X_Forwarded_Proto="https")

    def begin(self, cookies):
        answer = fetch(self.server.address, "/api/v1/session/oidc", cookies, X_Forwarded_Proto="https")
        self.assertIn("Secure", answer.headers["set-cookie"])
        self.assertEqual(list(cookies), ["__Host-mreg-oidc"])
        return answer.headers["location"]

    def person(self, sub, **claims):
        self.issuer.person = {"sub": sub, **claims}

    def test_first_login(self):
        self.person("q-1", email="Eve@example.org", email_verified=True)
        for _ in range(2):
            cookies = {}
            self.assertEqual(self.login(cookies).status, 200)
            self.assertEqual(self.who({"__Host-mreg": cookies["__Host-mreg"]}, X_Forwarded_Proto="https")["role"], "reader")
        added = [p for p in self.api.get("/users")["items"] if p["name"] == "eve@example.org"]
        self.assertEqual(len(added), 1)
        self.assertEqual(added[0]["subject"], self.issuer.url + " q-1")
        changes = self.api.get("/changes?kind=user.create&since=0")["items"]
        self.assertIn("mregd", [c["actor"] for c in changes])
        self.assertNotIn("q-1", str(changes))

    def test_name_of_somebody_else(self):
        self.api.post("/users", {"name": "mal@example.org", "role": "admin", "password": "a long password"})
        self.person("q-2", email="mal@example.org")
        self.turned_away(self.login(), "refused", "there is a user mal@example.org already")

    def test_names_that_are_none(self):
        cases = ({}, {"email": ""}, {"email": "x y"}, {"email": "ä@example.org"}, {"email": 7}, {"email": "a" * 64},
                 {"email": "n@example.org", "email_verified": False})
        for number, claims in enumerate(cases):
            with self.subTest(claims=claims):
                self.person(f"n-{number}", **claims)
                self.turned_away(self.login(), "refused", "no usable name")

    def test_name_from_userinfo(self):
        self.person("q-4")
        self.issuer.userinfo = {"sub": "q-other", "email": "odd@example.org"}
        self.turned_away(self.login(), "refused", "no usable name")
        self.issuer.userinfo = {"sub": "q-4", "email": "zoe@example.org"}
        self.assertEqual(self.login().status, 200)
        self.issuer.userinfo = None
        self.assertEqual(self.login().status, 200, "a person who is known needs no name")

    def test_many_at_once(self):
        self.person("q-5", email="kim@example.org")
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(self.login().status)) for _ in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(answers, [200] * 4)


class PublicClientTest(unittest.TestCase):
    """No secret, the other form of it, and issuers whose description is of no use."""

    def serve(self, issuer, **settings):
        server = harness.Server(environment={"MREG_OIDC_ISSUER": issuer, "MREG_OIDC_CLIENT_ID": "mreg",
                                             "MREG_OIDC_ROLE_DEFAULT": "reader", **settings})
        self.addCleanup(server.remove)
        return server.start()

    def make(self, **more):
        made = issuers.Issuer(**more)
        self.addCleanup(made.close)
        return made

    def go(self, server):
        cookies = {}
        there = fetch(server.address, "/api/v1/session/oidc", cookies)
        if there.headers["location"].startswith("/"):
            return there
        back = fetch(*below(there.headers["location"])).headers["location"]
        return fetch(server.address, below(back)[1], cookies)

    def test_public(self):
        server = self.serve(self.make(secret="").url)
        self.assertEqual(self.go(server).status, 200)

    def test_secret_in_the_body(self):
        issuer = self.make()
        issuer.description = {"token_endpoint_auth_methods_supported": ["client_secret_post"],
                              "authorization_response_iss_parameter_supported": True}
        with tempfile.NamedTemporaryFile("w") as f:
            f.write(issuer.secret)
            f.flush()
            server = self.serve(issuer.url, MREG_OIDC_CLIENT_SECRET_FILE=f.name)
            self.assertEqual(self.go(server).headers["location"], "/?login=refused", "iss is missing")
            issuer.wrong = {"issuer": issuer.url}
            self.assertEqual(self.go(server).status, 200)

    def test_description(self):
        issuer = self.make(secret="")
        server = self.serve(issuer.url)
        for wrong in ({"issuer": issuer.url + "/"}, {"token_endpoint": "http://elsewhere.example/token"},
                      {"jwks_uri": None}, {"authorization_endpoint": "javascript:alert(1)"}):
            with self.subTest(wrong=wrong):
                issuer.description = {k: v for k, v in wrong.items() if v}
                if None in wrong.values():
                    issuer.description = {k: 7 for k in wrong}
                self.assertEqual(self.go(server).headers["location"], "/?login=failed")
        issuer.description, issuer.wrong = {}, {"status": 503}
        self.assertEqual(self.go(server).headers["location"], "/?login=failed")
        issuer.wrong = {}
        self.assertEqual(self.go(server).status, 200, "a fault is not remembered")

    def test_stop_while_somebody_waits(self):
        issuer = self.make(secret="")
        server = self.serve(issuer.url)
        gate = threading.Event()
        issuer.wrong = {"delay": gate}
        answers = []
        waits = threading.Thread(target=lambda: answers.append(self.go(server)))
        waits.start()
        try:
            harness.wait_until(lambda: issuer.count("/.well-known/openid-configuration"), what="the question")
            server.signal(signal.SIGTERM)
            waits.join(60)
            self.assertEqual(server.wait(), 0)
        finally:
            gate.set()
        self.assertEqual([a.headers["location"] for a in answers], ["/?login=failed"])

    def test_nobody_there(self):
        issuer = issuers.Issuer()
        server = self.serve(issuer.url)
        issuer.close()
        self.assertEqual(self.go(server).headers["location"], "/?login=failed")

    def test_not_configured(self):
        server = harness.Server()
        self.addCleanup(server.remove)
        server.start()
        self.assertNotIn("oidc", server.anonymous.get("/session/ways"))
        server.anonymous.expect(404, "GET", "/session/oidc")

    def test_settings(self):
        good = {"MREG_OIDC_ISSUER": "https://id.example", "MREG_OIDC_CLIENT_ID": "mreg"}
        cases = (
            ({"MREG_OIDC_ISSUER": "http://id.example"}, "https"),
            ({"MREG_OIDC_ISSUER": "http://127.0.0.1.id.example"}, "https"),
            ({"MREG_OIDC_ISSUER": "http://127.0.0.1@id.example"}, "https"),
            ({"MREG_OIDC_ISSUER": "https://id.example?x=1"}, "https"), ({"MREG_OIDC_ISSUER": "id.example"}, "https"),
            ({"MREG_OIDC_CLIENT_ID": ""}, "client-id"), ({"MREG_OIDC_ROLE_DEFAULT": "node"}, "role"),
            ({"MREG_OIDC_ROLE_DEFAULT": "odd"}, "role"), ({"MREG_OIDC_CLIENT_SECRET_FILE": "/nowhere"}, "secret-file"),
            ({"MREG_OIDC_CLIENT_SECRET_FILE": "/dev/null"}, "no secret"),
        )
        for wrong, why in cases:
            with self.subTest(wrong=wrong), tempfile.TemporaryDirectory() as data:
                done = subprocess.run([harness.program("mregd"), "--data", data, "--listen", "127.0.0.1:0", "--ops",
                                       "127.0.0.1:0"], env=harness.clean_environment(**{**good, **wrong}), text=True,
                                      capture_output=True, timeout=60)
                self.assertNotEqual(done.returncode, 0)
                self.assertIn(why, done.stderr)


if __name__ == "__main__":
    unittest.main()
