//! What `http` tools make of answers: JSON digit for digit, text in its charset, bytes as content; cut, refused, or stopped.

use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::Request,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::stream;
use mcp_serve::{
    Content, Principal,
    model::{ContentBlock, ResourceContents},
};
use serde_json::json;
use tokio::sync::oneshot;

use crate::{
    harness::{call, call_as},
    http_tool::{engine, listen},
};

/// Answers every request with `respond`.
async fn upstream(
    tools: &str,
    respond: impl Fn(&Request) -> Response + Clone + Send + Sync + 'static,
) -> mcp_factory_engine::Engine {
    let handler = move |request: Request| {
        let response = respond(&request);
        async move { response }
    };
    engine(listen(Router::new().fallback(handler)).await, tools)
}

fn typed(media_type: &'static str, body: impl Into<Body>) -> Response {
    ([(header::CONTENT_TYPE, media_type)], body.into()).into_response()
}

const GET: &str = "tools:\n  - { name: get, description: Get, http: { path: /x } }\n";

/// The structured answer as it is written.
async fn raw(engine: &mcp_factory_engine::Engine, tool: &str) -> String {
    match call_as(engine, Principal::trusted("alice"), tool, json!({})).await.unwrap().content {
        Content::Json(json) => json.get().to_owned(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn every_digit_of_an_answer_arrives() {
    let tools = "
tools:
  - { name: whole, description: Whole, http: { path: /x } }
  - { name: part, description: Part, http: { path: /x, select: /rows } }
  - name: shaped
    description: Shaped
    http: { path: /x, select: /rows }
    returns: { type: array, items: { type: object, properties: { id: { type: string }, price: { type: number } } } }
  - { name: one, description: One, http: { path: /x, select: /rows/0/id } }
";
    let body = r#"{"rows":[{"id":12345678901234567890123,"price":0.1000000000000000055511151231257827,"more":1}],"total":"1.50"}"#;
    let engine = upstream(tools, move |_| typed("application/json", body)).await;
    assert_eq!(raw(&engine, "whole").await, body);
    let rows = r#"{"items":[{"id":12345678901234567890123,"price":0.1000000000000000055511151231257827,"more":1}]}"#;
    assert_eq!(raw(&engine, "part").await, rows);
    let shaped = r#"{"items":[{"id":"12345678901234567890123","price":0.1000000000000000055511151231257827}]}"#;
    assert_eq!(raw(&engine, "shaped").await, shaped);
    assert_eq!(raw(&engine, "one").await, r#"{"value":12345678901234567890123}"#);
}

#[tokio::test]
async fn bytes_become_an_image_a_sound_or_an_embedded_resource() {
    let check = async |media_type: &'static str| {
        let engine = upstream(GET, move |_| typed(media_type, b"\x00\xff\x10".to_vec())).await;
        let result = call_as(&engine, Principal::trusted("alice"), "get", json!({})).await.unwrap();
        assert!(!result.is_error);
        match result.content {
            Content::Blocks(blocks) => blocks.into_iter().next().unwrap(),
            other => panic!("{other:?}"),
        }
    };
    match check("image/png").await {
        ContentBlock::Image(image) => assert_eq!((&*image.data, &*image.mime_type), ("AP8Q", "image/png")),
        other => panic!("{other:?}"),
    }
    match check("audio/ogg; codecs=opus").await {
        ContentBlock::Audio(audio) => assert_eq!((&*audio.data, &*audio.mime_type), ("AP8Q", "audio/ogg")),
        other => panic!("{other:?}"),
    }
    match check("application/pdf").await {
        ContentBlock::Resource(embedded) => match embedded.resource {
            ResourceContents::BlobResourceContents { uri, mime_type, blob, .. } => {
                assert_eq!(
                    (&*uri, mime_type.as_deref(), &*blob),
                    ("connection://api/x", Some("application/pdf"), "AP8Q")
                );
            }
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn bytes_beyond_the_cap_are_refused_with_their_size_and_never_cut() {
    let tools = "tools:\n  - { name: get, description: Get, http: { path: /x }, limits: { maxBytes: 1KiB } }\n";
    let known = upstream(tools, |_| typed("image/png", vec![0; 5000])).await;
    let unknown = upstream(tools, |_| {
        let endless = stream::repeat_with(|| Ok::<_, io::Error>(Bytes::from_static(&[0; 500])));
        typed("image/png", Body::from_stream(endless))
    })
    .await;
    let refused = call(&known, "get", json!({})).await.unwrap_err();
    assert!(refused.contains("`image/png` of 5000 bytes") && refused.contains("1024 bytes"), "{refused}");
    let refused = call(&unknown, "get", json!({})).await.unwrap_err();
    assert!(refused.contains("`image/png`, more than") && refused.contains("1024 bytes"), "{refused}");
}

#[tokio::test]
async fn text_is_read_in_its_charset_and_cut_at_the_cap() {
    let check = async |media_type: &'static str, body: &'static [u8]| {
        call(&upstream(GET, move |_| typed(media_type, body)).await, "get", json!({})).await
    };
    assert_eq!(check("text/plain", "12".as_bytes()).await, Ok(json!({ "value": "12" })), "text is no JSON");
    assert_eq!(check("text/html; charset=iso-8859-1", b"caf\xe9").await, Ok(json!({ "value": "café" })));
    let wrong = check("text/plain", b"caf\xe9").await.unwrap_err();
    assert!(wrong.contains("not UTF-8"), "{wrong}");
    let latin_json = check("application/json; charset=latin1", b"{\"a\":\"\xe9\"}").await;
    assert_eq!(latin_json, Ok(json!({ "a": "é" })));
    let broken = check("application/json", b"{\"a\":").await.unwrap_err();
    assert!(broken.contains("broken JSON"), "{broken}");

    let tools = "tools:\n  - { name: get, description: Get, http: { path: /x }, limits: { maxBytes: 1KiB } }\n";
    let long = upstream(tools, |_| typed("text/plain", "é".repeat(10_000))).await;
    let answer = call(&long, "get", json!({})).await.unwrap();
    assert_eq!(answer["value"].as_str().unwrap().len(), 1024);
    assert_eq!((&answer["truncated"]["reason"], &answer["truncated"]["limit"]), (&json!("bytes"), &json!(1024)));
}

#[tokio::test]
async fn an_answer_without_a_body_is_its_status() {
    let engine = upstream(GET, |_| StatusCode::NO_CONTENT.into_response()).await;
    assert_eq!(call(&engine, "get", json!({})).await, Ok(json!({ "status": 204 })));
    let head = "tools:\n  - { name: get, description: Get, http: { method: HEAD, path: /x } }\n";
    let engine = upstream(head, |_| typed("image/png", vec![0; 10])).await;
    assert_eq!(call(&engine, "get", json!({})).await, Ok(json!({ "status": 200 })));
}

/// A body that never ends, and that tells when nobody reads it any more.
fn endless(piece: &'static str, gone: oneshot::Sender<()>) -> Body {
    let mut begun = false;
    Body::from_stream(stream::repeat_with(move || {
        // Dropped with the stream, which goes when its connection does.
        let _ = &gone;
        let first = !std::mem::replace(&mut begun, true);
        Ok::<_, io::Error>(Bytes::from(if first { format!("{{\"rows\":[{piece}") } else { format!(",{piece}") }))
    }))
}

/// An upstream that answers once, without end.
async fn endless_upstream(tools: &str, piece: &'static str) -> (mcp_factory_engine::Engine, oneshot::Receiver<()>) {
    let (gone, closed) = oneshot::channel();
    let gone = Arc::new(Mutex::new(Some(gone)));
    let respond = move |_: &Request| typed("application/json", endless(piece, gone.lock().unwrap().take().unwrap()));
    (upstream(tools, respond).await, closed)
}

async fn is_closed(closed: oneshot::Receiver<()>) {
    let closed = tokio::time::timeout(Duration::from_secs(5), closed).await;
    assert!(closed.expect("the connection is closed").is_err());
}

#[tokio::test]
async fn an_array_that_is_long_enough_closes_the_connection() {
    let tools = "
tools:
  - { name: rows, description: Rows, http: { path: /x, select: /rows }, limits: { maxRows: 5 } }
  - { name: bytes, description: Bytes, http: { path: /x, select: /rows }, limits: { maxBytes: 1KiB } }
";
    let (engine, closed) = endless_upstream(tools, "{\"a\":1}").await;
    let answer = call(&engine, "rows", json!({})).await.unwrap();
    assert_eq!(answer["items"].as_array().unwrap().len(), 5);
    assert_eq!((&answer["truncated"]["reason"], &answer["truncated"]["rows"]), (&json!("rows"), &json!(5)));
    is_closed(closed).await;
    let (engine, closed) = endless_upstream(tools, "{\"a\":\"0123456789\"}").await;
    let answer = call(&engine, "bytes", json!({})).await.unwrap();
    assert_eq!(answer["truncated"]["reason"], "bytes");
    assert!((40..60).contains(&answer["items"].as_array().unwrap().len()), "{answer}");
    is_closed(closed).await;
}

#[tokio::test]
async fn an_object_that_is_too_large_is_refused_and_the_rest_not_read() {
    let piece = Box::leak(format!("\"{}\"", "x".repeat(10_000)).into_boxed_str());
    let (engine, closed) = endless_upstream(GET, piece).await;
    let refused = call(&engine, "get", json!({})).await.unwrap_err();
    assert!(refused.contains("more than 1048576 bytes") && refused.contains("limits.maxBytes"), "{refused}");
    is_closed(closed).await;
}

#[tokio::test]
async fn a_call_that_is_given_up_closes_the_connection() {
    let tools = "tools:\n  - { name: get, description: Get, http: { path: /x, select: /nothing }, limits: { maxBytes: none } }\n";
    let (engine, mut closed) = endless_upstream(tools, "[]").await;
    let mut running = Box::pin(call(&engine, "get", json!({})));
    assert!(tokio::time::timeout(Duration::from_millis(200), &mut running).await.is_err(), "it runs");
    assert!(closed.try_recv().is_err_and(|error| error == oneshot::error::TryRecvError::Empty));
    drop(running);
    is_closed(closed).await;
}

#[tokio::test]
async fn a_call_has_one_id_over_all_its_retries() {
    let tools = "
tools:
  - { name: put, description: Put, http: { method: PUT, path: /x, headers: { Idempotency-Key: '{call.id}' }, body: {} } }
  - { name: post, description: Post, http: { method: POST, path: /x, headers: { Idempotency-Key: '{call.id}' }, body: {} } }
";
    let count = AtomicUsize::new(0);
    let keys = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&keys);
    let count = Arc::new(count);
    let engine = upstream(tools, move |request| {
        seen.lock().unwrap().push(request.headers()["idempotency-key"].to_str().unwrap().to_owned());
        if count.fetch_add(1, Ordering::Relaxed) == 1 {
            return StatusCode::OK.into_response();
        }
        (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "0")]).into_response()
    })
    .await;
    call(&engine, "put", json!({})).await.unwrap();
    let keys_of_put = keys.lock().unwrap().split_off(0);
    assert_eq!(keys_of_put.len(), 2);
    assert_eq!(keys_of_put[0], keys_of_put[1]);
    // POST is not tried again, key or no key.
    call(&engine, "post", json!({})).await.unwrap_err();
    let keys_of_post = keys.lock().unwrap().clone();
    assert_eq!(keys_of_post.len(), 1);
    assert_ne!(keys_of_post[0], keys_of_put[0]);
}

#[tokio::test]
async fn an_upstream_that_is_too_slow_is_named() {
    let tools = "tools:\n  - { name: get, description: Get, http: { path: /x }, limits: { timeout: 200ms } }\n";
    let engine = upstream(tools, |_| {
        typed("application/json", Body::from_stream(stream::pending::<Result<Bytes, io::Error>>()))
    })
    .await;
    let slow = call(&engine, "get", json!({})).await.unwrap_err();
    assert!(slow.starts_with("`127.0.0.1:") && slow.contains("did not answer within"), "{slow}");
}
