//! `doctor`: what is wrong is found, with what to do about it, and nothing is made by looking.

use std::{fs, os::unix::fs::PermissionsExt as _};

use serde_json::Value;

use crate::{factory::json, run::Place};

fn look(place: &Place) -> (Option<i32>, Value) {
    let said = place.run(&["doctor", "--data", "data", "--output", "json"]);
    (said.code, json(&said.out))
}

fn found<'a>(findings: &'a Value, check: &str) -> (&'a str, &'a str, &'a str) {
    let all = findings["checks"].as_array().unwrap();
    let finding = all.iter().find(|it| it["check"] == check).unwrap_or_else(|| panic!("`{check}`: {findings}"));
    let word = |field: &str| finding[field].as_str().unwrap_or_default();
    (word("state"), word("detail"), word("hint"))
}

fn chmod(place: &Place, file: &str, mode: u32) {
    fs::set_permissions(place.path(file), fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_machine_without_a_factory_is_well_and_stays_as_it_is() {
    let place = Place::new().environment("MCP_FACTORY_LISTEN", "127.0.0.1:0");
    let (code, findings) = look(&place);
    assert_eq!(code, Some(0), "{findings}");
    for check in ["data folder", "key", "registry", "clock", "factory", "port"] {
        assert_eq!(found(&findings, check).0, "ok", "{findings}");
    }
    assert!(!place.path("data").exists());
}

#[test]
fn what_is_wrong_is_found_with_what_to_do_about_it() {
    let place = Place::new().environment("MCP_FACTORY_LISTEN", "127.0.0.1:0");
    assert_eq!(place.run(&["list", "--data", "data"]).code, Some(0));
    assert_eq!(look(&place).0, Some(0));
    for (file, mode, right, check) in [
        ("data", 0o755, 0o700, "data folder"),
        ("data/secret", 0o644, 0o600, "key"),
        ("data/token", 0o640, 0o600, "operator's token"),
    ] {
        chmod(&place, file, mode);
        let (code, findings) = look(&place);
        let (state, detail, hint) = found(&findings, check);
        assert_eq!((code, state), (Some(1), "error"), "{findings}");
        assert!(detail.contains(&format!("{mode:o}")) && hint.contains("chmod"), "{findings}");
        chmod(&place, file, right);
    }
    let secret = fs::read(place.path("data/secret")).unwrap();
    fs::write(place.path("data/secret"), "another secret, long enough").unwrap();
    let (_, findings) = look(&place);
    assert!(found(&findings, "registry").1.contains("another secret"), "{findings}");
    fs::remove_file(place.path("data/secret")).unwrap();
    let (_, findings) = look(&place);
    let (state, detail, hint) = found(&findings, "key");
    assert!(state == "error" && detail.contains("gone") && hint.contains("copy"), "{findings}");
    assert!(!place.path("data/secret").exists(), "another one would not open anything");
    fs::write(place.path("data/secret"), secret).unwrap();
    chmod(&place, "data/secret", 0o600);
    fs::write(place.path("data/registry.db"), "this is no database, and never was one").unwrap();
    let (code, findings) = look(&place);
    assert_eq!((code, found(&findings, "registry").0), (Some(1), "error"), "{findings}");
}

#[test]
fn a_factory_that_runs_is_asked_and_a_port_that_is_taken_is_told() {
    let place = Place::new().environment("MCP_FACTORY_LISTEN", "127.0.0.1:0");
    assert_eq!(place.run(&["up", "--detach", "--data", "data"]).code, Some(0));
    let (code, findings) = look(&place);
    let (state, detail, _) = found(&findings, "factory");
    assert!(code == Some(0) && state == "ok" && detail.contains("is ready"), "{findings}");
    assert_eq!(place.run(&["down", "--data", "data"]).code, Some(0));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let said = place.run(&["doctor", "--data", "data", "--listen", &address]);
    assert!(said.out.contains("is taken by another program") && said.out.contains("hint: "), "{said:?}");
    assert_eq!(said.code, Some(0), "a warning");
}
