-- What decides when a rollout may go: queues, freezes, quarantine, approvals, sets.

-- overrides: what it passes over ("freeze,budget"). set_id: it moves together with others of that
-- id. fault: whose failure ended it. in_flight: the others that were under way then, as JSON.
ALTER TABLE rollouts ADD COLUMN overrides TEXT;
ALTER TABLE rollouts ADD COLUMN is_hotfix INTEGER NOT NULL DEFAULT 0;
ALTER TABLE rollouts ADD COLUMN set_id TEXT;
ALTER TABLE rollouts ADD COLUMN fault TEXT;
ALTER TABLE rollouts ADD COLUMN in_flight TEXT;
CREATE INDEX rollouts_by_set ON rollouts (set_id) WHERE set_id IS NOT NULL;
CREATE INDEX rollouts_by_end ON rollouts (phase, ended_ts);

-- arg: milliseconds of "extend", reasons of "resume".
ALTER TABLE rollout_commands ADD COLUMN expected_generation INTEGER;
ALTER TABLE rollout_commands ADD COLUMN arg INTEGER NOT NULL DEFAULT 0;

-- Who raised the generation last, how and when: whom a stale change is told of.
ALTER TABLE targets ADD COLUMN changed_by TEXT;
ALTER TABLE targets ADD COLUMN changed_how TEXT;
ALTER TABLE targets ADD COLUMN changed_ts INTEGER NOT NULL DEFAULT 0;

-- Rollouts that wait for their turn; the lowest position is next. They are not active yet.
CREATE TABLE rollout_queue (
    rollout_id TEXT PRIMARY KEY REFERENCES rollouts (rollout_id),
    target_id INTEGER NOT NULL REFERENCES targets (target_id),
    position INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX rollout_queue_by_target ON rollout_queue (target_id, position);

-- kind: "freeze" or "stop". env_id NULL: all environments; model_id NULL: all models.
-- weekly: "fri 16:00-mon 08:00", else from_ts and until_ts (NULL: now, for good).
CREATE TABLE freezes (
    freeze_id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    env_id INTEGER REFERENCES environments (env_id),
    model_id INTEGER REFERENCES models (model_id),
    from_ts INTEGER,
    until_ts INTEGER,
    weekly TEXT,
    reason TEXT NOT NULL,
    actor TEXT NOT NULL,
    created_seq INTEGER NOT NULL,
    created_ts INTEGER NOT NULL
) STRICT;

-- Versions that failed on a target by their own fault.
CREATE TABLE quarantine (
    target_id INTEGER NOT NULL REFERENCES targets (target_id),
    number INTEGER NOT NULL,
    rollout_id TEXT NOT NULL REFERENCES rollouts (rollout_id),
    cause TEXT NOT NULL,
    since_ts INTEGER NOT NULL,
    PRIMARY KEY (target_id, number)
) STRICT, WITHOUT ROWID;
