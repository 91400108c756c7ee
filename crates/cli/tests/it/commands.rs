//! `validate`, `schema`, `completions`, `test`: what they print, and how they exit.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::run::Place;

const VALID: &str = "name: a\ntools:\n  - { name: hello, description: Says hello, static: { text: hello } }\n";

#[test]
fn the_design_document_is_kept_with_its_six_findings() {
    let said = Place::new().example("design-document.yaml").run(&["validate", "design-document.yaml"]);
    assert_eq!((said.code, said.out.as_str()), (Some(0), "design-document.yaml: blocker: 6 findings\n"));
    insta::assert_snapshot!("design_document_for_people", said.err);
    let said =
        Place::new().example("design-document.yaml").run(&["validate", "--output", "json", "design-document.yaml"]);
    let line: Value = serde_json::from_str(&said.out).unwrap();
    insta::assert_json_snapshot!("design_document_for_programs", line);
}

#[test]
fn the_exit_code_says_what_was_found() {
    let place = Place::new().file("valid.yaml", VALID).file("error.yaml", "name: A\n").example("design-document.yaml");
    for (args, code) in [
        (&["valid.yaml"][..], 0),
        (&["--strict", "valid.yaml"], 0),
        (&["design-document.yaml"], 0),
        (&["--strict", "design-document.yaml"], 1),
        (&["error.yaml"], 1),
        (&["valid.yaml", "error.yaml"], 1),
        (&["no-such-file.yaml"], 1),
        (&[], 2),
        (&["--no-such-option", "valid.yaml"], 2),
    ] {
        let said = place.run(&[&["validate"], args].concat());
        assert_eq!(said.code, Some(code), "{args:?}: {said:?}");
    }
}

#[test]
fn each_file_is_one_json_line_and_nothing_else_is_printed() {
    let place = Place::new().file("valid.yaml", VALID).file("valid.json", "{\"name\": \"a\", \"tool\": []}");
    let said = place.run(&["validate", "--output", "json", "valid.yaml", "valid.json"]);
    let lines: Vec<Value> = said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0], serde_json::json!({ "verdict": "valid", "diagnostics": [] }));
    assert_eq!((said.err.as_str(), lines.len()), ("", 2));
    let unknown =
        lines[1]["diagnostics"].as_array().unwrap().iter().find(|d| d["code"] == "spec/unknown-field").unwrap();
    assert_eq!((&unknown["file"], &unknown["line"], &unknown["column"]), (&"valid.json".into(), &1.into(), &15.into()));
    assert_eq!(unknown["fix"]["replacement"], "\"tools\"", "the fix can be pasted in: {unknown}");
}

#[test]
fn standard_input_is_read_as_what_it_looks_like() {
    assert_eq!(Place::new().run_with(&["validate", "-"], VALID).out, "<stdin>: valid: a 0.1.0 with 1 tool\n");
    let json =
        "{\"name\": \"a\", \"prompts\": [{\"name\": \"p\", \"messages\": [{\"role\": \"user\", \"text\": \"Hi\"}]}]}";
    assert_eq!(Place::new().run_with(&["validate", "-"], json).out, "<stdin>: valid: a 0.1.0 with 0 tools\n");
}

#[test]
fn the_schema_accepts_the_example() {
    let said = Place::new().run(&["schema"]);
    let schema: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    let published =
        std::fs::read_to_string(crate::run::example("../../docs/mcp-factory.schema.json")).unwrap_or_default();
    assert!(
        published == said.out,
        "docs/mcp-factory.schema.json is old; make it anew: mcp-factory schema > docs/mcp-factory.schema.json"
    );
}

