-- What a version was imported as. What people change of it is told from what a newer import brings by this.
CREATE TABLE imports (
    owner TEXT NOT NULL,
    server TEXT NOT NULL,
    version TEXT NOT NULL,
    spec TEXT NOT NULL,
    PRIMARY KEY (owner, server, version),
    FOREIGN KEY (owner, server, version) REFERENCES versions (owner, server, version) ON DELETE CASCADE
);
