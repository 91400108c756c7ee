//! The factory as an MCP server at `/factory/mcp` (S5-7), asked by raw HTTP.

use mcp_factory::{
    Caller, Submission, grants,
    registry::{Limits, Role},
};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;

use crate::{Running, shop, within};

impl Running {
    /// One request of 2026-07-28: its status, and what it answers.
    pub async fn rpc(&self, token: &str, method: &str, mut params: Value) -> (u16, Value) {
        const VERSION: &str = "2026-07-28";
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": VERSION,
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let name = params["name"].as_str().map(|name| format!("mcp-name: {name}\r\n")).unwrap_or_default();
        let more = format!(
            "content-type: application/json\r\naccept: application/json, text/event-stream\r\n\
             mcp-protocol-version: {VERSION}\r\nmcp-method: {method}\r\n{name}"
        );
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
        let mut stream = self.send(token, "POST", "/factory/mcp", &more, &body).await;
        let mut answer = String::new();
        within(stream.read_to_string(&mut answer)).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap_or_default())
    }

    /// What a tool answers, which is what its output schema promises.
    pub async fn tool_as(&self, token: &str, tool: &str, arguments: Value) -> Value {
        let (status, answer) = self.rpc(token, "tools/call", json!({ "name": tool, "arguments": arguments })).await;
        assert_eq!(status, 200, "{tool}: {answer}");
        let result = &answer["result"];
        if let Some(content) = result.get("structuredContent") {
            let (_, listed) = self.rpc(token, "tools/list", json!({})).await;
            let promised = listed["result"]["tools"].as_array().unwrap().iter().find(|it| it["name"] == tool).unwrap();
            if let Some(schema) = promised.get("outputSchema") {
                let schema = jsonschema::validator_for(schema).unwrap();
                schema.validate(content).unwrap_or_else(|error| panic!("{tool} answers {content}: {error}"));
            }
        }
        result.clone()
    }

    /// What a tool answers that did not fail.
    pub async fn tool(&self, tool: &str, arguments: Value) -> Value {
        let result = self.tool_as(&self.token, tool, arguments).await;
        assert_ne!(result["isError"], true, "{tool}: {result}");
        result["structuredContent"].clone()
    }

    /// The problem that a tool tells of.
    pub async fn fails(&self, token: &str, tool: &str, arguments: Value) -> Value {
        let result = self.tool_as(token, tool, arguments).await;
        assert_eq!(result["isError"], true, "{tool}: {result}");
        assert!(result.get("structuredContent").is_none(), "an output schema is about answers: {result}");
        serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap()
    }
}

/// S5-7: under the same tokens as the REST API.
#[tokio::test]
async fn an_agent_comes_with_a_token_of_the_factory() {
    let running = Running::start().await;
    for token in ["", "a-wrong-token-that-is-long-enough"] {
        assert_eq!(running.rpc(token, "tools/list", json!({})).await.0, 401);
    }
    let (status, listed) = running.rpc(&running.token, "tools/list", json!({})).await;
    assert_eq!(status, 200, "{listed}");
    for tool in listed["result"]["tools"].as_array().unwrap() {
        assert!(tool["title"].is_string() && tool["annotations"]["readOnlyHint"].is_boolean(), "{tool}");
        assert!(tool["outputSchema"].is_object() || tool["name"] == "call_tool", "{tool}");
    }
}