#[test]
fn status_shows_the_bounds_and_the_pages_of_each_tool() {
    let text = "name: a\nversion: 1.0.0\nconnections:\n  - { name: db, type: sqlite, path: ./a.db, seed: seed.sql }\n  \
                - { name: down, type: postgresql, url: \"postgresql://127.0.0.1:1/a\" }\ntools:\n  \
                - { name: list, description: Lists, connection: db, sql: \"SELECT id, name FROM t\", sort: { id: id, name: name, \
                both: \"name, id\" }, paginate: { pageSize: 2 }, annotations: { readOnly: true }, cache: { ttl: 1m } }\n  \
                - { name: far, description: Far, connection: down, sql: \"SELECT id FROM t ORDER BY id\", paginate: {}, \
                annotations: { readOnly: true }, scopes: [far] }\n  \
                - { name: hello, description: Says hello, static: { text: hello } }\n";
    let place = Place::new()
        .file("a.yaml", text)
        .file("seed.sql", "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT NOT NULL);");
    let said = place.run(&["status", "a.yaml"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let shown = said.out.split("can't be asked:").next().unwrap_or_default();
    insta::assert_snapshot!("status_for_people", shown);
    assert!(!place.path("a.db").exists(), "looking makes nothing");
    let said = place.run(&["status", "a.yaml", "--output", "json"]);
    let status: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(
        status["tools"][0]["paging"][0],
        serde_json::json!({ "by": "keyset", "columns": ["name", "id"], "sort": "both" })
    );
}

#[test]
fn status_shows_toolsets_and_who_may_see_them() {
    let text = "name: a\nversion: 1.0.0\nauth: { type: api_key, envVar: KEYS }\ntools:\n  \
                - { name: find, description: Finds, static: { text: found } }\n  \
                - { name: pay, description: Pays, static: { text: paid } }\ntoolsets:\n  \
                - { name: reading, description: Reads, tools: [find] }\n  \
                - { name: writing, description: Writes, tools: [pay], scopes: [write] }\n\
                exposure: { mode: dynamic, maxActive: 1, initial: [reading] }\n\
                access: [{ toolsets: [reading] }, { group: clerks, toolsets: [writing] }, { principal: ann, toolsets: [writing] }]\n";
    let place = Place::new().file("a.yaml", text);
    let said = place.run(&["status", "a.yaml"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let expected = "
toolsets: dynamic, search, at most 1 at once
  reading: find
    from the start, for everyone
  writing: pay
    on demand, for group clerks, principal ann, with the scopes write
";
    assert!(said.out.ends_with(expected), "{}", said.out);
    let said = place.run(&["status", "a.yaml", "--output", "json"]);
    let status: Value = serde_json::from_str(&said.out).unwrap();
    let writing = &status["exposure"]["toolsets"][1];
    assert_eq!((&writing["exposed"], &writing["tools"]), (&"on demand".into(), &serde_json::json!(["pay"])));
}

#[test]
fn every_shell_gets_a_completion_script() {
    // S5-72: none is left out.
    let commands = [
        "create", "deploy", "list", "status", "logs", "stop", "start", "remove", "test", "versions", "rollback",
        "search",
    ];
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let said = Place::new().run(&["completions", shell]);
        assert!(said.code == Some(0) && commands.iter().all(|command| said.out.contains(command)), "{shell}");
    }
}

#[test]
fn the_example_passes_its_own_tests_in_both_eras() {
    let place = Place::new().example("server.yaml").example("seed.sql");
    let said = place.run(&["test", "server.yaml", "--all", "--output", "json"]);
    let report: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((said.code, &report["failed"], &report["skipped"]), (Some(0), &0.into(), &0.into()), "{report}");
    assert!(report["passed"].as_u64().unwrap() > 30);
    for era in ["2026-07-28", "2025-11-25"] {
        assert!(report["tests"].as_array().unwrap().iter().any(|test| test["era"] == era));
    }
}

/// What the reference shows as a server is one: it is served, and its examples hold on the example's rows.
#[test]
fn the_servers_that_the_reference_shows_pass_their_own_tests() {
    let reference = std::fs::read_to_string(crate::run::example("../../docs/spec.md")).unwrap();
    let blocks = reference.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let mut shown = 0;
    for block in blocks.filter(|block| block.starts_with("name:")) {
        let said = Place::new().file("a.yaml", block).example("seed.sql").run(&["test", "a.yaml"]);
        assert!(said.code == Some(0) && said.out.contains("0 failed"), "{block}\n{}\n{}", said.out, said.err);
        shown += 1;
    }
    assert!(shown > 3);
}

/// Parts of a server that the pages show, with what they talk to and call: somebody who copies them has no error.
#[test]
fn what_the_other_pages_show_is_read_without_an_error() {
    const CONNECTIONS: &str = "connections:\n  - { name: db, type: sqlite, path: ./a.db }\n  \
                               - { name: crm, type: http, url: 'https://crm.example.com' }\n  \
                               - { name: api, type: graphql, url: 'https://api.example.com/graphql' }\n";
    const TOOLS: &str = "tools:\n  - { name: search_products, description: Finds, connection: db, parameters: { query: { type: string } }, \
                         sql: 'SELECT 1 AS sku WHERE :query = 1', annotations: { readOnly: true } }\n  \
                         - { name: order, description: Orders, connection: db, parameters: { sku: { type: string } }, \
                         sql: 'SELECT :sku AS id', single: true }\n";
    let mut shown = 0;
    for page in ["confirm", "connections", "paging", "reload", "tasks", "testing", "tools"] {
        let text = std::fs::read_to_string(crate::run::example(&format!("../../docs/{page}.md"))).unwrap();
        for block in text.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()) {
            let indented: String = block.lines().map(|line| format!("  {line}\n")).collect();
            let spec = match block {
                tools if tools.starts_with("- name:") => format!("name: a\n{CONNECTIONS}{TOOLS}{indented}"),
                tools if tools.starts_with("tools:") => format!("name: a\n{tools}"),
                shared if shared.contains("use: shop_db") => {
                    format!("name: a\n{shared}{}", TOOLS.replace("connection: db", "connection: shop_db"))
                }
                connections => format!("name: a\n{connections}{TOOLS}"),
            };
            let place = Place::new().file("a.yaml", &spec);
            std::fs::create_dir(place.path("repository")).unwrap();
            let said = place.run(&["validate", "a.yaml"]);
            assert_eq!(said.code, Some(0), "{page}: {spec}\n{}", said.err);
            shown += 1;
        }
    }
    assert!(shown > 6, "{shown}");
}

#[test]
fn a_server_without_tools_is_tested_by_its_lists() {
    let text = "name: a\nresources: [{ uri: 'doc://a', name: a, text: b }, { uriTemplate: 'doc://a/{b}', name: c, text: d }]\n\
                prompts: [{ name: p, messages: [{ role: user, text: Hi }] }]\n";
    let said = Place::new().file("a.yaml", text).run(&["test", "a.yaml"]);
    assert!(said.code == Some(0) && said.out.contains("4 passed, 0 failed"), "{said:?}");
    assert!(said.out.contains("lists its resources") && said.out.contains("lists its prompts"), "{said:?}");
}

#[test]
fn a_test_that_fails_says_what_differs_and_exits_1() {
    let text = "name: a\ntools:\n  - name: hello\n    description: Says hello\n    static: { json: { greeting: hello } }\n    \
                annotations: { readOnly: true }\n    examples: [{ arguments: {}, expect: { greeting: bye } }]\n";
    let said = Place::new().file("a.yaml", text).run(&["test", "a.yaml"]);
    assert_eq!(said.code, Some(1));
    assert!(said.out.contains("`greeting` is \"hello\", expected \"bye\""), "{}", said.out);
}

#[test]
fn calls_made_from_a_schema_find_what_no_example_shows() {
    let text = "name: a\nconnections:\n  - { name: db, type: sqlite, path: ./a.db, seed: seed.sql }\ntools:\n  - name: read\n    \
                description: Reads\n    parameters: { kind: { type: string, enum: [good, bad], required: true } }\n    \
                sql: \"SELECT json_extract(CASE WHEN :kind = 'bad' THEN '{' ELSE '{}' END, '$.x') AS value\"\n";
    let place = Place::new().file("a.yaml", text).file("seed.sql", "CREATE TABLE t (id INTEGER);");
    let said = place.run(&["test", "a.yaml"]);
    assert_eq!(said.code, Some(1));
    assert!(said.out.contains("`kind` as \"bad\"") && said.out.contains("malformed JSON"), "{}", said.out);
    assert!(said.out.contains("called with {\"kind\":\"bad\"}") && said.out.contains("--seed 0"), "{}", said.out);
    let report = |seed: &str| {
        let said = place.run(&["test", "a.yaml", "--seed", seed, "--output", "json"]);
        let report: Value = serde_json::from_str(&said.out).unwrap();
        let tests = report["tests"].as_array().unwrap().iter();
        tests.map(|test| format!("{} {}", test["origin"], test["test"])).collect::<Vec<_>>()
    };
    assert_eq!(report("3"), report("3"));
    assert!(report("3").contains(&"\"generated\" \"refuses a missing `kind`\"".to_owned()));
}

#[test]
fn an_answer_that_is_not_what_clients_are_told_fails() {
    let text = "name: a\nconnections:\n  - { name: db, type: sqlite, path: ./a.db, seed: seed.sql }\ntools:\n  - name: read\n    \
                description: Reads\n    returns: { type: object, properties: { n: { type: integer } } }\n    \
                sql: SELECT 'many' AS n\n    single: true\n";
    let place = Place::new().file("a.yaml", text).file("seed.sql", "CREATE TABLE t (id INTEGER);");
    let said = place.run(&["test", "a.yaml"]);
    assert!(said.code == Some(1) && said.out.contains("the answer does not fit `returns`, at `/n`"), "{said:?}");
}

#[test]
fn what_may_write_is_never_called_unasked() {
    let text = "name: a\ntools:\n  - { name: touch, description: Writes, parameters: { name: { type: string, required: true } }, \
                command: { argv: [/bin/sh, -c, \"echo > written\", \"{name}\"] } }\n";
    let place = Place::new().file("a.yaml", text);
    let said = place.run(&["test", "a.yaml", "--all", "--writes"]);
    assert!(said.code == Some(0) && said.out.contains("refuses") && !said.out.contains("answers"), "{said:?}");
    assert!(!place.path("written").exists());
}

#[test]
fn an_upstream_that_is_gone_is_told_and_fails_no_test_that_nobody_wrote() {
    let text = "name: a\nconnections:\n  - { name: api, type: http, url: 'http://127.0.0.1:9', allowPrivateNetwork: true, retries: { attempts: 1 } }\n\
                tools:\n  - { name: ask, description: Asks, connection: api, http: { path: /a } }\n  \
                - { name: tell, description: Tells, connection: api, http: { method: POST, path: /a } }\n";
    let place = Place::new().file("a.yaml", text);
    let said = place.run(&["test", "a.yaml"]);
    assert!(said.code == Some(0) && !said.out.contains("answers"), "{said:?}");
    let told = said.out.lines().find(|line| line.contains("takes 1 call, which then failed")).unwrap();
    assert!(told.contains("`127.0.0.1:9` can't be reached"), "{told}");
    assert!(said.out.ends_with(
        "2 of those that passed were taken and failed behind the tool: their arguments were made up, so that may be\n"
    ));
    let report: Value = serde_json::from_str(&place.run(&["test", "a.yaml", "--output", "json"]).out).unwrap();
    assert_eq!((&report["taken"], &report["failed"]), (&2.into(), &0.into()), "{report}");

    let said = place.run(&["test", "a.yaml", "tell"]);
    assert!(
        said.code == Some(1) && said.err.contains("`tell` may write, and what it reaches is the real thing"),
        "{said:?}"
    );
    let said = place.run(&["test", "a.yaml", "asks"]);
    assert!(said.code == Some(2) && said.err.contains("there is no tool `asks`; there is `ask`, `tell`"), "{said:?}");
    let many: String =
        (0..20).map(|at| format!("  - {{ name: give{at}, description: Gives, static: {{ text: a }} }}\n")).collect();
    let place = place.file("many.yaml", &format!("name: a\ntools:\n{many}"));
    let said = place.run(&["test", "many.yaml", "giv7"]);
    assert!(said.err.contains("there is no tool `giv7`; did you mean `give7`? There are 20 tools"), "{said:?}");
}

/// Each made-up call of a tool like this one would wait out the tool's own minute.
#[test]
fn a_tool_that_takes_long_keeps_a_test_for_as_long_as_it_may_and_says_so() {
    let text = "name: a\ntools:\n  - { name: nap, description: Sleeps, parameters: { seconds: { type: integer, required: true, \
                minimum: 60, maximum: 900 } }, command: { argv: [/bin/sleep, \"{seconds}\"] }, limits: { timeout: 1m }, \
                annotations: { readOnly: true } }\n";
    let place = Place::new().file("a.yaml", text);
    let began = Instant::now();
    let said = place.run(&["test", "a.yaml", "--time", "2100ms"]);
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    assert_eq!(said.code, Some(0), "{said:?}");
    let given_up: Vec<&str> = said.out.lines().filter(|line| line.contains("skipped  ")).collect();
    assert_eq!(given_up.len(), 2, "one line for each era: {}", said.out);
    for line in given_up {
        assert!(line.contains("answers the fewest arguments, and 1"), "{line}");
        assert!(line.contains("2100ms was all the time") && line.contains("`--time` gives more"), "{line}");
    }
    assert!(said.out.contains("wrong calls  "), "what reaches nothing is still asked: {}", said.out);
    assert!(said.err.contains("testing") && said.err.contains("\"tool\":\"nap\""), "{}", said.err);
}

#[test]
fn one_call_prints_its_answer() {
    let place = Place::new().example("server.yaml").example("seed.sql");
    let said = place.run(&["test", "server.yaml", "get_product", "{\"sku\": \"ENB-101\"}"]);
    let answer: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((said.code, &answer["name"]), (Some(0), &"Laptop 13".into()));
    let said = place.run(&["test", "server.yaml", "get_product", "{\"sku\": \"NOPE\"}"]);
    assert_eq!((said.code, said.out.as_str()), (Some(1), "there is no such row\n"));
    for (args, expected) in [
        (["get_produkt", "{}"], "there is no tool"),
        (["get_product", "[]"], "not a JSON object"),
        (["get_product", "{"], "not JSON"),
    ] {
        let said = place.run(&[&["test", "server.yaml"], &args[..]].concat());
        assert!(said.code == Some(2) && said.err.contains(expected) && said.err.contains("hint:"), "{said:?}");
    }
}

#[test]
fn a_writing_example_never_touches_what_the_spec_did_not_make() {
    let text = "name: a\nconnections:\n  - { name: db, type: sqlite, path: ./mine.db }\ntools:\n  - name: wipe\n    description: Wipes\n    \
                sql: DELETE FROM t\n    examples: [{ arguments: {}, expect: { rowsAffected: 1 } }]\n";
    let place = Place::new().file("a.yaml", text);
    let said = place.run(&["test", "a.yaml"]);
    assert!(said.code == Some(0) && said.out.contains("skipped"), "{said:?}");
    let said = place.run(&["test", "a.yaml", "wipe"]);
    assert!(said.code == Some(1) && said.err.contains("--writes"), "{said:?}");
}

#[test]
fn the_example_is_the_same_server_on_postgresql() {
    let database = mcp_factory_testing::Postgres::start();
    let place = Place::new().example("server.yaml").example("seed.sql").environment("DATABASE_URL", &database.url());
    let loaded = std::process::Command::new("psql")
        .args(["--quiet", "--set", "ON_ERROR_STOP=1", "--file"])
        .arg(crate::run::example("seed.sql"))
        .arg(database.url())
        .status()
        .expect("psql is installed with PostgreSQL");
    assert!(loaded.success());
    let said = place.run(&["test", "server.yaml", "--env", "postgres", "--output", "json"]);
    let report: Value = serde_json::from_str(&said.out).unwrap_or_else(|_| panic!("{said:?}"));
    assert_eq!((said.code, &report["failed"]), (Some(0), &0.into()), "{report}");
    assert_eq!(report["skipped"], 4, "the two writing examples wait for --writes, in each era: {report}");
    let said = place.run(&["test", "server.yaml", "--env", "postgres", "--writes", "--output", "json"]);
    let report: Value = serde_json::from_str(&said.out).unwrap_or_else(|_| panic!("{said:?}"));
    assert_eq!((said.code, &report["failed"], &report["skipped"]), (Some(0), &0.into(), &0.into()), "{report}");
}
