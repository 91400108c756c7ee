//! Connections that the operator shares, and every way around them (DESIGN decision 13).

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use mcp_factory::{
    Caller, Change, Submission,
    registry::{Page, Role},
};
use mcp_factory_connect::{Grant, Secret};
use serde_json::{Map, Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use crate::{
    create::{code, create},
    hosted::{Hosted, within},
    kept::{Kept, on_both, user},
};

on_both! {
    a_shared_connection_is_used_by_whom_it_is_granted_to_until_it_is_taken_back;
    no_way_leads_around_a_grant;
    what_a_shared_connection_may_not_reach_is_refused_at_the_call_and_written_down;
    what_a_shared_connection_says_of_rows_holds_for_whoever_uses_it;
    who_calls_is_told_to_a_shared_database_by_nobody_but_us;
    who_shares_says_it_all_and_is_an_operator;
    an_owner_calls_tools_of_their_servers_deployed_or_not;
    what_changed_is_taken_up_by_the_next_deployment_start_or_restart;
}

const TOKEN: &str = "canary-of-the-operator-4711";

/// An API on this machine; what it was sent is kept.
struct Upstream {
    port: u16,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Upstream {
    /// `redirect`: where it sends those who ask for `/away`.
    async fn start(redirect: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let heard: Arc<Mutex<Vec<String>>> = Arc::default();
        let hears = heard.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") && stream.read_buf(&mut head).await.is_ok_and(|read| read > 0) {}
                let head = String::from_utf8_lossy(&head).into_owned();
                let answer = if head.starts_with("GET /away") {
                    format!(
                        "HTTP/1.1 302 Found\r\nlocation: {redirect}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                    )
                } else {
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 11\r\nconnection: close\r\n\r\n{\"ok\":true}"
                        .to_owned()
                };
                hears.lock().expect("a lock").push(head);
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        Self { port, heard }
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().expect("a lock").clone()
    }
}

fn server(name: &str, rest: &str) -> Submission {
    Submission::new(format!("name: {name}\nversion: 1.0.0\n{rest}"))
}

const USES: &str = "connections: [{ use: crm }]\ntools:\n  - { name: find, description: Finds, connection: crm, http: { method: GET, path: /things } }\n  \
    - { name: away, description: Goes, connection: crm, http: { method: GET, path: /away } }\n  \
    - name: named\n    description: Finds one\n    connection: crm\n    parameters: { id: { type: string, required: true } }\n    http: { method: GET, path: '/{id}' }\n";

/// The operator's: an API with their token.
async fn share(hosted: &Hosted, upstream: &Upstream) {
    let factory = &hosted.factory;
    factory.set_secret(&Caller::local(), None, "CRM_TOKEN", &Secret::new(TOKEN)).await.expect("set");
    let crm = format!(
        "name: crm\ntype: http\nurl: http://127.0.0.1:{}\nallowPrivateNetwork: true\nauth: {{ type: bearer, envVar: CRM_TOKEN }}\n",
        upstream.port
    );
    let shared = factory.share_connection(&Caller::local(), &Submission::new(crm)).await.expect("shared");
    assert_eq!(shared, ("crm".to_owned(), Change::Done));
}

async fn audited(hosted: &Hosted, caller: &Caller) -> Vec<String> {
    let log = hosted.factory.audit(caller, &Page::default()).await.expect("a log").entries;
    log.iter().map(|it| format!("{} {} {}", it.verb, it.subject, it.outcome)).collect()
}

async fn a_shared_connection_is_used_by_whom_it_is_granted_to_until_it_is_taken_back(kept: Kept) {
    let hosted = Hosted::start(&kept).await;
    let factory = &hosted.factory;
    let upstream = Upstream::start(String::new()).await;
    share(&hosted, &upstream).await;
    let jane = user(factory, "jane", Role::Developer).await;
    assert!(factory.granted_connections(&jane).await.expect("listed").is_empty());
    let created = factory.create(&jane, server("shop", USES), None).await.expect("created");
    assert_eq!(created.problems.iter().map(|it| it.code).collect::<Vec<_>>(), ["policy/shared-connection"]);
    let refused = factory.deploy(&jane, "shop", None, Duration::from_secs(60)).await.expect("ordered");
    let fault = refused.observed.expect("in time").outcome.expect_err("not granted").to_string();
    assert!(fault.contains("the shared connection `crm` is not granted"), "{fault}");
    let log = audited(&hosted, &jane).await;
    assert!(log.contains(&"servers.create shop policy/shared-connection".to_owned()), "{log:?}");
    assert!(log.contains(&"servers.deploy shop policy/shared-connection".to_owned()), "{log:?}");
    factory.stop(&jane, "shop").await.expect("stopped");

    let for_jane = Caller::local().acting_for(jane.owner().clone()).expect("an admin may");
    let grant = Grant::SharedConnection("crm".to_owned());
    factory.grant(&for_jane, &grant).await.expect("granted");
    let granted = factory.granted_connections(&jane).await.expect("listed");
    assert_eq!((granted[0].name.as_str(), granted[0].kind.as_str()), ("crm", "http"));
    hosted.deploy(&jane, "shop").await;
    let (status, answer) = hosted.call("shop", "", "find").await;
    assert_eq!((status, &answer["result"]["structuredContent"]["ok"]), (200, &json!(true)), "{answer}");
    assert!(upstream.heard()[0].contains(&format!("Bearer {TOKEN}")), "with the operator's own token");
    let details = factory.get(&jane, "shop").await.expect("there");
    assert_eq!(details.dependencies[0].name, "crm");

    // What others need stays.
    assert_eq!(code(factory.unshare_connection(&Caller::local(), "crm", false).await), "needed");
    factory.revoke_grant(&for_jane, &grant).await.expect("revoked");
    within(async {
        while hosted.call("shop", "", "find").await.0 != 404 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let heard = upstream.heard().len();
    let started = factory.start(&jane, "shop", Duration::from_secs(60)).await.expect("ordered");
    assert!(started.observed.expect("in time").outcome.is_err());
    assert_eq!(upstream.heard().len(), heard, "nobody asked it any more");
    factory.unshare_connection(&Caller::local(), "crm", true).await.expect("forced");
    assert_eq!(factory.unshare_connection(&Caller::local(), "crm", false).await.expect("again"), Change::Unchanged);
}

async fn no_way_leads_around_a_grant(kept: Kept) {
    let hosted = Hosted::start(&kept).await;
    let factory = &hosted.factory;
    let evil = Upstream::start(String::new()).await;
    let upstream = Upstream::start(format!("http://127.0.0.1:{}/stolen", evil.port)).await;
    share(&hosted, &upstream).await;
    let mallory = user(factory, "mallory", Role::Developer).await;
    let for_mallory = Caller::local().acting_for(mallory.owner().clone()).expect("an admin may");
    let away = format!("http://127.0.0.1:{}", evil.port);
    let database = kept.folder.path().join("operator.db");
    rusqlite::Connection::open(&database).expect("made").execute_batch("CREATE TABLE t (a)").expect("written");

    // Refused when it is planned, naming what is missing, and written down.
    let tool = "tools: [{ name: t, description: d, connection: c, http: { method: GET, path: / } }]";
    let sql = "tools: [{ name: t, description: d, connection: c, sql: SELECT 1 AS a }]";
    let tried = [
        (
            "use",
            format!("connections: [{{ use: crm }}]\n{}", tool.replace("connection: c", "connection: crm")),
            "policy/shared-connection",
        ),
        (
            "never",
            format!("connections: [{{ use: never }}]\n{}", tool.replace("connection: c", "connection: never")),
            "policy/shared-connection",
        ),
        (
            "url",
            format!("connections: [{{ name: c, type: http, url: '{away}', allowPrivateNetwork: true }}]\n{tool}"),
            "policy/private-networks",
        ),
        (
            "path",
            format!("connections: [{{ name: c, type: sqlite, path: {} }}]\n{sql}", database.display()),
            "policy/path",
        ),
        (
            "registry",
            format!(
                "connections: [{{ name: c, type: sqlite, path: {}/registry.db }}]\n{sql}",
                factory.data().display()
            ),
            "policy/path",
        ),
        (
            "argv",
            "tools: [{ name: t, description: d, command: { argv: [cat, /proc/self/environ] } }]".to_owned(),
            "policy/command",
        ),
    ];
    for (name, spec, code) in tried {
        let created = factory
            .create(&mallory, server(name, &spec), None)
            .await
            .unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert!(created.problems.iter().any(|it| it.code == code), "{name}: {:?}", created.problems);
        let deployed = factory.deploy(&mallory, name, None, Duration::from_secs(60)).await.expect("ordered");
        assert!(deployed.observed.expect("in time").serving.is_none(), "{name}");
        factory.stop(&mallory, name).await.expect("stopped");
        let log = audited(&hosted, &mallory).await;
        for verb in ["servers.create", "servers.deploy"] {
            assert!(log.contains(&format!("{verb} {name} {code}")), "{name}: {log:?}");
        }
        let called = factory.call(&mallory, name, "t", Map::new()).await;
        assert_eq!(self::code(called), "not-deployable", "{name}");
    }
    // No version is made of what the language has no word for.
    for spec in [
        format!("connections: [{{ use: crm, url: '{away}' }}]\n{}", tool.replace("connection: c", "connection: crm")),
        "tools: [{ name: t, description: d, static: { file: ../../../../etc/passwd } }]".to_owned(),
        "connections: [{ name: c, type: sqlite, path: ./a.db, seed: /etc/passwd }]\ntools: [{ name: t, description: d, sql: SELECT 1 AS a }]".to_owned(),
    ] {
        let created = factory.create(&mallory, server("none", &spec), None).await;
        let refused = created.as_ref().map_or(true, |created| !created.problems.is_empty());
        assert!(refused, "{spec}: {created:?}");
    }

    // The operator's secret under its own name, in the environment of the process or in their store.
    for (name, variable) in [("env", "PATH"), ("stolen", "CRM_TOKEN")] {
        let spec = format!(
            "connections: [{{ name: c, type: http, url: 'https://example.com', auth: {{ type: bearer, envVar: {variable} }} }}]\n{tool}"
        );
        create(factory, &mallory, server(name, &spec)).await.expect("created");
        let answer = factory.call(&mallory, name, "t", Map::new()).await.expect("an answer");
        assert!(answer["isError"] == true && answer.to_string().contains(variable), "{answer}");
        assert!(!answer.to_string().contains(TOKEN));
    }
    // What resolves to this machine.
    let spec = format!("connections: [{{ name: c, type: http, url: '{away}' }}]\n{tool}");
    create(factory, &mallory, server("inside", &spec)).await.expect("created");
    let answer = factory.call(&mallory, "inside", "t", Map::new()).await.expect("an answer");
    assert!(answer["isError"] == true && answer.to_string().contains("not on the public internet"), "{answer}");

    // With the grant: neither a redirect nor a path leads to somebody else.
    factory.grant(&for_mallory, &Grant::SharedConnection("crm".to_owned())).await.expect("granted");
    create(factory, &mallory, server("granted", USES)).await.expect("created");
    hosted.deploy(&mallory, "granted").await;
    let (_, answer) = hosted.call("granted", "", "away").await;
    assert!(answer["result"]["isError"] == true && answer.to_string().contains("redirects to"), "{answer}");
    for id in
        [format!("/127.0.0.1:{}/x", evil.port), format!("@127.0.0.1:{}", evil.port), "../../x".to_owned(), away.clone()]
    {
        let arguments = json!({ "id": id }).as_object().cloned().expect("an object");
        let _ = factory.call(&mallory, "granted", "named", arguments).await.expect("an answer");
    }
    assert!(evil.heard().is_empty(), "nobody else heard of it: {:?}", evil.heard());
    let logs = factory.logs(&mallory, "granted").await.expect("theirs").expect("a log");
    let lines = logs.read(mcp_factory::deploy::logs::Asked::default());
    assert!(!lines.iter().any(|line| line.to_string().contains(TOKEN)));
}

/// S5, decision 13: the operator shares an API of the public internet; its name leads to this machine one day.
async fn what_a_shared_connection_may_not_reach_is_refused_at_the_call_and_written_down(kept: Kept) {
    let hosted = Hosted::start(&kept).await;
    let factory = &hosted.factory;
    let upstream = Upstream::start(String::new()).await;
    let crm = format!("name: crm\ntype: http\nurl: http://localhost:{}\n", upstream.port);
    factory.share_connection(&Caller::local(), &Submission::new(crm)).await.expect("shared");
    let jane = user(factory, "jane", Role::Developer).await;
    let for_jane = Caller::local().acting_for(jane.owner().clone()).expect("an admin may");
    factory.grant(&for_jane, &Grant::SharedConnection("crm".to_owned())).await.expect("granted");
    create(factory, &jane, server("shop", USES)).await.expect("created");
    hosted.deploy(&jane, "shop").await;
    let (_, answer) = hosted.call("shop", "", "find").await;
    assert!(
        answer["result"]["isError"] == true && answer.to_string().contains("not on the public internet"),
        "{answer}"
    );
    let log = audited(&hosted, &jane).await;
    assert!(log.iter().any(|line| line.contains("shop") && line.ends_with("policy/private-networks")), "{log:?}");
    assert!(upstream.heard().is_empty(), "nobody was asked");
}

async fn what_a_shared_connection_says_of_rows_holds_for_whoever_uses_it(kept: Kept) {
    let hosted = Hosted::start(&kept).await;
    let factory = &hosted.factory;
    let database = kept.folder.path().join("orders.db");
    let rows = "CREATE TABLE orders (owner, item); INSERT INTO orders VALUES ('jane', 'hat'), ('bob', 'bag')";
    rusqlite::Connection::open(&database).expect("made").execute_batch(rows).expect("written");
    let text = json!({
        "name": "orders", "type": "sqlite", "path": database, "readOnly": true,
        "scope": { "column": "owner", "by": "principal.id", "tables": ["orders"] },
    });
    factory.share_connection(&Caller::local(), &Submission::new(text.to_string())).await.expect("shared");
    let jane = user(factory, "jane", Role::Developer).await;
    let for_jane = Caller::local().acting_for(jane.owner().clone()).expect("an admin may");
    factory.grant(&for_jane, &Grant::SharedConnection("orders".to_owned())).await.expect("granted");
    let with = |tool: &str| {
        server("mine", &format!("connections: [{{ use: orders }}]\ntools: [{{ name: t, description: d, {tool} }}]"))
    };
    for (tool, code) in [
        ("sql: SELECT item FROM orders", "tenant/unscoped"),
        ("sql: SELECT item FROM orders, scope: none", "policy/shared-connection"),
        ("sql: DELETE FROM orders WHERE owner = :principal.id", "sql/writes"),
    ] {
        let valid = factory.validate(&jane, with(tool)).await.expect("judged");
        assert!(valid.problems.iter().any(|it| it.code.starts_with(code)), "{tool}: {:?}", valid.problems);
    }
    create(factory, &jane, with("sql: 'SELECT item FROM orders WHERE owner = :principal.id'")).await.expect("created");
    let answer = factory.call(&jane, "mine", "t", Map::new()).await.expect("called");
    assert_eq!(answer["structuredContent"]["items"], json!([{ "item": "hat" }]), "{answer}");
    hosted.deploy(&jane, "mine").await;
    let (_, answer) = hosted.call("mine", "", "t").await;
    assert_eq!(answer["result"]["structuredContent"]["items"], json!([]), "nobody's: {answer}");
}

/// Row security by `session`: an author is granted the connection, and not the rows of others (S5, decision 13).
async fn who_calls_is_told_to_a_shared_database_by_nobody_but_us(kept: Kept) {
    let hosted = Hosted::start(&kept).await;
    let factory = &hosted.factory;
    let postgres = mcp_factory_testing::Postgres::start();
    let (client, connection) = tokio_postgres::connect(&postgres.url(), tokio_postgres::NoTls).await.expect("reached");
    tokio::spawn(connection);
    let rows = "CREATE ROLE app LOGIN; CREATE TABLE orders (owner text, item text); \
                INSERT INTO orders VALUES ('jane', 'hat'), ('bob', 'bag'); GRANT ALL ON orders TO app; \
                GRANT CREATE, USAGE ON SCHEMA public TO app; ALTER TABLE orders ENABLE ROW LEVEL SECURITY; \
                CREATE POLICY own ON orders USING (owner = current_setting('app.user'))";
    client.batch_execute(rows).await.expect("made");
    let url = postgres.url().replace("//factory@", "//app@");
    factory.set_secret(&Caller::local(), None, "ORDERS_DB", &Secret::new(url)).await.expect("set");
    let orders = "name: orders\ntype: postgresql\nenvVar: ORDERS_DB\nsession: { app.user: '{principal.id}' }\n";
    factory.share_connection(&Caller::local(), &Submission::new(orders)).await.expect("shared");
    let jane = user(factory, "jane", Role::Developer).await;
    let for_jane = Caller::local().acting_for(jane.owner().clone()).expect("an admin may");
    factory.grant(&for_jane, &Grant::SharedConnection("orders".to_owned())).await.expect("granted");
    let with = |name: &str, tools: &str| {
        let tool = |sql: &str| format!("connections: [{{ use: orders }}]\ntools:\n{sql}");
        server(name, &tool(tools))
    };
    for (position, sql) in [
        "SELECT owner, set_config('app.user', 'bob', true) AS x FROM orders",
        "WITH x AS MATERIALIZED (SELECT set_config('app.user', 'bob', true)) SELECT owner FROM orders, x",
        "SELECT owner FROM orders, LATERAL set_config('app.user', 'bob', true)",
        "UPDATE pg_settings SET setting = 'bob' WHERE name = 'app.user'",
        "SELECT query_to_xml('SELECT set_config(''app.user'', ''bob'', false)', true, true, '')::text AS x",
        "CREATE FUNCTION become() RETURNS text LANGUAGE sql AS $$ SELECT set_config('app.user', 'bob', true) $$",
        "CREATE TEMP TABLE orders (owner text, item text)",
        "SET app.user = 'bob'",
        "SET ROLE postgres",
        "RESET ALL",
    ]
    .into_iter()
    .enumerate()
    {
        for scope in ["", ", scope: none"] {
            let name = format!("evil-{position}{}", if scope.is_empty() { "" } else { "-none" });
            let tool = format!("  - {{ name: t, description: d, sql: {}{scope} }}", json!(sql));
            match factory.create(&jane, with(&name, &tool), None).await {
                // Not SQL at all to who reads it.
                Err(error) => assert_eq!(error.code(), "invalid-spec", "{sql}: {error:?}"),
                Ok(created) => {
                    let codes: Vec<_> = created.problems.iter().map(|it| it.code).collect();
                    assert!(
                        codes.contains(&if scope.is_empty() { "tenant/unscoped" } else { "policy/shared-connection" }),
                        "{sql}{scope}: {codes:?}"
                    );
                    let deployed = factory.deploy(&jane, &name, None, Duration::from_secs(20)).await.expect("ordered");
                    assert!(deployed.observed.expect("in time").serving.is_none(), "{sql}");
                    assert_eq!(code(factory.call(&jane, &name, "t", Map::new()).await), "not-deployable", "{sql}");
                }
            }
        }
    }
    // What tables there are, and nothing of what opens them.
    client
        .batch_execute("CREATE TABLE items (id int PRIMARY KEY, price numeric NOT NULL); GRANT SELECT ON items TO app")
        .await
        .expect("made");
    let [(connection, Some(schema))] = &factory.granted_schemas(&jane).await.expect("listed")[..] else {
        panic!("one connection with its tables")
    };
    assert_eq!((connection.name.as_str(), schema.more), ("orders", 0));
    let items = schema.tables.iter().find(|table| table.name == "items").expect("a table");
    let columns: Vec<_> = items.columns.iter().map(|it| (it.name.as_str(), it.kind, it.is_key, it.nullable)).collect();
    assert_eq!(columns, [("id", "integer", true, false), ("price", "decimal", false, false)]);
    assert!(schema.tables.iter().any(|table| table.name == "orders"), "{schema:?}");
    let bob = user(factory, "bob", Role::Developer).await;
    assert!(factory.granted_schemas(&bob).await.expect("listed").is_empty());
    assert_eq!(code(factory.granted_schema(&bob, "orders").await), "not-found");

    let mine = "  - { name: t, description: d, sql: SELECT item FROM orders, annotations: { readOnly: true } }\n  \
                - { name: become, description: d, sql: SELECT item FROM orders WHERE become() IS NOT NULL }";
    create(factory, &jane, with("mine", mine)).await.expect("created");
    // A function that the database has, by whomever.
    let become_bob = "CREATE FUNCTION become() RETURNS text LANGUAGE sql VOLATILE AS $$ SELECT set_config('app.user', 'bob', false) $$";
    client.batch_execute(become_bob).await.expect("made");
    for _ in 0..2 {
        let answer = factory.call(&jane, "mine", "t", Map::new()).await.expect("called");
        assert_eq!(answer["structuredContent"]["items"], json!([{ "item": "hat" }]), "{answer}");
        let answer = factory.call(&jane, "mine", "become", Map::new()).await.expect("called");
        assert!(answer["isError"] == true && !answer.to_string().contains("bag"), "{answer}");
    }
}

async fn what_changed_is_taken_up_by_the_next_deployment_start_or_restart(kept: Kept) {
    let hosted = Hosted::start(&kept).await;
    let factory = &hosted.factory;
    let (first, second) = (Upstream::start(String::new()).await, Upstream::start(String::new()).await);
    share(&hosted, &first).await;
    let jane = user(factory, "jane", Role::Developer).await;
    let for_jane = Caller::local().acting_for(jane.owner().clone()).expect("an admin may");
    factory.grant(&for_jane, &Grant::SharedConnection("crm".to_owned())).await.expect("granted");
    let keys = |keys: &'static str| {
        let jane = jane.clone();
        async move { factory.set_secret(&jane, None, "SHOP_KEYS", &Secret::new(keys)).await.expect("set") }
    };
    keys("the-first-key-of-all").await;
    let spec = format!("auth: {{ type: bearer, envVar: SHOP_KEYS }}\n{USES}");
    create(factory, &jane, server("shop", &spec)).await.expect("created");
    hosted.deploy(&jane, "shop").await;
    let generation = async || factory.observed(&jane, "shop").expect("it runs").serving.expect("it serves").generation;
    assert_eq!(generation().await, 1);
    let wait = Duration::from_secs(20);
    let again = factory.deploy(&jane, "shop", None, wait).await.expect("ordered");
    assert_eq!((again.already, generation().await), (Some("this version is running"), 1));

    // A secret of its owner's: named by what is said of it, and taken up in place of what runs.
    keys("another-key-than-that").await;
    assert_eq!(factory.running_with_secret(&jane, "SHOP_KEYS").await.expect("told"), ["shop"]);
    assert_eq!(factory.running_with_secret(&jane, "OTHER").await.expect("told"), [""; 0]);
    assert_eq!(hosted.status("shop", "the-first-key-of-all", "find").await, 200, "until then");
    let deployed = factory.deploy(&jane, "shop", None, wait).await.expect("ordered");
    assert_eq!((deployed.already, generation().await), (None, 2));
    assert_eq!(hosted.status("shop", "the-first-key-of-all", "find").await, 401);
    assert_eq!(hosted.status("shop", "another-key-than-that", "find").await, 200);

    // A shared connection, and a secret of it.
    share(&hosted, &second).await;
    assert_eq!(factory.running_with_connection(&Caller::local(), "crm").await.expect("told"), ["jane/shop"]);
    assert_eq!(factory.running_with_secret(&Caller::local(), "CRM_TOKEN").await.expect("told"), ["jane/shop"]);
    assert_eq!(code(factory.running_with_connection(&jane, "crm").await), "forbidden");
    let heard = first.heard().len();
    let started = factory.start(&jane, "shop", wait).await.expect("ordered");
    assert_eq!((started.already, generation().await), (None, 3));
    assert_eq!(hosted.status("shop", "another-key-than-that", "find").await, 200);
    assert_eq!((first.heard().len(), second.heard().len()), (heard, 1));

    // A restart that is waited for ends with the next instance.
    let restarted = factory.restart(&jane, "shop", wait).await.expect("ordered");
    let serving = restarted.observed.expect("in time").serving.expect("it serves");
    assert_eq!((serving.generation, generation().await), (4, 4));
    assert_eq!(factory.start(&jane, "shop", wait).await.expect("ordered").already, Some("it is running"));
}

async fn who_shares_says_it_all_and_is_an_operator(kept: Kept) {
    let factory = kept.factory().await;
    let jane = user(&factory, "jane", Role::Developer).await;
    let boss = user(&factory, "boss", Role::Admin).await;
    let crm = || Submission::new("name: crm\ntype: http\nurl: https://crm.example.com\n");
    assert_eq!(code(factory.share_connection(&jane, &crm()).await), "forbidden");
    assert_eq!(code(factory.shared_connections(&jane).await), "forbidden");
    assert_eq!(code(factory.unshare_connection(&jane, "crm", true).await), "forbidden");
    let for_jane = boss.acting_for(jane.owner().clone()).expect("an admin may");
    assert_eq!(code(factory.share_connection(&for_jane, &crm()).await), "invalid-argument");
    for text in [
        "use: crm",
        "name: crm\ntype: http",
        "name: crm\ntype: http\nurl: https://a:b@crm.example.com\n",
        "name: crm\ntype: http\nurl: https://x.example\nauth: { type: bearer, envVar: A }\nper: principal\n",
        "name: db\ntype: sqlite\npath: ./here.db\n",
        "name: db\ntype: sqlite\npath: /srv/here.db\nseed: ./seed.sql\n",
        "name: mail\ntype: smtp\nenvVar: A\n",
        "[]",
        "{",
    ] {
        let refused = factory.share_connection(&boss, &Submission::new(text)).await;
        assert_eq!(code(refused), "invalid-argument", "{text}");
    }
    assert_eq!(factory.share_connection(&boss, &crm()).await.expect("shared").1, Change::Done);
    assert_eq!(factory.share_connection(&boss, &crm()).await.expect("again").1, Change::Unchanged);
    assert_eq!(code(factory.share_connection(&Caller::local(), &crm()).await), "name-taken");
    // Who is no operator any more shares nothing any more.
    let granted = Caller::local().acting_for(jane.owner().clone()).expect("an admin may");
    factory.grant(&granted, &Grant::SharedConnection("crm".to_owned())).await.expect("granted");
    assert!(factory.validate(&jane, server("shop", USES)).await.expect("judged").problems.is_empty());
    factory.change_user(&Caller::local(), boss.owner(), Role::Developer, Default::default()).await.expect("changed");
    let valid = factory.validate(&jane, server("shop", USES)).await.expect("judged");
    assert_eq!(valid.problems.iter().map(|it| it.code).collect::<Vec<_>>(), ["plan/unusable"], "{:?}", valid.problems);
    factory.remove_user(&Caller::local(), boss.owner()).await.expect("removed");
    assert!(factory.shared_connections(&Caller::local()).await.expect("listed").is_empty());
}

async fn an_owner_calls_tools_of_their_servers_deployed_or_not(kept: Kept) {
    let hosted = Hosted::start(&kept).await;
    let factory = &hosted.factory;
    let jane = user(factory, "jane", Role::Developer).await;
    let spec = "auth: { type: bearer }\ntools:\n  - name: greet\n    description: Greets\n    parameters: { name: { type: string, required: true } }\n    static: { text: hello }\n";
    create(factory, &jane, server("shop", spec)).await.expect("created");
    let ask = |tool: &'static str, arguments: Value| {
        let (factory, jane) = (factory.clone(), jane.clone());
        async move { factory.call(&jane, "shop", tool, arguments.as_object().cloned().expect("an object")).await }
    };
    for deployed in [false, true] {
        if deployed {
            hosted.deploy(&jane, "shop").await;
        }
        let answer = ask("greet", json!({ "name": "x" })).await.expect("called");
        assert_eq!(answer["content"][0]["text"], "hello");
        let answer = ask("greet", json!({ "nme": "x" })).await;
        assert!(answer.as_ref().map_or(true, |answer| answer["isError"] == true), "{answer:?}");
        assert_eq!(code(ask("never", json!({})).await), "not-found");
    }
    let usage = factory.usage(&jane, Some("shop"), 0).await.expect("read");
    assert!(usage.iter().filter(|it| it.tool == "greet").map(|it| it.calls).sum::<u64>() >= 2, "{usage:?}");
    assert!(usage.iter().all(|it| it.tool != "never"));
    let logs = factory.logs(&jane, "shop").await.expect("theirs").expect("a log");
    let lines = logs.read(mcp_factory::deploy::logs::Asked::default());
    assert!(lines.iter().any(|line| line.to_string().contains("greet for jane: ok")));
    let mallory = user(factory, "mallory", Role::Developer).await;
    assert_eq!(code(factory.call(&mallory, "shop", "greet", Map::new()).await), "not-found");
    assert_eq!(code(factory.call(&mallory, "shop", "", Map::new()).await), "not-found");
    let log = audited(&hosted, &jane).await;
    assert!(log.contains(&"servers.invoke shop/greet done".to_owned()), "{log:?}");
}
