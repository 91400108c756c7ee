//! What is asked over a network becomes a server over REST and for agents, in the name of whoever asks: databases, gRPC, GraphQL,
//! other MCP servers. Nobody reaches what they were not granted, and what was refused is written down.

use mcp_factory::{
    Caller, Secret, Submission, grants,
    registry::{Limits, Page, Role},
};
use mcp_factory_testing::Postgres;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tonic::transport::server::TcpIncoming;
use tonic_health::pb::FILE_DESCRIPTOR_SET;

use crate::{Running, shop};

/// Somebody with rights of their own and no grants, with both ways to ask.
struct Stranger<'r> {
    running: &'r Running,
    token: String,
    caller: Caller,
}

impl<'r> Stranger<'r> {
    async fn of(running: &'r Running) -> Self {
        let token = running.stranger(Role::Developer, Limits::default()).await;
        let caller = Caller::local().acting_for("stranger".parse().unwrap()).unwrap();
        Self { running, token, caller }
    }

    async fn grant(&self, kind: &str, value: &str) {
        self.running.factory.grant(&self.caller, &grants::read(kind, value).unwrap()).await.unwrap();
    }

    async fn secret(&self, name: &str, value: &str) {
        self.running.factory.set_secret(&self.caller, None, name, &Secret::new(value)).await.unwrap();
    }

    /// Over REST and as an agent: the same code, and each time a line of the audit log.
    async fn is_refused(&self, from: &Value, code: &str) -> String {
        let refusals = async || {
            let log = self.running.factory.audit(&self.caller, &Page::default()).await.unwrap().entries;
            log.into_iter().filter(|it| it.verb == "servers.import" && it.outcome == code).count()
        };
        let before = refusals().await;
        let body = json!({ "from": from, "dryRun": true });
        let refused = self.running.ask_as(&self.token, "POST", "/mcp/import", &body.to_string()).await;
        assert_eq!(refused.code().1, code, "{from}: {refused:?}");
        let told = self.running.fails(&self.token, "import_server", body).await;
        assert_eq!(told["code"], code, "{from}: {told}");
        assert_eq!(refusals().await, before + 2, "{from}: it is written down");
        format!("{} {told}", refused.body)
    }

    /// The spec over REST; as an agent the same, made a server, deployed.
    async fn becomes_a_server(&self, from: &Value, name: &str) -> String {
        let body = json!({ "from": from, "name": name, "dryRun": true });
        let shown = self.running.ask_as(&self.token, "POST", "/mcp/import", &body.to_string()).await;
        assert_eq!(shown.status, 200, "{shown:?}");
        let spec = shown.json()["spec"].as_str().unwrap().to_owned();
        let told = self.agent("import_server", body).await;
        assert_eq!(told["spec"], spec.as_str(), "both say the same");
        let created = self.agent("import_server", json!({ "from": from, "name": name })).await;
        assert_eq!(created["outcome"], "created", "{created}");
        let body = json!({ "from": from, "name": name }).to_string();
        let again = self.running.ask_as(&self.token, "POST", "/mcp/import", &body).await;
        assert_eq!((again.status, &again.json()["outcome"]), (200, &json!("unchanged")), "{again:?}");
        self.agent("deploy_server", json!({ "server": name })).await;
        spec
    }

    async fn agent(&self, tool: &str, arguments: Value) -> Value {
        let result = self.running.tool_as(&self.token, tool, arguments).await;
        assert_ne!(result["isError"], true, "{tool}: {result}");
        result["structuredContent"].clone()
    }

    async fn call(&self, server: &str, tool: &str, arguments: Value) -> Value {
        let called = json!({ "server": server, "tool": tool, "arguments": arguments });
        let result = self.running.tool_as(&self.token, "call_tool", called).await;
        assert_ne!(result["isError"], true, "{tool}: {result}");
        result["structuredContent"].clone()
    }
}

fn fill(postgres: &Postgres) {
    let schema = "CREATE TABLE goods (id int PRIMARY KEY, owner text NOT NULL, name text NOT NULL, password text);
        INSERT INTO goods VALUES (1, 'stranger', 'tea', 'x'), (2, 'bob', 'gin', 'y');";
    postgres.execute(schema);
}

