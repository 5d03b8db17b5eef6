-- Facts are written only with a journal row; tables under "working" need none.
-- Digests are 32-byte blobs, times are milliseconds UTC, JSON columns hold checked text.

CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

-- Journal ------------------------------------------------------------------------------------

CREATE TABLE documents (
    digest BLOB PRIMARY KEY,
    bytes BLOB NOT NULL
) STRICT;

CREATE TABLE journal (
    seq INTEGER PRIMARY KEY,
    ts INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    actor TEXT NOT NULL,
    kind TEXT NOT NULL,
    object TEXT NOT NULL,
    reason TEXT,
    fmt INTEGER NOT NULL,
    message TEXT NOT NULL
) STRICT;
CREATE INDEX journal_by_ts ON journal (ts, seq);
CREATE INDEX journal_by_object ON journal (object, seq);
CREATE INDEX journal_by_kind ON journal (kind, seq);

-- digest NULL: the path is deleted.
CREATE TABLE journal_docs (
    seq INTEGER NOT NULL,
    path TEXT NOT NULL,
    digest BLOB,
    PRIMARY KEY (seq, path)
) STRICT, WITHOUT ROWID;

-- "As of" index: path had digest for from_seq <= seq < to_seq.
CREATE TABLE doc_spans (
    path TEXT NOT NULL,
    from_seq INTEGER NOT NULL,
    to_seq INTEGER NOT NULL,
    digest BLOB NOT NULL,
    PRIMARY KEY (path, from_seq)
) STRICT, WITHOUT ROWID;

-- Written by the git thread before the ref moves (working).
CREATE TABLE commits (
    seq INTEGER PRIMARY KEY,
    commit_id TEXT NOT NULL,
    key_id TEXT NOT NULL,
    signature TEXT NOT NULL
) STRICT;

-- Public keys of this registry, for allowed_signers; secrets are files.
CREATE TABLE keys (
    key_id TEXT PRIMARY KEY,
    public_line TEXT NOT NULL,
    valid_after INTEGER NOT NULL,
    valid_before INTEGER,
    state TEXT NOT NULL
) STRICT;

-- Registry -----------------------------------------------------------------------------------

CREATE TABLE models (
    model_id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    description TEXT NOT NULL DEFAULT '',
    next_number INTEGER NOT NULL DEFAULT 1,
    created_seq INTEGER NOT NULL,
    created_ts INTEGER NOT NULL,
    updated_ts INTEGER NOT NULL,
    deleted_ts INTEGER
) STRICT;

