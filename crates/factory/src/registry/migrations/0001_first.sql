-- SQL that SQLite and PostgreSQL both take: BIGINT and TEXT only. Times are milliseconds since 1970, digests hexadecimal.
-- Every table but the last has an owner, and refers to others with it: no row hangs on a row of somebody else.

CREATE TABLE users (
    owner TEXT PRIMARY KEY,
    role TEXT NOT NULL CHECK (role IN ('admin', 'developer', 'viewer')),
    max_servers BIGINT NOT NULL,
    requests_per_minute BIGINT NOT NULL,
    max_spec_bytes BIGINT NOT NULL,
    -- Counts what changed in the catalogue of this owner.
    revision BIGINT NOT NULL,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL
);

CREATE TABLE servers (
    -- Unique per factory: it is part of a URL.
    name TEXT PRIMARY KEY,
    owner TEXT NOT NULL REFERENCES users (owner),
    latest TEXT NOT NULL,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    UNIQUE (owner, name)
);

CREATE TABLE versions (
    owner TEXT NOT NULL,
    server TEXT NOT NULL,
    version TEXT NOT NULL,
    -- The order in which they were made.
    sequence BIGINT NOT NULL,
    digest TEXT NOT NULL,
    spec TEXT NOT NULL,
    title TEXT,
    description TEXT,
    auth TEXT NOT NULL,
    tools BIGINT NOT NULL,
    -- What keeps it from being deployed, as far as the language says so.
    blockers BIGINT NOT NULL,
    -- Where its files are, if they are not in the factory's own folder for it.
    folder TEXT,
    created BIGINT NOT NULL,
    PRIMARY KEY (owner, server, version),
    UNIQUE (owner, server, sequence),
    FOREIGN KEY (owner, server) REFERENCES servers (owner, name) ON DELETE CASCADE
);

CREATE TABLE tags (
    owner TEXT NOT NULL,
    server TEXT NOT NULL,
    tag TEXT NOT NULL,
    PRIMARY KEY (owner, server, tag),
    FOREIGN KEY (owner, server) REFERENCES servers (owner, name) ON DELETE CASCADE
);
CREATE INDEX tags_by_word ON tags (owner, tag);

-- What the latest version of a server can do, to be searched.
CREATE TABLE tools (
    owner TEXT NOT NULL,
    server TEXT NOT NULL,
    position BIGINT NOT NULL,
    name TEXT NOT NULL,
    title TEXT,
    description TEXT NOT NULL,
    schema TEXT NOT NULL,
    PRIMARY KEY (owner, server, position),
    FOREIGN KEY (owner, server) REFERENCES servers (owner, name) ON DELETE CASCADE
);

CREATE TABLE dependencies (
    owner TEXT NOT NULL,
    server TEXT NOT NULL,
    version TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('secret', 'connection', 'server')),
    name TEXT NOT NULL,
    PRIMARY KEY (owner, server, version, kind, name),
    FOREIGN KEY (owner, server, version) REFERENCES versions (owner, server, version) ON DELETE CASCADE
);
CREATE INDEX dependencies_by_name ON dependencies (owner, kind, name);

CREATE TABLE deployments (
    owner TEXT NOT NULL,
    server TEXT NOT NULL,
    target TEXT NOT NULL,
    desired TEXT NOT NULL CHECK (desired IN ('running', 'stopped')),
    state TEXT NOT NULL,
    version TEXT NOT NULL,
    -- The version to go back to if this one does not become healthy.
    fallback TEXT,
    -- Of the instance of `fallback`, while it serves.
    fallback_generation BIGINT,
    generation BIGINT NOT NULL,
    launched BIGINT NOT NULL,
    failures BIGINT NOT NULL,
    problem TEXT,
    endpoint TEXT,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    PRIMARY KEY (owner, server),
    FOREIGN KEY (owner, server, version) REFERENCES versions (owner, server, version) ON DELETE CASCADE
);

-- No arguments and no answers: how often, how well, how fast.
CREATE TABLE calls (
    owner TEXT NOT NULL,
    server TEXT NOT NULL,
    tool TEXT NOT NULL,
    -- Days since 1970, in UTC.
    day BIGINT NOT NULL,
    -- The upper end of a class of latencies in milliseconds.
    latency BIGINT NOT NULL,
    calls BIGINT NOT NULL,
    errors BIGINT NOT NULL,
    micros BIGINT NOT NULL,
    PRIMARY KEY (owner, server, tool, day, latency),
    FOREIGN KEY (owner, server) REFERENCES servers (owner, name) ON DELETE CASCADE
);

CREATE TABLE test_runs (
    owner TEXT NOT NULL,
    id TEXT NOT NULL,
    server TEXT NOT NULL,
    version TEXT NOT NULL,
    test TEXT NOT NULL,
    tool TEXT NOT NULL,
    passed BIGINT NOT NULL,
    input TEXT NOT NULL,
    output TEXT NOT NULL,
    micros BIGINT NOT NULL,
    PRIMARY KEY (owner, id),
    FOREIGN KEY (owner, server, version) REFERENCES versions (owner, server, version) ON DELETE CASCADE
);
CREATE INDEX test_runs_of_server ON test_runs (owner, server, id);

-- Outlives what it tells of.
CREATE TABLE audit (
    owner TEXT NOT NULL,
    -- In the order of time.
    id TEXT NOT NULL,
    -- Who did it: the owner, or an admin.
    actor TEXT NOT NULL,
    token TEXT,
    verb TEXT NOT NULL,
    subject TEXT NOT NULL,
    outcome TEXT NOT NULL,
    PRIMARY KEY (owner, id)
);
CREATE INDEX audit_by_time ON audit (id);

CREATE TABLE idempotency (
    owner TEXT NOT NULL,
    key TEXT NOT NULL,
    -- Of what was asked with it.
    digest TEXT NOT NULL,
    answer TEXT NOT NULL,
    expires BIGINT NOT NULL,
    PRIMARY KEY (owner, key)
);

CREATE TABLE secrets (
    owner TEXT NOT NULL REFERENCES users (owner),
    -- Empty for the owner's own, else whose it is among the owner's callers.
    subject TEXT NOT NULL,
    name TEXT NOT NULL,
    -- Tells which key it is sealed with.
    key TEXT NOT NULL,
    sealed TEXT NOT NULL,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    PRIMARY KEY (owner, subject, name)
);

CREATE TABLE grants (
    owner TEXT NOT NULL REFERENCES users (owner),
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    granted_by TEXT NOT NULL,
    created BIGINT NOT NULL,
    PRIMARY KEY (owner, kind, value)
);

-- Of the factory itself, and of no owner: what its own keys are, sealed.
CREATE TABLE factory_keys (
    name TEXT PRIMARY KEY,
    key TEXT NOT NULL,
    sealed TEXT NOT NULL
);