/// A database that the operator shares, for reading.
async fn shared_goods(running: &Running) -> Postgres {
    let postgres = Postgres::start();
    fill(&postgres);
    running.factory.set_secret(&Caller::local(), None, "GOODS_URL", &Secret::new(postgres.url())).await.unwrap();
    let shared = "name: goods\ntype: postgresql\nenvVar: GOODS_URL\nreadOnly: true\n\
                  scope: { column: owner, by: principal.id, tables: [goods] }\n";
    running.factory.share_connection(&Caller::local(), &Submission::new(shared)).await.unwrap();
    postgres
}

fn names(rows: &Value) -> Vec<&str> {
    rows["items"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect()
}

/// Where a shared database leads is nobody's to know; whose rows it shows is its operator's to say.
#[tokio::test]
async fn a_shared_database_becomes_a_server_of_those_it_was_granted_to() {
    let running = Running::start().await;
    let stranger = Stranger::of(&running).await;
    let _postgres = shared_goods(&running).await;
    let from = json!({ "database": { "connection": "goods", "writes": true } });
    let refused = stranger.is_refused(&from, "forbidden").await;
    let never = json!({ "database": { "connection": "never" } });
    let unknown = stranger.is_refused(&never, "forbidden").await;
    assert_eq!(refused.replace("goods", "never"), unknown, "whether there is one is not told");

    stranger.grant("shared-connection", "goods").await;
    let spec = stranger.becomes_a_server(&from, "mine").await;
    assert!(spec.contains("use: goods") && !spec.contains("GOODS_URL") && !spec.contains("password"), "{spec}");
    assert!(!spec.contains("create_good") && !spec.contains("127.0.0.1"), "it is for reading: {spec}");
    assert_eq!(names(&stranger.call("mine", "search_goods", json!({})).await), ["tea"]);

    let both = json!({ "database": { "connection": "goods", "envVar": "A" } });
    stranger.is_refused(&both, "invalid-argument").await;
    let told = json!({ "database": { "connection": "goods", "session": { "app.user": "bob" } } });
    stranger.is_refused(&told, "invalid-argument").await;
    let stranger_of_it = Caller::local().acting_for("stranger".parse().unwrap()).unwrap();
    let grant = grants::read("shared-connection", "goods").unwrap();
    running.factory.revoke_grant(&stranger_of_it, &grant).await.unwrap();
    stranger.is_refused(&from, "forbidden").await;
}

#[tokio::test]
async fn a_database_behind_a_secret_of_theirs_takes_the_grant_of_its_network() {
    let running = Running::start().await;
    let stranger = Stranger::of(&running).await;
    let postgres = Postgres::start();
    fill(&postgres);
    let from = json!({ "database": { "envVar": "GOODS_URL", "writes": true, "scope": "owner" } });
    let unset = stranger.is_refused(&from, "invalid-argument").await;
    assert!(unset.contains("GOODS_URL"), "{unset}");
    // A secret of the operator's, or a variable of the factory's own, is none of theirs.
    running.factory.set_secret(&Caller::local(), None, "GOODS_URL", &Secret::new(postgres.url())).await.unwrap();
    stranger.is_refused(&from, "invalid-argument").await;
    stranger.is_refused(&json!({ "database": { "envVar": "PATH" } }), "invalid-argument").await;
    stranger.secret("GOODS_URL", &postgres.url()).await;
    let refused = stranger.is_refused(&from, "forbidden").await;
    assert!(!refused.contains("factory@127"), "{refused}");
    stranger.grant("private-networks", "").await;
    let spec = stranger.becomes_a_server(&from, "mine").await;
    assert!(spec.contains("envVar: GOODS_URL") && !spec.contains("postgresql://"), "{spec}");
    assert_eq!(names(&stranger.call("mine", "search_goods", json!({})).await), ["tea"]);
    stranger.call("mine", "create_good", json!({ "id": 3, "name": "rum" })).await;
    assert_eq!(names(&stranger.call("mine", "search_goods", json!({ "query": "rum" })).await), ["rum"]);

    // A file of the factory's machine is as far away as a private network.
    stranger.secret("FILE", "/etc/passwd").await;
    stranger.is_refused(&json!({ "database": { "envVar": "FILE" } }), "forbidden").await;
}

/// A tool whose name and parameters say what it does, and one that nobody can guess.
fn lacking(connection: &str, tools: &str) -> Value {
    let text = format!(
        "name: mine\nconnections: [{connection}]\ntools:\n  \
         - {{ name: search_goods, description: By name, parameters: {{ query: {{ type: string }} }} }}\n{tools}"
    );
    json!({ "spec": { "text": text, "infer": true } })
}

/// `create FILE --infer`, for those who have no command line.
#[tokio::test]
async fn what_a_spec_lacks_is_inferred_from_a_database_of_theirs() {
    let running = Running::start().await;
    let stranger = Stranger::of(&running).await;
    let postgres = Postgres::start();
    fill(&postgres);
    let from = lacking(
        "{ name: db, type: postgresql, envVar: GOODS_URL, scope: { column: owner, by: principal.id, tables: [goods] } }",
        "",
    );
    let unset = stranger.is_refused(&from, "unreadable").await;
    assert!(unset.contains("GOODS_URL"), "{unset}");
    stranger.secret("GOODS_URL", &postgres.url()).await;
    stranger.is_refused(&from, "forbidden").await;
    stranger.grant("private-networks", "").await;
    let spec = stranger.becomes_a_server(&from, "mine").await;
    assert!(spec.contains("envVar: GOODS_URL") && spec.contains("LIKE '%' || :query || '%'"), "{spec}");
    assert_eq!(names(&stranger.call("mine", "search_goods", json!({ "query": "E" })).await), ["tea"]);

    let unsure = lacking(
        "{ name: db, type: postgresql, envVar: GOODS_URL }",
        "  - { name: sync_catalog, description: Whatever that is }\n",
    );
    let body = json!({ "from": unsure, "dryRun": true }).to_string();
    let shown = running.ask_as(&stranger.token, "POST", "/mcp/import", &body).await.json();
    let told = shown["findings"].as_array().unwrap();
    let told: Vec<_> = told.iter().map(|it| (it["level"].as_str().unwrap(), it["message"].as_str().unwrap())).collect();
    assert_eq!((told[0].0, told[1].0), ("note", "left out"), "{told:?}");
    assert!(told[0].1.starts_with("search_goods: finds rows of `goods`"), "{told:?}");
    assert!(told[0].1.ends_with("(run, read-only)"), "{told:?}");
    assert!(told[1].1.starts_with("sync_catalog: nothing was written: "), "{told:?}");
    assert!(shown["spec"].as_str().unwrap().contains("sync_catalog"), "it is lost: {shown}");

    // Nothing to infer, and nothing to ask; and another name than it has.
    let whole = "name: st\ntools: [{ name: a, description: Says hi, static: { text: hi } }]\n";
    let body = json!({ "from": { "spec": { "text": whole, "infer": true } }, "dryRun": true });
    let shown = running.ask_as(&stranger.token, "POST", "/mcp/import", &body.to_string()).await;
    assert_eq!((shown.status, &shown.json()["findings"]), (200, &json!([])), "{shown:?}");
    let body = json!({ "from": { "spec": { "text": whole } }, "name": "other" }).to_string();
    let refused = running.ask_as(&stranger.token, "POST", "/mcp/import", &body).await;
    assert_eq!(refused.code().1, "invalid-argument", "{refused:?}");

    // The file of a server that is not there yet, one of the factory's machine, and a spec with errors.
    stranger.is_refused(&lacking("{ name: db, type: sqlite, path: shop.db }", ""), "unreadable").await;
    stranger.is_refused(&lacking("{ name: db, type: sqlite, path: /etc/passwd }", ""), "forbidden").await;
    stranger.is_refused(&lacking("{ name: db, type: nothing }", ""), "invalid-document").await;
}

#[tokio::test]
async fn what_a_spec_lacks_is_inferred_from_a_shared_database_which_stays_unnamed() {
    let running = Running::start().await;
    let stranger = Stranger::of(&running).await;
    let postgres = shared_goods(&running).await;
    let from = lacking("use: goods", "");
    let refused = stranger.is_refused(&from, "forbidden").await;
    let unknown = stranger.is_refused(&lacking("use: never", ""), "forbidden").await;
    assert_eq!(refused.replace("goods", "never"), unknown, "whether there is one is not told");
    stranger.grant("shared-connection", "goods").await;
    let spec = stranger.becomes_a_server(&from, "mine").await;
    assert!(spec.contains("use: goods") && !spec.contains("GOODS_URL") && !spec.contains("postgresql"), "{spec}");
    assert_eq!(names(&stranger.call("mine", "search_goods", json!({})).await), ["tea"]);
    postgres.stop();
    let gone = stranger.is_refused(&from, "unreadable").await;
    assert!(gone.contains("it can't be reached") && !gone.contains("127.0.0.1"), "{gone}");
}

#[tokio::test]
async fn a_grpc_server_becomes_a_server_of_those_who_may_reach_it() {
    let running = Running::start().await;
    let stranger = Stranger::of(&running).await;
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_service_status("shop", tonic_health::ServingStatus::NotServing).await;
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
        .build_v1()
        .unwrap();
    let incoming = TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("grpc://{}", incoming.local_addr().unwrap());
    let router = tonic::transport::Server::builder().add_service(health).add_service(reflection);
    tokio::spawn(router.serve_with_incoming(incoming));

    let from = json!({ "grpc": { "url": url, "allowPrivateNetwork": true } });
    stranger.is_refused(&from, "forbidden").await;
    stranger.is_refused(&json!({ "grpc": { "url": url } }), "unreadable").await;
    stranger.grant("private-networks", "").await;
    let spec = stranger.becomes_a_server(&from, "health").await;
    assert!(spec.contains("grpc.health.v1.Health/Check"), "{spec}");
    let status = stranger.call("health", "check", json!({ "service": "shop" })).await;
    assert_eq!(status, json!({ "status": "NOT_SERVING" }));
    stranger
        .is_refused(
            &json!({ "grpc": { "url": url, "allowPrivateNetwork": true, "services": ["none.*"] } }),
            "invalid-document",
        )
        .await;
}

/// The endpoint of others is asked in `tests/clients`; this one says what such a one says.
#[tokio::test]
async fn a_graphql_endpoint_becomes_a_server_with_a_secret_of_theirs() {
    const SCHEMA: &str = r#"{"data":{"__schema":{"queryType":{"name":"Query"},"types":[
        {"kind":"OBJECT","name":"Query","fields":[{"name":"hello","args":[],"type":{"kind":"SCALAR","name":"String"}}]}]}}}"#;
    let running = Running::start().await;
    let stranger = Stranger::of(&running).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/graphql", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = Vec::new();
            while !request.ends_with(b"}") && stream.read_buf(&mut request).await.is_ok_and(|read| read > 0) {}
            let request = String::from_utf8_lossy(&request).into_owned();
            let body = match (request.contains("Bearer s3cret-token"), request.contains("__schema")) {
                (false, _) => r#"{"errors":[{"message":"who are you?"}]}"#,
                (true, true) => SCHEMA,
                (true, false) => r#"{"data":{"hello":"world"}}"#,
            };
            let head = format!(
                "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
        }
    });
    let from = json!({ "graphql": { "url": url, "allowPrivateNetwork": true, "tokenEnvVar": "API_TOKEN" } });
    stranger.is_refused(&from, "forbidden").await;
    stranger.grant("private-networks", "").await;
    stranger.secret("API_TOKEN", "wrong-token").await;
    stranger.is_refused(&from, "unreadable").await;
    stranger.secret("API_TOKEN", "s3cret-token").await;
    let spec = stranger.becomes_a_server(&from, "greets").await;
    assert!(spec.contains("envVar: API_TOKEN") && !spec.contains("s3cret"), "{spec}");
    assert_eq!(stranger.call("greets", "hello", json!({})).await, json!({ "value": "world" }));
}

#[tokio::test]
async fn another_mcp_server_becomes_a_server_of_theirs() {
    let running = Running::start().await;
    running.tool("create_server", json!({ "spec": shop("1.0.0", "hello") })).await;
    running.tool("deploy_server", json!({ "server": "shop" })).await;
    let stranger = Stranger::of(&running).await;
    let from = json!({ "mcp": { "url": format!("http://{}/servers/shop/mcp", running.address) } });
    stranger.is_refused(&from, "forbidden").await;
    stranger.grant("private-networks", "").await;
    let spec = stranger.becomes_a_server(&from, "behind").await;
    assert!(spec.contains("type: mcp"), "{spec}");
    let called = json!({ "server": "behind", "tool": "hello" });
    let result = running.tool_as(&stranger.token, "call_tool", called).await;
    assert_eq!(result["content"][0]["text"], "hello", "{result}");
}
