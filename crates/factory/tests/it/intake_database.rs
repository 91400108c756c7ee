//! Issue 6 §2 and §5: live databases become servers whose tools answer what plain SQL does.

mod columns;
mod hostile;
mod inferred;
mod pages;
mod proof;
mod samples;

use std::{collections::BTreeSet, sync::Arc};

use mcp_factory::intake::{Database, Intake, IntakeError, Level, Place, Proposed, Reach};
use mcp_factory_connect::{
    FixedSecrets, Policy,
    sql::{self, Access, Backend, Cell, Columns, DatabaseConfig, RowSink, RunOptions, Source, Statement},
};
use mcp_factory_engine::{CursorKey, Engine, Plan, Surroundings, Tasks};
use mcp_factory_spec::{Format, NoFiles, Spec};
use mcp_factory_testing::{Mariadb, Postgres};
use mcp_serve::{Approvals, CallContext, Content, Principal, Server as _, ToolResult};
use serde_json::{Value, json};

/// A database that a test may do anything with.
pub struct Ground {
    pub backend: Backend,
    pub url: String,
    pub database: sql::Database,
}

struct Nothing;

impl RowSink for Nothing {
    fn columns(&mut self, _: &Columns) {}
    fn cell(&mut self, _: usize, _: Cell<'_>) {}
    fn end_row(&mut self) -> std::ops::ControlFlow<()> {
        std::ops::ControlFlow::Continue(())
    }
    fn reset(&mut self) {}
}

impl Ground {
    pub fn new(backend: Backend, url: &str) -> Self {
        let source = if backend == Backend::Sqlite { Source::Path(url.into()) } else { Source::Url(url.to_owned()) };
        let config = DatabaseConfig::new("ground", backend, source);
        let secrets = Arc::new(FixedSecrets::default());
        let database = sql::Database::new(config, secrets, Arc::new(Policy::operator())).expect("an operator may");
        Self { backend, url: url.to_owned(), database }
    }

    pub async fn execute(&self, text: &str) {
        let statement = Statement::new(text, Vec::new(), Access::Write);
        let run = self.database.run(&statement, Vec::new(), Nothing, &RunOptions::default()).await;
        run.unwrap_or_else(|error| panic!("{error}: {text}"));
    }

