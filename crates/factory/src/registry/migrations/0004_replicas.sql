-- What each of several factories runs, as it says itself. Goes with the factory, and with the deployment.
CREATE TABLE replicas (
    owner TEXT NOT NULL,
    server TEXT NOT NULL,
    factory TEXT NOT NULL REFERENCES factories (id) ON DELETE CASCADE,
    version TEXT NOT NULL,
    generation BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    PRIMARY KEY (owner, server, factory),
    FOREIGN KEY (owner, server) REFERENCES deployments (owner, server) ON DELETE CASCADE
);
CREATE INDEX replicas_of_factory ON replicas (factory);