#[tokio::test]
async fn an_agent_makes_a_server_and_calls_it_through_the_same_connection() {
    let running = Running::start().await;
    assert_eq!(running.tool("search_tools", json!({ "query": "greets" })).await["tools"], json!([]));
    let checked = running.tool("validate_server", json!({ "spec": shop("1.0.0", "hello") })).await;
    assert_eq!((&checked["verdict"], &checked["deployable"]), (&json!("valid"), &json!(true)), "{checked}");
    let created = running.tool("create_server", json!({ "spec": shop("1.0.0", "hello") })).await;
    assert_eq!(created["outcome"], "created");
    let early = running.fails(&running.token, "call_tool", json!({ "server": "shop", "tool": "hello" })).await;
    assert_eq!(early["code"], "not-running");
    let deployed = running.tool("deploy_server", json!({ "server": "shop" })).await;
    assert_eq!(deployed["checks"]["examples"], 1, "{deployed}");
    let found = running.tool("search_tools", json!({ "query": "greets" })).await;
    assert_eq!((&found["tools"][0]["server"], &found["tools"][0]["tool"]), (&json!("shop"), &json!("hello")));
    let called = running.tool_as(&running.token, "call_tool", json!({ "server": "shop", "tool": "hello" })).await;
    assert_eq!(called["content"][0]["text"], "hello");
    let unknown = running.fails(&running.token, "call_tool", json!({ "server": "shop", "tool": "helo" })).await;
    assert_eq!(unknown["code"], "not-found", "{unknown}");

    let shown = running.tool("get_server", json!({ "server": "shop" })).await;
    assert_eq!((&shown["deployment"]["state"], &shown["offers"][0]["tool"]), (&json!("running"), &json!("hello")));
    let logs = running.tool("get_logs", json!({ "server": "shop", "tail": 5 })).await;
    assert!(logs.to_string().contains("\"tool\":\"hello\""), "it went the way of a hosted call: {logs}");
    running.factory.flush().await.unwrap();
    let usage = running.ask("GET", "/mcp/usage?server=shop&days=1", "").await.json();
    assert_eq!(usage["usage"][0]["calls"], 1, "{usage}");

    running.tool("stop_server", json!({ "server": "shop" })).await;
    assert_eq!(running.tool("start_server", json!({ "server": "shop" })).await["state"], "running");
}

#[tokio::test]
async fn a_wrong_spec_comes_back_mended_as_far_as_that_is_safe() {
    let running = Running::start().await;
    let wrong = "name: shop\ntoolz: [{ name: hello, descriptio: Greets, static: { text: hello } }]\n";
    let refused = running.fails(&running.token, "create_server", json!({ "spec": wrong })).await;
    assert_eq!(refused["code"], "invalid-spec");
    assert!(refused["diagnostics"].is_array() && refused["hint"].as_str().unwrap().contains("validate_server"));
    let checked = running.tool("validate_server", json!({ "spec": wrong })).await;
    assert_eq!(checked["deployable"], false);
    assert_eq!(checked["fixed"]["deployable"], true, "{checked}");
    let created = running.tool("create_server", json!({ "spec": checked["fixed"]["spec"] })).await;
    assert_eq!(created["outcome"], "created");
    let secret =
        format!("{wrong}connections: [{{ name: api, type: http, url: 'https://ann:hunter2hunter2@x.example' }}]\n");
    let checked = running.tool("validate_server", json!({ "spec": secret })).await;
    assert!(!checked.to_string().contains("hunter2"), "a secret is not said again: {checked}");
}

/// S5-60: what is another owner's is as unknown as what never was.
#[tokio::test]
async fn an_agent_does_not_find_what_is_anothers() {
    let running = Running::start().await;
    running.tool("create_server", json!({ "spec": shop("1.0.0", "hello") })).await;
    running.tool("deploy_server", json!({ "server": "shop" })).await;
    let stranger = running.stranger(Role::Developer, Limits::default()).await;
    for (tool, more) in [
        ("get_server", json!({})),
        ("deploy_server", json!({})),
        ("start_server", json!({})),
        ("stop_server", json!({})),
        ("get_logs", json!({})),
        ("test_server", json!({})),
        ("remove_server", json!({ "confirm": "shop" })),
        ("call_tool", json!({ "tool": "hello" })),
    ] {
        let ask = async |server: &str| {
            let mut arguments = more.clone();
            arguments["server"] = server.into();
            running.fails(&stranger, tool, arguments).await.to_string()
        };
        let theirs = ask("shop").await;
        assert!(theirs.contains("\"not-found\""), "{tool}: {theirs}");
        assert_eq!(theirs.replace("shop", "never"), ask("never").await, "{tool}");
    }
    let found = running.tool_as(&stranger, "search_tools", json!({ "query": "greets" })).await;
    assert_eq!(found["structuredContent"]["tools"], json!([]));
    assert_eq!(running.call("hello").await.0, 200, "and nothing happened to it");
}

