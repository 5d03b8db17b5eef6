#!/usr/bin/env python3
"""Steady prediction traffic for the demo and the tests.

    traffic.py --targets FILE --rate R --out STATS.json [--model fraud] [--senders 8] [--timeout 5] [--seed 1]

FILE holds one base URL of a node per line (`#` starts a comment); it is read again whenever it changes, so nodes can be
taken out and put back. Requests go to the nodes in turn, without a version in the path. STATS.json is replaced once a
second and at the end. Ends on SIGTERM or SIGINT. Standard library only.
"""

import argparse
import http.client
import json
import os
import random
import signal
import threading
import time
import urllib.parse

import demo_data


class Targets:
    """The node URLs of the file, in turn."""

    def __init__(self, path):
        self.path = path
        self.lock = threading.Lock()
        self.stamp = None
        self.urls = []
        self.turn = 0

    def refresh(self):
        try:
            info = os.stat(self.path)
            stamp = (info.st_mtime_ns, info.st_size, info.st_ino)
            if stamp == self.stamp:
                return
            with open(self.path, encoding="utf-8") as lines:
                urls = [line.split("#")[0].strip().rstrip("/") for line in lines]
        except (OSError, UnicodeError):
            return  # being replaced: the old list holds until the next look
        with self.lock:
            self.stamp = stamp
            self.urls = [url for url in urls if url]

    def take(self):
        with self.lock:
            if not self.urls:
                return None
            self.turn = (self.turn + 1) % len(self.urls)
            return self.urls[self.turn]


class Stats:
    """Counts per node, and how they get into the file."""

    def __init__(self, path):
        self.path = path
        self.lock = threading.Lock()
        self.started = time.time()
        self.nodes = {}
        self.skipped = 0

    def skip(self):
        with self.lock:
            self.skipped += 1

    def add(self, url, seconds, version, error):
        with self.lock:
            fresh = {"ok": 0, "fail": 0, "versions": {}, "errors": {}, "seconds": 0.0, "slowest": 0.0}
            node = self.nodes.setdefault(url, fresh)
            node["ok" if error is None else "fail"] += 1
            kind, key = ("versions", version) if error is None else ("errors", error)
            node[kind][key] = node[kind].get(key, 0) + 1
            node["seconds"] = round(node["seconds"] + seconds, 6)
            node["slowest"] = round(max(node["slowest"], seconds), 6)

    def write(self):
        with self.lock:
            total = {"ok": 0, "fail": 0, "skipped": self.skipped, "versions": {}}
            for node in self.nodes.values():
                total["ok"] += node["ok"]
                total["fail"] += node["fail"]
                for version, n in node["versions"].items():
                    total["versions"][version] = total["versions"].get(version, 0) + n
            stats = {"started": self.started, "updated": time.time(), "total": total, "nodes": self.nodes}
            text = json.dumps(stats, indent=2)
        try:
            with open(self.path + ".tmp", "w", encoding="utf-8") as out:
                out.write(text + "\n")
            os.replace(self.path + ".tmp", self.path)
        except OSError:
            pass  # a full disk must not end the traffic; the next second tries again


def send(url, model, body, timeout):
    """One prediction. Returns the version that answered and None, or None and the kind of error."""
    connection = None
    try:
        parts = urllib.parse.urlsplit(url)
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)
        path = "%s/v2/models/%s/infer" % (parts.path, urllib.parse.quote(model, safe=""))
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        reply = connection.getresponse()
        text = reply.read()
        if reply.status != 200:
            return None, str(reply.status)
        return str(json.loads(text).get("model_version")), None
    except TimeoutError:
        return None, "timeout"
    except (OSError, http.client.HTTPException):
        return None, "connection"
    except (ValueError, AttributeError):
        return None, "reply"
    finally:
        if connection:
            connection.close()


class Clock:
    """Hands out the moments at which requests are due, over all senders."""

    def __init__(self, rate):
        self.step = 1.0 / rate
        self.lock = threading.Lock()
        self.next = time.monotonic()

    def take(self):
        with self.lock:
            # Late senders do not catch up: after a pause the rate goes on as before.
            self.next = max(self.next + self.step, time.monotonic() - 1.0)
            return self.next


def sender(options, targets, stats, clock, stop, seed):
    rng = random.Random(seed)
    while not stop.is_set():
        if stop.wait(max(0.0, clock.take() - time.monotonic())):
            return
        url = targets.take()
        if url is None:
            stats.skip()
            continue
        body = json.dumps(demo_data.infer_request([demo_data.payment(rng)[0]]))
        start = time.monotonic()
        version, error = send(url, options.model, body, options.timeout)
        stats.add(url, time.monotonic() - start, version, error)


def positive(text):
    value = float(text)
    if not 0 < value <= 10000:
        raise argparse.ArgumentTypeError("a number above 0, up to 10000")
    return value


def parse():
    parser = argparse.ArgumentParser(description="steady prediction traffic")
    parser.add_argument("--targets", required=True)
    parser.add_argument("--rate", required=True, type=positive, help="requests per second over all nodes")
    parser.add_argument("--out", required=True)
    parser.add_argument("--model", default="fraud", help="the served name")
    parser.add_argument("--senders", default=8, type=int)
    parser.add_argument("--timeout", default=5.0, type=positive)
    parser.add_argument("--seed", default=1, type=int)
    return parser.parse_args()


def main():
    options = parse()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    targets, stats, clock = Targets(options.targets), Stats(options.out), Clock(options.rate)
    targets.refresh()
    senders = []
    for i in range(options.senders):
        what = (options, targets, stats, clock, stop, options.seed * 1000 + i)
        senders.append(threading.Thread(target=sender, args=what, daemon=True))
        senders[-1].start()
    written = 0.0
    while not stop.wait(0.1):
        targets.refresh()
        if time.monotonic() - written >= 1.0:
            written = time.monotonic()
            stats.write()
    for thread in senders:
        thread.join(options.timeout)
    stats.write()


if __name__ == "__main__":
    main()
