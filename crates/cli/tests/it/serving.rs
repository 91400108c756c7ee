//! `serve` and `stdio`: what starts, what does not, and how it ends.

use crate::run::Place;

const KEYS: &str = "name: a\nauth: { type: api_key, envVar: MCP_KEYS }\ntools:\n  - { name: hello, description: Says hello, static: { text: hello } }\n  \
                    - { name: secret, description: Needs a scope, static: { text: s }, scopes: [s:read] }\n";

#[test]
fn a_server_answers_and_ends_when_it_is_told_to() {
    let place = Place::new().example("server.yaml").example("seed.sql");
    let server = place.serve(&["server.yaml"]);
    let (head, body) = server.call(&[], "get_product", "{\"sku\":\"ENB-101\"}");
    assert!(head.starts_with("HTTP/1.1 200") && body.contains("Laptop 13"), "{head} {body}");
    let (code, log) = server.terminate();
    assert_eq!(code, Some(0), "{log}");
    assert!(
        log.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()),
        "logs are JSON lines: {log}"
    );
}

#[test]
fn keys_open_the_door_and_scopes_the_tools() {
    let keys = r#"{"k-alice-1234": {"principal": "alice", "scopes": ["s:read"]}, "k-bob-567890": "bob"}"#;
    let server = Place::new().file("a.yaml", KEYS).environment("MCP_KEYS", keys).serve(&["a.yaml"]);
    let status =
        |headers: &[(&str, &str)], tool| server.call(headers, tool, "{}").0.split(' ').nth(1).unwrap().to_owned();
    assert_eq!(status(&[], "hello"), "401");
    assert_eq!(status(&[("X-API-Key", "k-mallory-99")], "hello"), "401");
    assert_eq!(status(&[("X-API-Key", "k-bob-567890")], "hello"), "200");
    assert_eq!(status(&[("X-API-Key", "k-bob-567890")], "secret"), "403");
    assert_eq!(status(&[("X-API-Key", "k-alice-1234")], "secret"), "200");
    let (_, log) = server.terminate();
    assert!(
        !log.contains("k-alice") && !log.contains("k-bob") && !log.contains("k-mallory"),
        "no key is logged: {log}"
    );
}

/// People type keys there: without them, or with keys that are soon found, the page is of no use or a hole.
#[test]
fn oauth_is_for_keys_that_nobody_finds_by_trying() {
    let with = |auth: &str| {
        format!("name: a\ntools:\n  - {{ name: hello, description: Hi, static: {{ text: hello }} }}\n{auth}")
    };
    let place = Place::new()
        .file("keys.yaml", KEYS)
        .file("open.yaml", &with(""))
        .file("oauth2.yaml", &with("auth: { type: oauth2, issuer: 'https://login.example.com' }\n"))
        .file("jwt.yaml", &with("auth: { type: jwt, issuer: 'https://login.example.com', audience: a, jwksUrl: 'https://login.example.com/keys' }\n"));
    let short = place.environment("MCP_KEYS", r#"{"key-of-alice-0123456789": "alice", "k-bob-567890": "bob"}"#);
    for (file, expected, hint) in [
        ("keys.yaml", "one has less than 16 characters", "openssl rand"),
        ("open.yaml", "the spec's `auth` has none", "auth: { type: bearer"),
        ("oauth2.yaml", "the spec's `auth` takes tokens of `https://login.example.com`", "leave `--oauth` out"),
        ("jwt.yaml", "the spec's `auth` takes tokens of `https://login.example.com`", "leave `--oauth` out"),
    ] {
        let said = short.run(&["serve", file, "--oauth", "--listen", "127.0.0.1:0"]);
        assert_eq!(said.code, Some(2), "{file}: {said:?}");
        assert!(said.err.contains(expected) && said.err.contains(hint), "{file}: {said:?}");
        assert!(!said.err.contains("k-bob"), "{said:?}");
    }
    let long = Place::new()
        .file("keys.yaml", KEYS)
        .environment("MCP_KEYS", r#"{"key-of-alice-0123456789": "alice"}"#)
        .serve(&["keys.yaml", "--oauth", "--proxy", "10.0.0.0/8"]);
    assert!(long.call(&[], "hello", "{}").0.contains("resource_metadata"));
    assert_eq!(long.terminate().0, Some(0));
}

#[test]
fn what_would_be_open_or_can_not_be_checked_does_not_start() {
    let open = "name: a\ntools:\n  - { name: hello, description: Says hello, static: { text: hello } }\n";
    let jwt =
        format!("{open}auth: {{ type: jwt, issuer: 'https://i.example', audience: a, secretEnvVar: JWT_SECRET }}\n");
    let place = Place::new()
        .file("open.yaml", open)
        .file("jwt.yaml", &jwt)
        .file("keys.yaml", KEYS)
        .file("error.yaml", "name: 1\n");
    for (args, expected) in [
        (&["open.yaml", "--listen", "0.0.0.0:0"][..], "0.0.0.0"),
        (&["jwt.yaml"], "JWT_SECRET"),
        (&["keys.yaml"], "MCP_KEYS"),
        (&["error.yaml"], "nothing was started"),
        (&["open.yaml", "--env", "nowhere"], "nowhere"),
    ] {
        let said = place.run(&[&["serve"], args].concat());
        assert!(matches!(said.code, Some(1 | 2)) && said.err.contains(expected), "{args:?}: {said:?}");
    }
}

#[test]
fn blockers_do_not_start_unless_stubs_are_allowed() {
    let place = Place::new().example("design-document.yaml");
    let said = place.run(&["serve", "design-document.yaml"]);
    assert!(said.code == Some(1) && said.err.contains("--allow-stubs"), "{said:?}");
}

#[test]
fn a_port_that_is_taken_is_said_with_what_to_do() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let place = Place::new().example("server.yaml").example("seed.sql");
    let said = place.run(&["serve", "server.yaml", "--listen", &address]);
    assert!(said.code == Some(1) && said.err.contains(&address) && said.err.contains("hint:"), "{said:?}");
}

#[test]
fn stdio_writes_nothing_but_protocol() {
    let requests = concat!(
        r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#,
        "\n",
        r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
        "\n",
        r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"get_product","arguments":{"sku":"ENB-101"}}}"#,
        "\n",
    );
    let said = Place::new().example("server.yaml").example("seed.sql").run_with(&["stdio", "server.yaml"], requests);
    assert_eq!(said.code, Some(0), "{said:?}");
    let replies: Vec<serde_json::Value> = said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(replies.iter().map(|reply| reply["id"].as_u64()).collect::<Vec<_>>(), [Some(1), Some(2)]);
    assert_eq!(replies[1]["result"]["structuredContent"]["name"], "Laptop 13");
}