#[tokio::test]
async fn an_agent_that_may_only_look_changes_and_calls_nothing() {
    let running = Running::start().await;
    let viewer = running.stranger(Role::Viewer, Limits::default()).await;
    for (tool, arguments) in [
        ("create_server", json!({ "spec": shop("1.0.0", "hello") })),
        ("deploy_server", json!({ "server": "shop" })),
        ("call_tool", json!({ "server": "shop", "tool": "hello" })),
    ] {
        let refused = running.fails(&viewer, tool, arguments).await;
        assert_eq!((&refused["code"], &refused["status"]), (&json!("forbidden"), &json!(403)), "{tool}");
    }
    let stranger = Caller::local().acting_for("stranger".parse().unwrap()).unwrap();
    let audit = running.factory.audit(&stranger, &Default::default()).await;
    assert!(format!("{audit:?}").contains("servers.invoke"), "what was refused is written down: {audit:?}");
}

/// S5-61: one rate, whichever way a user comes.
#[tokio::test]
async fn an_agent_may_ask_only_so_often() {
    let running = Running::start().await;
    let limits = Limits { requests_per_minute: 3.try_into().unwrap(), ..Limits::default() };
    let stranger = running.stranger(Role::Viewer, limits).await;
    assert_eq!(running.ask_as(&stranger, "GET", "/mcp/servers", "").await.status, 200);
    for _ in 0..2 {
        assert_eq!(running.rpc(&stranger, "tools/list", json!({})).await.0, 200);
    }
    let (status, refused) = running.rpc(&stranger, "tools/list", json!({})).await;
    assert_eq!(status, 429, "{refused}");
    assert_eq!(running.ask_as(&stranger, "GET", "/mcp/servers", "").await.status, 429);
    assert_eq!(running.rpc(&running.token, "tools/list", json!({})).await.0, 200, "others may");
}

#[tokio::test]
async fn nothing_is_removed_without_a_yes_to_its_name() {
    let running = Running::start().await;
    running.tool("create_server", json!({ "spec": shop("1.0.0", "hello") })).await;
    for arguments in [json!({ "server": "shop" }), json!({ "server": "shop", "confirm": "yes" })] {
        let refused = running.fails(&running.token, "remove_server", arguments).await;
        assert_eq!(refused["code"], "not-confirmed");
    }
    let removed = running.tool("remove_server", json!({ "server": "shop", "confirm": "shop" })).await;
    assert_eq!(removed["removed"], "shop");
    assert_eq!(running.tool("list_servers", json!({})).await["servers"], json!([]));
}

/// Issue 5 §4: on a connection that the operator shares, of which it learns the name and the type.
#[tokio::test]
async fn an_agent_finds_a_connection_that_it_was_granted_and_uses_it() {
    let running = Running::start().await;
    let factory = &running.factory;
    let place = factory.data().canonicalize().unwrap();
    let shared = format!("name: shop_db\ntype: sqlite\npath: {}/shop.db\n", place.display());
    factory.share_connection(&Caller::local(), &Submission::new(shared)).await.expect("shared");
    let stranger = running.stranger(Role::Developer, Limits::default()).await;
    let listed = async || running.tool_as(&stranger, "list_connections", json!({})).await["structuredContent"].clone();
    assert_eq!(listed().await, json!({ "connections": [], "grants": [], "secrets": [] }));
    let them = Caller::local().acting_for("stranger".parse().unwrap()).unwrap();
    factory.grant(&them, &grants::read("shared-connection", "shop_db").unwrap()).await.unwrap();
    let found = listed().await;
    assert_eq!(found["connections"][0], json!({ "use": "shop_db", "type": "sqlite", "readOnly": false }));
    assert!(!found.to_string().contains("shop.db"), "and nothing of where it leads: {found}");
    let spec = "name: things\nversion: 1.0.0\nconnections: [{ use: shop_db }]\ntools:\n  \
                - { name: cheapest, description: The cheapest product, connection: shop_db, sql: SELECT 'Laptop 13' AS name, \
                single: true, examples: [{ expect: { name: Laptop 13 } }] }\n";
    for (tool, arguments) in [
        ("create_server", json!({ "spec": spec })),
        ("deploy_server", json!({ "server": "things" })),
        ("call_tool", json!({ "server": "things", "tool": "cheapest" })),
    ] {
        let done = running.tool_as(&stranger, tool, arguments).await;
        assert_ne!(done["isError"], true, "{tool}: {done}");
        if tool == "call_tool" {
            assert_eq!(done["structuredContent"]["name"], "Laptop 13");
        }
    }
}

