//! Tests of what is kept: they run on their owner's ground, and what came of them is kept.

use mcp_factory::{
    Submission,
    language::model::ServerName,
    registry::{Page, Role},
    suite::Options,
};
use serde_json::{Map, Value, json};

use crate::{
    create::code,
    kept::{Kept, on_both, user},
};

on_both! {
    /// S5-53
    what_came_of_a_test_is_kept;
    what_may_write_is_tried_on_a_database_of_the_test;
    whoever_tests_has_a_tenant_too;
    nobody_tests_what_is_anothers;
}

fn object(value: Value) -> Map<String, Value> {
    value.as_object().cloned().expect("an object")
}

async fn what_came_of_a_test_is_kept(kept: Kept) {
    let factory = kept.factory().await;
    let jane = user(&factory, "jane", Role::Developer).await;
    let spec = "name: shop\nversion: 1.0.0\ntools:\n  \
                - { name: hello, description: Greets, static: { text: hello }, examples: [{ expect: hello }, { name: wrong, expect: bye }] }\n";
    factory.create(&jane, Submission::new(spec), None).await.expect("created");
    let report = factory.test(&jane, "shop", None, &Options::default()).await.expect("it runs");
    assert_eq!(report.failed(), 2, "one in each era: {}", report.table());
    let answer = factory.test_tool(&jane, "shop", None, "hello", Map::new(), false).await.expect("it answers");
    assert_eq!((answer.is_error, answer.text.as_str()), (false, "hello"));

    let runs = factory.test_runs(&jane, "shop", &Page::default()).await.expect("a list").entries;
    let shown: Vec<_> = runs.iter().map(|it| (it.test.as_str(), it.passed)).collect();
    let era = [("wrong", false), ("example 1", true), ("lists its tools", true)];
    assert_eq!(shown, [&[("by hand", true)][..], &era, &era].concat(), "the newest first");
    assert!(runs[1].output.contains("bye") && runs[1].version.to_string() == "1.0.0", "{:?}", runs[1]);
    assert_eq!((runs[2].input.as_str(), runs[2].output.as_str()), ("{}", "\"hello\""));
    let log = factory.audit(&jane, &Page::default()).await.expect("a log").entries;
    assert_eq!(log.iter().filter(|it| it.verb == "servers.test" && it.outcome == "done").count(), 2);

    let other = "9.9.9".parse().expect("a version");
    assert_eq!(code(factory.test(&jane, "shop", Some(&other), &Options::default()).await), "not-found");
    let options = Options { cases: 1_001, ..Options::default() };
    assert_eq!(code(factory.test(&jane, "shop", None, &options).await), "invalid-argument");
    assert_eq!(code(factory.test_tool(&jane, "shop", None, "bye", Map::new(), false).await), "not-found");
    let one = object(json!({ "one": 1 }));
    let refused = factory.test_tool(&jane, "shop", None, "hello", one, false).await.expect("it answers");
    assert!(refused.is_error && refused.text.contains("`one`"), "{refused:?}");
}

/// What is bound to the caller's tenant can be tried, and before it serves, too.
async fn whoever_tests_has_a_tenant_too(kept: Kept) {
    let factory = kept.factory().await;
    let jane = user(&factory, "jane", Role::Developer).await;
    let spec = "name: shop\nversion: 1.0.0\nconnections:\n  - { name: db, type: sqlite, path: ./a.db, seed: seed.sql, \
                scope: { column: tenant, by: principal.tenant, tables: [t] } }\ntools:\n  \
                - { name: ours, description: What is ours, connection: db, sql: 'SELECT id FROM t WHERE tenant = :principal.tenant', \
                examples: [{ expect: { items: [{ id: 1 }] } }, { principal: { id: acme }, expect: { items: [{ id: 2 }] } }] }\n";
    let folder = factory.folder_of(jane.owner(), &ServerName::new("shop").expect("a name"));
    std::fs::create_dir_all(&folder).expect("made");
    let seed = "CREATE TABLE t (id INTEGER, tenant TEXT); INSERT INTO t VALUES (1, 'local'), (2, 'acme');";
    std::fs::write(folder.join("seed.sql"), seed).expect("written");
    factory.create(&jane, Submission::new(spec), None).await.expect("created");
    let report = factory.test(&jane, "shop", None, &Options::default()).await.expect("it runs");
    assert_eq!(report.failed(), 0, "{}", report.table());
}

/// Decision 14: proving destroys nothing.
async fn what_may_write_is_tried_on_a_database_of_the_test(kept: Kept) {
    let factory = kept.factory().await;
    let jane = user(&factory, "jane", Role::Developer).await;
    let spec = "name: shop\nversion: 1.0.0\nconnections:\n  - { name: db, type: sqlite, path: ./a.db, seed: seed.sql }\n  \
                - { name: own, type: sqlite, path: ./b.db }\ntools:\n  \
                - { name: count, description: Counts, connection: db, sql: SELECT count(*) AS n FROM t, single: true, annotations: { readOnly: true } }\n  \
                - { name: add, description: Adds, connection: db, sql: INSERT INTO t VALUES (2) }\n  \
                - { name: wipe, description: Wipes, connection: own, sql: DELETE FROM t }\n";
    let folder = factory.folder_of(jane.owner(), &ServerName::new("shop").expect("a name"));
    std::fs::create_dir_all(&folder).expect("made");
    std::fs::write(folder.join("seed.sql"), "CREATE TABLE t (id INTEGER); INSERT INTO t VALUES (1);").expect("written");
    factory.create(&jane, Submission::new(spec), None).await.expect("created");
    let count = async || {
        let answer = factory.test_tool(&jane, "shop", None, "count", Map::new(), false).await.expect("it answers");
        answer.value()["n"].clone()
    };
    assert_eq!(count().await, 1);
    let added = factory.test_tool(&jane, "shop", None, "add", Map::new(), false).await.expect("it answers");
    assert!(!added.is_error, "{added:?}");
    assert_eq!(count().await, 1, "it was added elsewhere");
    factory.test_tool(&jane, "shop", None, "add", Map::new(), true).await.expect("it answers");
    assert_eq!(count().await, 2, "it was asked for");
    assert_eq!(code(factory.test_tool(&jane, "shop", None, "wipe", Map::new(), false).await), "invalid-argument");
}

async fn nobody_tests_what_is_anothers(kept: Kept) {
    let factory = kept.factory().await;
    let (jane, mallory) =
        (user(&factory, "jane", Role::Developer).await, user(&factory, "mallory", Role::Developer).await);
    let viewer = user(&factory, "vera", Role::Viewer).await;
    let spec = "name: shop\nversion: 1.0.0\ntools: [{ name: hello, description: Greets, static: { text: hello } }]\n";
    factory.create(&jane, Submission::new(spec), None).await.expect("created");
    let options = Options::default();
    assert_eq!(code(factory.test(&mallory, "shop", None, &options).await), "not-found");
    assert_eq!(code(factory.test_tool(&mallory, "shop", None, "hello", Map::new(), true).await), "not-found");
    assert_eq!(code(factory.test_runs(&mallory, "shop", &Page::default()).await), "not-found");
    assert_eq!(code(factory.test(&viewer, "shop", None, &options).await), "forbidden");
    let log = factory.audit(&mallory, &Page::default()).await.expect("a log").entries;
    assert!(log.iter().any(|it| it.verb == "servers.test" && it.outcome == "not-found"), "{log:?}");
}
