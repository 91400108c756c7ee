//! Who asks hears how many rows a long query has read, from real databases and in both eras.

use mcp_factory_testing::{Mariadb, Postgres};
use serde_json::Value;

use crate::run::Place;

const META: &str =
    r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}"#;
const MODERN: [(&str, &str); 3] =
    [("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", "tools/call"), ("Mcp-Name", "many")];

fn call(meta: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"many","arguments":{{}},"_meta":{{{meta}}}}}}}"#
    )
}

/// What a client gets: reports, then the answer.
fn events(body: &str) -> Vec<Value> {
    let data = body.lines().filter_map(|line| line.strip_prefix("data: "));
    data.filter_map(|data| serde_json::from_str(data).ok()).collect()
}

fn proves(name: &str, kind: &str, url: &str, sql: &str) {
    let text = format!(
        "name: a\nconnections: [{{ name: db, type: {kind}, envVar: DB }}]\ntools:\n  - {{ name: many, description: Many rows, \
         sql: \"{sql}\", annotations: {{ readOnly: true }}, limits: {{ maxRows: 10000, maxBytes: 10MiB }} }}\n"
    );
    let place = Place::new().file("a.yaml", &text).environment("DB", url);
    let server = place.serve(&["a.yaml"]);
    let check = |era: &str, body: &str| {
        let mut events = events(body);
        let answer = events.pop().unwrap_or_else(|| panic!("{name}, {era}: {body}"));
        let rows = answer["result"]["structuredContent"]["items"].as_array().unwrap();
        assert_eq!(rows.len(), 5500, "{name}, {era}");
        let reports: Vec<&str> = events.iter().filter_map(|event| event["params"]["message"].as_str()).collect();
        for thousands in 1..=5 {
            let report = format!("{thousands}000 rows so far");
            assert!(reports.contains(&report.as_str()), "{name}, {era}: {reports:?}");
        }
        let counted: Vec<f64> = events.iter().filter_map(|event| event["params"]["progress"].as_f64()).collect();
        assert!(counted.is_sorted_by(|one, next| one < next), "{name}, {era}: {counted:?}");
    };
    let (_, asked) = server.post(&MODERN, &call(&format!(r#""progressToken":1,{META}"#)));
    check("2026-07-28", &asked);
    let hello = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},
                    "clientInfo":{"name":"test","version":"1"}}}"#;
    let (head, _) = server.post(&[], hello);
    let session = head.lines().find_map(|line| line.strip_prefix("mcp-session-id: ")).expect("a session");
    let headers = [("Mcp-Session-Id", session), ("MCP-Protocol-Version", "2025-11-25")];
    server.post(&headers, r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
    let (_, asked) = server.post(&headers, &call(r#""progressToken":"p""#));
    check("2025-11-25", &asked);
    let (_, unasked) = server.post(&MODERN, &call(META));
    assert!(!unasked.contains("so far"), "{name}: nobody asked");
}

#[test]
fn rows_of_postgresql_are_counted_while_they_come() {
    let postgres = Postgres::start();
    proves(
        "PostgreSQL",
        "postgresql",
        &postgres.url(),
        "SELECT i, md5(i::text) AS m FROM generate_series(1, 5500) AS t (i)",
    );
}

#[test]
fn rows_of_mariadb_are_counted_while_they_come() {
    let mariadb = Mariadb::start();
    proves("MariaDB", "mysql", &mariadb.url(), "SELECT seq AS i, md5(seq) AS m FROM seq_1_to_5500");
}

#[test]
fn rows_of_sqlite_are_counted_while_they_come() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.db").display().to_string();
    let rows =
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5500) SELECT i, hex(i) AS m FROM n";
    proves("SQLite", "sqlite", &file, rows);
}
