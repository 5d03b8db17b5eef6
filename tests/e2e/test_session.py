"""Browsers: logging in by token and by password, the cookie, the CSRF word, the event stream, search."""
import base64
import http.client
import json
import time
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
        first = self.api.get("/history?limit=1")["items"][0]["seq"]
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
        self.assertIn("last_login", next(u for u in self.api.get("/users")["items"] if u["name"] == "ana"))
        self.assertEqual(self.api.call("PATCH", "/users/ana", {"name": "bea"}).status, 400, "a name stays")
        self.api.patch("/users/ana", {"role": "reader"})
        self.assertEqual(b.call("GET", "/whoami").status, 401, "a changed role ends the sessions")
        self.api.delete("/users/ana?reason=left")
        self.assertEqual(b.login(user="ana", password="correct horse battery").status, 401)
        rows = [c["message"] for c in self.api.get(f"/changes?since={first}&limit=200")["items"] if c["kind"].startswith("user.") and " ana " in c["message"]]
        self.assertEqual([m.split(") ")[1] for m in rows], ["created", "changed", "removed"])
        for path in self.server.data.rglob("*"):
            if path.is_file():
                self.assertNotIn(b"correct horse", path.read_bytes(), path)

    def test_what_users_must_not_hold(self):
        """An error says where: the member, and the byte where it is not seen."""
        cases = ({"name": "a\tb"}, "/name", "letters"), ({"models": "a,b\u0007*"}, "/models", "byte 4"), \
            ({"models": "a\u0085"}, "/models", "byte 2"), ({"models": ""}, "/models", "1 to"), \
            ({"subject": "https://id.example a\nb"}, "/subject", "byte 21"), \
            ({"subject": "no-issuer"}, "/subject", "a space"), ({"subject": "x " + "y" * 499}, "/subject", "500")
        self.api.post("/users", {"name": "held", "role": "reader"}, status=201)
        for number, (part, pointer, words) in enumerate(cases):
            calls = [("POST", "/users", {"name": f"held-{number}", "role": "reader", **part})]
            if "name" not in part:
                calls.append(("PATCH", "/users/held", part))
            if "models" in part:
                calls.append(("POST", "/tokens", {"name": "held", "role": "reader", **part}))
            for method, path, body in calls:
                with self.subTest(path=path, part=part):
                    answer = self.api.call(method, path, body)
                    self.assertEqual((answer.status, answer.json["pointer"]), (400, pointer), answer)
                    self.assertIn(words, answer.json["detail"])
        self.assertEqual([(u["models"], u.get("subject")) for u in self.api.get("/users")["items"] if u["name"] == "held"],
                         [("*", None)])

    def stream(self, token=None, last=None, **headers):
        c = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        self.addCleanup(c.close)
        if token:
            headers["Authorization"] = "Bearer " + token
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

    def test_far_behind(self):
        """Whoever missed a lot is told of it in one go, not a batch a second."""
        for i in range(1000):
            self.api.post("/models", {"name": f"many-{i}"})
        began, answer = time.monotonic(), self.stream(self.server.token, 1)
        while self.next_event(answer)[0]["object"] != "many-999":
            pass
        self.assertLess(time.monotonic() - began, 3)

    def test_events_show_no_more_than_the_token_may_see(self):
        limited = self.api.post("/tokens", {"name": "some", "role": "reader", "models": "mine-*"})["token"]
        answer = self.stream(limited)
        self.api.post("/models", {"name": "yours-1"})
        self.api.post("/models", {"name": "mine-1"})
        self.assertEqual(self.next_event(answer)[0]["object"], "mine-1")

    def test_a_stream_ends_with_what_let_it_begin(self):
        made = self.api.post("/tokens", {"name": "streamer", "role": "reader"})
        revoked = self.stream(made["token"])
        b = self.browser()
        b.login(token=self.server.token)
        logged_out = self.stream(Cookie=b.cookie)
        self.api.post("/users", {"name": "streaming", "role": "reader", "password": "correct horse battery"}, status=201)
        person = self.browser()
        person.login(user="streaming", password="correct horse battery")
        removed = self.stream(Cookie=person.cookie)
        kept = self.stream(self.server.token)
        self.api.post("/models", {"name": "before-the-end"})
        for answer in (revoked, logged_out, removed, kept):
            while self.next_event(answer)[0]["object"] != "before-the-end":
                pass
        self.api.delete("/tokens/" + made["id"])
        self.assertEqual(b.change("DELETE", "/session").status, 204)
        self.api.delete("/users/streaming")
        self.api.post("/models", {"name": "after-the-end"})
        for answer in (revoked, logged_out, removed):
            self.assertNotIn(b"after-the-end", answer.read())
        while self.next_event(kept)[0]["object"] != "after-the-end":
            pass

    def test_a_silent_stream_ends_when_its_token_expires(self):
        """Nothing happens meanwhile: it ends at the next comment at the latest."""
        token = self.api.post("/tokens", {"name": "brief", "role": "reader", "expires": "2s"})["token"]
        answer = self.stream(token)
        began = time.monotonic()
        self.assertNotIn(b"event:", answer.read())
        self.assertLess(time.monotonic() - began, 25)

    def test_search_counts_only_what_is_seen(self):
        """Hidden models take no place of a page; signs of LIKE are plain signs."""
        for number in range(5):
            self.api.post("/models", {"name": f"a-hid{number}"})
            self.api.upload(f"a-hid{number}", {"model.bin": b"same bytes"}, alias=["served-a"])
        self.api.post("/models", {"name": "z-hid-mine"})
        self.api.upload("z-hid-mine", {"model.bin": b"same bytes"}, alias=["served-a"])
        token = self.api.post("/tokens", {"name": "sees-z", "role": "reader", "models": "z-*"})["token"]
        digest = self.api.get("/models/z-hid-mine/versions/1")["content"].split(":")[1]
        for query, kind in (("hid", "model"), ("served-a", "alias"), ("digest:" + digest[:12], "version")):
            hits = self.server.anonymous.call("GET", f"/search?limit=2&q={query}",
                                              headers={"Authorization": "Bearer " + token}).json["items"]
            self.assertEqual([(h["kind"], h["name"].split("@")[0]) for h in hits], [(kind, "z-hid-mine")], query)

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


