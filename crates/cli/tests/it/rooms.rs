//! The directions between the crates, as ARCHITECTURE.md's map has them.

use std::{collections::BTreeMap, process::Command};

use serde_json::Value;

/// Crate, and what of ours it may use at run time.
const MAY_USE: &[(&str, &[&str])] = &[
    ("mcp-factory-spec", &[]),
    ("mcp-serve", &[]),
    ("mcp-factory-testing", &[]),
    ("mcp-factory-connect", &[]),
    ("mcp-factory-intake", &["mcp-factory-spec"]),
    ("mcp-factory-engine", &["mcp-factory-connect", "mcp-factory-spec", "mcp-serve"]),
    (
        "mcp-factory",
        &["mcp-factory-connect", "mcp-factory-engine", "mcp-factory-intake", "mcp-factory-spec", "mcp-serve"],
    ),
    ("mcp-factory-control", &["mcp-factory", "mcp-serve"]),
    (
        "mcp-factory-cli",
        &[
            "mcp-factory",
            "mcp-factory-connect",
            "mcp-factory-control",
            "mcp-factory-engine",
            "mcp-factory-spec",
            "mcp-serve",
        ],
    ),
];

#[test]
fn crates_use_only_what_the_map_allows() {
    let may_use: BTreeMap<&str, &[&str]> = MAY_USE.iter().copied().collect();
    let packages = packages();
    let ours: Vec<&str> = packages.iter().filter_map(|package| package["name"].as_str()).collect();
    for package in &packages {
        let name = package["name"].as_str().expect("a package has a name");
        let Some(allowed) = may_use.get(name) else { panic!("`{name}` is not in the map") };
        for dependency in package["dependencies"].as_array().expect("a list") {
            let used = dependency["name"].as_str().expect("a name");
            let in_the_product = dependency["kind"].is_null();
            if in_the_product && ours.contains(&used) {
                assert!(allowed.contains(&used), "`{name}` may not use `{used}`");
            }
        }
    }
}

#[test]
fn spec_has_no_runtime_and_no_network() {
    let output = cargo(&["tree", "--package", "mcp-factory-spec", "--edges", "normal", "--prefix", "none"]);
    for crate_name in ["tokio", "hyper", "reqwest", "rusqlite", "rmcp"] {
        assert!(!output.lines().any(|line| line.starts_with(&format!("{crate_name} v"))), "`spec` uses `{crate_name}`");
    }
}

/// S4-43: signals are the program's, which embeds the library.
#[test]
fn serve_hears_no_signals() {
    let output = cargo(&["tree", "--package", "mcp-serve", "--edges", "normal,features", "--prefix", "none"]);
    assert!(output.contains("tokio feature \"net\""), "{output}");
    assert!(!output.contains("tokio feature \"signal\""), "{output}");
}

fn packages() -> Vec<Value> {
    let metadata: Value =
        serde_json::from_str(&cargo(&["metadata", "--no-deps", "--format-version", "1"])).expect("cargo writes JSON");
    metadata["packages"].as_array().expect("a list").clone()
}

fn cargo(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(args)
        .args(["--offline", "--locked"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("cargo writes UTF-8")
}
