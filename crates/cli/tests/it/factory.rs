//! Commands that ask the factory, as they are typed.

use serde_json::Value;

use crate::run::{self, Place};

const VALID: &str = "name: shop\nversion: 1.0.0\ndescription: Sells\ntools:\n  - { name: hello, description: Says hello, static: { text: hello } }\n";

pub fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| panic!("JSON: {text}"))
}

/// DESIGN decision 15: neither needs a factory that runs.
#[test]
fn a_server_is_created_and_listed_in_the_commands_own_process() {
    let place = Place::new().file("shop.yaml", VALID);
    let said = place.run(&["list"]);
    assert_eq!(
        (said.code, said.out.as_str()),
        (Some(0), "there are no servers; `mcp-factory create FILE` makes one\n"),
        "{said:?}"
    );
    let said = place.run(&["create", "shop.yaml"]);
    let expected = "shop 1.0.0 was created: 1 tool\nnext: mcp-factory deploy shop\n";
    assert_eq!((said.code, said.out.as_str(), said.err.as_str()), (Some(0), expected, ""));
    let said = place.run(&["create", "--spec", "shop.yaml"]);
    assert!(said.code == Some(0) && said.out.starts_with("shop 1.0.0 was there already"), "{said:?}");
    let said = place.run(&["create", "shop.yaml", "--output", "json"]);
    assert_eq!(json(&said.out)["outcome"], "unchanged", "{said:?}");
    let said = place.run(&["list"]);
    let expected = "NAME  LATEST  STATE  RUNS  TOOLS  DESCRIPTION\nshop  1.0.0   -      -     1      Sells\n";
    assert_eq!((said.code, said.out.as_str()), (Some(0), expected), "{said:?}");
    assert_eq!(json(&place.run(&["list", "--output", "json"]).out)["servers"][0]["name"], "shop");
    assert!(
        place.run(&["list", "--output", "yaml"]).out.starts_with("servers:\n  - name: shop\n    latest: \"1.0.0\"\n")
    );
    assert_eq!(
        json(&place.run(&["list", "--tag", "none", "--output", "json"]).out)["servers"],
        Value::Array(Vec::new())
    );
}

#[test]
fn the_folder_of_the_factory_is_its_owners_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new();
    assert_eq!(place.run(&["list", "--data", "here"]).code, Some(0));
    let mode = |path: &str| std::fs::metadata(place.path(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("here"), mode("here/secret"), mode("here/token")), (0o700, 0o600, 0o600));
}

/// S5-72: 0 ok, 1 failure, 2 usage, 3 not found; S5-70: exactly one source.
#[test]
fn exit_codes_say_what_went_wrong() {
    let place = Place::new()
        .file("shop.yaml", VALID)
        .file("bad.yaml", "name: shop\ntool: []\n")
        .file("other.yaml", &VALID.replace("Sells", "Buys"));
    assert_eq!(place.run(&["create", "shop.yaml"]).code, Some(0));
    let said = place.run(&["create", "bad.yaml"]);
    assert!(
        said.code == Some(1) && said.err.contains("spec/unknown-field") && said.err.contains("bad.yaml:2"),
        "{said:?}"
    );
    assert!(
        said.err.contains("error: the spec has errors; no server was made\nhint: mend what is listed above\n"),
        "{said:?}"
    );
    let said = place.run(&["create", "bad.yaml", "--output", "json"]);
    let problem = json(&said.out);
    assert_eq!((said.code, &problem["code"]), (Some(1), &"invalid-spec".into()), "programs get the problem");
    assert!(problem["diagnostics"][0]["line"].is_u64());
    let said = place.run(&["create", "other.yaml"]);
    assert!(said.code == Some(1) && said.err.contains("raise `version` in the spec"), "{said:?}");
    for args in [&["create"][..], &["create", "shop.yaml", "--json", "{}"], &["create", "--spec", "a", "--prompt", "b"]]
    {
        assert_eq!(place.run(args).code, Some(2), "{args:?}");
    }
    assert_eq!(place.run(&["create", "no-such-file.yaml"]).code, Some(1));
    let said = place.run(&["create", "--template", "no-such-template", "--name", "a"]);
    assert_eq!(said.code, Some(3), "{said:?}");
    let said = place.run(&["create", "--prompt", "A server that queries our product database"]);
    assert!(said.code == Some(1) && said.err.contains("this version makes no servers of sentences"), "{said:?}");
}

#[test]
fn a_token_goes_to_no_url_that_would_show_it() {
    let place = Place::new().environment("MCP_FACTORY_TOKEN", "secret-token");
    for (url, why) in [
        ("http://factory.example.com", "not encrypted"),
        ("ftp://127.0.0.1", "no `https` URL"),
        ("https://a:b@example.com", "holds a password"),
        ("factory", "is no URL"),
    ] {
        let said = place.run(&["list", "--api", url]);
        assert!(said.code == Some(2) && said.err.contains(why), "{url}: {said:?}");
    }
    let said = Place::new().run(&["list", "--api", "http://127.0.0.1:1"]);
    assert!(said.code == Some(2) && said.err.contains("MCP_FACTORY_TOKEN"), "{said:?}");
    let said = place.run(&["list", "--api", "http://127.0.0.1:1"]);
    assert!(said.code == Some(1) && said.err.contains("can't ask the factory at http://127.0.0.1:1/"), "{said:?}");
    assert!(!said.err.contains("secret-token"));
}