    pub async fn plain(&self, text: &str) -> Vec<Vec<Value>> {
        let read = self.database.table(text, Vec::new(), RunOptions::default().timeout).await;
        read.unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    pub async fn propose(&self, options: Database) -> Result<Proposed, IntakeError> {
        let database = Database { place: Some(Place::Typed(self.url.clone())), ..options };
        Intake::Database(database).propose(Some("shop".to_owned()), &Reach::operator()).await
    }

    pub async fn spec(&self, options: Database) -> Spec {
        self.propose(options).await.unwrap_or_else(|error| panic!("{error:?}")).proposal.spec
    }

    /// The proposal as it is served. Nobody is asked.
    pub fn engine(&self, spec: &Spec) -> Engine {
        let mut canonical = spec.canonical();
        for tool in canonical["tools"].as_array_mut().expect("tools") {
            tool.as_object_mut().expect("a tool").remove("confirm");
        }
        self.served(&canonical)
    }

    pub fn served(&self, canonical: &Value) -> Engine {
        // Wherever the spec says it is: here it is a secret's.
        let mut canonical = canonical.clone();
        let connection = canonical["connections"][0].as_object_mut().expect("a connection");
        connection.remove("url");
        connection.remove("path");
        let variable = connection.entry("envVar").or_insert("SHOP_URL".into()).as_str().expect("a variable").to_owned();
        let text = canonical.to_string();
        let source = mcp_factory_spec::Source { name: "spec.json", bytes: text.as_bytes(), format: Format::Json };
        let reading = mcp_factory_spec::read(&source, &NoFiles);
        let spec = reading.spec.unwrap_or_else(|| panic!("{:#?}", reading.diagnostics));
        let surroundings = Surroundings {
            folder: std::env::temp_dir(),
            secrets: Arc::new([(variable, self.url.clone())].into_iter().collect::<FixedSecrets>()),
            policy: Policy::operator(),
            cursor_key: CursorKey::new(b"a key for tests"),
            fresh_seeds: None,
            changes: None,
            tasks: Tasks::in_memory(),
            approvals: Approvals::default(),
        };
        Plan::new(&spec, &surroundings).map(Plan::build).unwrap_or_else(|problems| panic!("{problems:#?}"))
    }
}

pub async fn ask_as(engine: &Engine, who: &str, tool: &str, arguments: Value) -> Result<Value, String> {
    let Value::Object(arguments) = arguments else { panic!("arguments are an object") };
    let cx = CallContext::new(Principal::trusted(who));
    answer(engine.call_tool(&cx, tool, arguments).await.map_err(|error| error.to_string())?)
}

pub async fn ask(engine: &Engine, tool: &str, arguments: Value) -> Result<Value, String> {
    ask_as(engine, "alice", tool, arguments).await
}

fn answer(result: ToolResult) -> Result<Value, String> {
    let value = match result.content {
        Content::Json(json) | Content::Both { json, .. } => serde_json::from_str(json.get()).expect("JSON"),
        Content::Task(task) => panic!("a task: {task:?}"),
        Content::Blocks(blocks) => {
            let texts: Vec<&str> = blocks.iter().filter_map(|it| it.as_text()).map(|text| text.text.as_str()).collect();
            Value::String(texts.join("\n"))
        }
    };
    match (result.is_error, value) {
        (true, Value::String(text)) => Err(text),
        (true, value) => Err(value.to_string()),
        (false, value) => Ok(value),
    }
}

pub fn names(spec: &Spec) -> BTreeSet<String> {
    spec.tools.iter().map(|tool| tool.name.to_string()).collect()
}

/// A shop, as each of the three has it.
const SHOP: &[&str] = &[
    "CREATE TABLE customers (id INTEGER PRIMARY KEY, owner VARCHAR(50) NOT NULL, name VARCHAR(80) NOT NULL, email VARCHAR(80) UNIQUE, \
     password_hash VARCHAR(80), active BOOLEAN)",
    "CREATE TABLE products (id INTEGER PRIMARY KEY, name VARCHAR(80) NOT NULL, kind VARCHAR(10) NOT NULL DEFAULT 'book' \
     CHECK (kind IN ('book', 'toy')), price DECIMAL(10, 2), stock INTEGER NOT NULL DEFAULT 0 CHECK (stock >= 0))",
    "CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL, placed DATE, owner VARCHAR(50) NOT NULL, \
     FOREIGN KEY (customer_id) REFERENCES customers (id))",
    "CREATE TABLE order_products (order_id INTEGER NOT NULL, product_id INTEGER NOT NULL, PRIMARY KEY (order_id, product_id), \
     FOREIGN KEY (order_id) REFERENCES orders (id), FOREIGN KEY (product_id) REFERENCES products (id))",
    "CREATE VIEW cheap AS SELECT id, name, price FROM products WHERE price < 10",
    "INSERT INTO customers VALUES (1, 'alice', 'Ann', 'ann@x.example', 'h1', true), (2, 'bob', 'Ben', NULL, 'h2', false)",
    "INSERT INTO products VALUES (1, 'Go', 'toy', 9.90, 3), (2, 'Faust', 'book', 12.00, 1), (3, 'Ball', 'toy', NULL, 0)",
    "INSERT INTO orders VALUES (1, 1, '2026-01-02', 'alice'), (2, 2, '2026-02-03', 'bob'), (3, 1, NULL, 'alice')",
    "INSERT INTO order_products VALUES (1, 1), (1, 2), (2, 2), (3, 3)",
];

/// A database that takes any text for a date answers everything or nothing.
async fn what_is_no_point_in_time_is_refused(ground: &Ground) {
    for statement in [
        "CREATE TABLE visits (id INTEGER PRIMARY KEY, day DATE, hour TIME, at DATETIME)",
        "INSERT INTO visits VALUES (1, '2026-11-21', '04:47:15', '2026-11-21 04:47:15')",
    ] {
        let timestamp = if ground.backend == Backend::Postgres { "TIMESTAMP" } else { "DATETIME" };
        ground.execute(&statement.replace("DATETIME", timestamp)).await;
    }
    let visits = Database { tables: vec!["visits".to_owned()], writes: true, ..Database::default() };
    let engine = ground.engine(&ground.spec(visits).await);
    for (name, value) in [
        ("day_from", "gestern"),
        ("day_from", "2026-13-45"),
        ("day_to", "21.11.2026"),
        ("at_from", "soon"),
        ("at_to", "2026-11-21T25:00:00"),
    ] {
        let refused = ask(&engine, "search_visits", json!({ name: value })).await.expect_err(value);
        let told = match ground.backend {
            Backend::Postgres if name.starts_with("day") => name,
            _ => "must match the pattern ^[0-9]{4}-(0[1-9]|1[0-2])-",
        };
        assert!(refused.contains(told), "{refused}");
    }
    ask(&engine, "update_visit", json!({ "id": 1, "hour": "noon" })).await.expect_err("it is no time");
    for (name, value) in [
        ("day_from", "2026-11-21"),
        ("at_from", "2026-11-21"),
        ("at_from", "2026-11-21T04:47"),
        ("at_from", "2026-11-21 04:47:15.000"),
        ("at_to", "2026-11-21T04:47:15Z"),
    ] {
        let found = ask(&engine, "search_visits", json!({ name: value })).await.expect(value);
        assert_eq!(found["items"].as_array().map(Vec::len), Some(1), "{name} {value}: {found}");
    }
    ask(&engine, "update_visit", json!({ "id": 1, "hour": "12:00", "at": "2026-11-22T00:00:00" }))
        .await
        .expect("it is");
}

async fn shop(ground: &Ground) {
    for statement in SHOP {
        let text = match ground.backend {
            Backend::Mysql => statement.replace("VARCHAR(50)", "VARCHAR(50) COLLATE utf8mb4_bin"),
            _ => (*statement).to_owned(),
        };
        ground.execute(&text).await;
    }
}

async fn the_shop_becomes_tools(ground: &Ground) {
    shop(ground).await;
    let proposed = ground.propose(Database { writes: true, ..Database::default() }).await.expect("a spec");
    let spec = &proposed.proposal.spec;
    let expected = [
        "create_customer",
        "create_order",
        "create_order_product",
        "create_product",
        "delete_customer",
        "delete_order",
        "delete_order_product",
        "delete_product",
        "get_customer",
        "get_order",
        "get_order_product",
        "get_product",
        "list_orders_by_customer_id",
        "list_orders_of_product",
        "list_products_of_order",
        "search_cheap",
        "search_customers",
        "search_order_products",
        "search_orders",
        "search_products",
        "update_customer",
        "update_order",
        "update_product",
    ];
    assert_eq!(names(spec), expected.map(str::to_owned).into());
    let canonical = spec.canonical();
    assert!(!canonical.to_string().contains("password_hash"), "{canonical}");
    let findings = &proposed.proposal.findings;
    assert!(
        findings
            .iter()
            .any(|it| matches!(it.level, Level::Partly | Level::LeftOut) && it.message.contains("`password_hash`")),
        "{findings:?}"
    );
    let tool =
        |name: &str| canonical["tools"].as_array().expect("tools").iter().find(|tool| tool["name"] == name).cloned();
    let delete = tool("delete_product").expect("a tool");
    assert_eq!(delete["annotations"]["destructive"], true);
    assert!(delete["confirm"].to_string().contains("{id}"), "{delete}");
    let search = tool("search_products").expect("a tool");
    assert_eq!(search["parameters"]["kind"]["enum"], json!(["book", "toy"]), "{search}");

    proof::prove(ground, spec).await;

    let engine = ground.engine(spec);
    // The number of a row is SQLite's own to make.
    let wanted = match ground.backend {
        Backend::Sqlite => json!({ "name": "New" }),
        _ => json!({ "id": 9, "name": "New" }),
    };
    let made = ask(&engine, "create_product", wanted).await.expect("made");
    let id = if ground.backend == Backend::Sqlite { 4 } else { 9 };
    assert_eq!(made, json!({ "id": id }));
    let new = ask(&engine, "get_product", json!({ "id": id })).await.expect("there");
    assert_eq!(new, json!({ "id": id, "name": "New", "kind": "book", "stock": 0 }), "defaults are the database's");
    ask(&engine, "update_product", json!({ "id": id, "price": 1.25 })).await.expect("changed");
    let new = ask(&engine, "get_product", json!({ "id": id })).await.expect("there");
    assert_eq!(new, json!({ "id": id, "name": "New", "kind": "book", "price": 1.25, "stock": 0 }));
    let refused = ask(&engine, "update_product", json!({ "id": id, "stock": -1 })).await;
    refused.expect_err("the check is the parameter's minimum");
    ask(&engine, "delete_product", json!({ "id": id })).await.expect("deleted");
    ask(&engine, "get_product", json!({ "id": id })).await.expect_err("gone");

    // Nobody was asked above; as it is proposed, somebody is.
    let asking = ground.served(&canonical);
    assert!(ask(&asking, "delete_product", json!({ "id": 3 })).await.is_err());
    ask(&engine, "get_product", json!({ "id": 3 })).await.expect("still there");

    let reading = ground.spec(Database { tables: vec!["order*".to_owned()], ..Database::default() }).await;
    assert!(reading.tools.iter().all(|tool| tool.annotations.read_only == Some(true)));
    assert_eq!(reading.canonical()["connections"][0]["readOnly"], true);
    assert!(names(&reading).iter().all(|name| name.contains("order")), "{:?}", names(&reading));
}

/// `--scope`: whoever calls sees and changes their own.
async fn rows_belong_to_somebody(ground: &Ground) {
    let options = Database { writes: true, scope: Some("owner".to_owned()), ..Database::default() };
    let proposed = ground.propose(options).await.expect("a spec");
    let spec = &proposed.proposal.spec;
    let findings = &proposed.proposal.findings;
    let left_out: Vec<&str> =
        findings.iter().filter(|it| matches!(it.level, Level::Partly | Level::LeftOut)).map(|it| &*it.place).collect();
    assert!(left_out.contains(&"order_products") && left_out.contains(&"cheap"), "{findings:?}");
    assert!(
        findings.iter().any(|it| it.place == "products" && it.message.ends_with("no tool changes them")),
        "{findings:?}"
    );
    let of_products: BTreeSet<String> = names(spec).into_iter().filter(|name| name.contains("product")).collect();
    assert_eq!(of_products, ["get_product", "search_products"].map(str::to_owned).into(), "they are everybody's");
    assert_eq!(
        spec.canonical()["connections"][0]["scope"],
        json!({ "column": "owner", "by": "principal.id", "tables": ["customers", "orders"] })
    );
    let engine = ground.engine(spec);
    let mine = ask_as(&engine, "alice", "search_orders", json!({})).await.expect("orders");
    let ids: Vec<&Value> = mine["items"].as_array().expect("rows").iter().map(|row| &row["id"]).collect();
    assert_eq!(ids, [1, 3]);
    assert_eq!(
        ask_as(&engine, "bob", "search_orders", json!({})).await.expect("orders")["items"]
            .as_array()
            .expect("rows")
            .len(),
        1
    );
    assert!(ask_as(&engine, "bob", "get_order", json!({ "id": 1 })).await.is_err());
    let listed =
        ask_as(&engine, "bob", "list_orders_by_customer_id", json!({ "customer_id": 1 })).await.expect("orders");
    assert_eq!(listed["items"], json!([]));
    let _ = ask_as(&engine, "bob", "update_order", json!({ "id": 1, "placed": "2000-01-01" })).await;
    let _ = ask_as(&engine, "bob", "delete_order", json!({ "id": 3 })).await;
    let kept = ask_as(&engine, "alice", "search_orders", json!({})).await.expect("orders");
    assert_eq!(kept, mine);
    let (bea, id) = match ground.backend {
        Backend::Sqlite => (json!({ "name": "Bea" }), 3),
        _ => (json!({ "id": 7, "name": "Bea" }), 7),
    };
    ask_as(&engine, "bob", "create_customer", bea).await.expect("made");
    ask_as(&engine, "alice", "get_customer", json!({ "id": id })).await.expect_err("it is bob's");
    ask_as(&engine, "bob", "get_customer", json!({ "id": id })).await.expect("his");

    let scoped = |scope: &str| {
        let scope = Some(scope.to_owned());
        ground.propose(Database { tables: vec!["orders".to_owned()], scope, ..Database::default() })
    };
    for (text, by) in [("owner={principal.id}", "principal.id"), ("owner={principal.tenant}", "principal.tenant")] {
        let spec = scoped(text).await.expect("a spec").proposal.spec.canonical();
        let expected = json!({ "column": "owner", "by": by, "tables": ["orders"] });
        assert_eq!(spec["connections"][0]["scope"], expected);
        let search = spec["tools"].as_array().expect("tools").iter().find(|tool| tool["name"] == "search_orders");
        assert!(search.is_some_and(|it| it["sql"].to_string().contains(&format!("owner = :{by}"))), "{search:?}");
    }
    let refused = scoped("owner={principal.claims.org}").await.expect_err("rows are a principal's or a tenant's");
    assert!(refused.to_string().contains("`{principal.claims.org}` is neither"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_sqlite_becomes_tools() {
    let folder = tempfile::tempdir().expect("a folder");
    let ground = Ground::new(Backend::Sqlite, &folder.path().join("shop.db").display().to_string());
    the_shop_becomes_tools(&ground).await;
    rows_belong_to_somebody(&ground).await;
    what_is_no_point_in_time_is_refused(&ground).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_postgresql_becomes_tools() {
    let postgres = Postgres::start();
    let ground = Ground::new(Backend::Postgres, &postgres.url());
    the_shop_becomes_tools(&ground).await;
    rows_belong_to_somebody(&ground).await;
    what_is_no_point_in_time_is_refused(&ground).await;
    row_security_is_told_and_respected(&ground, &postgres).await;
    what_no_tool_sets_or_answers_is_told(&ground).await;
    what_is_not_reached_is_told_without_secrets(&postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_mariadb_becomes_tools() {
    let mariadb = Mariadb::start();
    let ground = Ground::new(Backend::Mysql, &mariadb.url());
    the_shop_becomes_tools(&ground).await;
    rows_belong_to_somebody(&ground).await;
    what_is_no_point_in_time_is_refused(&ground).await;
    let proposed = ground.propose(Database::default()).await.expect("a spec");
    let shown = format!("{} {:?}", proposed.proposal.spec.canonical(), proposed.proposal.findings);
    assert!(!shown.contains("open") && !proposed.of.contains("sesame") && !shown.contains("sesame"), "{shown}");
    texts_of_any_script_are_looked_for(&ground).await;
    what_the_database_changes_itself_goes_on_to_change(&ground).await;
    keys_of_bytes_are_given_and_answered_in_hexadecimal(&ground).await;
}

/// UUIDs as `BINARY(16)`, and what stands beside them.
async fn keys_of_bytes_are_given_and_answered_in_hexadecimal(ground: &Ground) {
    for statement in [
        "CREATE TABLE makers (id BINARY(16) PRIMARY KEY, name VARCHAR(20))",
        "CREATE TABLE gadgets (id BINARY(16) PRIMARY KEY, maker_id BINARY(16), name VARCHAR(20), place POINT, photo BLOB, \
         code VARCHAR(36) DEFAULT (CONCAT('c', 1)), FOREIGN KEY (maker_id) REFERENCES makers (id))",
        "INSERT INTO gadgets (id, name, place) VALUES (UNHEX('00112233445566778899aabbccddeeff'), 'a', POINT(1, 2))",
    ] {
        ground.execute(statement).await;
    }
    let tables = ["makers", "gadgets"].map(str::to_owned).to_vec();
    let gadgets =
        ground.propose(Database { tables, writes: true, ..Database::default() }).await.expect("a spec").proposal;
    let told: Vec<String> = gadgets.findings.iter().map(ToString::to_string).collect();
    for expected in [
        "left out: `photo`, which no answer has (at gadgets)",
        "note: no tool sets `place`; a row that is made gets the `code` that the database makes (at gadgets)",
    ] {
        assert!(told.iter().any(|it| it == expected), "{told:?}");
    }
    let engine = ground.engine(&gadgets.spec);
    let id = "00112233445566778899aabbccddeeff";
    let found = ask(&engine, "search_gadgets", json!({})).await.expect("rows")["items"][0].clone();
    assert_eq!(found, json!({ "id": id, "name": "a", "place": "POINT(1 2)", "code": "c1" }));
    let maker = "ffeeddccbbaa99887766554433221100";
    ask(&engine, "create_maker", json!({ "id": maker, "name": "m" })).await.expect("made");
    ask(&engine, "update_gadget", json!({ "id": id, "maker_id": maker.to_uppercase() })).await.expect("changed");
    let made = ask(&engine, "create_gadget", json!({ "id": "01".repeat(16), "maker_id": maker })).await.expect("made");
    assert_eq!(made, json!({ "id": "01".repeat(16) }));
    for (tool, arguments) in
        [("search_gadgets", json!({ "maker_id": maker })), ("list_gadgets_by_maker_id", json!({ "maker_id": maker }))]
    {
        let rows = ask(&engine, tool, arguments).await.expect("rows");
        let ids: Vec<_> = rows["items"].as_array().expect("rows").iter().map(|row| row["id"].clone()).collect();
        assert_eq!(json!(ids), json!([id, "01".repeat(16)]), "{tool}");
    }
    assert_eq!(ask(&engine, "get_gadget", json!({ "id": id })).await.expect("a row")["maker_id"], maker);
    ask(&engine, "get_gadget", json!({ "id": "0g" })).await.expect_err("it is not hexadecimal");
    ask(&engine, "delete_gadget", json!({ "id": id })).await.expect("deleted");
    ask(&engine, "get_gadget", json!({ "id": id })).await.expect_err("gone");
}

/// `ON UPDATE CURRENT_TIMESTAMP` holds for changes that don't assign the column.
async fn what_the_database_changes_itself_goes_on_to_change(ground: &Ground) {
    for statement in [
        "CREATE TABLE notes (id INT PRIMARY KEY, body TEXT, \
         changed TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, seen DATETIME NOT NULL ON UPDATE CURRENT_TIMESTAMP)",
        "INSERT INTO notes VALUES (1, 'old', '2001-01-01', '2001-01-01')",
    ] {
        ground.execute(statement).await;
    }
    let notes = Database { tables: vec!["notes".to_owned()], writes: true, ..Database::default() };
    let spec = ground.spec(notes).await;
    let parameters = |name: &str| {
        let tool = spec.tools.iter().find(|tool| tool.name.as_str() == name).expect("a tool");
        tool.input_schema()["properties"].as_object().expect("parameters").keys().cloned().collect::<Vec<_>>()
    };
    assert_eq!(parameters("create_note"), ["id", "body"]);
    assert_eq!(parameters("update_note"), ["id", "body", "set_null"]);
    let engine = ground.engine(&spec);
    ask(&engine, "update_note", json!({ "id": 1, "body": "new" })).await.expect("changed");
    let moved = ground.plain("SELECT id FROM notes WHERE changed > '2020-01-01' AND seen > '2020-01-01'").await;
    assert_eq!(json!(moved), json!([[1]]));
    ask(&engine, "create_note", json!({ "id": 2 })).await.expect("made");
}

/// MySQL fails where a column could not hold what it is compared with, instead of finding nothing.
async fn texts_of_any_script_are_looked_for(ground: &Ground) {
    for statement in [
        "CREATE TABLE towns (code CHAR(2) CHARACTER SET ascii PRIMARY KEY, name VARCHAR(80) CHARACTER SET latin1 UNIQUE)",
        "INSERT INTO towns VALUES ('k', 'Köln'), ('q', '?')",
    ] {
        ground.execute(statement).await;
    }
    let towns = Database { tables: vec!["towns".to_owned()], writes: true, ..Database::default() };
    let engine = ground.engine(&ground.spec(towns).await);
    for (arguments, codes) in [
        (json!({ "query": "öl" }), vec!["k"]),
        (json!({ "query": "漢" }), vec![]),
        (json!({ "name": "Köln" }), vec!["k"]),
        (json!({ "name": "漢" }), vec![]),
        (json!({ "name": "?" }), vec!["q"]),
    ] {
        let found = ask(&engine, "search_towns", arguments.clone()).await.expect("rows");
        let found: Vec<_> = found["items"].as_array().expect("rows").iter().map(|row| row["code"].clone()).collect();
        assert_eq!(found, codes, "{arguments}");
    }
    assert_eq!(ask(&engine, "get_town", json!({ "code": "k" })).await.expect("a row")["name"], "Köln");
    let refused = ask(&engine, "get_town", json!({ "code": "漢" })).await.expect_err("there is none");
    assert_eq!(refused, mcp_factory_engine::NO_SUCH_ROW);
    let deleted = ask(&engine, "delete_town", json!({ "code": "漢" })).await.expect("an answer");
    assert_eq!(deleted, json!({ "rowsAffected": 0 }));
}

async fn row_security_is_told_and_respected(ground: &Ground, postgres: &Postgres) {
    for statement in [
        "CREATE ROLE app LOGIN",
        "CREATE TABLE documents (id int PRIMARY KEY, owner text, body text)",
        "INSERT INTO documents VALUES (1, 'alice', 'a'), (2, 'bob', 'b')",
        "ALTER TABLE documents ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY own ON documents USING (owner = current_setting('app.user'))",
        "GRANT SELECT ON documents TO app",
    ] {
        ground.execute(statement).await;
    }
    let documents = || Database { tables: vec!["documents".to_owned()], ..Database::default() };
    let above = ground.propose(documents()).await.expect("a spec").proposal;
    let told = above.findings.iter().find(|it| it.message.contains("row security")).expect("it is told");
    assert!(told.message.contains("callers see all rows"), "{told}");

    let app = Ground::new(Backend::Postgres, &postgres.url().replace("//factory@", "//app@"));
    let below = app.propose(Database { writes: true, ..documents() }).await.expect("a spec").proposal;
    let told = below.findings.iter().find(|it| it.message.contains("row security holds")).expect("it is told");
    assert!(
        told.hint.as_deref().is_some_and(|hint| hint.contains(r#"session: { app.user: "{principal.id}" }"#)),
        "{told}"
    );
    // Who is not told who calls shows nothing.
    ask(&app.engine(&below.spec), "search_documents", json!({})).await.expect_err("`app.user` is not set");

    // The user may only read, and so may the tools.
    assert!(below.spec.tools.iter().all(|tool| tool.annotations.read_only == Some(true)));
    let session = || [("app.user".to_owned(), "{principal.id}".to_owned())].into();
    let told = app.propose(Database { session: session(), ..documents() }).await.expect("a spec").proposal;
    assert_eq!(told.spec.canonical()["connections"][0]["session"], json!({ "app.user": "{principal.id}" }));
    let finding = told.findings.iter().find(|it| it.message.contains("row security holds")).expect("it is told");
    assert_eq!(finding.hint, None, "nothing is left to do");
    let engine = app.engine(&told.spec);
    for (who, id) in [("alice", 1), ("bob", 2)] {
        let seen = ask_as(&engine, who, "search_documents", json!({})).await.expect("rows");
        assert_eq!(seen["items"].as_array().expect("rows").iter().map(|row| &row["id"]).collect::<Vec<_>>(), [id]);
        ask_as(&engine, who, "get_document", json!({ "id": 3 - id })).await.expect_err("it is the other's");
    }

    // What is written is held to it as well, by what the policy says and not by what the statement does.
    ground.execute("GRANT INSERT, UPDATE, DELETE ON documents TO app").await;
    let writes = Database { writes: true, session: session(), ..documents() };
    let engine = app.engine(&app.spec(writes).await);
    let theirs = json!({ "id": 2, "body": "mine now" });
    ask_as(&engine, "alice", "update_document", theirs).await.expect_err("there is no such row for her");
    ask_as(&engine, "alice", "delete_document", json!({ "id": 2 })).await.expect_err("as before");
    let forged = json!({ "id": 3, "owner": "bob", "body": "c" });
    ask_as(&engine, "alice", "create_document", forged).await.expect_err("the policy checks what is made");
    let given_away = json!({ "id": 1, "owner": "bob" });
    ask_as(&engine, "alice", "update_document", given_away).await.expect_err("and what it becomes");
    ask_as(&engine, "alice", "create_document", json!({ "id": 3, "owner": "alice" })).await.expect("her own");
    let all = ground.plain("SELECT id, owner, body FROM documents ORDER BY id").await;
    assert_eq!(json!(all), json!([[1, "alice", "a"], [2, "bob", "b"], [3, "alice", null]]));
}

async fn what_no_tool_sets_or_answers_is_told(ground: &Ground) {
    for statement in [
        "CREATE TABLE pieces (id bytea PRIMARY KEY, m money, tags text[] NOT NULL DEFAULT '{}', words tsvector, \
         public uuid DEFAULT gen_random_uuid())",
        "INSERT INTO pieces VALUES ('\\x00', 1, '{a}')",
    ] {
        ground.execute(statement).await;
    }
    let pieces = Database { tables: vec!["pieces".to_owned()], writes: true, ..Database::default() };
    let pieces = ground.propose(pieces).await.expect("a spec").proposal;
    let told: Vec<String> = pieces.findings.iter().map(ToString::to_string).collect();
    let expected = [
        "left out: `id`, `words`, which no answer has (at pieces)",
        "note: no tool sets `m`, `words`; a row that is made gets the `public` that the database makes (at pieces)",
        "note: no answer has its key (`id`), so there are no tools that change or delete one (at pieces)",
    ];
    assert_eq!(told, expected);
    assert_eq!(names(&pieces.spec), ["create_piece", "list_pieces"].map(str::to_owned).into());
    let engine = ground.engine(&pieces.spec);
    for arguments in [json!({ "id": "AQ==" }), json!({ "id": "Ag==", "tags": ["b"] })] {
        ask(&engine, "create_piece", arguments).await.expect("made");
    }
    let made = ground.plain("SELECT tags FROM pieces ORDER BY id").await;
    assert_eq!(json!(made), json!([[["a"]], [[]], [["b"]]]));
}

async fn what_is_not_reached_is_told_without_secrets(postgres: &Postgres) {
    for url in [
        "postgresql://factory:hunter2@127.0.0.1:1/postgres".to_owned(),
        format!("postgresql://nobody:hunter2@127.0.0.1:{}/nowhere", postgres.port()),
        "oracle://a:hunter2@x/y".to_owned(),
        "mysql://a:hunter2@127.0.0.1:1/x?password=hunter2".to_owned(),
        "sqlite:/nowhere/at/all.db".to_owned(),
        "/".to_owned(),
        "NOT_SET_ANYWHERE".to_owned(),
        String::new(),
    ] {
        let place = Some(Place::Typed(url.clone()));
        let refused =
            Intake::Database(Database { place, ..Database::default() }).propose(None, &Reach::operator()).await;
        let refused = refused.expect_err("nothing is there");
        assert!(!format!("{refused} {refused:?}").contains("hunter2"), "{refused:?}");
    }
}
