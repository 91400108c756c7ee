//! S5-70..72: the command lines of the design document, as they stand there, typed into a shell; with the registry in a file and
//! in a PostgreSQL.

use std::{
    io::{BufRead as _, BufReader},
    process::Stdio,
};

use serde_json::Value;

use crate::{
    factory::json,
    run::{Place, Said},
};

/// Its factory ends with it.
struct Shell(Place);

impl Shell {
    fn open(environment: &[(&str, &str)]) -> Self {
        let place = Place::new().example("seed.sql").environment("MCP_FACTORY_LISTEN", "127.0.0.1:0");
        let place = environment.iter().fold(place, |place, (name, value)| place.environment(name, value));
        std::fs::copy(crate::run::example("server.yaml"), place.path("inventory-mcp.yaml")).unwrap();
        let said = place.run(&["install-links", "bin"]);
        assert!(said.code == Some(0) && said.out.starts_with("bin/mcp-create\nbin/mcp-deploy\n"), "{said:?}");
        Self(place)
    }

    fn type_in(&self, line: &str) -> Said {
        let program = self.0.command(&[]);
        let mut shell = std::process::Command::new("/bin/sh");
        shell.args(["-c", line]).current_dir(self.0.path("")).env_clear();
        shell.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
        shell.env("PATH", format!("{}:/usr/bin:/bin", self.0.path("bin").display()));
        shell.stdin(Stdio::null()).output().unwrap().into()
    }

    #[track_caller]
    fn expect(&self, line: &str, code: i32, says: &str) -> Said {
        let said = self.type_in(line);
        let text = if code == 0 { &said.out } else { &said.err };
        assert!(said.code == Some(code) && text.contains(says), "{line}: {said:?}");
        said
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.0.run(&["down"]);
    }
}

