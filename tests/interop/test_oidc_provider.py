"""Logging in at a real issuer: oidc-provider from npm (in the folder MREG_ISSUER), by its own pages."""
import html.parser
import http.client
import json
import os
import pathlib
import subprocess
import unittest
import urllib.parse

import harness

FOLDER = os.environ.get("MREG_ISSUER", "")
SCRIPT = pathlib.Path(__file__).parent / "issuer" / "provider.mjs"


class Form(html.parser.HTMLParser):
    """The action and the hidden fields of a page's form."""

    def __init__(self, page):
        super().__init__()
        self.action, self.fields = None, {}
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        names = dict(attributes)
        if tag == "form":
            self.action = names.get("action")
        elif tag == "input" and names.get("type") == "hidden":
            self.fields[names["name"]] = names.get("value", "")


class Browser:
    """Follows redirects and keeps cookies by address and path, as far as these two need it."""

    def __init__(self):
        self.jars = {}

    def go(self, url, form=None):
        for _ in range(20):
            answer = self.one(url, form)
            if answer.status not in (302, 303):
                return url, answer
            url, form = urllib.parse.urljoin(url, answer.headers["location"]), None
        raise AssertionError("redirects without end")

    def one(self, url, form):
        parts = urllib.parse.urlsplit(url)
        jar = self.jars.setdefault(parts.netloc, {})
        sent = "; ".join(f"{name}={value}" for name, (path, value) in jar.items() if parts.path.startswith(path))
        headers = {"Cookie": sent} if sent else {}
        body = None
        if form is not None:
            body = urllib.parse.urlencode(form)
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        connection = http.client.HTTPConnection(parts.netloc, timeout=60)
        try:
            connection.request("POST" if form is not None else "GET",
                               parts.path + ("?" + parts.query if parts.query else ""), body, headers)
            answer = connection.getresponse()
            for name, value in answer.getheaders():
                if name.lower() == "set-cookie":
                    self.keep(jar, value)
            return harness.Answer(answer.status, answer.getheaders(), answer.read())
        finally:
            connection.close()

    def keep(self, jar, field):
        pair, *attributes = [part.strip() for part in field.split(";")]
        path = [a[5:] for a in attributes if a.lower().startswith("path=")] or ["/"]
        name, _, value = pair.partition("=")
        if value:
            jar[name] = (path[0], value)
        else:
            jar.pop(name, None)


@unittest.skipUnless(FOLDER and (pathlib.Path(FOLDER) / "node_modules" / "oidc-provider").is_dir(),
                     "MREG_ISSUER has no oidc-provider")
class OidcProviderTest(unittest.TestCase):
    def start(self, client, **settings):
        """The issuer, and mregd that trusts it; `client` as the issuer knows it."""
        # Signals are not needed: the program ends with its input.
        self.issuer = subprocess.Popen(["node", str(SCRIPT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                       stderr=subprocess.DEVNULL, env=harness.clean_environment())
        self.addCleanup(self.end_issuer)
        url = self.issuer.stdout.readline().strip()
        self.server = harness.Server(environment={"MREG_OIDC_ISSUER": url, "MREG_OIDC_CLIENT_ID": client["client_id"],
                                                  "MREG_OIDC_ROLE_DEFAULT": "pusher", **settings})
        self.addCleanup(self.server.remove)
        if "client_secret" in client:
            secret = self.server.folder / "secret"
            secret.write_text(client["client_secret"])
            self.server.environment["MREG_OIDC_CLIENT_SECRET_FILE"] = str(secret)
        self.server.start()
        client["redirect_uris"] = [self.server.url + "/api/v1/session/oidc/callback"]
        self.issuer.stdin.write(json.dumps([client]) + "\n")
        self.issuer.stdin.flush()
        self.assertEqual(self.issuer.stdout.readline().strip(), "ready")
        return url

    def end_issuer(self):
        self.issuer.stdin.close()
        self.issuer.wait(30)
        self.issuer.stdout.close()

    def log_in(self, who):
        browser = Browser()
        url, answer = browser.go(self.server.url + "/api/v1/session/oidc")
        for fields in ({"login": who, "password": "any"}, {}):
            self.assertEqual(answer.status, 200, answer)
            form = Form(answer.body.decode())
            self.assertTrue(form.action, answer)
            url, answer = browser.go(urllib.parse.urljoin(url, form.action), {**form.fields, **fields})
        return browser, url, answer

    def check(self, issuer, who, name):
        for _ in range(2):  # added, then known
            browser, _, answer = self.log_in(who)
            self.assertIn(b'content="0;url=/"', answer.body, self.server.log()[-2000:])
            me = browser.one(self.server.url + "/api/v1/session", None).json
            self.assertEqual((me["name"], me["role"]), (name, "pusher"))
        people = self.server.api.get("/users")["items"]
        self.assertEqual([(p["name"], p["subject"]) for p in people], [(name, f"{issuer} {who}")])

    def test_confidential_rs256(self):
        issuer = self.start({"client_id": "mreg", "client_secret": "a:b/c +%"})
        self.check(issuer, "ada", "ada")

    def test_public_es256(self):
        issuer = self.start({"client_id": "mreg", "token_endpoint_auth_method": "none",
                             "id_token_signed_response_alg": "ES256"}, MREG_OIDC_CLAIM="email")
        self.check(issuer, "eve", "eve@example.org")

    def test_wrong_secret(self):
        self.start({"client_id": "mreg", "client_secret": "right"})
        pathlib.Path(self.server.environment["MREG_OIDC_CLIENT_SECRET_FILE"]).write_text("wrong")
        _, url, _ = self.log_in("ada")
        self.assertTrue(url.endswith("/?login=refused"), url)
        self.assertIn("401 invalid_client", self.server.log())

    def test_person_says_no(self):
        self.start({"client_id": "mreg", "client_secret": "right"})
        browser = Browser()
        url, answer = browser.go(self.server.url + "/api/v1/session/oidc")
        action = urllib.parse.urljoin(url, Form(answer.body.decode()).action)
        url, answer = browser.go(action + "/abort")
        self.assertTrue(url.endswith("/?login=refused"), url)
        self.assertIn("said no: access_denied", self.server.log())


if __name__ == "__main__":
    unittest.main()
