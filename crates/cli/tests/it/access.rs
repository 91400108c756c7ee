//! Commands about who may what, as they are typed. Each asks a factory of its own, without one that runs.

use serde_json::Value;

use crate::{factory::json, run::Place};

const GUARDED: &str = "name: shop\nversion: 1.0.0\nauth: { type: bearer }\ntools:\n  - { name: hello, description: Says hello, static: { text: hello } }\n";

/// Issue 5 §3.
#[test]
fn a_key_is_issued_listed_rotated_and_revoked() {
    let place = Place::new()
        .file("shop.yaml", GUARDED)
        .file("open.yaml", &GUARDED.replace("auth: { type: bearer }", "tags: [a]").replace("shop", "open"));
    for file in ["shop.yaml", "open.yaml"] {
        assert_eq!(place.run(&["create", file]).code, Some(0));
    }
    let said = place.run(&["keys", "issue", "shop", "ci", "--scope", "inside", "--expires-in", "30d"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let secret = said.out.trim_end();
    assert!(secret.len() == 43 && !secret.contains(char::is_whitespace), "the secret alone: {said:?}");
    assert!(said.err.contains("the key `ci` of `shop`") && !said.err.contains(secret), "{said:?}");
    let said = place.run(&["keys", "list", "shop"]);
    assert!(
        said.out.starts_with("NAME  PRINCIPAL  TENANT  SECRETS  EXPIRES\nci    ci         -       1        20"),
        "{said:?}"
    );
    assert!(!said.out.contains(secret));
    let said = place.run(&["keys", "rotate", "shop", "ci", "--overlap", "1h", "--output", "json"]);
    let rotated = json(&said.out);
    assert_eq!((&rotated["name"], &rotated["secrets"]), (&Value::from("ci"), &Value::from(2)), "{said:?}");
    assert_ne!(rotated["secret"], secret);
    assert_eq!(place.run(&["keys", "revoke", "shop", "ci"]).out, "`ci` is no key of `shop` now\n");
    assert_eq!(place.run(&["keys", "revoke", "shop", "ci"]).code, Some(0), "again is harmless");
    assert!(place.run(&["keys", "list", "shop"]).out.starts_with("there are no keys"));
    let said = place.run(&["keys", "issue", "open", "ci"]);
    assert!(said.code == Some(1) && said.err.contains("takes no keys"), "{said:?}");
    assert_eq!(place.run(&["keys", "issue", "never", "ci"]).code, Some(3));
}

/// A value comes from standard input or a file, and never out.
#[test]
fn a_secret_is_read_from_where_nobody_looks() {
    let place = Place::new().file("value", "of-the-file-1234\n");
    let said = place.run_with(&["secrets", "set", "CRM_TOKEN"], "canary-4711\n");
    assert_eq!((said.code, said.out.as_str()), (Some(0), "`CRM_TOKEN` is set\n"), "{said:?}");
    assert_eq!(place.run(&["secrets", "set", "DB_URL", "--from-file", "value"]).code, Some(0));
    let said = place.run(&["secrets", "set", "DB_URL", "on-the-command-line"]);
    assert_eq!(said.code, Some(2), "{said:?}");
    let said = place.run_with(&["secrets", "set", "lower"], "x");
    assert!(said.code == Some(2) && said.err.contains("capital letters"), "{said:?}");
    let said = place.run(&["secrets", "list", "--output", "json"]);
    let listed = json(&said.out);
    let names: Vec<&str> = listed["secrets"].as_array().unwrap().iter().filter_map(|it| it["name"].as_str()).collect();
    assert_eq!(names, ["CRM_TOKEN", "DB_URL"]);
    assert!(!said.out.contains("canary") && !said.out.contains("of-the-file"));
    assert_eq!(place.run(&["secrets", "remove", "CRM_TOKEN"]).code, Some(0));
    assert!(!place.run(&["secrets", "list"]).out.contains("CRM_TOKEN"));
    let said = place.run(&["secrets", "remove", "CRM_TOKEN"]);
    assert!(said.code == Some(3) && said.err.contains("there is no secret `CRM_TOKEN`"), "a slip is told: {said:?}");
}

#[test]
fn users_are_added_with_tokens_and_grants_and_all_of_it_is_written_down() {
    let place = Place::new();
    let said = place.run(&["users", "add", "jane", "--role", "viewer", "--max-servers", "3"]);
    assert!(said.code == Some(0) && said.out.starts_with("`jane` is a user"), "{said:?}");
    assert_eq!(place.run(&["users", "add", "jane"]).code, Some(1), "there is one");
    let said = place.run(&["tokens", "issue", "laptop", "--user", "jane", "--role", "viewer"]);
    assert!(said.code == Some(0) && said.out.trim_end().len() == 43, "{said:?}");
    let said = place.run(&["tokens", "list", "--user", "jane"]);
    assert!(said.out.contains("jane/laptop"), "{said:?}");
    assert_eq!(place.run(&["users", "change", "jane", "--role", "developer"]).out, "`jane` is developer now\n");
    let said = json(&place.run(&["users", "list", "--output", "json"]).out);
    assert_eq!((&said["users"][0]["role"], &said["users"][0]["maxServers"]), (&"developer".into(), &3.into()));

    for grant in [&["private-networks"][..], &["path", "/srv/shop"]] {
        assert_eq!(place.run(&[&["grants", "add", "jane"], grant].concat()).code, Some(0), "{grant:?}");
    }
    let said = place.run(&["grants", "add", "jane", "path", "srv"]);
    assert!(said.code == Some(2) && said.err.contains("absolute path"), "{said:?}");
    assert_eq!(place.run(&["grants", "remove", "jane", "private-networks"]).code, Some(0));
    let said = json(&place.run(&["grants", "list", "jane", "--output", "json"]).out);
    assert_eq!((said["grants"].as_array().unwrap().len(), &said["grants"][0]["value"]), (1, &"/srv/shop".into()));

    assert_eq!(place.run(&["tokens", "revoke", "laptop", "--user", "jane"]).code, Some(0));
    assert_eq!(place.run(&["users", "remove", "jane"]).code, Some(0));
    assert_eq!(place.run(&["users", "remove", "jane"]).code, Some(3));
    let said = place.run(&["audit", "--all"]);
    for wanted in ["users.add", "tokens.issue", "grants.add", "tokens.revoke", "users.remove"] {
        assert!(said.out.contains(wanted), "{wanted}: {said:?}");
    }
    assert_eq!(place.run(&["usage"]).out, "no tool was called\n");
}

/// DESIGN decision 13: the operator defines it, with a secret that nobody who uses it sees.
#[test]
fn a_connection_is_shared_granted_used_and_taken_back() {
    let place = Place::new()
        .file("crm.yaml", "name: crm\ntype: http\nurl: https://crm.example.com\nauth: { type: bearer, envVar: CRM_TOKEN }\n")
        .file("shop.yaml", "name: shop\nversion: 1.0.0\nconnections: [{ use: crm }]\ntools: [{ name: find, description: Finds, connection: crm, http: { method: GET, path: / } }]\n");
    let said = place.run(&["connections", "share", "crm.yaml"]);
    assert!(said.code == Some(0) && said.out.starts_with("`crm` is shared; next: mcp-factory grants add"), "{said:?}");
    assert!(place.run(&["connections", "share", "crm.yaml"]).out.contains("was shared already"));
    let said = place.run_with(&["connections", "share", "-"], "name: crm\ntype: http\n");
    assert!(said.code == Some(2) && said.err.contains("one entry of `connections`"), "{said:?}");
    let said = place.run(&["connections", "list", "--all"]);
    assert!(said.out.starts_with("NAME  TYPE  SHARED BY  SINCE\ncrm   http  local"), "{said:?}");
    assert_eq!(place.run(&["connections", "list"]).out, "NAME  TYPE  READ-ONLY\ncrm   http  false\n");
    assert_eq!(place.run(&["create", "shop.yaml"]).code, Some(0));
    let said = place.run(&["connections", "remove", "crm"]);
    assert!(said.code == Some(1) && said.err.contains("is needed by `local/shop`"), "{said:?}");
    assert_eq!(place.run(&["connections", "remove", "crm", "--force"]).code, Some(0));
    assert!(place.run(&["connections", "list", "--all"]).out.starts_with("nothing is shared"));
}