fn every_line_of_the_document_is_a_command(environment: &[(&str, &str)]) {
    let shell = Shell::open(environment);

    // Create from different sources.
    shell.expect("mcp-create --spec ./inventory-mcp.yaml", 0, "inventory-mcp 1.0.0 was created: 7 tools");
    // The document leaves the tools out; so they are no JSON.
    shell.expect(r#"mcp-create --json '{"name": "test", "tools": [...]}'"#, 1, "syntax/json");
    let tools = r#"[{"name": "hello", "description": "Greets", "static": {"text": "hello"}}]"#;
    shell.expect(&format!(r#"mcp-create --json '{{"name": "test", "tools": {tools}}}'"#), 0, "test 0.1.0 was created");
    // What the factory has no answer to yet it says so, and makes nothing.
    let prompt = r#"mcp-create --prompt "A server that queries our product database""#;
    shell.expect(prompt, 1, "this version makes no servers of sentences");
    shell.expect("mcp-create --template database --name inventory-mcp", 3, "there is no template `database`");

    // Deploy to targets.
    let said =
        shell.expect("mcp-deploy inventory-mcp --target local", 0, "inventory-mcp 1.0.0 runs at http://127.0.0.1:");
    assert!(said.out.contains("/servers/inventory-mcp/mcp\npassed: 5 checks of the protocol"), "{said:?}");
    assert!(said.err.contains("started the factory in the background"), "{said:?}");
    shell.expect("mcp-deploy inventory-mcp --target local", 0, "(this version is running)");
    shell.expect("mcp-deploy inventory-mcp --target docker --port 3001", 1, "can't deploy to `docker`");
    shell.expect("mcp-deploy inventory-mcp --target microvm --pool production", 1, "can't deploy to `microvm`");

    // Management commands.
    let said = shell.expect("mcp-list                           # List all servers", 0, "inventory-mcp");
    assert_eq!(said.out.lines().next(), Some("NAME           LATEST  STATE    RUNS   TOOLS  DESCRIPTION"));
    assert!(
        said.out.contains("inventory-mcp  1.0.0   running  1.0.0  7      Products and stock of a shop"),
        "{said:?}"
    );
    let status = "mcp-status inventory-mcp           # Health check + details";
    let said = shell.expect(status, 0, "inventory-mcp 1.0.0: running, healthy\n");
    for line in
        ["  endpoint     http://127.0.0.1:", "  version      1.0.0\n", "  uptime       ", "  target       local\n"]
    {
        assert!(said.out.contains(line), "S5-33 `{line}`: {said:?}");
    }
    shell.expect("mcp-logs inventory-mcp             # View logs", 0, "info");
    shell.expect("mcp-stop inventory-mcp             # Stop server", 0, "inventory-mcp is stopped\n");
    shell.expect("mcp-stop inventory-mcp", 0, "inventory-mcp is stopped (");
    assert_eq!(json(&shell.type_in("mcp-status inventory-mcp --output json").out)["deployment"]["desired"], "stopped");
    shell.expect("mcp-start inventory-mcp            # Start stopped server", 0, "inventory-mcp 1.0.0 runs at http://");

    // Testing. The document has these after `mcp-remove`.
    let call = r#"mcp-test inventory-mcp search_products '{"query": "laptop"}'"#;
    let found = json(&shell.expect(call, 0, "Laptop").out);
    assert!(found["items"].as_array().is_some_and(|rows| !rows.is_empty()), "{found}");
    shell.expect("mcp-test inventory-mcp --all       # Run all tool tests", 0, " 0 failed");

    shell.expect("mcp-remove inventory-mcp           # Delete server", 0, "inventory-mcp is removed\n");
    shell.expect("mcp-status inventory-mcp", 3, "error: there is no server `inventory-mcp`\nhint: `mcp-factory list`");
    shell.expect("mcp-remove inventory-mcp", 3, "there is no server");
}

#[test]
fn every_line_of_the_document_is_a_command_on_sqlite() {
    every_line_of_the_document_is_a_command(&[]);
}

#[test]
fn every_line_of_the_document_is_a_command_on_postgresql() {
    let database = mcp_factory_testing::Postgres::start();
    every_line_of_the_document_is_a_command(&[("MCP_FACTORY_REGISTRY", &database.url())]);
}

/// Over versions: what is the latest, what runs, and what was said meanwhile.
#[test]
fn a_server_is_updated_rolled_back_searched_and_followed() {
    let shell = Shell::open(&[]);
    let spec = |version: &str, says: &str| {
        format!(
            r#"mcp-create --json '{{"name": "shop", "version": "{version}", "tools": [{{"name": "hello", "description": "Greets people", "static": {{"text": "{says}"}}, "examples": [{{"expect": "{says}"}}]}}]}}'"#
        )
    };
    shell.expect(&spec("1.0.0", "one"), 0, "shop 1.0.0 was created");
    shell.expect("mcp-start shop", 1, "was never deployed");
    shell.expect("mcp-deploy shop", 0, "shop 1.0.0 runs at");
    shell.expect(&spec("1.1.0", "two"), 0, "shop 1.1.0 is a new version");
    shell.expect("mcp-test shop hello", 0, "two");
    shell.expect("mcp-deploy shop", 0, "shop 1.1.0 runs at");
    let versions = json(&shell.type_in("mcp-versions shop --output json").out);
    let numbers = versions["versions"].as_array().unwrap().iter().map(|it| it["version"].as_str().unwrap());
    assert_eq!(numbers.collect::<Vec<_>>(), ["1.1.0", "1.0.0"]);
    shell.expect("mcp-rollback shop", 0, "shop 1.0.0 is the latest now\nnext: mcp-factory deploy shop\n");
    shell.expect("mcp-rollback shop 1.0.0", 0, "was the latest already");
    shell.expect("mcp-rollback shop 9.9.9", 3, "hint: `mcp-factory versions shop`");
    shell.expect("mcp-deploy shop --version 1.0.0", 0, "shop 1.0.0 runs at");
    shell.expect("mcp-restart shop", 0, "shop 1.0.0 runs at");
    // What does not become healthy changes nothing, and is told apart from what runs.
    let broken = spec("1.2.0", "three").replace(r#""expect": "three""#, r#""expect": "four""#);
    shell.expect(&broken, 0, "shop 1.2.0 is a new version");
    shell.expect("mcp-deploy shop", 1, "\nhint: `mcp-factory logs shop` shows");
    let status = shell.expect("mcp-status shop", 0, "shop 1.0.0: running, healthy\n").out;
    assert!(
        status.contains("  latest       1.2.0\n") && status.contains("  problem      1.2.0 does not run: "),
        "{status}"
    );
    shell.expect("mcp-rollback shop", 0, "shop 1.1.0 is the latest now");
    shell.expect("mcp-rollback shop 1.0.0", 0, "shop 1.0.0 is the latest now");
    shell.expect("mcp-deploy shop", 0, "(this version is running)");
    assert!(!shell.type_in("mcp-status shop").out.contains("problem"));
    let lacking = r#"{"name": "lacking", "connections": [{"name": "db", "type": "postgresql", "envVar": "SHOP_DATABASE"}], "tools": [{"name": "one", "description": "One", "sql": "SELECT 1 AS one", "examples": [{"expect": {"items": [{"one": 1}]}}]}]}"#;
    shell.expect(&format!("mcp-create --json '{lacking}'"), 0, "lacking 0.1.0 was created");
    shell.expect("mcp-deploy lacking", 1, "hint: `mcp-factory secrets set SHOP_DATABASE` takes");
    shell.expect("mcp-remove lacking --force", 0, "lacking is removed");
    shell.expect("mcp-search greets people", 0, "shop    hello  Greets people");
    shell.expect("mcp-deploy shop --target local --port 3001", 2, "`local` takes no `port`");
    shell.expect("mcp-logs shop --since yesterday", 2, "`since` is a time");

    let lines = shell.type_in("mcp-logs shop --output json").out;
    assert!(lines.lines().count() > 2 && lines.lines().all(|line| json(line)["level"].is_string()), "{lines}");
    let last = shell.expect("mcp-logs shop --tail 1", 0, "").out;
    assert_eq!(last.lines().count(), 1, "{last}");
    let mut following = shell.0.command(&["logs", "shop", "--follow", "--tail", "1"]).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(following.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert!(line.ends_with('\n'), "it comes while the command goes on: {line}");
    let interrupted = std::process::Command::new("kill").args(["-INT", &following.id().to_string()]).status().unwrap();
    assert!(interrupted.success());
    assert_eq!(following.wait().unwrap().code(), Some(0));

    let api = json(&std::fs::read_to_string(shell.0.path(".local/share/mcp-factory/factory.json")).unwrap());
    assert!(api["address"].is_string());
    // Another owner's, or nobody's token: the same commands over the network.
    let url = format!("http://{}", api["address"].as_str().unwrap());
    shell.expect(&format!("MCP_FACTORY_TOKEN=wrong mcp-list --api {url}"), 1, "hint: set `MCP_FACTORY_TOKEN`");
    let token = std::fs::read_to_string(shell.0.path(".local/share/mcp-factory/token")).unwrap();
    let listed = shell.expect(&format!("MCP_FACTORY_TOKEN={token} mcp-list --api {url} --output json"), 0, "");
    assert_eq!(json(&listed.out)["servers"][0]["name"], Value::from("shop"));

    // Without a factory nothing runs, and what is not to run again can be said.
    assert_eq!(shell.0.run(&["down"]).code, Some(0));
    shell.expect("mcp-list", 0, "shop  1.0.0   down   1.0.0");
    shell.expect("mcp-status shop", 0, "shop 1.0.0: down: no factory runs");
    shell.expect("mcp-stop shop", 0, "shop is stopped\n");
    shell.expect("mcp-status shop", 0, "shop 1.0.0: stopped\n");
    shell.expect("mcp-start shop", 0, "shop 1.0.0 runs at http://127.0.0.1:");
}

/// What the README makes, breaks and rolls back.
#[test]
fn the_readme_s_own_server_does_what_the_readme_shows() {
    let shell = Shell::open(&[]);
    let example = |file: &str| std::fs::read_to_string(crate::run::example(&format!("../notes/{file}"))).unwrap();
    for file in ["notes.yaml", "notes.sql"] {
        std::fs::write(shell.0.path(file), example(file)).unwrap();
    }
    let said =
        shell.expect("mcp-create notes.yaml", 0, "notes 1.0.0 was created: 2 tools\nnext: mcp-factory deploy notes\n");
    assert_eq!(said.err, "", "the factory issues its keys");
    let checks = "passed: 3 checks of the protocol, 1 example\n";
    shell.expect("mcp-deploy notes", 0, checks);
    shell.expect("mcp-test notes", 0, " 0 failed");
    assert_eq!(shell.0.run(&["keys", "issue", "notes", "laptop"]).code, Some(0));
    let broken = example("notes.yaml").replace("1.0.0", "1.1.0").replace("FROM notes WHERE", "FROM note WHERE");
    std::fs::write(shell.0.path("broken.yaml"), broken).unwrap();
    shell.expect("mcp-create broken.yaml", 0, "notes 1.1.0 is a new version: 2 tools\n");
    let why =
        "error: example 1 of `find_notes`: no such table: note (SQLITE_ERROR)\nhint: `mcp-factory logs notes` shows";
    shell.expect("mcp-deploy notes", 1, why);
    let status = shell.expect("mcp-status notes", 0, "notes 1.0.0: running, healthy\n").out;
    assert!(status.contains("\n  problem      1.1.0 does not run: example 1 of `find_notes`"), "{status}");
    shell.expect("mcp-rollback notes", 0, "notes 1.0.0 is the latest now\nnext: mcp-factory deploy notes\n");
    shell.expect("mcp-deploy notes", 0, checks);
    shell.expect("mcp-remove notes", 0, "notes is removed\n");
}
