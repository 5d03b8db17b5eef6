-- Judging by what is counted. Working tables: all that a verdict needs to be the same after a
-- restart, and what it was made of, for charts and to judge it again with other settings.

-- How far the judging of a rollout is: states of its tests, what was frozen before its first node
-- changed, how far each node's counters were taken in.
CREATE TABLE analyses (
    rollout_id TEXT PRIMARY KEY,
    document TEXT NOT NULL,
    updated_ts INTEGER NOT NULL
) STRICT;
CREATE INDEX analyses_by_time ON analyses (updated_ts);

-- What one comparing gate was fed with. gate: its place in the rollout's policy, from 0. kind: 0
-- counted before the rollout, 1 evidence begins anew (no counts), 2 judged. Rows are bounded: older
-- ones are added up. n_merged: of how many intervals a row is the sum; is_rough: their shares of the
-- traffic differed, so that evidence computed from the sum is not quite what was found then.
CREATE TABLE analysis_intervals (
    rollout_id TEXT NOT NULL,
    gate INTEGER NOT NULL,
    ts INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    n_merged INTEGER NOT NULL,
    is_rough INTEGER NOT NULL,
    n_canary INTEGER NOT NULL,
    bad_canary INTEGER NOT NULL,
    n_base INTEGER NOT NULL,
    bad_base INTEGER NOT NULL,
    PRIMARY KEY (rollout_id, gate, ts, kind)
) STRICT, WITHOUT ROWID;

-- What a gate that reads values was told: answers of queries, posted metrics. Millionths; no value:
-- an answer without one. kind: 0 an answer, 1 the gate begins anew. n_merged: for how many answers a
-- row stands; of older ones only the extremes are kept.
CREATE TABLE analysis_values (
    rollout_id TEXT NOT NULL,
    gate INTEGER NOT NULL,
    ts INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    n_merged INTEGER NOT NULL,
    value_micro INTEGER,
    PRIMARY KEY (rollout_id, gate, ts, kind)
) STRICT, WITHOUT ROWID;

-- What was counted for a target while no rollout changed it, in slices of the last minutes, so that
-- a rollout knows after a restart how things were before it. ts: end of the slice. document: bounds
-- of slow requests, and per node what it counted. Each target keeps as many as its window has.
CREATE TABLE target_windows (
    target_id INTEGER NOT NULL,
    ts INTEGER NOT NULL,
    width_ms INTEGER NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (target_id, ts)
) STRICT, WITHOUT ROWID;
CREATE INDEX target_windows_by_time ON target_windows (ts);

-- Metrics that others post about a version in an environment. node: "" is all of them.
CREATE TABLE metric_points (
    point_id INTEGER PRIMARY KEY,
    target_id INTEGER NOT NULL,
    number INTEGER NOT NULL,
    name TEXT NOT NULL,
    node TEXT NOT NULL,
    ts INTEGER NOT NULL,
    value_micro INTEGER NOT NULL,
    actor TEXT NOT NULL
) STRICT;
CREATE INDEX metric_points_by_name ON metric_points (target_id, number, name, ts);
CREATE INDEX metric_points_by_time ON metric_points (ts);
