-- Connections that an operator shares: who defined one keeps its secrets.
CREATE TABLE shared_connections (
    -- Unique per factory: grants name it.
    name TEXT PRIMARY KEY,
    owner TEXT NOT NULL REFERENCES users (owner),
    kind TEXT NOT NULL,
    definition TEXT NOT NULL,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    UNIQUE (owner, name)
);