class BehindProxyTest(harness.ServerCase):
    """A proxy speaks TLS for us: only a cookie that nobody but this host can have set counts."""

    environment = {"MREG_SERVER_PROXY": "declared"}

    def test_cookie_over_tls(self):
        b = Browser(self.server.anonymous, self.server.port)
        b.origin = b.origin.replace("http:", "https:")
        answer = b.call("POST", "/session", {"token": self.server.token}, Origin=b.origin, X_Forwarded_Proto="https")
        self.assertEqual(answer.status, 200)
        name, secret = b.cookie.split("=", 1)
        self.assertEqual(name, "__Host-mreg")
        self.assertIn("Secure", b.attributes)
        who = lambda cookie, **more: self.server.anonymous.call(
            "GET", "/whoami", headers={"Cookie": cookie, **{k.replace("_", "-"): v for k, v in more.items()}}).status
        self.assertEqual(who(b.cookie, X_Forwarded_Proto="https"), 200)
        self.assertEqual(who(f"mreg=other; {b.cookie}", X_Forwarded_Proto="https"), 200)
        self.assertEqual(who("mreg=" + secret, X_Forwarded_Proto="https"), 401)
        self.assertEqual(who(b.cookie), 401, "it did not come over TLS")
        self.assertEqual(who("mreg=" + secret), 200)
        self.assertEqual(self.server.anonymous.call(
            "GET", "/session", headers={"Cookie": "mreg=" + secret, "X-Forwarded-Proto": "https"}).status, 401)


class StreamPlaces(harness.ServerCase):
    environment = {"MREG_LIMITS_STREAMS": "2"}

    def open(self):
        """A stream that is at work, or None if all places are taken."""
        c = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=10)
        self.addCleanup(c.close)
        c.request("GET", "/api/v1/events", headers={"Authorization": "Bearer " + self.server.token})
        answer = c.getresponse()
        if answer.status == 503:
            return None
        self.assertEqual(answer.status, 200)
        answer.readline()
        return answer

    def test_a_closed_page_leaves_its_place(self):
        """Pages come and go faster than the server has something to say to them."""
        for _ in range(3):
            held = [harness.wait_until(self.open, 6, "a free place") for _ in range(2)]
            self.assertIsNone(self.open())
            for answer in held:
                answer.close()


if __name__ == "__main__":
    unittest.main()