/// Issue 5 §4: with nothing but a private database that its seed fills.
#[tokio::test]
async fn a_seed_comes_with_the_spec_and_never_changes() {
    let running = Running::start().await;
    let example = running.tool("describe_kind", json!({ "kind": "sql" })).await;
    let seed = "CREATE TABLE notes (id INTEGER PRIMARY KEY, author TEXT, text TEXT);\n\
                INSERT INTO notes (author, text) VALUES ('ann', 'buy milk');\n";
    let arguments = json!({ "spec": example["example"], "files": { "seed.sql": seed } });
    let without = running.fails(&running.token, "create_server", json!({ "spec": example["example"] })).await;
    assert_eq!(without["code"], "invalid-spec");
    for outcome in ["created", "unchanged"] {
        assert_eq!(running.tool("create_server", arguments.clone()).await["outcome"], outcome);
    }
    let tested = running.tool("test_server", json!({ "server": "notes" })).await;
    assert!(tested["failed"] == 0 && tested["passed"].as_u64().unwrap() > 0, "{tested}");
    let deployed = running.tool("deploy_server", json!({ "server": "notes" })).await;
    assert_eq!(deployed["checks"]["examples"], 1, "{deployed}");
    let call = json!({ "server": "notes", "tool": "search_notes", "arguments": { "word": "milk" } });
    assert_eq!(running.tool("call_tool", call).await["items"][0]["author"], "ann");
    let other = json!({ "spec": example["example"], "files": { "seed.sql": "SELECT 1" } });
    assert_eq!(running.fails(&running.token, "create_server", other).await["code"], "file-taken");
    let away = json!({ "spec": example["example"], "files": { "../seed.sql": "SELECT 1" } });
    assert_eq!(running.fails(&running.token, "create_server", away).await["code"], "invalid-argument");
}

/// What `runs` says of a kind is what the plan of its example says.
#[tokio::test]
async fn kinds_that_can_be_deployed_are_told_from_those_that_cannot_yet() {
    let running = Running::start().await;
    let kinds = running.tool("describe_kind", json!({})).await;
    for kind in kinds["kinds"].as_array().unwrap() {
        let described = running.tool("describe_kind", json!({ "kind": kind["kind"] })).await;
        let files = json!({ "seed.sql": "", "thumbnail.wasm": "" });
        let checked = running.tool("validate_server", json!({ "spec": described["example"], "files": files })).await;
        let runs = !checked["problems"].to_string().contains("plan/not-supported");
        assert_eq!(described["runs"], runs, "{kind}: {checked}");
    }
}

const KEYED: &str = "name: keyed\nversion: 1.0.0\nauth: { type: bearer }\n\
    tools: [{ name: hello, description: Greets, static: { text: marked-hello } }]\n";

