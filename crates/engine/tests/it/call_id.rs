//! `{call.id}` in every place where a placeholder stands: the same within a call however often it is tried, another one for
//! each call.

use std::{
    path::Path,
    sync::{Arc, Mutex},
};

use axum::{Router, body::Bytes, http::HeaderMap, http::StatusCode, http::Uri};
use mcp_factory_engine::Engine;
use mcp_serve::{CallContext, Principal, Server as _};
use serde_json::{Map, Value, json};

use crate::harness::{answer, plan};

type Asked = Arc<Mutex<Vec<String>>>;

/// Writes down path, header and body of every request, and answers only the third one.
async fn upstream() -> (String, Asked) {
    let asked = Asked::default();
    let log = Arc::clone(&asked);
    let handler = async move |uri: Uri, headers: HeaderMap, body: Bytes| {
        let header = headers.get("idempotency-key").map(|key| key.to_str().unwrap().to_owned());
        let mut asked = log.lock().unwrap();
        asked.push(format!("{uri} {} {}", header.unwrap_or_default(), String::from_utf8_lossy(&body)));
        let status = if asked.len() < 3 { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
        (status, "{}".to_owned())
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(handler)).await });
    (format!("http://{address}"), asked)
}

async fn call(engine: &Engine, tool: &str) -> (String, Value) {
    let cx = CallContext::new(Principal::trusted("alice"));
    let result = engine.call_tool(&cx, tool, Map::new()).await.unwrap();
    (cx.call_id.to_string(), answer(result).unwrap())
}

#[tokio::test]
async fn an_upstream_that_is_asked_again_sees_the_same_id() {
    let (url, asked) = upstream().await;
    let text = format!(
        "
name: a
connections: [{{ name: api, type: http, url: '{url}', allowPrivateNetwork: true, retries: {{ attempts: 3, backoff: 1ms..2ms }} }}]
tools:
  - name: put
    description: Puts something once
    http:
      method: PUT
      path: '/things/{{call.id}}'
      query: {{ id: '{{call.id}}' }}
      headers: {{ Idempotency-Key: 'call-{{call.id}}' }}
      body: {{ id: '{{call.id}}', text: 'made by {{call.id}}' }}
"
    );
    let engine = plan(&text, Path::new("/"), &[]).unwrap();
    let (id, _) = call(&engine, "put").await;
    let expected = format!("/things/{id}?id={id} call-{id} {}", json!({ "id": id, "text": format!("made by {id}") }));
    assert_eq!(*asked.lock().unwrap(), vec![expected; 3]);
    let (other, _) = call(&engine, "put").await;
    assert_ne!(other, id);
    assert!(asked.lock().unwrap()[3].contains(&other));
}

const LOCAL: &str = "
name: a
connections: [{ name: db, type: sqlite, path: a.db, seed: seed.sql }]
tools:
  - { name: sql, description: In a statement, sql: 'SELECT :call.id AS id', single: true }
  - { name: program, description: In a command, returns: { type: string }, command: { argv: [sh, -c, 'printf %s \"$1$ID\"; cat', '-', '{call.id}'], env: { ID: '{call.id}' }, stdin: '{call.id}' } }
  - { name: steps, description: In steps, steps: [{ call: sql, with: {}, as: inner }, { return: { id: '{call.id}', text: 'is {call.id}' } }] }
resources:
  - { uri: 'call://id', name: Id, sql: 'SELECT :call.id AS id' }
prompts:
  - { name: id, messages: [{ role: user, text: 'This is {call.id}.' }] }
";

#[tokio::test]
async fn statements_programs_steps_resources_and_prompts_have_it() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("seed.sql"), "CREATE TABLE t (id INTEGER)").unwrap();
    let engine = plan(LOCAL, folder.path(), &[]).unwrap();
    let (id, answer) = call(&engine, "sql").await;
    assert_eq!(answer, json!({ "id": id }));
    let (id, answer) = call(&engine, "program").await;
    assert_eq!(answer.to_string().matches(&id).count(), 3, "{answer}");
    let (id, answer) = call(&engine, "steps").await;
    assert_eq!(answer, json!({ "id": id, "text": format!("is {id}") }));
    let cx = CallContext::new(Principal::local());
    let contents = engine.read_resource(&cx, "call://id").await.unwrap();
    assert!(format!("{contents:?}").contains(&cx.call_id.to_string()), "{contents:?}");
    let prompt = engine.get_prompt(&cx, "id", Map::new()).await.unwrap();
    assert_eq!(prompt.messages[0].content.as_text().unwrap().text, format!("This is {}.", cx.call_id));
}
