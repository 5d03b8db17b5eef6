"""Fills a stopped registry with many versions, straight into its database, in the shape that the server
itself wrote: one model and one version made through the API are the pattern of all rows.

The rows are complete (journal, documents, "as of" index, signatures), except that each signature is a
copy of the pattern's. Standard library only.
"""
import hashlib
import sqlite3
import time
import urllib.parse

import harness

NAME = "m{:05d}"
SEED = "seed"
FILE = b"the bytes of the pattern"
BATCH_MODELS = 100


def seed(server):
    """The pattern, made by the server; waits until the history has it."""
    server.api.post("/models", {"name": SEED})
    server.api.upload(SEED, {"model.bin": FILE}, metrics={"auc": "0.9"})
    server.stop()


def folder(name):
    a, b, c = hashlib.sha256(name.encode()).hexdigest()[:3]
    return f"models/{a}/{b}/{c}/{name}/"


class Pattern:
    """The rows of one journal row and what hangs on it, as a function of name, number and seq."""

    def __init__(self, db, kind):
        self.journal = db.execute("SELECT * FROM journal WHERE kind = ? AND object = ?", (kind, SEED)).fetchone()
        seq = self.journal[0]
        self.docs = db.execute("SELECT j.path, d.bytes, d.digest FROM journal_docs j JOIN documents d "
                               "USING (digest) WHERE j.seq = ? ORDER BY j.path", (seq,)).fetchall()

    def journal_row(self, seq, name, number):
        message = self.journal[8].replace(SEED, name).replace("version 1", f"version {number}")
        return (seq, *self.journal[1:5], name, self.journal[6], self.journal[7], message)

    def documents(self, name, number, swaps):
        """(path, digest, bytes) of each; digests of earlier ones are put into later ones."""
        made = []
        for path, text, digest in self.docs:
            text = text.replace(f'"{SEED}"'.encode(), f'"{name}"'.encode())
            text = text.replace(b'"version":1', b'"version":%d' % number)
            for old, new in swaps:
                text = text.replace(old, new)
            fresh = hashlib.sha256(text).digest()
            swaps.append((digest.hex().encode(), fresh.hex().encode()))
            at = folder(name) + path[len(folder(SEED)):].replace("versions/1/", f"versions/{number}/")
            made.append((at, fresh, text, digest))
        return made


class Filler:
    def __init__(self, db):
        self.db = db
        self.model, self.publish = Pattern(db, "model.create"), Pattern(db, "version.publish")
        self.seq = db.execute("SELECT max(seq) FROM journal").fetchone()[0]
        self.model_row = db.execute("SELECT * FROM models WHERE name = ?", (SEED,)).fetchone()
        self.model_id = db.execute("SELECT max(model_id) FROM models").fetchone()[0]
        self.version = db.execute("SELECT * FROM versions WHERE model_id = ?", (self.model_row[0],)).fetchone()
        self.file = db.execute("SELECT * FROM version_files WHERE model_id = ?", (self.model_row[0],)).fetchone()
        self.notes = db.execute("SELECT * FROM annotations WHERE model_id = ? AND number = 1",
                                (self.model_row[0],)).fetchall()
        self.blob = db.execute("SELECT * FROM blobs WHERE digest = ?", (self.file[4],)).fetchone()
        self.signatures = {row[0]: row for row in db.execute("SELECT * FROM signatures")}
        self.rows = {}

    def put(self, table, *row):
        self.rows.setdefault((table, len(row)), []).append(row)

    def flush(self):
        for (table, width), rows in self.rows.items():
            marks = ",".join("?" * width)
            self.db.executemany(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", rows)
        self.rows = {}
        self.db.commit()

    def put_documents(self, made):
        for path, digest, text, _ in made:
            self.put("documents", digest, text)
            self.put("journal_docs", self.seq, path, digest)
            self.put("doc_spans", path, self.seq, (1 << 63) - 1, digest)

    def add_model(self, name, n_versions):
        self.seq += 1
        self.model_id += 1
        self.put("journal", *self.model.journal_row(self.seq, name, 1))
        self.put_documents(self.model.documents(name, 1, []))
        row = list(self.model_row)
        row[0], row[1], row[3], row[4] = self.model_id, name, n_versions + 1, self.seq
        self.put("models", *row)
        for number in range(1, n_versions + 1):
            self.add_version(name, number)

    def add_version(self, name, number):
        self.seq += 1
        data = FILE + f" {name} {number}".encode()
        digest = hashlib.sha256(data).digest()
        old = self.file[4].hex().encode()
        size = lambda n: b'"size":%d' % n
        made = self.publish.documents(name, number, [(old, digest.hex().encode()),
                                                     (size(len(FILE)), size(len(data)))])
        self.put("journal", *self.publish.journal_row(self.seq, name, number))
        self.put_documents(made)
        new = {before: digest for _, digest, _, before in made}
        row = list(self.version)
        row[0], row[1], row[2], row[3] = self.model_id, number, new[row[2]], new[row[3]]
        row[5], row[8] = len(data), self.seq
        self.put("versions", *row)
        self.put("version_files", self.model_id, number, self.file[2], len(data), digest)
        self.put("blobs", digest, len(data), data, self.blob[3])
        for before, after in new.items():
            if before in self.signatures:
                self.put("signatures", after, *self.signatures[before][1:])
        for note in self.notes:
            self.put("annotations", self.model_id, number, *note[2:])


def fill(data, n_models, n_versions, large=None):
    """Seconds it took. large: {name: number of versions} of further models."""
    begun = time.monotonic()
    db = sqlite3.connect(data / "mreg.db")
    db.execute("PRAGMA synchronous = OFF")
    filler = Filler(db)
    for i in range(n_models):
        filler.add_model(NAME.format(i), n_versions)
        if i % BATCH_MODELS == BATCH_MODELS - 1:
            filler.flush()
    for name, n in (large or {}).items():
        filler.add_model(name, n)
    filler.flush()
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    return time.monotonic() - begun


def wait_history(data, seconds=900):
    """Until the history has caught up; gives rows per second."""
    begun = time.monotonic()
    db = sqlite3.connect(f"file:{data / 'mreg.db'}?mode=ro", uri=True, timeout=30)
    ask = lambda sql: db.execute(sql).fetchone()[0] or 0
    first, last = ask("SELECT max(seq) FROM commits"), ask("SELECT max(seq) FROM journal")
    harness.wait_until(lambda: ask("SELECT max(seq) FROM commits") >= last, seconds, "the history", 0.1)
    db.close()
    return (last - first) / max(1e-3, time.monotonic() - begun)


def cursor_near_end(server, n_models):
    """Cursor of a late page of models that is still full, found by walking the list."""
    cursor, page = "", server.api.get("/models?limit=50")
    for _ in range(n_models // 50 - 2):
        cursor = page["next"]
        page = server.api.get("/models?limit=50&cursor=" + urllib.parse.quote(cursor))
        assert len(page["items"]) == 50
    return urllib.parse.quote(cursor)
