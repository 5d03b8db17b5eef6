"""Browsers: logging in by token and by password, the cookie, the CSRF word, the event stream, search."""
import base64
import http.client
import json
import unittest

import harness


class Browser:
    """A cookie and the CSRF word, as a browser would keep them."""

    def __init__(self, api, port):
        self.api, self.cookie, self.csrf = api, "", ""
        self.origin = f"http://127.0.0.1:{port}"

    def call(self, method, path, body=None, **headers):
        if self.cookie:
            headers["Cookie"] = self.cookie
        answer = self.api.call(method, path, body, headers={k.replace("_", "-"): v for k, v in headers.items()})
        cookie = {k.lower(): v for k, v in dict(answer.headers).items()}.get("set-cookie")
        if cookie:
            self.cookie, self.attributes = cookie.split("; ", 1)
        return answer

    def login(self, **body):
        answer = self.call("POST", "/session", body, Origin=self.origin)
        if answer.status == 200:
            self.csrf = answer.json["csrf"]
        return answer

    def change(self, method, path, body=None, **more):
        headers = {"Mreg_Csrf": self.csrf, "Origin": self.origin, "Sec_Fetch_Site": "same-origin", **more}
        return self.call(method, path, body, **{k: v for k, v in headers.items() if v is not None})


class SessionTest(harness.ServerCase):
    def browser(self):
        return Browser(self.server.anonymous, self.server.port)

    def test_login_by_token(self):
        b = self.browser()
        self.assertEqual(b.call("GET", "/session").status, 401)
        self.assertEqual(b.login(token="mrg_wrong").status, 401)
        answer = b.login(token=self.server.token)
        self.assertEqual(answer.status, 200, answer)
        self.assertTrue(b.cookie.startswith("mreg="), b.cookie)
        for attribute in ("HttpOnly", "SameSite=Strict", "Path=/"):
            self.assertIn(attribute, b.attributes)
        self.assertEqual(b.call("GET", "/session").json["csrf"], b.csrf)
        self.assertEqual(b.call("GET", "/whoami").json["role"], "admin")
        self.assertEqual(b.change("DELETE", "/session").status, 204)
        self.assertEqual(b.call("GET", "/whoami", Cookie="mreg=" + "x" * 43).status, 401)

    def test_changes_need_the_word_and_the_origin(self):
        b = self.browser()
        b.login(token=self.server.token)
        body = {"name": "csrf-model"}
        self.assertEqual(b.change("POST", "/models", body, Mreg_Csrf=None).status, 403)
        self.assertEqual(b.change("POST", "/models", body, Mreg_Csrf="x" * 32).status, 403)
        self.assertEqual(b.change("POST", "/models", body, Origin="http://evil.example").status, 403)
        self.assertEqual(b.change("POST", "/models", body, Sec_Fetch_Site="cross-site").status, 403)
        self.assertEqual(self.api.call("GET", "/models/csrf-model").status, 404)
        self.assertEqual(b.change("POST", "/models", body).status, 201)
        other = self.browser()
        other.origin = "http://evil.example"
        self.assertEqual(other.login(token=self.server.token).status, 403)

    def test_basic_counts_only_from_our_own_page(self):
        """A browser keeps the words of Basic and sends them for whatever page asks."""
        basic = {"Authorization": "Basic " + base64.b64encode(f"x:{self.server.token}".encode()).decode()}
        post = lambda **more: self.server.anonymous.call(
            "POST", "/models", {"name": "basic-model"}, headers={**basic, **more}).status
        self.assertEqual(post(Origin="http://evil.example"), 403)
        self.assertEqual(post(**{"Sec-Fetch-Site": "cross-site"}), 403)
        self.assertEqual(self.api.call("GET", "/models/basic-model").status, 404)
        self.assertEqual(post(Origin=self.browser().origin), 201)

    def test_a_revoked_token_ends_its_sessions(self):
        made = self.api.post("/tokens", {"name": "short", "role": "reader"})
        b = self.browser()
        self.assertEqual(b.login(token=made["token"]).status, 200)
        self.assertEqual(b.call("GET", "/models").status, 200)
        self.api.delete("/tokens/" + made["id"])
        self.assertEqual(b.call("GET", "/models").status, 401)

    def test_people(self):
        self.assertFalse(self.api.get("/session/ways")["password"])
        self.api.post("/users", {"name": "ana", "role": "deployer", "password": "correct horse battery"}, status=201)
        self.assertTrue(self.api.get("/session/ways")["password"])
        self.assertEqual(self.api.call("POST", "/users", {"name": "ana", "role": "reader"}).status, 409)
        short = self.api.call("POST", "/users", {"name": "bo", "role": "reader", "password": "short"})
        self.assertEqual((short.status, short.json["pointer"]), (400, "/password"))
        b = self.browser()
        wrong = b.login(user="ana", password="incorrect horse")
        nobody = self.browser().login(user="nobody", password="incorrect horse")
        self.assertEqual((wrong.status, wrong.json["detail"]), (nobody.status, nobody.json["detail"]))
        self.assertEqual(b.login(user="ana", password="correct horse battery").status, 200)
        who = b.call("GET", "/whoami").json
        self.assertEqual((who["name"], who["role"], who["actor"][:2]), ("ana", "deployer", "u-"))
        self.assertIn("last_login", self.api.get("/users")["items"][0])
        for fixed in ("name", "subject"):
            self.assertEqual(self.api.call("PATCH", "/users/ana", {fixed: "bea"}).status, 400, fixed)
        self.api.patch("/users/ana", {"role": "reader"})
        self.assertEqual(b.call("GET", "/whoami").status, 401, "a changed role ends the sessions")
        self.api.delete("/users/ana?reason=left")
        self.assertEqual(b.login(user="ana", password="correct horse battery").status, 401)
        rows = [c["message"] for c in self.api.get("/changes?since=0&limit=200")["items"] if c["kind"].startswith("user.")]
        self.assertEqual([m.split(") ")[1] for m in rows], ["created", "changed", "removed"])
        for path in self.server.data.rglob("*"):
            if path.is_file():
                self.assertNotIn(b"correct horse", path.read_bytes(), path)

    def stream(self, token, last=None):
        c = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        self.addCleanup(c.close)
        headers = {"Authorization": "Bearer " + token}
        if last is not None:
            headers["Last-Event-ID"] = str(last)
        c.request("GET", "/api/v1/events", headers=headers)
        answer = c.getresponse()
        self.assertEqual((answer.status, answer.getheader("Content-Type")), (200, "text/event-stream"))
        return answer

    def next_event(self, answer):
        event = {}
        while True:
            line = answer.readline().decode().rstrip("\n")
            if not line and "data" in event:
                return json.loads(event["data"]), int(event["id"])
            if ": " in line and not line.startswith(":"):
                key, value = line.split(": ", 1)
                event[key] = value

    def test_events_and_going_on(self):
        answer = self.stream(self.server.token)
        self.api.post("/models", {"name": "seen-live"})
        data, number = self.next_event(answer)
        self.assertEqual((data["kind"], data["object"], data["seq"]), ("model.create", "seen-live", number))
        answer.close()
        self.api.post("/models", {"name": "missed-one"})
        self.api.post("/models", {"name": "missed-two"})
        again = self.stream(self.server.token, number)
        self.assertEqual([self.next_event(again)[0]["object"] for _ in range(2)], ["missed-one", "missed-two"])

    def test_events_show_no_more_than_the_token_may_see(self):
        limited = self.api.post("/tokens", {"name": "some", "role": "reader", "models": "mine-*"})["token"]
        answer = self.stream(limited)
        self.api.post("/models", {"name": "yours-1"})
        self.api.post("/models", {"name": "mine-1"})
        self.assertEqual(self.next_event(answer)[0]["object"], "mine-1")

    def test_search(self):
        for name in ("search-fraud", "search-risk", "100%sure"):
            self.api.post("/models", {"name": name})
        names = lambda q: [(h["kind"], h["name"]) for h in self.api.get("/search?q=" + harness.quote(q))["items"]]
        self.assertEqual(names("SEARCH-fr"), [("model", "search-fraud")])
        self.assertEqual(names("100%"), [("model", "100%sure")])
        self.assertEqual(names("_"), [])
        self.api.upload("search-fraud", {"model.bin": b"bytes"}, alias=["searched"])
        self.assertIn(("alias", "search-fraud@searched"), names("searched"))
        digest = self.api.get("/models/search-fraud/versions/1")["content"].split(":")[1]
        self.assertEqual([k for k, _ in names("digest:" + digest[:12])], ["version"])
        typo = self.api.call("GET", "/search?q=stat:paused")
        self.assertIn("did you mean state", typo.json["detail"])


if __name__ == "__main__":
    unittest.main()