CREATE TABLE versions (
    model_id INTEGER NOT NULL REFERENCES models (model_id),
    number INTEGER NOT NULL,
    content_digest BLOB NOT NULL,
    statement_digest BLOB NOT NULL,
    format TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    n_files INTEGER NOT NULL,
    description TEXT NOT NULL DEFAULT '',
    created_seq INTEGER NOT NULL,
    created_ts INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    deleted_ts INTEGER,
    PRIMARY KEY (model_id, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX versions_by_content ON versions (content_digest);
CREATE INDEX versions_deleted ON versions (model_id, deleted_ts);

CREATE TABLE version_files (
    model_id INTEGER NOT NULL,
    number INTEGER NOT NULL,
    path TEXT NOT NULL,
    size INTEGER NOT NULL,
    digest BLOB NOT NULL,
    PRIMARY KEY (model_id, number, path),
    FOREIGN KEY (model_id, number) REFERENCES versions (model_id, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX version_files_by_digest ON version_files (digest);

-- SSHSIG over a stored document; name_space says as what it was signed.
CREATE TABLE signatures (
    digest BLOB NOT NULL,
    name_space TEXT NOT NULL,
    key_id TEXT NOT NULL,
    armor TEXT NOT NULL,
    PRIMARY KEY (digest, name_space, key_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE aliases (
    model_id INTEGER NOT NULL REFERENCES models (model_id),
    alias TEXT NOT NULL,
    number INTEGER NOT NULL,
    set_seq INTEGER NOT NULL,
    set_ts INTEGER NOT NULL,
    set_by TEXT NOT NULL,
    PRIMARY KEY (model_id, alias)
) STRICT, WITHOUT ROWID;

-- kind: "tag", "metric", "param", "lineage"; number 0: the model itself. source: "push" or "later".
CREATE TABLE annotations (
    model_id INTEGER NOT NULL REFERENCES models (model_id),
    number INTEGER NOT NULL,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    source TEXT NOT NULL,
    ts INTEGER NOT NULL,
    PRIMARY KEY (model_id, number, kind, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE blobs (
    digest BLOB PRIMARY KEY,
    size INTEGER NOT NULL,
    bytes BLOB,
    created_ts INTEGER NOT NULL
) STRICT;

-- Access -------------------------------------------------------------------------------------

CREATE TABLE tokens (
    token_id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    hash BLOB NOT NULL UNIQUE,
    hint TEXT NOT NULL,
    role TEXT NOT NULL,
    models TEXT NOT NULL,
    created_ts INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    expires_ts INTEGER,
    revoked_ts INTEGER
) STRICT;

-- Fleet --------------------------------------------------------------------------------------

CREATE TABLE environments (
    env_id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    position INTEGER NOT NULL,
    policy TEXT NOT NULL,
    created_seq INTEGER NOT NULL,
    created_ts INTEGER NOT NULL
) STRICT;

-- desired_seq rises with each change of the record.
CREATE TABLE nodes (
    node_id INTEGER PRIMARY KEY,
    env_id INTEGER NOT NULL REFERENCES environments (env_id),
    name TEXT NOT NULL,
    driver TEXT NOT NULL,
    admin_url TEXT NOT NULL,
    infer_url TEXT NOT NULL,
    metrics_url TEXT,
    delivery TEXT NOT NULL,
    root TEXT,
    labels TEXT NOT NULL,
    created_seq INTEGER NOT NULL,
    created_ts INTEGER NOT NULL,
    UNIQUE (env_id, name)
) STRICT;

-- A model in an environment. live_number is moved only by the end of a rollout.
CREATE TABLE targets (
    target_id INTEGER PRIMARY KEY,
    env_id INTEGER NOT NULL REFERENCES environments (env_id),
    model_id INTEGER NOT NULL REFERENCES models (model_id),
    serve_as TEXT NOT NULL,
    policy TEXT NOT NULL,
    generation INTEGER NOT NULL DEFAULT 0,
    live_number INTEGER,
    last_good_number INTEGER,
    created_seq INTEGER NOT NULL,
    created_ts INTEGER NOT NULL,
    UNIQUE (env_id, model_id),
    UNIQUE (env_id, serve_as)
) STRICT;
CREATE INDEX targets_by_model ON targets (model_id);

CREATE TABLE rollouts (
    rollout_id TEXT PRIMARY KEY,
    target_id INTEGER NOT NULL REFERENCES targets (target_id),
    from_number INTEGER,
    to_number INTEGER NOT NULL,
    kind TEXT NOT NULL,
    strategy TEXT NOT NULL,
    actor TEXT NOT NULL,
    reason TEXT,
    phase TEXT NOT NULL,
    is_active INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    submitted_seq INTEGER NOT NULL,
    created_ts INTEGER NOT NULL,
    ended_ts INTEGER
) STRICT;
CREATE INDEX rollouts_by_target ON rollouts (target_id, submitted_seq);
CREATE INDEX rollouts_by_seq ON rollouts (submitted_seq);
CREATE UNIQUE INDEX rollouts_one_active ON rollouts (target_id) WHERE is_active = 1;

CREATE TABLE rollout_commands (
    command_seq INTEGER PRIMARY KEY,
    rollout_id TEXT NOT NULL REFERENCES rollouts (rollout_id),
    verb TEXT NOT NULL,
    actor TEXT NOT NULL,
    reason TEXT,
    expected_step INTEGER,
    ts INTEGER NOT NULL
) STRICT;
CREATE INDEX rollout_commands_by_rollout ON rollout_commands (rollout_id, command_seq);

-- Working tables: observations, ticks, samples, uploads ----------------------------------------

CREATE TABLE rollout_status (
    rollout_id TEXT PRIMARY KEY,
    revision INTEGER NOT NULL,
    status TEXT NOT NULL,
    updated_ts INTEGER NOT NULL
) STRICT;

CREATE TABLE node_ops (
    op_key TEXT PRIMARY KEY,
    rollout_id TEXT,
    target_id INTEGER NOT NULL,
    node_id INTEGER NOT NULL,
    action TEXT NOT NULL,
    number INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    state TEXT NOT NULL,
    error_class TEXT,
    detail TEXT,
    started_ts INTEGER NOT NULL,
    deadline_ts INTEGER NOT NULL,
    ended_ts INTEGER
) STRICT;
CREATE INDEX node_ops_open ON node_ops (state, node_id);
CREATE INDEX node_ops_by_target ON node_ops (target_id, node_id, started_ts);

-- What mreg last saw of one target on one node.
CREATE TABLE node_views (
    node_id INTEGER NOT NULL,
    target_id INTEGER NOT NULL,
    observation TEXT NOT NULL,
    observed_ts INTEGER NOT NULL,
    PRIMARY KEY (node_id, target_id)
) STRICT, WITHOUT ROWID;

-- Health of a node as such.
CREATE TABLE node_health (
    node_id INTEGER PRIMARY KEY,
    is_reachable INTEGER NOT NULL,
    since_ts INTEGER NOT NULL,
    observed_ts INTEGER NOT NULL,
    detail TEXT
) STRICT;

CREATE TABLE samples (
    target_id INTEGER NOT NULL,
    node_id INTEGER NOT NULL,
    ts INTEGER NOT NULL,
    n_success INTEGER NOT NULL,
    n_failure INTEGER NOT NULL,
    duration_us INTEGER NOT NULL,
    PRIMARY KEY (target_id, node_id, ts)
) STRICT, WITHOUT ROWID;

CREATE TABLE token_use (
    token_id TEXT PRIMARY KEY,
    last_used_ts INTEGER NOT NULL
) STRICT;

CREATE TABLE idempotency (
    actor TEXT NOT NULL,
    key TEXT NOT NULL,
    request_digest BLOB NOT NULL,
    status INTEGER NOT NULL,
    body TEXT,
    ts INTEGER NOT NULL,
    PRIMARY KEY (actor, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_by_ts ON idempotency (ts);

CREATE TABLE uploads (
    upload_id TEXT PRIMARY KEY,
    model TEXT NOT NULL,
    actor TEXT NOT NULL,
    created_ts INTEGER NOT NULL,
    expires_ts INTEGER NOT NULL
) STRICT;
CREATE INDEX uploads_by_expiry ON uploads (expires_ts);

CREATE TABLE upload_files (
    upload_id TEXT NOT NULL REFERENCES uploads (upload_id),
    file INTEGER NOT NULL,
    path TEXT NOT NULL,
    size INTEGER NOT NULL,
    digest BLOB NOT NULL,
    state TEXT NOT NULL,
    PRIMARY KEY (upload_id, file)
) STRICT, WITHOUT ROWID;

CREATE TABLE upload_parts (
    upload_id TEXT NOT NULL,
    file INTEGER NOT NULL,
    part INTEGER NOT NULL,
    digest BLOB NOT NULL,
    PRIMARY KEY (upload_id, file, part)
) STRICT, WITHOUT ROWID;
