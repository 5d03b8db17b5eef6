-- People who log in to the dashboard, and their sessions.

-- password: Argon2id text; empty: none, the person comes by an identity provider (subject).
CREATE TABLE users (
    user_id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    role TEXT NOT NULL,
    models TEXT NOT NULL,
    password TEXT NOT NULL,
    subject TEXT UNIQUE,
    created_by TEXT NOT NULL,
    created_ts INTEGER NOT NULL,
    is_removed INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Working tables -----------------------------------------------------------------------------

-- actor: the token or the user that logged in. hash: keyed hash of the cookie's value.
CREATE TABLE sessions (
    hash BLOB PRIMARY KEY,
    actor TEXT NOT NULL,
    created_ts INTEGER NOT NULL,
    expires_ts INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_by_actor ON sessions (actor);
CREATE INDEX sessions_by_expiry ON sessions (expires_ts);

CREATE TABLE user_logins (
    user_id TEXT PRIMARY KEY,
    last_login_ts INTEGER NOT NULL
) STRICT;