/// PROTOCOL §5.
#[test]
fn a_server_is_exported_for_registries_and_for_desktop_clients() {
    let place = Place::new().file("shop.yaml", VALID);
    assert_eq!(place.run(&["create", "shop.yaml"]).code, Some(0));
    let said = place.run(&["export", "shop", "--format", "server.json"]);
    assert_eq!((said.code, &json(&said.out)["name"]), (Some(0), &"local/shop".into()), "{said:?}");
    let said = place.run(&["export", "shop", "--format", "mcpb"]);
    assert_eq!((said.code, said.out.as_str()), (Some(0), "shop-1.0.0.mcpb was written\n"), "{said:?}");
    assert!(std::fs::read(place.path("shop-1.0.0.mcpb")).unwrap().starts_with(b"PK"));
    assert_eq!(place.run(&["export", "never"]).code, Some(3));
}

/// S5-51.
#[test]
fn a_server_that_another_needs_says_so_and_is_removed_by_force_only() {
    let front = "name: front\nversion: 1.0.0\nconnections: [{ name: shop, type: mcp, url: 'http://localhost:8080/servers/shop/mcp' }]\n\
                 tools: [{ name: hello, description: Says hello, static: { text: hello } }]\n";
    let place = Place::new().file("shop.yaml", VALID).file("front.yaml", front);
    assert_eq!(place.run(&["create", "shop.yaml"]).code, Some(0));
    let said = place.run(&["create", "front.yaml"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(place.run(&["status", "front"]).out.contains("needs        server `shop`"));
    assert!(place.run(&["status", "shop"]).out.contains("needed by    front"));
    let said = place.run(&["remove", "shop"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("`shop` is needed by `front`") && said.err.contains("`--force`"), "{said:?}");
    assert_eq!(place.run(&["remove", "shop", "--force"]).code, Some(0));
    assert_eq!(place.run(&["remove", "front"]).code, Some(0));
}

/// S5-50: a registry that is somewhere else, or was lost, is not taken for an empty one.
#[test]
fn a_folder_without_its_registry_is_not_begun_anew() {
    let place = Place::new().file("shop.yaml", VALID).environment("MCP_FACTORY_LISTEN", "127.0.0.1:0");
    assert_eq!(place.run(&["create", "shop.yaml", "--data", "data"]).code, Some(0));
    for file in ["registry.db", "registry.db-wal", "registry.db-shm"] {
        let _ = std::fs::remove_file(place.path("data").join(file));
    }
    for args in [&["list", "--data", "data"][..], &["up", "--data", "data"], &["deploy", "shop", "--data", "data"]] {
        let said = place.run(args);
        assert!(said.code == Some(1) && said.err.contains("is not in that folder"), "{args:?}: {said:?}");
        assert!(said.err.contains("`MCP_FACTORY_REGISTRY`"), "{args:?}: {said:?}");
    }
    let said = place.run(&["doctor", "--data", "data"]);
    assert!(said.code == Some(1) && said.out.contains("error    registry: the registry of the factory"), "{said:?}");
    assert!(!place.path("data").join("registry.db").exists());
    std::fs::write(place.path("data").join("registry.db"), "").unwrap();
    assert_eq!(place.run(&["list", "--data", "data"]).code, Some(1), "nor is one that was emptied");
}

/// What is said to be typed next can be typed: by the name, and about the factory, that were meant before.
#[test]
fn what_comes_next_is_about_the_same_factory() {
    let place = Place::new().file("shop.yaml", VALID);
    let said = place.run(&["create", "shop.yaml", "--data", "my data"]);
    assert!(said.out.ends_with("next: mcp-factory deploy shop --data 'my data'\n"), "{said:?}");
    let said = place.run(&["status", "never", "--data", "my data"]);
    assert!(said.err.contains("`mcp-factory list --data 'my data'` shows"), "{said:?}");
    let mut command = place.command(&["status", "never", "--data", "my data"]);
    let unfound = run::Said::from(command.env("PATH", "/usr/bin:/bin").output().unwrap());
    let binary = std::path::Path::new(env!("CARGO_BIN_EXE_mcp-factory")).display().to_string();
    let named = run::named_binary().map_or(binary, |it| it.display().to_string());
    let last = named.rsplit('/').next().unwrap();
    assert!(unfound.err.contains(&format!("/{last} list --data 'my data'` shows")), "{unfound:?}");
}

#[test]
fn what_is_typed_says_which_factory_is_meant_whatever_the_environment_says() {
    let place =
        Place::new().environment("MCP_FACTORY_DATA", "data").environment("MCP_FACTORY_TOKEN", "a-token-of-a-factory");
    let said = place.run(&["list", "--api", "http://127.0.0.1:9"]);
    assert!(said.code == Some(1) && said.err.contains("can't ask the factory at http://127.0.0.1:9/"), "{said:?}");
    let place = place.environment("MCP_FACTORY_API", "http://127.0.0.1:9");
    assert!(place.run(&["list"]).err.contains("can't ask the factory"), "of the environment the URL counts");
    let said = place.run(&["list", "--data", "other"]);
    assert!(said.code == Some(0) && place.path("other").exists(), "{said:?}");
    assert_eq!(place.run(&["list", "--data", "other", "--api", "http://127.0.0.1:9"]).code, Some(2));
    assert!(place.run(&["doctor"]).out.contains("/data"), "what is about this machine is so");
}
