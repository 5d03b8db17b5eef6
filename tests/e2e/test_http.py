"""The server's edge, one test per known trap: framing, paths, slow peers, limits, stopping, rights."""
import base64
import hashlib
import json
import os
import pathlib
import re
import resource
import select
import signal
import socket
import subprocess
import threading
import time
import unittest

import harness
from harness import Server, read_all, read_answer, wait_until

FAST = {"MREG_SERVER_RATE_WINDOW": "1s", "MREG_SERVER_HEADER_TIMEOUT": "2s",
        "MREG_SERVER_BODY_TIMEOUT": "2s"}


def request(method="GET", path="/api/v1", *fields, body=b"", host="Host: x"):
    lines = [f"{method} {path} HTTP/1.1", host, *fields]
    return "\r\n".join(line for line in lines if line is not None).encode() + b"\r\n\r\n" + body


def first_status(answer):
    """Status of the first answer in raw bytes, 0 when there is none."""
    found = re.match(rb"HTTP/1\.1 (\d{3})", answer)
    return int(found.group(1)) if found else 0


class Framing(harness.ServerCase):
    """Requests that two parsers would read in different ways are refused and the connection closed."""

    def refused(self, data, status, closes=True):
        with self.server.connect() as s:
            s.sendall(data)
            answer = read_answer(s)
            self.assertIsNotNone(answer, "closed without an answer")
            self.assertEqual(answer.status, status, answer)
            self.assertEqual(answer.headers["content-type"], "application/problem+json")
            self.assertEqual(answer.json["status"], status)
            self.assertEqual(answer.json["request_id"], answer.headers["x-request-id"])
            if closes:
                self.assertEqual(answer.headers["connection"], "close")
                self.assertEqual(read_all(s), b"", "the connection was used on")
        return answer

    def auth(self):
        return "Authorization: Bearer " + self.server.token

    def test_two_lengths(self):
        for second in ("Content-Length: 2", "Content-Length: 30"):
            self.refused(request("POST", "/api/v1/models", "Content-Length: 2", second, body=b"{}" + b"x" * 28),
                         400)

    def test_odd_lengths(self):
        for text in ("5abc", "+5", "0x5", "5,5", "99999999999999999999999"):
            self.refused(request("POST", "/api/v1/models", f"Content-Length: {text}", body=b"{}xyz"), 400)

    def test_negative_length(self):
        answer = self.server.raw(request("POST", "/api/v1/models", "Content-Length: -5", body=b"{}"), 5)
        self.assertIn(first_status(answer), (400, 411))
        self.assertEqual(answer.count(b"HTTP/1.1 "), 1)

    def test_length_and_chunked(self):
        self.refused(request("POST", "/api/v1/models", "Content-Length: 5", "Transfer-Encoding: chunked",
                             body=b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"), 400)

    def test_other_coding(self):
        answer = self.server.raw(request("POST", "/api/v1/models", "Transfer-Encoding: gzip, chunked",
                                         body=b"0\r\n\r\n"), 5)
        self.assertEqual(first_status(answer), 400)

    def test_no_host(self):
        self.refused(b"GET /api/v1 HTTP/1.1\r\n\r\n", 400)

    def test_two_hosts(self):
        self.refused(request("GET", "/api/v1", "Host: y"), 400)

    def test_old_version_needs_no_host(self):
        answer = self.server.raw(b"GET /api/v1 HTTP/1.0\r\n\r\n")
        self.assertEqual(first_status(answer), 200)

    def test_no_length(self):
        for method in ("POST", "PUT", "PATCH"):
            self.refused(request(method, "/api/v1/models"), 411)

    def test_many_headers(self):
        for n in (63, 64, 100, 300):
            fields = [f"X-{i}: y" for i in range(n)]
            self.refused(request("POST", "/api/v1/models", *fields, "Content-Length: 40",
                                 body=b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n     "), 431)

    def test_many_headers_that_fit(self):
        with self.server.connect() as s:
            s.sendall(request("GET", "/api/v1", *[f"X-{i}: y" for i in range(60)]))
            self.assertEqual(read_answer(s).status, 200)

    def test_folded_header_hides_length(self):
        data = (b"POST /api/v1/models HTTP/1.1\r\nHost: x\r\nX-Long: a\r\n b\r\nContent-Length: 38\r\n\r\n"
                b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = self.server.raw(data, 5)
        # Either the length was lost (411) or the fold was understood (401); never two answers.
        self.assertIn(first_status(answer), (400, 401, 411))
        self.assertEqual(answer.count(b"HTTP/1.1 "), 1, answer)

    def test_header_name_that_ends_parsing(self):
        data = ("POST /api/v1/models HTTP/1.1\r\nHost: x\r\nX-\u00e9: a\r\nContent-Length: 38\r\n\r\n"
                "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n").encode()
        answer = self.server.raw(data, 5)
        self.assertIn(first_status(answer), (400, 401, 411))
        self.assertEqual(answer.count(b"HTTP/1.1 "), 1, answer)

    def test_large_header(self):
        answer = self.server.raw(request("GET", "/api/v1", "X-Big: " + "y" * 40000), 10)
        self.assertIn(first_status(answer), (400, 413, 431))

    def test_malformed_does_not_echo(self):
        for data in (b"GET /x HTTP/b;<script>alert(1)</script>\r\n\r\n", b"\x00\x01\x02\r\n\r\n",
                     b"<script> / HTTP/1.1\r\nHost: x\r\n\r\n", b"GET\r\n\r\n"):
            answer = self.server.raw(data, 5)
            self.assertNotIn(b"script", answer)
            if answer:
                self.assertIn(first_status(answer), (400, 501, 505))
                self.assertIn(b"application/problem+json", answer)

    def test_http2_preface(self):
        answer = self.server.raw(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 5)
        self.assertNotIn(b"200 OK", answer)

    def test_paths(self):
        for path in ("/api/v1/models/%00", "/api/v1/models/a%0", "/api/v1/models/%zz", "/api/v1/../v1",
                     "/api/v1/%2e%2e/x", "/api/v1/models/.", "/api/v1/models/%2E", "/api/v1/models/%ff",
                     "/api/v1/models/%c3", "/%2e%2E/etc/passwd"):
            with self.subTest(path):
                self.refused(request("GET", path, self.auth()), 400)

    def test_escaped_slash(self):
        # Inside a name it is a letter of the name; it never separates segments.
        answer = self.api.call("GET", "/models/team%2Ffraud")
        self.assertEqual(answer.status, 404)
        self.assertIn("team/fraud", answer.json["detail"])
        self.assertEqual(self.api.call("GET", "//api%2Fv1%2Fmodels").status, 404)
        self.assertEqual(self.api.call("GET", "//api/v1%2Fmodels").status, 404)
        self.assertEqual(self.api.call("GET", "//history.git/..%2F..%2Fmreg.db").status, 404)

    def test_cors_preflight(self):
        for path, status in (("/api/v1/models", 405), ("/api/v1/none", 404), ("/", 405)):
            with self.server.connect() as s:
                s.sendall(request("OPTIONS", path, "Origin: http://evil", "Access-Control-Request-Method: DELETE",
                                  "Access-Control-Request-Headers: x"))
                answer = read_answer(s)
            self.assertEqual(answer.status, status)
            self.assertFalse([h for h in answer.headers if h.startswith("access-control")], answer.headers)

    def test_methods(self):
        answer = self.api.call("DELETE", "/whoami")
        self.assertEqual(answer.status, 405)
        self.assertEqual(answer.headers["allow"], "GET, HEAD")
        self.assertEqual(self.api.call("GET", "/nothing").status, 404)
        self.assertIn(first_status(self.server.raw(request("TRACE", "/api/v1"), 5)), (400, 405))

    def test_head(self):
        with self.server.connect() as s:
            s.sendall(request("HEAD") + request("HEAD", "/api/v1/none") + request("GET"))
            for status in (200, 404):
                answer = read_answer(s, head=True)
                self.assertEqual(answer.status, status)
                self.assertGreater(int(answer.headers["content-length"]), 10)
            self.assertEqual(read_answer(s).json["name"], "mreg")

    def test_keep_alive_and_pipelining(self):
        body = json.dumps({"name": "piped"}).encode()
        post = request("POST", "/api/v1/models", self.auth(), f"Content-Length: {len(body)}", body=body)
        with self.server.connect() as s:
            s.sendall(request() + post + request("GET", "/api/v1/whoami", self.auth()))
            self.assertEqual(read_answer(s).status, 200)
            self.assertIn(read_answer(s).status, (200, 201))
            self.assertEqual(read_answer(s).json["role"], "admin")

    def test_old_keep_alive_is_echoed(self):
        with self.server.connect() as s:
            s.sendall(b"GET /api/v1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            answer = read_answer(s)
            self.assertEqual(answer.headers["connection"], "keep-alive")
            s.sendall(b"GET /api/v1 HTTP/1.0\r\n\r\n")
            self.assertEqual(read_answer(s).headers["connection"], "close")

    def test_no_stall_between_writes(self):
        with self.server.connect() as s:
            times = []
            for _ in range(20):
                start = time.monotonic()
                s.sendall(request("GET", "/api/v1/whoami", self.auth()))
                self.assertEqual(read_answer(s).status, 200)
                times.append(time.monotonic() - start)
        self.assertLess(sorted(times)[10], 0.035, times)  # delayed acknowledgements would cost 40 ms

    def test_request_ids_differ(self):
        ids = {self.api.call("GET", "").headers["x-request-id"] for _ in range(5)}
        self.assertEqual(len(ids), 5)


class Bodies(harness.ServerCase):
    def auth(self):
        return "Authorization: Bearer " + self.server.token

    def post(self, body, *fields):
        return request("POST", "/api/v1/models", self.auth(), f"Content-Length: {len(body)}", *fields, body=body)

    def test_deep_json(self):
        for deep in (b"[" * 2000, b'{"a":' * 2000 + b"1" + b"}" * 2000, b'{"name":' + b"[" * 100000):
            answer = self.server.raw(self.post(deep, "Connection: close"))
            self.assertEqual(first_status(answer), 400, answer[:300])
        self.assertEqual(self.api.get("")["name"], "mreg")

    def test_not_json(self):
        for body in (b"{", b"[]", b"nonsense", b'{"a":1,"a":2}', b'"x"', b"\xff\xfe"):
            with self.subTest(body):
                answer = self.api.call("POST", "/models", raw=body)
                self.assertEqual(answer.status, 400, answer)

    def test_too_large(self):
        # Refused by its length alone: nothing of the body is waited for.
        with self.server.connect() as s:
            s.sendall(request("POST", "/api/v1/models", self.auth(), "Content-Length: 5000000000"))
            answer = read_answer(s)
        self.assertEqual(answer.status, 413)
        self.assertEqual(answer.headers["connection"], "close")

    def test_refusal_reaches_a_client_that_sends_on(self):
        answer = self.server.raw(self.post(b"x" * 1500000), 10)
        self.assertEqual(first_status(answer), 413, answer[:200])

    def test_too_large_chunked(self):
        chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
        answer = self.server.raw(request("POST", "/api/v1/models", self.auth(), "Transfer-Encoding: chunked",
                                         body=chunk * 20 + b"0\r\n\r\n"), 10)
        self.assertEqual(first_status(answer), 413, answer[:200])

    def test_chunked(self):
        with self.server.connect() as s:
            s.sendall(request("POST", "/api/v1/models", self.auth(), "Transfer-Encoding: chunked",
                              body=b'8\r\n{"name":\r\n6\r\n"bits"\r\n1\r\n}\r\n0\r\n\r\n') + request())
            self.assertIn(read_answer(s).status, (200, 201))
            self.assertEqual(read_answer(s).status, 200)

    def test_truncated(self):
        answer = self.server.raw(request("POST", "/api/v1/models", self.auth(), "Content-Length: 100",
                                         body=b'{"name":"cut"}'), 10, shut=True)
        self.assertEqual(first_status(answer), 400, answer)
        self.assertEqual(self.api.call("GET", "/models/cut").status, 404)

    def test_body_where_none_is_read(self):
        with self.server.connect() as s:
            s.sendall(request("GET", "/api/v1", "Content-Length: 5", body=b"hello") + request())
            self.assertEqual(read_answer(s).status, 200)
            self.assertEqual(read_answer(s).status, 200)

    def test_expect_continue(self):
        body = b'{"name":"patient"}'
        head = request("POST", "/api/v1/models", self.auth(), f"Content-Length: {len(body)}",
                       "Expect: 100-continue")
        with self.server.connect(5) as s:
            s.sendall(head)
            self.assertEqual(read_answer(s).status, 100)
            s.sendall(body)
            self.assertEqual(read_answer(s).status, 201)
            s.sendall(request())
            self.assertEqual(read_answer(s).status, 200)

    def test_expect_refused_before_the_body(self):
        for fields, status in ((["Authorization: Bearer mrg_no"], 401), ([self.auth()], 413)):
            with self.server.connect(5) as s:
                start = time.monotonic()
                s.sendall(request("POST", "/api/v1/models", *fields, "Content-Length: 900000000",
                                  "Expect: 100-continue"))
                answer = read_answer(s)
                self.assertEqual(answer.status, status)
                self.assertEqual(answer.headers["connection"], "close")
                self.assertEqual(read_all(s), b"")
                self.assertLess(time.monotonic() - start, 2)

    def test_expect_other(self):
        answer = self.server.raw(request("POST", "/api/v1/models", self.auth(), "Content-Length: 2",
                                         "Expect: magic", body=b"{}"), 5)
        self.assertEqual(first_status(answer), 417)


class Slow(harness.ServerCase):
    """Slow peers are ended; bystanders do not notice."""

    environment = FAST

    def ended(self, s, seconds, drip=b"x", every=0.1):
        """Drips bytes until the server answers or closes; gives (seconds, what it sent)."""
        start = time.monotonic()
        s.setblocking(False)
        got = b""
        while time.monotonic() - start < seconds:
            readable, _, _ = select.select([s], [], [], every)
            try:
                if readable:
                    part = s.recv(65536)
                    if not part:
                        return time.monotonic() - start, got
                    got += part
                    continue
                s.send(drip)
            except BlockingIOError:
                continue
            except OSError:
                return time.monotonic() - start, got
        self.fail(f"not ended within {seconds} s; got {got[:200]!r}")

    def bystander(self):
        start = time.monotonic()
        self.assertEqual(self.api.get("/whoami")["role"], "admin")
        self.assertLess(time.monotonic() - start, 2)

    def test_slow_header(self):
        with self.server.connect() as s:
            s.sendall(b"GET /api/v1 HTTP/1.1\r\nHost: x\r\nX: ")
            self.ended(s, 8)
            self.bystander()

    def test_silent_connection(self):
        with self.server.connect() as s:
            s.settimeout(10)
            self.assertEqual(read_all(s), b"")

    def test_slow_json_body(self):
        with self.server.connect() as s:
            s.sendall(request("POST", "/api/v1/models", "Authorization: Bearer " + self.server.token,
                              "Content-Length: 100000", body=b"{"))
            _, got = self.ended(s, 8, drip=b" ")
            self.assertEqual(first_status(got), 408, got[:300])
            self.bystander()

    def test_slow_stream_body(self):
        made = self.api.post("/uploads", {"model": "slow", "files": [
            {"path": "a", "size": 1000000, "sha256": "0" * 64}]})
        with self.server.connect() as s:
            s.sendall(request("PUT", f"/api/v1/uploads/{made['id']}/files/0/parts/0",
                              "Authorization: Bearer " + self.server.token, "Content-Length: 1000000"))
            _, got = self.ended(s, 10)
            self.assertEqual(first_status(got), 408, got[:300])

    def test_slow_reader(self):
        before = self.ended_count()
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            s.settimeout(20)
            s.connect(("127.0.0.1", self.server.port))
            s.setblocking(False)
            wanted, sent = request() * 6000, 0

            def fed():
                nonlocal sent
                try:
                    sent += s.send(wanted[sent:sent + 65536])
                except BlockingIOError:
                    pass
                except OSError:
                    return True
                return self.ended_count() > before

            wait_until(fed, 20, "the end of a transfer that nobody reads")
            self.bystander()

    def ended_count(self):
        text = self.server.ops.call("GET", "//metrics").body.decode()
        return float(re.search(r"^mreg_slow_transfers_ended_total (\S+)", text, re.M).group(1))

    def test_a_slow_but_steady_body_is_not_ended(self):
        """More than the least rate, for longer than the window and the JSON deadline."""
        data = os.urandom(60000)
        made = self.api.post("/uploads", {"model": "steady", "files": [
            {"path": "a", "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}]})
        pause = threading.Event()
        with self.server.connect() as s:
            s.sendall(request("PUT", f"/api/v1/uploads/{made['id']}/files/0/parts/0",
                              "Authorization: Bearer " + self.server.token, f"Content-Length: {len(data)}"))
            for at in range(0, len(data), 2000):
                s.sendall(data[at:at + 2000])
                pause.wait(0.15)  # the rate itself is what is tested
            self.assertEqual(read_answer(s).status, 204)


class Crowds(unittest.TestCase):
    def server(self, preexec=None, **environment):
        server = Server(environment=environment)
        self.addCleanup(server.remove)
        if preexec:
            real = subprocess.Popen
            subprocess.Popen = lambda *a, **k: real(*a, preexec_fn=preexec, **k)
            self.addCleanup(setattr, subprocess, "Popen", real)
        return server.start()

    def open_many(self, server, n):
        made = []
        for _ in range(n):
            s = server.connect()
            self.addCleanup(s.close)
            made.append(s)
        return made

    def test_500_idle_connections(self):
        server = self.server()
        self.open_many(server, 500)
        start = time.monotonic()
        self.assertEqual(server.api.get("/whoami")["role"], "admin")
        self.assertLess(time.monotonic() - start, 2)

    def test_more_idle_connections_than_workers(self):
        """The oldest idle connections make room: silent ones and kept-alive ones."""
        server = self.server(MREG_SERVER_THREADS="16", MREG_SERVER_HEADER_TIMEOUT="60s",
                             MREG_SERVER_KEEP_ALIVE="60s")
        crowd = self.open_many(server, 100)
        for s in crowd[50:]:
            try:
                s.sendall(request())
            except OSError:
                pass
        start = time.monotonic()
        for _ in range(5):
            self.assertEqual(server.api.get("/whoami")["role"], "admin")
        self.assertLess(time.monotonic() - start, 5)

    def test_out_of_descriptors(self):
        limit = 200
        server = self.server(lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit)),
                             MREG_SERVER_THREADS="300", MREG_SERVER_HEADER_TIMEOUT="60s")
        before = cpu_seconds(server.process.pid)
        start = time.monotonic()
        made = []
        for _ in range(400):
            try:
                s = socket.create_connection(("127.0.0.1", server.port), 2)
            except OSError:
                continue
            made.append(s)
            self.addCleanup(s.close)
        wait_until(lambda: time.monotonic() - start > 1.5, 5)  # a spinning thread would show here
        self.assertLess(cpu_seconds(server.process.pid) - before, 1.2)
        self.assertIsNone(server.process.poll())

        def serves():
            try:
                return server.api.call("GET", "/whoami").status == 200
            except OSError:
                return False
        wait_until(serves, 10, "service beside the crowd")
        self.assertEqual(server.ops.call("GET", "//livez").status, 200)
        for s in made:
            s.close()
        wait_until(serves, 10, "service after the crowd")
        server.api.post("/models", {"name": "after"})
        self.assertEqual(server.stop(), 0)

    def test_full_class_of_work(self):
        server = self.server(MREG_LIMITS_UPLOADS="1")
        made = server.api.post("/uploads", {"model": "m", "files": [
            {"path": "a", "size": 1000, "sha256": "0" * 64}]})
        path = f"/api/v1/uploads/{made['id']}/files/0/parts/0"
        auth = "Authorization: Bearer " + server.token
        with server.connect() as first:
            first.sendall(request("PUT", path, auth, "Content-Length: 1000", "Expect: 100-continue"))
            self.assertEqual(read_answer(first).status, 100)
            answer = server.api.call("PUT", path, raw=b"x" * 1000)
            self.assertEqual(answer.status, 503)
            self.assertIn("retry-after", answer.headers)
            self.assertEqual(server.api.get("/whoami")["role"], "admin")


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Process(unittest.TestCase):
    def start(self, *arguments, **environment):
        server = Server(arguments=arguments, environment=environment)
        self.addCleanup(server.remove)
        return server.start()

    def fails(self, code, text, *arguments, **environment):
        server = Server(arguments=arguments, environment=environment)
        self.addCleanup(server.remove)
        self.assertEqual(server.spawn().wait(), code, server.log())
        self.assertIn(text, server.log())
        return server

    def test_files_of_the_first_start(self):
        server = self.start()
        self.assertEqual(server.data.stat().st_mode & 0o777, 0o700)
        for name in ("identity.key", "pepper", "admin.token"):
            self.assertEqual((server.data / name).stat().st_mode & 0o777, 0o600, name)
        about = server.api.get("")
        token = server.token
        server.restart()
        self.assertEqual(server.api.get("")["registry"], about["registry"])
        self.assertEqual(server.api.get("")["key_id"], about["key_id"])
        self.assertEqual(server.token, token)
        self.assertEqual(server.api.get("/whoami")["role"], "admin")

    def test_second_process_is_refused(self):
        server = self.start()
        second = Server(data=server.data)
        self.addCleanup(second.remove)
        self.assertEqual(second.spawn().wait(), 1)
        self.assertIn("another mregd", second.log())
        self.assertIn(str(server.process.pid), second.log())
        self.assertEqual(server.api.get("/whoami")["role"], "admin")

    def test_lost_pepper(self):
        server = self.start()
        server.stop()
        (server.data / "pepper").unlink()
        self.assertEqual(server.spawn().wait(), 1)
        self.assertIn("pepper", server.log())

    def test_lost_admin_token_comes_back_while_unused(self):
        server = self.start()
        server.stop()
        (server.data / "admin.token").unlink()
        server.start()
        self.assertEqual(server.api.get("/whoami")["role"], "admin")
        server.stop()
        (server.data / "admin.token").unlink()
        server.start()
        self.assertFalse((server.data / "admin.token").exists())

    def test_term_and_int(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            server = self.start()
            idle = server.connect()
            self.addCleanup(idle.close)
            server.signal(number)
            start = time.monotonic()
            self.assertEqual(server.wait(), 0, server.log())
            self.assertLess(time.monotonic() - start, 5)

    def test_drain_finishes_running_requests(self):
        server = self.start(MREG_SERVER_DRAIN_DELAY="300ms")
        body = b'{"name":"last"}'
        with server.connect() as s:
            s.sendall(request("POST", "/api/v1/models", "Authorization: Bearer " + server.token,
                              f"Content-Length: {len(body)}", body=body[:5]))
            wait_until(lambda: b"mreg_http_requests_in_flight 1" in server.ops.call("GET", "//metrics").body)
            server.signal(signal.SIGTERM)
            wait_until(lambda: server.ops.call("GET", "//readyz").status == 503)
            self.assertEqual(server.ops.call("GET", "//livez").status, 200)
            s.sendall(body[5:])
            answer = read_answer(s)
            self.assertEqual(answer.status, 201)
            self.assertEqual(answer.headers["connection"], "close")
        self.assertEqual(server.wait(), 0)
        server.start()
        self.assertEqual(server.api.get("/models/last")["name"], "last")

    def test_drain_has_an_end(self):
        server = self.start(MREG_SERVER_DRAIN_TIMEOUT="300ms")
        with server.connect() as s:
            s.sendall(request("POST", "/api/v1/models", "Authorization: Bearer " + server.token,
                              "Content-Length: 100", body=b"{"))
            wait_until(lambda: b"mreg_http_requests_in_flight 1" in server.ops.call("GET", "//metrics").body)
            server.signal(signal.SIGTERM)
            start = time.monotonic()
            self.assertEqual(server.wait(), 0, server.log())
            self.assertLess(time.monotonic() - start, 10)

    def test_second_signal_ends_now(self):
        server = self.start(MREG_SERVER_DRAIN_DELAY="60s")
        server.signal(signal.SIGTERM)
        wait_until(lambda: server.ops.call("GET", "//readyz").status == 503)
        server.signal(signal.SIGTERM)
        self.assertEqual(server.wait(10), 128 + signal.SIGTERM)

    def test_killed_and_restarted(self):
        server = self.start()
        server.api.post("/models", {"name": "kept"})
        server.kill9()
        server.start()
        self.assertEqual(server.api.get("/models/kept")["name"], "kept")

    def test_reload(self):
        server = Server()
        self.addCleanup(server.remove)
        settings = server.folder / "mregd.conf"
        settings.write_text("[log]\n  level = error\n")
        server.arguments = ["--config", str(settings)]
        server.start()
        server.api.get("/whoami")
        self.assertEqual(server.log_lines(), [])
        settings.write_text("[log]\n  level = info\n[server]\n  threads = 33\n")
        server.signal(signal.SIGHUP)
        line = wait_until(lambda: [x for x in server.log_lines() if x["event.action"] == "reload"])[0]
        self.assertIn("server.threads", line["message"])
        server.api.get("/whoami")
        wait_until(lambda: [x for x in server.log_lines() if x["event.action"] == "request"])
        settings.write_text("[log]\n  levle = info\n")
        server.signal(signal.SIGHUP)
        wait_until(lambda: "log.level" in server.log())
        self.assertEqual(server.api.get("/whoami")["role"], "admin")

    def test_bad_settings(self):
        folder = Server()
        self.addCleanup(folder.remove)
        path = folder.folder / "bad.conf"
        path.write_text("[server]\n\n  treads = 5\n")
        self.fails(2, f"{path}:3", "--config", str(path))
        self.fails(2, "server.threads", "--config", str(path))
        path.write_text("[server\n")
        self.fails(2, "bad.conf", "--config", str(path))
        self.fails(2, "no-such-file", "--config", "/no-such-file")
        self.fails(2, "server.threads", MREG_SERVER_THREADS="many")
        self.fails(2, "--listen", "--lissen", "127.0.0.1:0")

    def test_listening_wide_needs_a_proxy(self):
        self.fails(2, "server.proxy", "--listen", "0.0.0.0:0")
        server = self.start("--listen", "0.0.0.0:0", MREG_SERVER_PROXY="declared")
        self.assertTrue(server.address.startswith("0.0.0.0:"))

    def test_taken_port(self):
        server = self.start()
        second = Server(arguments=["--listen", server.address])
        self.addCleanup(second.remove)
        self.assertEqual(second.spawn().wait(), 1)
        self.assertIn("cannot listen", second.log())

    def test_unknown_variable_is_warned_about(self):
        server = self.start(MREG_SERVER_THREDS="5")
        self.assertIn("MREG_SERVER_THREDS", server.log())

    def test_rotate_key(self):
        server = self.start()
        self.assertEqual(len(server.anonymous.call("GET", "/trust/allowed_signers").body.splitlines()), 1)
        before = server.api.get("")["key_id"]
        command = [harness.program("mregd"), "--data", str(server.data), "rotate-key", "--reason", "yearly"]
        done = subprocess.run(command, capture_output=True, text=True, env=harness.clean_environment())
        self.assertEqual(done.returncode, 1)
        self.assertIn("another mregd", done.stderr)
        server.stop()
        done = subprocess.run(command, capture_output=True, text=True, env=harness.clean_environment())
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("old key " + before, done.stdout)
        server.start()
        self.assertIn("new key " + server.api.get("")["key_id"], done.stdout)
        self.assertEqual(len(server.anonymous.call("GET", "/trust/allowed_signers").body.splitlines()), 2)

    def test_open_folder_is_closed(self):
        server = Server()
        self.addCleanup(server.remove)
        server.data.mkdir(mode=0o755)
        server.data.chmod(0o757)
        server.start()
        self.assertEqual(server.data.stat().st_mode & 0o777, 0o750)

    def test_not_ready_without_space(self):
        server = self.start(MREG_LIMITS_FREE_SPACE="1000TiB")
        answer = server.ops.call("GET", "//readyz")
        self.assertEqual(answer.status, 503)
        self.assertIn(b"fail space", answer.body)
        self.assertEqual(server.ops.call("GET", "//livez").status, 200)

    def test_start_has_no_warnings(self):
        """The tests of the watchdog and of the workers' stacks at start succeed on this machine."""
        server = self.start()
        wait_until(lambda: server.log_lines())
        self.assertEqual([x for x in server.log_lines() if x["log.level"] != "info"], [])

    def test_client_address_behind_a_proxy(self):
        def seen(server, field):
            server.api.call("GET", "/whoami", headers={"X-Forwarded-For": field})
            lines = wait_until(lambda: [x for x in server.log_lines() if x["event.action"] == "request"])
            return {x["source.ip"] for x in lines}

        self.assertEqual(seen(self.start(MREG_SERVER_PROXY="declared"), "6.6.6.6, 10.1.2.3"), {"10.1.2.3"})
        self.assertEqual(seen(self.start(), "6.6.6.6"), {"127.0.0.1"})

    def test_words(self):
        for option, text in (("--help", "server.listen"), ("--version", "mregd "),
                             ("--print-config", "[server]")):
            done = subprocess.run([harness.program("mregd"), option], capture_output=True, text=True,
                                  env=harness.clean_environment())
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn(text, done.stdout)

    def test_metrics(self):
        server = self.start()
        server.api.get("/models")
        server.api.call("GET", "/models/none")
        # A request is counted after its answer was sent.
        wanted = 'mreg_http_requests_total{route="/api/v1/models/{model}",method="GET",code="4xx"} 1'
        read = lambda: server.ops.call("GET", "//metrics").body.decode()
        harness.wait_until(lambda: wanted in read(), what=wanted)
        text = read()
        for line in text.splitlines():
            self.assertRegex(line, r'^(# (HELP|TYPE) \w+ .+|\w+(\{(\w+="[^"]*",?)+\})? [-+0-9.e]+)$')
        names = re.findall(r"^# TYPE (\w+)", text, re.M)
        self.assertEqual(len(names), len(set(names)))
        self.assertEqual(server.ops.call("GET", "//readyz").status, 200)
        self.assertEqual(server.ops.call("GET", "//none").status, 404)
        self.assertEqual(server.ops.call("POST", "//livez").status, 405)

    def test_ops_listener_with_silent_clients(self):
        server = self.start()
        host, port = server.ops_address.rsplit(":", 1)
        for _ in range(80):
            s = socket.create_connection((host, int(port)), 5)
            self.addCleanup(s.close)
        self.assertEqual(server.ops.call("GET", "//livez").status, 200)


class Rights(harness.ServerCase):
    ROLES = {"reader": {"reader"}, "pusher": {"reader", "pusher"}, "deployer": {"reader", "deployer", "node"},
             "approver": {"reader", "deployer", "node", "approver"}, "auditor": {"reader", "auditor"},
             "admin": {"reader", "pusher", "deployer", "admin", "node", "approver", "auditor"}}

    def fill(self, pattern):
        path = pattern.replace("{path...}", "info/refs")
        return re.sub(r"\{\w+\}", "x", path)

    def call(self, api, route):
        body = None if route["method"] in ("GET", "DELETE") else b"{}"
        return api.call(route["method"], "/" + self.fill(route["path"]), raw=body)

    def test_matrix(self):
        routes = self.server.anonymous.get("")["routes"]
        self.assertGreater(len(routes), 20)
        apis = {role: self.api.new_token(role) for role in self.ROLES}
        for route in routes:
            # A browser's login and the stream that does not end have tests of their own.
            if "/session" in route["path"] or route["path"].endswith("/events"):
                continue
            name = f"{route['method']} {route['path']} ({route['permission']})"
            public = route["permission"] == "public"
            with self.subTest(name, role="nobody"):
                status = self.call(self.server.anonymous, route).status
                self.assertTrue(status < 400 if public else status == 401, status)
            for role, rights in self.ROLES.items():
                with self.subTest(name, role=role):
                    answer = self.call(apis[role], route)
                    if public or route["permission"] in rights:
                        self.assertNotIn(answer.status, (401, 403), answer)
                        self.assertLess(answer.status, 500, answer)
                    else:
                        self.assertEqual(answer.status, 403, answer)

    def test_other_models_do_not_exist(self):
        for name in ("mine", "theirs"):
            self.api.post("/models", {"name": name})
        one = self.api.new_token("pusher", models="mine,team/*")
        self.assertEqual(one.get("/models/mine")["name"], "mine")
        self.assertEqual(one.call("GET", "/models/theirs").status, 404)
        self.assertEqual([m["name"] for m in one.get("/models")["items"]], ["mine"])
        self.assertIn(one.call("PATCH", "/models/theirs", {"description": "x"}).status, (403, 404))
        self.assertIn(one.call("POST", "/models", {"name": "other"}).status, (403, 404))
        self.assertEqual(one.call("POST", "/models", {"name": "team/x"}).status, 201)

    def test_token_life(self):
        made = self.api.post("/tokens", {"name": "ci", "role": "pusher", "models": "fraud", "expires": "1h"})
        self.assertRegex(made["token"], r"^mrg_[0-9A-Za-z]{36}$")
        one = self.api.as_token(made["token"])
        self.assertEqual(one.get("/whoami"), {"actor": made["id"], "name": "ci", "role": "pusher",
                                             "models": "fraud"})
        listed = {t["id"]: t for t in self.api.get("/tokens?limit=500")["items"]}[made["id"]]
        self.assertEqual(listed["hint"], made["token"][-4:])
        self.assertNotIn(made["token"], json.dumps(listed))
        self.assertEqual(self.api.call("DELETE", f"/tokens/{made['id']}").status, 204)
        self.assertEqual(one.call("GET", "/whoami").status, 401)
        self.assertEqual(self.api.call("DELETE", f"/tokens/{made['id']}").status, 204)
        self.assertEqual(self.api.call("DELETE", "/tokens/t-99999").status, 404)
        listed = {t["id"]: t for t in self.api.get("/tokens?limit=500")["items"]}[made["id"]]
        self.assertIn("revoked", listed)

    def test_expired(self):
        made = self.api.post("/tokens", {"name": "brief", "role": "reader", "expires": "400ms"})
        one = self.api.as_token(made["token"])
        self.assertEqual(one.call("GET", "/whoami").status, 200)
        wait_until(lambda: one.call("GET", "/whoami").status == 401, 5)

    def test_bad_grants(self):
        for body, pointer in (({"name": "x", "role": "king"}, "/role"), ({"role": "reader"}, "/name"),
                              ({"name": "x", "role": "reader", "expires": "soon"}, "/expires"),
                              ({"name": "x", "role": "reader", "expires": "2001-01-01"}, "/expires"),
                              ({"name": "x", "role": "reader", "models": ""}, "/models"),
                              ({"name": "a/b", "role": "reader"}, "/name"),
                              ({"name": "x", "role": "reader", "rolle": 1}, "/rolle")):
            with self.subTest(body):
                answer = self.api.call("POST", "/tokens", body)
                self.assertEqual(answer.status, 400, answer)
                self.assertEqual(answer.json.get("pointer"), pointer, answer)

    def test_token_pages(self):
        for i in range(5):
            self.api.new_token("reader", name=f"page {i}")
        seen, path = [], "/tokens?limit=2"
        while path:
            page = self.api.get(path)
            seen += [t["id"] for t in page["items"]]
            path = f"/tokens?limit=2&cursor={page['next']}" if "next" in page else None
        self.assertEqual(len(seen), len(set(seen)))
        self.assertEqual(seen, sorted(seen, key=lambda i: int(i[2:])))
        self.assertEqual(self.api.call("GET", "/tokens?limit=0").status, 400)
        self.assertEqual(self.api.call("GET", "/tokens?limit=501").status, 400)
        self.assertEqual(self.api.call("GET", "/tokens?limit=x").status, 400)

    def test_basic_for_git(self):
        answer = self.server.anonymous.call("GET", "//history.git/info/refs")
        self.assertEqual(answer.status, 401)
        self.assertIn("Basic", answer.headers["www-authenticate"])
        self.assertIn("Bearer", self.server.anonymous.call("GET", "/whoami").headers["www-authenticate"])
        secret = base64.b64encode(f"git:{self.server.token}".encode()).decode()
        answer = self.server.anonymous.call("GET", "/whoami", headers={"Authorization": "Basic " + secret})
        self.assertEqual(answer.status, 200)

    def test_secrets_are_not_logged(self):
        made = self.api.post("/tokens", {"name": "quiet", "role": "reader"})
        self.api.as_token(made["token"]).get("/whoami")
        self.api.call("GET", f"/models?q={made['token']}")
        self.api.call("GET", f"/models/{made['token']}")
        log = wait_until(lambda: self.server.log() if "whoami" in self.server.log() else None)
        self.assertFalse(made["token"] in log or self.server.token in log, "a token is in the log")


class Throttle(harness.ServerCase):
    def test_guessing_is_slowed_down(self):
        good = self.server.api
        good.get("/whoami")
        statuses = [self.api.as_token("mrg_" + "A" * 36).call("GET", "/whoami").status for _ in range(14)]
        self.assertEqual(statuses[:9], [401] * 9)
        self.assertEqual(statuses[-1], 429)
        answer = self.api.as_token("mrg_" + "B" * 36).call("GET", "/whoami")
        self.assertEqual(answer.status, 429)
        self.assertGreaterEqual(int(answer.headers["retry-after"]), 1)
        self.assertEqual(good.get("/whoami")["role"], "admin")  # known before: let in


class Idempotency(harness.ServerCase):
    def post(self, key, body, path="/models"):
        return self.api.call("POST", path, body, headers={"Idempotency-Key": key})

    def test_replay(self):
        first = self.post("k1", {"name": "once"})
        self.assertEqual(first.status, 201)
        again = self.post("k1", {"name": "once"})
        self.assertEqual((again.status, again.body), (201, first.body))
        self.assertEqual(again.headers["idempotent-replay"], "true")
        self.assertNotIn("idempotent-replay", first.headers)
        self.assertEqual(self.post("k1", {"name": "other"}).status, 409)
        self.assertEqual(self.api.call("GET", "/models/other").status, 404)

    def test_survives_restart(self):
        self.post("k2", {"name": "durable"})
        self.server.restart()
        again = self.server.api.call("POST", "/models", {"name": "durable"}, headers={"Idempotency-Key": "k2"})
        self.assertEqual((again.status, again.headers.get("idempotent-replay")), (201, "true"))
        type(self).api = self.server.api

    def test_keys_are_per_caller(self):
        self.post("k3", {"name": "mine3"})
        other = self.api.new_token("pusher")
        answer = other.call("POST", "/models", {"name": "theirs3"}, headers={"Idempotency-Key": "k3"})
        self.assertEqual(answer.status, 201)

    def test_failures_are_not_kept(self):
        self.assertEqual(self.post("k4", {"nam": "typo"}).status, 400)
        self.assertEqual(self.post("k4", {"name": "fixed"}).status, 201)

    def test_secrets_are_not_kept(self):
        first = self.post("k5", {"name": "t", "role": "reader"}, "/tokens")
        self.assertEqual(first.status, 201)
        again = self.post("k5", {"name": "t", "role": "reader"}, "/tokens")
        self.assertEqual(again.status, 409)
        self.assertNotIn(first.json["token"].encode(), again.body)

    def test_bad_keys(self):
        for key in ("", "x" * 129):
            self.assertEqual(self.post(key, {"name": "bad"}).status, 400)

    def test_without_body(self):
        made = self.api.post("/tokens", {"name": "gone", "role": "reader"})
        for replay in (None, "true"):
            answer = self.api.call("DELETE", f"/tokens/{made['id']}", headers={"Idempotency-Key": "k6"})
            self.assertEqual((answer.status, answer.headers.get("idempotent-replay")), (204, replay))

    def test_same_key_at_the_same_time(self):
        """Many at once: one runs, the others get its reply or are told to try again."""
        answers = []
        def one():
            answers.append(self.post("k7", {"name": "rush"}))
        threads = [threading.Thread(target=one) for _ in range(12)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        fresh = [a for a in answers if a.status == 201 and "idempotent-replay" not in a.headers]
        self.assertEqual(len(fresh), 1, answers)
        self.assertLessEqual({a.status for a in answers}, {201, 409})


class Files(harness.ServerCase):
    """Ranges and conditions on downloads: small files from memory, large ones from mapped steps."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.data = {"small.bin": os.urandom(1000), "large.bin": os.urandom(3 * 1024 * 1024 + 7)}
        cls.api.upload("ranged", cls.data)

    def get(self, name, **headers):
        fields = {k.replace("_", "-"): v for k, v in headers.items()}
        return self.api.call("GET", f"/models/ranged/versions/1/files/{name}", headers=fields)

    def test_whole(self):
        for name, data in self.data.items():
            answer = self.get(name)
            self.assertEqual((answer.status, answer.body), (200, data))
            self.assertEqual(answer.headers["accept-ranges"], "bytes")

    def test_ranges(self):
        for name, data in self.data.items():
            n = len(data)
            for text, first, last in (("0-0", 0, 0), ("9-100", 9, 100), ("-3", n - 3, n - 1),
                                      ("500-", 500, n - 1), (f"{n - 1}-{n + 50}", n - 1, n - 1),
                                      (f"-{n + 5}", 0, n - 1)):
                with self.subTest(name, range=text):
                    answer = self.get(name, Range="bytes=" + text)
                    self.assertEqual(answer.status, 206)
                    self.assertEqual(answer.headers["content-range"], f"bytes {first}-{last}/{n}")
                    self.assertEqual(answer.body, data[first:last + 1])

    def test_unsatisfiable(self):
        for text in (f"{len(self.data['small.bin'])}-", "99999-100000", "-0"):
            answer = self.get("small.bin", Range="bytes=" + text)
            self.assertEqual(answer.status, 416, text)
            self.assertEqual(answer.headers["content-range"], "bytes */1000")

    def test_ignored_ranges(self):
        for text in ("bytes=5-3", "bytes=0-1,4-5", "bytes=x", "lines=0-1", "bytes=--1", "bytes=1-2x"):
            answer = self.get("small.bin", Range=text)
            self.assertEqual((answer.status, len(answer.body)), (200, 1000), text)

    def test_conditions(self):
        etag = self.get("small.bin").headers["etag"]
        answer = self.get("small.bin", If_None_Match=f'"x", {etag}')
        self.assertEqual((answer.status, answer.body), (304, b""))
        self.assertEqual(self.get("small.bin", If_None_Match='"x"').status, 200)
        self.assertEqual(self.get("small.bin", If_Range=etag, Range="bytes=0-1").status, 206)
        self.assertEqual(self.get("small.bin", If_Range='"x"', Range="bytes=0-1").status, 200)

    def test_head(self):
        answer = self.api.call("HEAD", "/models/ranged/versions/1/files/large.bin")
        self.assertEqual((answer.status, answer.body), (200, b""))
        self.assertEqual(int(answer.headers["content-length"]), len(self.data["large.bin"]))


class Page(harness.ServerCase):
    def test_front_page(self):
        answer = self.server.anonymous.call("GET", "//")
        if answer.status == 401:  # built without the dashboard
            self.api.post("/models", {"name": "<b>bold</b>"})
            answer = self.api.call("GET", "//")
            self.assertIn(b"&lt;b&gt;", answer.body)
        self.assertEqual(answer.status, 200)
        self.assertIn("text/html", answer.headers["content-type"])
        self.assertIn("default-src 'none'", answer.headers["content-security-policy"])
        if "etag" in answer.headers:
            again = self.server.anonymous.call("GET", "//", headers={"If-None-Match": answer.headers["etag"]})
            self.assertEqual(again.status, 304)
            self.assertEqual(self.server.anonymous.call("GET", "//models/x").body, answer.body)

    def test_files_that_are_not_there(self):
        for path in ("/nothing.js", "/.git/config", "/favicon.ico"):
            self.assertEqual(self.api.call("GET", "/" + path).status, 404)


if __name__ == "__main__":
    unittest.main()
