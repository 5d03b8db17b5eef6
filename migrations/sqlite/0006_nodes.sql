-- Nodes that register themselves, nodes that are taken out, and what is known of their processes.

-- lease_ms 0: entered by hand. cordon: "cordon", "drain" or "unload".
ALTER TABLE nodes ADD COLUMN lease_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE nodes ADD COLUMN registered_by TEXT;
ALTER TABLE nodes ADD COLUMN cordon TEXT;
ALTER TABLE nodes ADD COLUMN cordon_by TEXT;
ALTER TABLE nodes ADD COLUMN cordon_reason TEXT;
ALTER TABLE nodes ADD COLUMN cordon_ts INTEGER;

-- Of role "node" only: where it may register nodes, and the folder that holds their roots.
ALTER TABLE tokens ADD COLUMN environment TEXT;
ALTER TABLE tokens ADD COLUMN root TEXT;

-- Working tables -----------------------------------------------------------------------------

-- started_ts: of the process behind the node, as it says itself. restarted_ts: another process was
-- noticed then.
ALTER TABLE node_health ADD COLUMN started_ts INTEGER;
ALTER TABLE node_health ADD COLUMN restarted_ts INTEGER;
ALTER TABLE node_health ADD COLUMN n_restarts INTEGER NOT NULL DEFAULT 0;

CREATE TABLE node_leases (
    node_id INTEGER PRIMARY KEY,
    renewed_ts INTEGER NOT NULL
) STRICT;

-- A question about a node (with a served name: about that version of it; with a model: and take
-- its files over) and its last answer.
CREATE TABLE node_probes (
    node_id INTEGER PRIMARY KEY,
    asked_ts INTEGER NOT NULL,
    serve_as TEXT,
    number INTEGER NOT NULL DEFAULT 0,
    model TEXT,
    probed_ts INTEGER NOT NULL DEFAULT 0,
    report TEXT
) STRICT;

-- What is wrong with the files of one target on one node.
CREATE TABLE node_drifts (
    node_id INTEGER NOT NULL,
    target_id INTEGER NOT NULL,
    detail TEXT NOT NULL,
    since_ts INTEGER NOT NULL,
    PRIMARY KEY (node_id, target_id)
) STRICT, WITHOUT ROWID;

-- Epochs of other registries that nodes obeyed when they refused this one.
CREATE TABLE epochs_refused (
    epoch INTEGER PRIMARY KEY,
    ts INTEGER NOT NULL
) STRICT;

CREATE INDEX node_ops_by_node ON node_ops (node_id, started_ts);