/// S5-60, T4: every tool of it, with no token, a wrong one, the key of a server that is hosted here, another owner's and one for less.
#[tokio::test]
async fn whoever_has_no_token_for_a_tool_of_the_factory_does_not_get_it() {
    let running = Running::start().await;
    for spec in [shop("1.0.0", "hello").replace("Greets", "Greets marked"), KEYED.to_owned()] {
        running.tool("create_server", json!({ "spec": spec })).await;
    }
    for server in ["shop", "keyed"] {
        running.tool("deploy_server", json!({ "server": server })).await;
    }
    let issued = running.ask("POST", "/mcp/servers/keyed/keys", r#"{"name": "jane"}"#).await;
    assert_eq!(issued.status, 201, "{issued:?}");
    let key = issued.json()["secret"].as_str().unwrap().to_owned();
    // One that calls itself what the operator is called.
    let body = r#"{"name": "local", "principal": "local", "scopes": ["admin"]}"#;
    let posing =
        running.ask("POST", "/mcp/servers/keyed/keys", body).await.json()["secret"].as_str().unwrap().to_owned();
    let stranger = running.stranger(Role::Developer, Limits::default()).await;
    let issued = running.ask("POST", "/mcp/tokens", r#"{"name": "looks", "role": "viewer"}"#).await.json();
    let viewer = issued["secret"].as_str().unwrap().to_owned();

    let listed = running.rpc(&running.token, "tools/list", json!({})).await.1;
    let tools = listed["result"]["tools"].as_array().unwrap();
    assert!(tools.len() >= 14, "{listed}");
    let arguments = |tool: &serde_json::Value| {
        let given = [
            ("server", json!("shop")),
            ("tool", json!("hello")),
            ("query", json!("greets")),
            ("kind", json!("sql")),
            ("confirm", json!("shop")),
            ("spec", json!(shop("9.0.0", "hello"))),
            ("from", json!({ "spec": { "text": shop("9.0.0", "hello") } })),
        ];
        let takes = &tool["inputSchema"]["properties"];
        let fits = given.into_iter().filter(|(name, _)| !takes[*name].is_null());
        fits.map(|(name, value)| (name.to_owned(), value)).collect::<serde_json::Map<_, _>>()
    };
    for tool in tools {
        let (name, arguments) = (&tool["name"], arguments(tool));
        let call = json!({ "name": name, "arguments": arguments });
        for token in ["", "a-wrong-token-that-is-long-enough", &key, &posing] {
            for (method, params) in [("tools/call", &call), ("tools/list", &json!({})), ("server/discover", &json!({}))]
            {
                let (status, answer) = running.rpc(token, method, params.clone()).await;
                assert_eq!(status, 401, "{method} {name}: {answer}");
            }
        }
        let (_, answer) = running.rpc(&stranger, "tools/call", call.clone()).await;
        let text = answer["result"]["content"][0]["text"].as_str().unwrap_or_default();
        assert!(!answer.to_string().contains("marked"), "{name}: {answer}");
        if arguments.contains_key("server") {
            assert!(text.contains("not-found"), "{name}: {answer}");
        }
        if tool["annotations"]["readOnlyHint"] == false {
            let (_, answer) = running.rpc(&viewer, "tools/call", call.clone()).await;
            let text = answer["result"]["content"][0]["text"].as_str().unwrap_or_default();
            assert!(text.contains("forbidden"), "{name}: {answer}");
        }
    }
    for token in [&key, &posing] {
        assert_eq!(running.ask_as(token, "GET", "/mcp/servers", "").await.code(), (401, "unauthenticated".to_owned()));
    }
    assert_eq!(running.call("hello").await.0, 200, "and nothing happened to it");
}

/// What is called through the factory is written down as over REST, and so is who was turned away from a server.
#[tokio::test]
async fn calls_and_refusals_are_in_the_audit_log() {
    let running = Running::start().await;
    running.tool("create_server", json!({ "spec": KEYED })).await;
    running.tool("deploy_server", json!({ "server": "keyed" })).await;
    running.tool("call_tool", json!({ "server": "keyed", "tool": "hello" })).await;
    running.fails(&running.token, "call_tool", json!({ "server": "nobodys", "tool": "hello" })).await;
    for _ in 0..3 {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" }).to_string();
        let more = "content-type: application/json\r\nmcp-protocol-version: 2025-11-25\r\n";
        let reply = running.ask_with("wrong-key-wrong-key", "POST", "/servers/keyed/mcp", more, &body).await;
        assert_eq!(reply.status, 401, "{reply:?}");
    }
    let log = running.ask("GET", "/mcp/audit?limit=50", "").await.json();
    let lines: Vec<String> = log["audit"]
        .as_array()
        .unwrap_or_else(|| panic!("{log}"))
        .iter()
        .map(|it| [&it["verb"], &it["subject"], &it["outcome"]].map(|it| it.as_str().unwrap_or_default()).join(" "))
        .collect();
    for expected in ["servers.invoke keyed/hello done", "servers.invoke nobodys/hello not-found"] {
        assert!(lines.iter().any(|line| line == expected), "{expected}: {lines:#?}");
    }
    let refused: Vec<_> = lines.iter().filter(|line| line.ends_with("unauthenticated")).collect();
    assert!(matches!(refused.as_slice(), [line] | [line, _] if line.starts_with("servers.call keyed")), "{lines:#?}");
}
