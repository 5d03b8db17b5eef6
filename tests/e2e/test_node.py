"""The reference serving node: its calls behave as docs/mlserver.md says, and its faults happen when told.

Standard library only. MREG_BUILD is the build folder; the program is found below it.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.request


def find_program():
    build = os.environ["MREG_BUILD"]
    for path in ("tests/mreg-node", "mreg-node"):
        full = os.path.join(build, path)
        if os.path.exists(full):
            return full
    raise FileNotFoundError("mreg-node below " + build)


def call(method, url, body=None):
    """Returns status, text. A body that is bytes goes as it is."""
    data = body
    if body is not None and not isinstance(body, bytes):
        data = json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def wait_until(check, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if check():
            return
        time.sleep(0.01)
    raise AssertionError("it did not happen within %s s" % seconds)


LINEAR = {"format": "mreg-linear", "kind": "linear", "coef": [[1, 2]], "intercept": [0.5]}
LOGISTIC = {"format": "mreg-linear", "kind": "logistic", "coef": [[1, -1]], "intercept": [0]}


def request(rows, outputs=None, datatype="FP64"):
    body = {
        "id": "r1",
        "inputs": [{"name": "x", "shape": [len(rows), len(rows[0])], "datatype": datatype, "data": rows}],
    }
    if outputs:
        body["outputs"] = [{"name": name} for name in outputs]
    return body


class NodeTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="mreg-node-")
        self.root = os.path.join(self.folder, "root")
        os.mkdir(self.root)
        self.port_file = os.path.join(self.folder, "port")
        self.process = None

    def tearDown(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder)

    def place(self, version, model, name="fraud", uri="./model.json"):
        folder = os.path.join(self.root, name, str(version))
        os.makedirs(folder)
        with open(os.path.join(folder, "model.json"), "w") as out:
            out.write(model if isinstance(model, str) else json.dumps(model))
        settings = {
            "name": name,
            "implementation": "mreg_node.Linear",
            "parameters": {"uri": uri, "version": str(version)},
        }
        with open(os.path.join(folder, "model-settings.json"), "w") as out:
            json.dump(settings, out)

    def remove(self, version, name="fraud"):
        shutil.rmtree(os.path.join(self.root, name, str(version)))

    def launch(self, *options):
        command = [find_program(), "--root", self.root, "--port-file", self.port_file]
        self.process = subprocess.Popen(command + list(options), stderr=subprocess.DEVNULL)

    def start(self, *options):
        self.launch(*options)
        wait_until(lambda: os.path.exists(self.port_file) or self.process.poll() is not None)
        with open(self.port_file) as port:
            self.url = "http://127.0.0.1:" + port.read().strip()

    def get(self, path):
        return call("GET", self.url + path)

    def post(self, path, body=None):
        return call("POST", self.url + path, body)

    def load(self, name="fraud"):
        return self.post("/v2/repository/models/%s/load" % name)

    def infer(self, rows=((1, 2),), version=None, **options):
        path = "/v2/models/fraud" + ("/versions/%s" % version if version else "") + "/infer"
        status, text = self.post(path, request([list(row) for row in rows], **options))
        return status, json.loads(text) if status == 200 else text

    def answering(self):
        return self.infer()[1]["model_version"]

    def version_ready(self, version):
        return self.get("/v2/models/fraud/versions/%s/ready" % version)[0]

    def faults(self, **members):
        status, text = self.post("/faults", members)
        self.assertEqual(status, 200, text)

    def metric(self, name):
        for line in self.get("/metrics")[1].splitlines():
            if line.startswith(name + " "):
                return float(line.rsplit(" ", 1)[1])
        return None

    def test_empty(self):
        self.start()
        self.assertEqual(self.get("/v2/health/live"), (200, ""))
        self.assertEqual(self.get("/v2/health/ready"), (200, ""))
        self.assertEqual(self.post("/v2/repository/index", {}), (200, "[]"))
        self.assertEqual(self.post("/v2/repository/index")[0], 422)
        self.assertEqual(self.post("/v2/repository/index", b"")[0], 422)
        self.assertEqual(self.load(), (404, '{"error":"Model fraud not found"}'))
        self.assertEqual(self.post("/v2/repository/models/fraud/unload")[0], 404)
        self.assertEqual(self.get("/v2/repository/index")[0], 405)
        self.assertEqual(self.get("/nothing")[0], 404)

    def test_linear(self):
        self.place(1, LINEAR)
        self.start()
        status, reply = self.infer([(1, 2), (3, 4)])
        self.assertEqual(status, 200)
        self.assertEqual((reply["model_name"], reply["model_version"], reply["id"]), ("fraud", "1", "r1"))
        output = reply["outputs"][0]
        self.assertEqual((output["datatype"], output["shape"], output["data"]), ("FP64", [2, 1], [5.5, 11.5]))
        flat = {"inputs": [{"name": "x", "shape": [2, 2], "datatype": "INT64", "data": [1, 2, 3, 4]}]}
        status, text = self.post("/v2/models/fraud/infer", flat)
        self.assertEqual(json.loads(text)["outputs"][0]["data"], [5.5, 11.5])

    def test_logistic(self):
        self.place(1, LOGISTIC)
        self.place(2, {**LOGISTIC, "coef": [[1, 0], [0, 1], [-1, -1]], "intercept": [0, 0, 0]})
        self.start()
        outputs = self.infer([(2, 1), (1, 2)], 1, outputs=["predict", "predict_proba"])[1]["outputs"]
        self.assertEqual((outputs[0]["datatype"], outputs[0]["data"]), ("INT64", [1, 0]))
        self.assertAlmostEqual(outputs[1]["data"][1], 0.7310585786300049)
        self.assertEqual(outputs[1]["shape"], [2, 2])
        outputs = self.infer([(0, 1)], 2, outputs=["predict", "predict_proba"])[1]["outputs"]
        self.assertEqual(outputs[0]["data"], [1])
        self.assertAlmostEqual(sum(outputs[1]["data"]), 1)

    def test_bad_requests(self):
        self.place(1, LINEAR)
        self.start()
        one = {"name": "x", "shape": [1, 2], "datatype": "FP64", "data": [1, 2]}
        cases = [
            (b"{bad", 422),
            ({}, 422),
            ({"inputs": []}, 400),
            ({"inputs": [one, one]}, 400),
            ({"inputs": [{**one, "datatype": "BYTES"}]}, 400),
            ({"inputs": [{**one, "data": [1]}]}, 500),
            ({"inputs": [{**one, "data": [1, "a"]}]}, 500),
            ({"inputs": [{**one, "shape": [2]}]}, 500),
            ({"inputs": [{**one, "shape": [1, 3], "data": [1, 2, 3]}]}, 500),
            ({"inputs": [one], "outputs": [{"name": "other"}]}, 400),
        ]
        for body, status in cases:
            with self.subTest(body=body):
                self.assertEqual(self.post("/v2/models/fraud/infer", body)[0], status)
        self.assertEqual(self.metric('model_infer_request_failure_total{model="fraud",version="None"}'), 8)
        self.assertEqual(self.infer(version=9)[0], 404)

    def test_versions_and_index(self):
        self.place(2, LINEAR)
        self.start()
        self.place(10, LINEAR)
        index = json.loads(self.post("/v2/repository/index", {})[1])
        self.assertEqual({(i["version"], i["state"]) for i in index}, {("2", "READY"), ("10", "READY")})
        self.assertEqual(self.version_ready(10), 404)
        self.assertEqual(self.answering(), "2")
        self.assertEqual(self.load(), (200, ""))
        self.assertEqual(self.version_ready(10), 200)
        self.assertEqual(self.answering(), "10")
        self.assertEqual(self.infer(version=2)[1]["model_version"], "2")
        self.remove(10)
        self.assertEqual(self.answering(), "10")
        self.assertEqual(self.load()[0], 200)
        self.assertEqual(self.answering(), "2")
        self.assertEqual(self.version_ready(10), 404)
        self.remove(2)
        self.assertEqual(self.load()[0], 404)
        self.assertEqual(self.answering(), "2")
        self.assertEqual(self.post("/v2/repository/models/fraud/unload"), (200, ""))
        self.assertEqual(self.infer()[0], 404)

    def test_load_failures(self):
        self.place(1, LINEAR)
        self.start()
        self.place(2, "not JSON")
        status, text = self.load()
        self.assertEqual(status, 500)
        self.assertIn("ValueError: cannot load fraud/2", text.strip().splitlines()[-1])
        self.assertEqual(self.version_ready(2), 404)
        self.assertEqual(self.answering(), "1")
        self.remove(2)
        self.place(2, LINEAR, uri="./missing.json")
        self.assertEqual(self.load()[0], 422)
        self.remove(2)
        self.place(2, {**LINEAR, "fail_load": True})
        self.assertEqual(self.load()[0], 500)
        self.remove(2)
        self.remove(1)
        self.place(1, "broken now")
        self.assertEqual(self.load()[0], 500)
        self.assertEqual((self.version_ready(1), self.answering()), (200, "1"))

    def test_failure_ends_the_loop(self):
        self.place(1, LINEAR)
        self.start()
        self.remove(1)
        self.place(1, {**LINEAR, "intercept": [7]})
        self.place(2, "broken")
        self.place(3, LINEAR)
        self.assertEqual(self.load()[0], 500)
        self.assertEqual(self.infer()[1]["outputs"][0]["data"], [12])
        self.assertEqual(self.version_ready(3), 404)

    def test_unreadable_settings(self):
        self.place(1, LINEAR)
        os.makedirs(os.path.join(self.root, "fraud", "2"))
        with open(os.path.join(self.root, "fraud", "2", "model-settings.json"), "w") as out:
            out.write("{bad")
        self.place(3, LINEAR)
        os.rename(os.path.join(self.root, "fraud", "3"), os.path.join(self.root, ".3"))
        self.start()
        self.assertEqual(self.load()[0], 200)
        self.assertEqual([self.version_ready(v) for v in (1, 2, 3)], [200, 404, 404])

    def test_bad_model_ends_the_start(self):
        self.place(1, LINEAR)
        self.place(2, "broken")
        self.launch()
        self.assertEqual(self.process.wait(20), 0)
        self.assertFalse(os.path.exists(self.port_file))

    def test_requests_during_a_load(self):
        self.place(1, LINEAR)
        self.start()
        self.faults(load_delay_ms=700)
        self.place(2, LINEAR)
        loading = threading.Thread(target=self.load)
        loading.start()
        wait_until(lambda: self.version_ready(2) == 400)
        self.assertEqual(self.get("/v2/health/ready")[0], 400)
        self.assertEqual(self.infer()[0], 400)
        self.assertEqual(self.infer(version=1)[0], 200)
        loading.join()
        self.assertEqual((self.version_ready(2), self.answering()), (200, "2"))
        self.assertEqual(self.get("/v2/health/ready")[0], 200)

    def test_metrics(self):
        self.place(1, LINEAR)
        self.start()
        self.assertIsNone(self.metric('model_infer_request_success_total{model="fraud",version="None"}'))
        for _ in range(3):
            self.infer()
        self.infer(version=1)
        self.infer(version=7)
        self.assertEqual(self.metric('model_infer_request_success_total{model="fraud",version="None"}'), 3)
        self.assertEqual(self.metric('model_infer_request_success_total{model="fraud",version="1"}'), 1)
        self.assertEqual(self.metric('model_infer_request_failure_total{model="fraud",version="7"}'), 1)
        self.assertEqual(self.metric('model_infer_request_duration_count{model="fraud",version="None"}'), 3)
        bucket = 'model_infer_request_duration_bucket{model="fraud",version="None",le="+Inf"}'
        self.assertIsNone(self.metric(bucket))
        self.faults(model_buckets=True)
        self.assertEqual(self.metric(bucket), 3)
        rest = 'rest_server_request_duration_seconds_bucket{app_name="mlserver",le="+Inf",method="POST",'
        rest += 'path="/v2/models/{model_name}/infer",status_code="200"}'
        self.assertEqual(self.metric(rest), 3)
        rest = 'rest_server_requests_total{app_name="mlserver",method="POST",'
        rest += 'path="/v2/models/{model_name}/infer",status_code="200"}'
        self.assertEqual(self.metric(rest), 3)
        self.faults(metrics_off=True)
        self.assertEqual(self.get("/metrics")[0], 404)

    def test_faults(self):
        self.place(1, LINEAR)
        self.start("--error-rate", "0.25")
        self.assertEqual([self.infer()[0] for _ in range(8)], [200, 200, 200, 500] * 2)
        self.faults(error_rate=0, wrong_answers=True)
        self.assertEqual(self.infer()[1]["outputs"][0]["data"], [1005.5])
        self.faults(only_version="2")
        self.assertEqual(self.infer()[1]["outputs"][0]["data"], [5.5])
        self.faults(only_version="", wrong_answers=False, latency_ms=200)
        start = time.monotonic()
        self.assertEqual(self.infer()[0], 200)
        self.assertGreaterEqual(time.monotonic() - start, 0.2)
        self.faults(latency_ms=0, fail_load="fraud/*")
        self.assertEqual(self.load()[0], 500)
        self.place(2, LINEAR)
        self.faults(fail_load="fraud/2", lie_ready=True)
        self.assertEqual((self.load()[0], self.version_ready(2), self.infer(version=2)[0]), (200, 200, 404))
        self.assertEqual(json.loads(self.get("/faults")[1])["fail_load"], "fraud/2")
        for body in ({"error_rate": 2}, {"latency_ms": "1"}, {"unknown": 1}, [], b"{"):
            self.assertEqual(self.post("/faults", body)[0], 422)

    def test_faults_of_a_model(self):
        self.place(1, {**LINEAR, "raise": True})
        self.place(2, {**LINEAR, "error_rate": 0.5})
        self.start()
        self.assertEqual(self.infer(version=1)[0], 500)
        self.assertEqual([self.infer()[0] for _ in range(4)], [200, 500, 200, 500])

    def test_faults_file(self):
        self.place(1, LINEAR)
        path = os.path.join(self.folder, "faults")
        with open(path, "w") as out:
            json.dump({"wrong_answers": True}, out)
        self.start("--faults", path)
        self.assertEqual(self.infer()[1]["outputs"][0]["data"], [1005.5])

    def test_crash(self):
        self.place(1, LINEAR)
        self.start("--crash-after", "3")
        self.assertEqual([self.infer()[0] for _ in range(2)], [200, 200])
        with self.assertRaises(OSError):
            self.infer()
        self.assertEqual(self.process.wait(20), 42)

    def test_stop_is_fast(self):
        self.place(1, LINEAR)
        self.start()
        self.faults(latency_ms=60000, crash_after_requests=1000)
        idle = socket.create_connection(("127.0.0.1", int(self.url.rsplit(":", 1)[1])))
        idle.sendall(b"GET /v2 HTTP/1.1\r\nHost: x\r\n\r\n")
        self.read_until(idle, b"extensions")
        idle.sendall(b"POST /v2/nothing HTTP/1.1\r\nHost: x\r\n\r\n")
        self.read_until(idle, b"Not Found\"}")
        answers = []
        slow = threading.Thread(target=lambda: answers.append(self.infer()[0]))
        slow.start()
        wait_until(lambda: '"crash_after_requests":999' in self.get("/faults")[1])
        start = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.process.wait(20), 0)
        self.assertLess(time.monotonic() - start, 4)
        idle.close()
        slow.join()
        self.assertEqual(answers, [200])

    def read_until(self, connection, wanted):
        received = b""
        connection.settimeout(20)
        while wanted not in received:
            received += connection.recv(4096) or self.fail("closed after %r" % received)

    def test_chunked_body(self):
        self.start()
        connection = socket.create_connection(("127.0.0.1", int(self.url.rsplit(":", 1)[1])))
        text = b'{"ready":false' + b" " * 9000 + b"}"
        chunk = b"%x\r\n%s\r\n0\r\n\r\n" % (len(text), text)
        head = b"POST /v2/repository/index HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.sendall(head + chunk)
        self.read_until(connection, b"\r\n\r\n[]")
        connection.close()

    def test_stop_while_starting(self):
        self.place(1, LINEAR)
        self.launch("--load-delay-ms", "600000")
        wait_until(lambda: self.listening())
        self.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.process.wait(20), 0)

    def listening(self):
        """Whether the process has a listening TCP socket: its start is under way then."""
        folder = "/proc/%d/fd" % self.process.pid
        links = []
        for name in os.listdir(folder):
            try:
                links.append(os.readlink(os.path.join(folder, name)))
            except OSError:
                pass
        with open("/proc/net/tcp") as table:
            rows = [line.split() for line in table.readlines()[1:]]
        return any(row[3] == "0A" and "socket:[%s]" % row[9] in links for row in rows)

    def test_usage(self):
        for options in ([], ["--root", "x"], ["--root", "x", "--port-file", "y", "--error-rate", "2"],
                        ["--root", "x", "--port-file", "y", "--port", "99999"],
                        ["--root", "x", "--port-file", "y", "--bad"]):
            with self.subTest(options=options):
                done = subprocess.run([find_program()] + options, stderr=subprocess.DEVNULL)
                self.assertEqual(done.returncode, 2)


if __name__ == "__main__":
    unittest.main()
