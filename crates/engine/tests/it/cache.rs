//! `cache`, with an upstream and a database that change all the time.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::{Router, http::StatusCode, routing::get};
use mcp_factory_engine::Engine;
use mcp_serve::Principal;
use serde_json::{Value, json};

use crate::harness::{answer, call, call_as, plan};

/// Its answers count how often it was asked.
struct Upstream {
    asked: Arc<AtomicUsize>,
    text: String,
}

async fn upstream() -> Upstream {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = |asked: &Arc<AtomicUsize>| {
        let asked = Arc::clone(asked);
        move || asked.fetch_add(1, Ordering::SeqCst) + 1
    };
    let (counter, failing) = (count(&asked), count(&asked));
    let router = Router::new()
        .route(
            "/count",
            get(async move || {
                ([(axum::http::header::CONTENT_TYPE, "application/json")], json!({ "count": counter() }).to_string())
            }),
        )
        .route("/fails", get(async move || (StatusCode::CONFLICT, failing().to_string())));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    let text = format!(
        "
name: a
connections: [{{ name: api, type: http, url: 'http://{address}', allowPrivateNetwork: true }}]
limits: {{ ratePerPrincipal: none }}
tools:
  - name: count
    description: Counts
    parameters: {{ a: {{ type: integer, default: 1 }}, b: {{ type: string }} }}
    http: {{ path: /count, query: {{ a: '{{a}}', b: '{{b}}' }} }}
    cache: {{ ttl: 1h }}
    limits: {{ concurrency: none }}
  - {{ name: moment, description: Counts, http: {{ path: /count }}, cache: {{ ttl: 1ms }} }}
  - {{ name: fails, description: Fails, http: {{ path: /fails }}, cache: {{ ttl: 1h }} }}
"
    );
    Upstream { asked, text }
}

fn engine(upstream: &Upstream) -> Engine {
    plan(&upstream.text, std::path::Path::new("/"), &[]).unwrap()
}

#[tokio::test]
async fn an_answer_is_kept_for_its_caller_and_its_arguments() {
    let upstream = upstream().await;
    let engine = engine(&upstream);
    let count = async |caller: &str, arguments: Value| {
        let result = call_as(&engine, Principal::trusted(caller), "count", arguments).await.unwrap();
        answer(result).unwrap()["count"].as_u64().unwrap()
    };
    assert_eq!(count("alice", json!({})).await, 1);
    assert_eq!(count("alice", json!({ "a": 1, "b": null })).await, 1, "what is left out is what stands for it");
    assert_eq!(count("bob", json!({})).await, 2, "nobody gets what was made for another");
    assert_eq!(count("alice", json!({ "a": 2 })).await, 3);
    assert_eq!(count("alice", json!({ "b": "x", "a": 2 })).await, 4);
    assert_eq!(count("alice", json!({ "a": 2, "b": "x" })).await, 4);
    let reloaded = self::engine(&upstream);
    assert_eq!(call(&reloaded, "count", json!({})).await, Ok(json!({ "count": 5 })), "a new engine knows nothing");
}

#[tokio::test]
async fn what_is_over_or_has_failed_is_asked_for_again() {
    let upstream = upstream().await;
    let engine = engine(&upstream);
    for _ in 0..2 {
        call(&engine, "moment", json!({})).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        call(&engine, "fails", json!({})).await.unwrap_err();
    }
    assert_eq!(upstream.asked.load(Ordering::SeqCst), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_asks_the_upstream_once_for_each_caller() {
    let upstream = upstream().await;
    let engine = Arc::new(engine(&upstream));
    let calls: Vec<_> = (0..200)
        .map(|number| {
            let engine = Arc::clone(&engine);
            let caller = Principal::trusted(format!("caller {}", number % 4));
            tokio::spawn(async move { answer(call_as(&engine, caller, "count", json!({})).await.unwrap()).unwrap() })
        })
        .collect();
    for call in calls {
        call.await.unwrap();
    }
    assert_eq!(upstream.asked.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn pages_are_kept_one_by_one() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("seed.sql"), "CREATE TABLE t (id INTEGER); INSERT INTO t VALUES (1), (2), (3)")
        .unwrap();
    let text = "
name: a
connections: [{ name: db, type: sqlite, path: t.db, seed: seed.sql }]
tools:
  - { name: page, description: Pages, sql: SELECT id FROM t ORDER BY id, paginate: { pageSize: 2 }, cache: { ttl: 1h } }
  - { name: clear, description: Clears, sql: DELETE FROM t }
";
    let engine = plan(text, folder.path(), &[]).unwrap();
    let first = call(&engine, "page", json!({})).await.unwrap();
    let second = call(&engine, "page", json!({ "cursor": first["nextCursor"] })).await.unwrap();
    assert_eq!((&first["items"][0]["id"], &second["items"][0]["id"]), (&json!(1), &json!(3)));
    call(&engine, "clear", json!({})).await.unwrap();
    assert_eq!(call(&engine, "page", json!({})).await.unwrap(), first);
    assert_eq!(call(&engine, "page", json!({ "cursor": first["nextCursor"] })).await.unwrap(), second);
    let stolen = call_as(&engine, Principal::trusted("bob"), "page", json!({ "cursor": first["nextCursor"] })).await;
    assert!(answer(stolen.unwrap()).unwrap_err().contains("cursor"), "somebody else's page is not given out");
}
