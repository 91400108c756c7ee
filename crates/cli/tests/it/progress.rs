//! Who asks hears how far a call is: rows of real databases, bytes of a download, steps; in both eras.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
};

use mcp_factory_testing::{Mariadb, Postgres};
use serde_json::Value;

use crate::run::{Place, Serving};

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

/// The events of one call with a token, in each era.
fn asked(server: &Serving) -> [(&'static str, Vec<Value>); 2] {
    let (_, modern) = server.post(&MODERN, &call(&format!(r#""progressToken":1,{META}"#)));
    let hello = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},
                    "clientInfo":{"name":"test","version":"1"}}}"#;
    let (head, _) = server.post(&[], hello);
    let session = head.lines().find_map(|line| line.strip_prefix("mcp-session-id: ")).expect("a session");
    let headers = [("Mcp-Session-Id", session), ("MCP-Protocol-Version", "2025-11-25")];
    server.post(&headers, r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
    let (_, older) = server.post(&headers, &call(r#""progressToken":"p""#));
    [("2026-07-28", events(&modern)), ("2025-11-25", events(&older))]
}

/// Numbers grow strictly, whatever they count.
fn reports(events: &[Value]) -> Vec<&Value> {
    let reports: Vec<&Value> = events.iter().filter(|event| event["method"] == "notifications/progress").collect();
    let numbers: Vec<f64> = reports.iter().filter_map(|event| event["params"]["progress"].as_f64()).collect();
    assert!(numbers.is_sorted_by(|one, next| one < next) && numbers.len() == reports.len(), "{events:?}");
    reports.into_iter().map(|event| &event["params"]).collect()
}

fn counts_rows(kind: &str, url: &str, sql: &str) {
    let text = format!(
        "name: a\nconnections: [{{ name: db, type: {kind}, envVar: DB }}]\ntools:\n  - {{ name: many, description: Many rows, \
         sql: \"{sql}\", annotations: {{ readOnly: true }}, limits: {{ maxRows: 10000, maxBytes: 10MiB }} }}\n"
    );
    let place = Place::new().file("a.yaml", &text).environment("DB", url);
    let server = place.serve(&["a.yaml"]);
    for (era, events) in asked(&server) {
        let answer = events.last().unwrap_or_else(|| panic!("{era}: nothing"));
        assert_eq!(answer["result"]["structuredContent"]["items"].as_array().map(Vec::len), Some(5500), "{era}");
        let reports = reports(&events);
        for thousands in 1..=5 {
            let message = format!("{thousands}000 rows so far");
            assert!(reports.iter().any(|report| report["message"] == *message), "{era}: {reports:?}");
        }
    }
    let (_, unasked) = server.post(&MODERN, &call(META));
    assert!(!unasked.contains("so far"), "nobody asked");
}

#[test]
fn rows_of_postgresql_are_counted_while_they_come() {
    let postgres = Postgres::start();
    counts_rows("postgresql", &postgres.url(), "SELECT i, md5(i::text) AS m FROM generate_series(1, 5500) AS t (i)");
}

#[test]
fn rows_of_mariadb_are_counted_while_they_come() {
    let mariadb = Mariadb::start();
    counts_rows("mysql", &mariadb.url(), "SELECT seq AS i, md5(seq) AS m FROM seq_1_to_5500");
}

#[test]
fn rows_of_sqlite_are_counted_while_they_come() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.db").display().to_string();
    let rows =
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5500) SELECT i, hex(i) AS m FROM n";
    counts_rows("sqlite", &file, rows);
}

#[test]
fn bytes_of_a_download_and_steps_are_counted() {
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let text = format!(
        "name: a\nconnections: [{{ name: api, type: http, url: 'http://{}', allowPrivateNetwork: true }}]\ntools:\n  \
         - {{ name: fetch, description: Fetches, http: {{ path: /a }} }}\n  \
         - {{ name: quick, description: Says hello, static: {{ text: hello }} }}\n  \
         - {{ name: STEPS, description: Both, steps: [{{ call: quick, as: a }}, {{ call: fetch, as: b }}] }}\n",
        upstream.local_addr().unwrap()
    );
    std::thread::spawn(move || {
        for stream in upstream.incoming() {
            let (mut stream, mut head) = (stream.unwrap(), [0; 4096]);
            let _ = stream.read(&mut head);
            let body = "x".repeat(100_000);
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100000\r\nConnection: close\r\n\r\n{body}"
            );
        }
    });
    let download = Place::new().file("a.yaml", &text.replace("fetch", "many").replace("STEPS", "both"));
    for (era, events) in asked(&download.serve(&["a.yaml"])) {
        let reports = reports(&events);
        let last = reports.last().unwrap_or_else(|| panic!("{era}: {events:?}"));
        assert_eq!((&last["progress"], &last["total"]), (&100_000.0.into(), &100_000.0.into()), "{era}: {reports:?}");
        assert_eq!(last["message"], "bytes received", "{era}");
    }
    let steps = Place::new().file("a.yaml", &text.replace("STEPS", "many"));
    for (era, events) in asked(&steps.serve(&["a.yaml"])) {
        let reports = reports(&events);
        assert!(
            reports.iter().any(|report| report["message"] == "fetch" && report["total"] == 2.0),
            "{era}: {events:?}"
        );
    }
}