const NOTES: &str = "
name: notes
auth: { type: api_key, envVar: MCP_KEYS }
connections: [{ name: db, type: sqlite, envVar: NOTES, seed: seed.sql, per: principal }]
tools:
  - { name: add, description: Adds a note, sql: 'INSERT INTO notes VALUES (:text)', parameters: { text: { type: string, required: true } } }
  - { name: list, description: All notes, sql: SELECT text FROM notes }
";

#[test]
fn each_caller_has_the_database_that_the_file_of_secrets_names() {
    use std::os::unix::fs::PermissionsExt as _;

    let keys = r#"{"k-alice-1234": "alice", "k-bob-567890": "bob", "k-carol-1234": "carol"}"#;
    let secrets = r#"{ "principals": { "alice": { "NOTES": "alice.db" }, "bob": { "NOTES": "bob.db" } } }"#;
    let place = Place::new()
        .file("notes.yaml", NOTES)
        .file("seed.sql", "CREATE TABLE notes (text TEXT)")
        .file("secrets.json", secrets)
        .environment("MCP_KEYS", keys)
        .environment("NOTES", "of-the-owner.db");
    let serve = ["notes.yaml", "--principal-secrets", "secrets.json"];
    let said = place.run(&[&["serve"], &serve[..]].concat());
    assert!(said.code == Some(1) && said.err.contains("chmod 600"), "others can read it: {said:?}");
    std::fs::set_permissions(place.path("secrets.json"), std::fs::Permissions::from_mode(0o600)).unwrap();
    let server = place.serve(&serve);
    let call = |key, tool, arguments| server.call(&[("X-API-Key", key)], tool, arguments).1;
    call("k-alice-1234", "add", r#"{"text": "a note of alice"}"#);
    assert!(call("k-alice-1234", "list", "{}").contains("a note of alice"));
    assert!(call("k-bob-567890", "list", "{}").contains(r#""items":[]"#));
    let refused = call("k-carol-1234", "list", "{}");
    assert!(refused.contains("`NOTES`") && refused.contains("`carol`"), "{refused}");
    assert!(!place.path("of-the-owner.db").exists(), "nobody falls back to the owner's");
    drop(server.terminate());
    let server = place.serve(&["notes.yaml"]);
    let refused = server.call(&[("X-API-Key", "k-alice-1234")], "list", "{}").1;
    assert!(refused.contains("--principal-secrets"), "{refused}");
}

const ELSEWHERE: &str = "
name: a
connections: [{ name: db, type: sqlite, path: local.db, seed: seed.sql }]
tools: [{ name: where, description: Where it is, sql: SELECT place FROM places, single: true }]
environments:
  production:
    connections: { db: { type: sqlite, envVar: PLACES, seed: elsewhere.sql } }
    auth: { type: bearer, envVar: MCP_KEYS }
    limits: { ratePerPrincipal: 2/h }
";

#[test]
fn an_environment_changes_connections_authentication_and_limits() {
    let place = Place::new()
        .file("a.yaml", ELSEWHERE)
        .file("seed.sql", "CREATE TABLE places (place TEXT); INSERT INTO places VALUES ('here')")
        .file("elsewhere.sql", "CREATE TABLE places (place TEXT); INSERT INTO places VALUES ('there')")
        .environment("PLACES", "production.db")
        .environment("MCP_KEYS", "k-alice-1234567890");
    let server = place.serve(&["a.yaml"]);
    assert!((0..5).all(|_| server.call(&[], "where", "{}").1.contains("here")));
    drop(server.terminate());
    let server = place.serve(&["a.yaml", "--env", "production"]);
    let status = |headers: &[(&str, &str)]| {
        let (head, body) = server.call(headers, "where", "{}");
        (head.split(' ').nth(1).unwrap().to_owned(), body)
    };
    let key = [("Authorization", "Bearer k-alice-1234567890")];
    assert_eq!(status(&[]).0, "401");
    for _ in 0..2 {
        let (code, body) = status(&key);
        assert!(code == "200" && body.contains("there"), "{code} {body}");
    }
    assert_eq!(status(&key).0, "429");
    let said = place.run(&["serve", "a.yaml", "--env", "prod"]);
    assert!(said.code == Some(2) && said.err.contains("`production`"), "{said:?}");
}
