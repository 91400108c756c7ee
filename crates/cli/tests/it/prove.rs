//! `prove isolation`, and that it finds what it is for.

use std::{sync::Arc, time::Duration};

use mcp_factory_connect::{
    FixedSecrets, Policy,
    sql::{Backend, Database, DatabaseConfig, Source},
};
use mcp_factory_testing::Postgres;

use crate::{factory::json, run::Place};

/// Issue §5: as many as there are cross, which is nobody.
#[test]
fn nobody_crosses_on_the_servers_of_the_proof() {
    let place = Place::new();
    let said = place.run(&["prove", "isolation", "--output", "json"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let proof = json(&said.out);
    assert_eq!((&proof["holds"], proof["crossed"].as_u64()), (&true.into(), Some(0)), "{proof}");
    assert!(proof["of"].as_u64() > Some(300), "{proof}");
    let notes = proof["parts"].as_array().unwrap().iter().find(|part| part["name"] == "proof-notes").unwrap();
    assert_eq!((notes["tools"].as_u64(), notes["sawTheirOwn"].as_u64()), (Some(9), Some(3)), "{proof}");
}

/// The same in PostgreSQL, by `scope` and by row security that asks `session`; nothing of the proof is left there.
#[test]
fn nobody_crosses_in_postgresql() {
    let postgres = Postgres::start();
    let place = Place::new().environment("MCP_FACTORY_PROOF_POSTGRES", &postgres.url());
    let said = place.run(&["prove", "isolation", "--tenants", "2", "--output", "json"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let proof = json(&said.out);
    let part = proof["parts"].as_array().unwrap().iter().find(|part| part["name"] == "proof-postgres").unwrap();
    assert_eq!((part["tools"].as_u64(), part["sawTheirOwn"].as_u64()), (Some(9), Some(2)), "{proof}");
    assert_eq!((&proof["holds"], proof["crossed"].as_u64()), (&true.into(), Some(0)), "{proof}");
    let left = "SELECT (SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'mcp_factory_proof%') \
                + (SELECT count(*) FROM pg_roles WHERE rolname LIKE 'mcp_factory_proof%')";
    let config = DatabaseConfig::new("db", Backend::Postgres, Source::Url(postgres.url()));
    let database = Database::new(config, Arc::new(FixedSecrets::default()), Arc::new(Policy::operator())).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let rows = runtime.block_on(database.table(left, Vec::new(), Duration::from_secs(20))).unwrap();
    assert_eq!(rows, [[serde_json::json!(0)]]);
}

const BROKEN: &str = "name: broken\nversion: 1.0.0\nconnections:\n  - name: db\n    type: sqlite\n    path: ./notes.db\n    \
seed: ./notes.sql\n    scope: { column: owner, by: principal.id, tables: [notes] }\ntools:\n";
const SEED: &str = "CREATE TABLE notes (id INTEGER PRIMARY KEY, owner TEXT NOT NULL, body TEXT NOT NULL);";

/// Each is a server whose author made a hole, where the language lets them say that they mean it.
#[test]
fn a_broken_server_is_caught() {
    for (tool, how) in [
        ("{ name: all, description: All, scope: none, sql: 'SELECT id, body FROM notes' }", "saw what is of"),
        (
            "{ name: one, description: One, parameters: { id: { type: integer, required: true } }, scope: none, \
             sql: 'SELECT body FROM notes WHERE id = :id' }",
            "saw what is of",
        ),
        (
            "{ name: wipe, description: Wipes, parameters: { id: { type: integer, required: true } }, scope: none, \
             sql: 'DELETE FROM notes WHERE id = :id' }",
            "changed rows of",
        ),
    ] {
        let own = "{ name: own, description: Own, sql: 'SELECT body FROM notes WHERE owner = :principal.id' }";
        let place =
            Place::new().file("notes.sql", SEED).file("broken.yaml", &format!("{BROKEN}  - {own}\n  - {tool}\n"));
        let said = place.run(&["prove", "isolation", "broken.yaml", "--tenants", "2"]);
        assert_eq!(said.code, Some(1), "{tool}: {said:?}");
        assert!(said.out.contains(how) && !said.out.contains("\n0 of "), "{tool}: {said:?}");
        assert!(!place.path("notes.db").exists(), "nothing is made where the spec lies");
    }
}

#[test]
fn a_proof_in_which_nobody_sees_anything_proves_nothing() {
    let blind = "  - { name: own, description: Own, sql: 'SELECT id FROM notes WHERE owner = :principal.id' }\n";
    let place = Place::new().file("notes.sql", SEED).file("blind.yaml", &format!("{BROKEN}{blind}"));
    let said = place.run(&["prove", "isolation", "blind.yaml", "--tenants", "2"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.out.contains("this proves nothing") && said.out.contains("\n0 of "), "{said:?}");
}
