"""An OpenID Connect issuer for tests: discovery, authorization, token, keys, userinfo on a free port of 127.0.0.1.

Exact where a client can go wrong: codes serve once, PKCE (S256), redirect_uri and client authentication are checked.
What it shall do wrong is set in `wrong` ({"nonce": "x"} replaces claims; the keys of `Issuer.wrong` are listed there).
Signs by the program openssl. Python standard library otherwise.
"""
import base64
import hashlib
import http.server
import json
import pathlib
import secrets
import subprocess
import tempfile
import threading
import time
import urllib.parse


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def openssl(*arguments, stdin=None):
    return subprocess.run(["openssl", *arguments], input=stdin, capture_output=True, check=True).stdout


def raw_ecdsa(der):
    """r and s of 32 bytes each out of the DER form, which is short here: all lengths are one byte."""
    at, numbers = 2, []
    for _ in range(2):
        length = der[at + 1]
        numbers.append(int.from_bytes(der[at + 2:at + 2 + length], "big").to_bytes(32, "big"))
        at += 2 + length
    return b"".join(numbers)


class Key:
    """A private key in a file, and its public half as a JWK."""

    def __init__(self, folder, kid, alg="RS256", bits=2048):
        self.kid, self.alg = kid, alg
        self.path = str(pathlib.Path(folder) / f"{kid}.pem")
        kind = (["RSA", "-pkeyopt", f"rsa_keygen_bits:{bits}"] if alg == "RS256" else
                ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"])
        openssl("genpkey", "-algorithm", *kind, "-out", self.path)

    @property
    def public(self):
        common = {"kid": self.kid, "use": "sig", "alg": self.alg}
        if self.alg == "RS256":
            modulus = openssl("rsa", "-in", self.path, "-noout", "-modulus").decode().strip().split("=")[1]
            return {"kty": "RSA", "n": encode(bytes.fromhex(modulus)), "e": "AQAB", **common}
        point = openssl("pkey", "-in", self.path, "-pubout", "-outform", "DER")[-64:]
        return {"kty": "EC", "crv": "P-256", "x": encode(point[:32]), "y": encode(point[32:]), **common}

    def sign(self, data):
        signature = openssl("dgst", "-sha256", "-sign", self.path, stdin=data)
        return signature if self.alg == "RS256" else raw_ecdsa(signature)

    def token(self, claims, **header):
        head = {"typ": "JWT", "alg": self.alg, "kid": self.kid, **header}
        parts = ".".join(encode(json.dumps({k: v for k, v in part.items() if v is not None}).encode())
                         for part in (head, claims))
        return f"{parts}.{encode(self.sign(parts.encode()))}"


class Issuer:
    """Everybody who comes to it is `person` at once: it shows no page."""

    def __init__(self, client="mreg", secret="s3cret:&%"):
        self.client, self.secret = client, secret
        self.folder = tempfile.TemporaryDirectory(prefix="mreg-issuer-")
        self.key = Key(self.folder.name, "one")
        self.published = [self.key]
        self.person = {"sub": "p-1", "preferred_username": "Ada"}
        self.userinfo = None  # claims that only the userinfo endpoint gives
        self.codes, self.calls = {}, []
        self.wrong = {}  # claims, header, error, status, issuer, delay, token
        self.description = {}  # replaces members of the discovery document
        self.lock = threading.Lock()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05})
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
        self.folder.cleanup()

    def rotate(self, kid, alg="RS256", bits=2048, keeps_old=False):
        old = self.published if keeps_old else []
        self.key = Key(self.folder.name, kid, alg, bits)
        self.published = old + [self.key]

    def count(self, path):
        with self.lock:
            return self.calls.count(path)

    # --- answers ---

    def discovery(self):
        return {"issuer": self.url, "authorization_endpoint": self.url + "/authorize?tenant=1",
                "token_endpoint": self.url + "/token", "jwks_uri": self.url + "/keys",
                "userinfo_endpoint": self.url + "/userinfo", "response_types_supported": ["code"],
                "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["RS256"],
                "code_challenge_methods_supported": ["S256"], **self.description}

    def authorize(self, query):
        """The address that the browser is sent back to; ValueError: a bad request."""
        for name, value in (("response_type", "code"), ("client_id", self.client), ("tenant", "1"),
                            ("code_challenge_method", "S256")):
            if query.get(name) != value:
                raise ValueError(f"{name} is {query.get(name)!r}")
        if "openid" not in query["scope"].split() or len(query["code_challenge"]) != 43:
            raise ValueError("scope or challenge")
        answer = {"state": query["state"]}
        if "error" in self.wrong:
            answer["error"] = self.wrong["error"]
        else:
            answer["code"] = secrets.token_urlsafe(24)
            with self.lock:
                self.codes[answer["code"]] = dict(query)
        if "issuer" in self.wrong:
            answer["iss"] = self.wrong["issuer"]
        return query["redirect_uri"] + "?" + urllib.parse.urlencode(answer)

    def is_client(self, headers, form):
        wanted = f"{urllib.parse.quote(self.client, safe='')}:{urllib.parse.quote(self.secret, safe='')}"
        if not self.secret:
            return form.get("client_id") == self.client and "Authorization" not in headers
        if self.description.get("token_endpoint_auth_methods_supported") == ["client_secret_post"]:
            return form.get("client_id") == self.client and form.get("client_secret") == self.secret
        return headers.get("Authorization") == "Basic " + base64.b64encode(wanted.encode()).decode()

    def tokens(self, headers, form):
        with self.lock:
            asked = self.codes.pop(form.get("code", ""), None)
        if not self.is_client(headers, form):
            return 401, {"error": "invalid_client"}
        verifier = form.get("code_verifier", "")
        if (form.get("grant_type") != "authorization_code" or not asked or
                form.get("redirect_uri") != asked["redirect_uri"] or len(verifier) < 43 or
                encode(hashlib.sha256(verifier.encode()).digest()) != asked["code_challenge"]):
            return 400, {"error": "invalid_grant"}
        now = int(time.time())
        claims = {"iss": self.url, "aud": self.client, "iat": now, "exp": now + 300, "nonce": asked["nonce"],
                  **self.person, **self.wrong.get("claims", {})}
        token = self.key.token(claims, **self.wrong.get("header", {}))
        return 200, {"access_token": "at-1", "token_type": "Bearer", "id_token": self.wrong.get("token", token)}

    def handler(self):
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *words):
                pass

            def say(self, status, body, **headers):
                data = json.dumps(body).encode()
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", **headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                try:
                    self.end_headers()
                    self.wfile.write(data)
                except OSError:  # the client has given up waiting
                    self.close_connection = True

            def begin(self):
                url = urllib.parse.urlsplit(self.path)
                with issuer.lock:
                    issuer.calls.append(url.path)
                if "delay" in issuer.wrong:
                    issuer.wrong["delay"].wait(60)
                return url.path, dict(urllib.parse.parse_qsl(url.query))

            def do_GET(self):
                path, query = self.begin()
                if path == "/authorize":
                    try:
                        self.say(302, {}, Location=issuer.authorize(query))
                    except (KeyError, ValueError) as fault:
                        self.say(400, {"error": "invalid_request", "error_description": str(fault)})
                elif path == "/.well-known/openid-configuration":
                    self.say(issuer.wrong.get("status", 200), issuer.discovery())
                elif path == "/keys":
                    self.say(200, {"keys": [key.public for key in issuer.published]})
                elif path == "/userinfo" and self.headers["Authorization"] == "Bearer at-1" and issuer.userinfo:
                    self.say(200, issuer.userinfo)
                else:
                    self.say(404, {"error": "nothing here"})

            def do_POST(self):
                path, _ = self.begin()
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                if path != "/token":
                    return self.say(404, {})
                return self.say(*issuer.tokens(self.headers, dict(urllib.parse.parse_qsl(body))))

        return Handler
