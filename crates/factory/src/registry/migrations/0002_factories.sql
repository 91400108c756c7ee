-- Several factories may share a registry: who they are, and who drives which deployment.

-- Of no owner. A factory that is there counts its beats.
CREATE TABLE factories (
    id TEXT PRIMARY KEY,
    beat BIGINT NOT NULL
);

-- Counts what changed in what all factories follow.
CREATE TABLE revisions (
    subject TEXT PRIMARY KEY,
    revision BIGINT NOT NULL
);
INSERT INTO revisions (subject, revision) VALUES ('deployments', 0);

-- The factory that drives it. Others do as it did.
ALTER TABLE deployments ADD COLUMN factory TEXT;
