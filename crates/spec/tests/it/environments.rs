//! The same server, elsewhere.

use mcp_factory_spec::{
    AllFiles, Source, Spec,
    model::{Auth, Cap, ConnectionKind, ConnectionName},
    read,
};

fn read_spec(text: &str) -> Spec {
    let reading = read(&Source::new("server.yaml", text.as_bytes()), &AllFiles);
    reading.spec.unwrap_or_else(|| panic!("{:?}", reading.diagnostics))
}

fn codes(text: &str) -> Vec<(String, String)> {
    let reading = read(&Source::new("server.yaml", text.as_bytes()), &AllFiles);
    reading.diagnostics.iter().map(|found| (found.code.to_string(), found.path.to_string())).collect()
}

const SHOP: &str = "
name: shop
connections:
  - name: db
    type: sqlite
    path: shop.db
    seed: seed.sql
    scope: { column: owner, by: principal.id, tables: [products] }
tools:
  - { name: list, description: Products, sql: SELECT id FROM products WHERE owner = :principal.id }
limits: { concurrency: 20 }
environments:
  production:
    connections: { db: { type: postgresql, envVar: DATABASE_URL } }
    auth: { type: bearer, envVar: KEYS }
    limits: { ratePerPrincipal: none }
    deploy: { docker: { image: example/shop } }
";

#[test]
fn an_environment_replaces_what_it_names_and_nothing_else() {
    let spec = read_spec(SHOP);
    let production = spec.environment("production").expect("the environment is there");
    assert!(matches!(&production.connections[0].kind, Some(ConnectionKind::Postgresql(_))));
    assert!(matches!(production.auth, Auth::Bearer(_)));
    assert_eq!(production.limits.rate_per_principal, Cap::None);
    assert_eq!(production.limits.concurrency, spec.limits.concurrency);
    assert!(production.deploy.docker.is_some());
    assert_eq!(production.tools, spec.tools);
}

#[test]
fn whose_rows_are_whose_is_not_forgotten_elsewhere() {
    let spec = read_spec(SHOP);
    let production = spec.environment("production").expect("the environment is there");
    assert_eq!(production.connections[0].scope(), spec.connections[0].scope());
    assert!(production.connections[0].scope().is_some());
}

#[test]
fn an_unknown_environment_is_told_with_the_known_ones() {
    let error = read_spec(SHOP).environment("prod").expect_err("there is no such environment");
    assert_eq!(error.to_string(), "the spec has no environment `prod`; it has `production`");
}

#[test]
fn all_environments_are_checked_at_once() {
    let found = codes(&SHOP.replace(
        "    connections: { db: { type: postgresql, envVar: DATABASE_URL } }",
        "    connections: { db: { type: redis, envVar: CACHE_URL }, dv: { type: mysql, envVar: A } }",
    ));
    let at = |name: &str| format!("environments.production.connections.{name}");
    assert_eq!(found, [("connection/kind".to_owned(), at("db")), ("connection/unknown".to_owned(), at("dv"))]);
}

#[test]
fn a_statement_is_checked_in_the_language_of_each_database() {
    let found =
        codes(&SHOP.replace("SELECT id FROM products WHERE owner = :principal.id", "REPLACE INTO logs VALUES (1)"));
    assert_eq!(found, [("sql/parse".to_owned(), "tools[0].sql".to_owned())]);
}

#[test]
fn resources_and_triggers_are_checked_there_too() {
    let found = codes(
        "
name: shop
connections: [{ name: db, type: mysql, envVar: A }, { name: jobs, type: redis, envVar: B }]
tools: [{ name: ping, description: Answer pong, static: { text: pong } }]
resources: [{ uriTemplate: \"product://{sku}\", name: A, sql: \"SELECT * FROM `order` WHERE sku = :sku\" }]
triggers: [{ name: changed, type: queue, queue: products, tool: ping }]
environments:
  local: { connections: { db: { type: postgresql, envVar: A }, jobs: { type: smtp, envVar: B } } }
",
    );
    let expected = [("sql/parse", "resources[0].sql"), ("trigger/connection", "environments.local.connections.jobs")];
    assert_eq!(found, expected.map(|(code, path)| (code.to_owned(), path.to_owned())));
}

#[test]
fn connections_that_are_left_out_are_named_in_the_canonical_form() {
    let spec = read_spec(SHOP);
    assert_eq!(spec.tools[0].connection, ConnectionName::new("db"));
    assert_eq!(spec.canonical()["tools"][0]["connection"], "db");
}

#[test]
fn the_canonical_form_as_yaml_is_the_same_server() {
    let spec = read_spec(SHOP);
    assert_eq!(read_spec(&spec.canonical_yaml()), spec);
}
