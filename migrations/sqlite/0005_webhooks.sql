-- Webhooks: who is told about which change. Secrets are files; `secrets` is the name of one.
-- kinds and models are comma-separated globs; env '' is any.

CREATE TABLE webhooks (
    hook_id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    url TEXT NOT NULL,
    format TEXT NOT NULL,
    kinds TEXT NOT NULL,
    env TEXT NOT NULL,
    models TEXT NOT NULL,
    repository TEXT NOT NULL,
    is_enabled INTEGER NOT NULL,
    why TEXT,
    secrets TEXT NOT NULL,
    public_keys TEXT NOT NULL,
    old_until_ts INTEGER,
    created_seq INTEGER NOT NULL,
    created_ts INTEGER NOT NULL,
    created_by TEXT NOT NULL
) STRICT;
CREATE INDEX webhooks_by_seq ON webhooks (created_seq);

-- Working tables ------------------------------------------------------------------------------

-- Journal rows up to cursor have become deliveries. next_number is that of the next delivery.
CREATE TABLE webhook_state (
    hook_id TEXT PRIMARY KEY,
    cursor INTEGER NOT NULL,
    next_number INTEGER NOT NULL,
    failing_since_ts INTEGER,
    last_ok_ts INTEGER,
    last_try_ts INTEGER,
    last_status INTEGER,
    last_detail TEXT
) STRICT;

-- origin: "event", "earlier" (before a replay), "ping" or "redelivery"; state: "pending", "delivered", "failed" or "dropped".
-- seq is the change's row, 0 for a ping.
CREATE TABLE webhook_deliveries (
    hook_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    kind TEXT NOT NULL,
    origin TEXT NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    next_ts INTEGER NOT NULL,
    status INTEGER,
    took_ms INTEGER,
    detail TEXT,
    created_ts INTEGER NOT NULL,
    ended_ts INTEGER,
    PRIMARY KEY (hook_id, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX webhook_deliveries_open ON webhook_deliveries (hook_id, state, next_ts);
CREATE UNIQUE INDEX webhook_deliveries_once ON webhook_deliveries (hook_id, seq)
    WHERE origin = 'event';
