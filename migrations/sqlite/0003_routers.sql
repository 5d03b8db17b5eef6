-- Routers: software before the nodes of an environment that spreads requests over them.

-- driver: "haproxy" or "nginx". backend: name of a model's pool with {serve_as} in it. server_label:
-- the node's label that holds its name there; '' : the node's name.
CREATE TABLE routers (
    router_id INTEGER PRIMARY KEY,
    env_id INTEGER NOT NULL REFERENCES environments (env_id),
    name TEXT NOT NULL,
    driver TEXT NOT NULL,
    address TEXT NOT NULL,
    file TEXT,
    pid_file TEXT,
    backend TEXT NOT NULL,
    server_label TEXT NOT NULL,
    created_seq INTEGER NOT NULL,
    created_ts INTEGER NOT NULL,
    UNIQUE (env_id, name)
) STRICT;

-- Working tables -----------------------------------------------------------------------------

CREATE TABLE router_health (
    router_id INTEGER PRIMARY KEY,
    is_reachable INTEGER NOT NULL,
    since_ts INTEGER NOT NULL,
    observed_ts INTEGER NOT NULL,
    detail TEXT
) STRICT;

-- What a router was last seen doing with one target. state: "known" or "absent".
CREATE TABLE router_views (
    router_id INTEGER NOT NULL,
    target_id INTEGER NOT NULL,
    state TEXT NOT NULL,
    observation TEXT NOT NULL,
    observed_ts INTEGER NOT NULL,
    PRIMARY KEY (router_id, target_id)
) STRICT, WITHOUT ROWID;
