//! Answers that come in pieces, are asked for again, or have to wait for their turn.

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, Method, StatusCode, header},
    response::{IntoResponse, Response as Outgoing},
};
use futures_util::{StreamExt, stream};
use mcp_factory_connect::http::{Auth, Class, ClientConfig, Hosts, Request};
use tokio::sync::{Notify, oneshot};

use crate::http::{client, get, private, upstream, upstream_with_headers};

/// Its headers, and its body as often as it is asked for something it had not answered before.
fn tagged(headers: &HeaderMap, cache_control: &'static str) -> Outgoing {
    let same = headers.get(header::IF_NONE_MATCH).is_some_and(|tag| tag == "\"1\"");
    let head = [(header::ETAG, "\"1\""), (header::CACHE_CONTROL, cache_control), (header::CONTENT_TYPE, "text/plain")];
    if same { (StatusCode::NOT_MODIFIED, head).into_response() } else { (head, "body").into_response() }
}

fn by(caller: &str) -> Request {
    Request { caller: Some(caller.to_owned()), ..get("/a") }
}

#[tokio::test]
async fn an_answer_with_a_tag_is_asked_for_again_and_its_body_spared() {
    let (port, log) = upstream_with_headers(|headers| tagged(headers, "max-age=600")).await;
    let client = client(private(format!("http://127.0.0.1:{port}")));
    for _ in 0..3 {
        let response = client.send(by("alice")).await.unwrap();
        assert_eq!((response.status, &response.body[..]), (StatusCode::OK, &b"body"[..]));
        assert_eq!(response.headers["content-type"], "text/plain");
    }
    let conditions: Vec<bool> = log.lines().iter().map(|line| line.contains("if-none-match=\"1\"")).collect();
    assert_eq!(conditions, [false, true, true], "every call reaches the upstream");
    // Another header, another query, another method: nothing is known of them.
    let mut other = by("alice");
    other.headers.insert("x-own", "1".parse().unwrap());
    client.send(other).await.unwrap();
    client.send(Request { query: vec![("q".into(), "1".into())], ..by("alice") }).await.unwrap();
    client.send(Request { method: Method::PUT, ..by("alice") }).await.unwrap();
    // A condition of the tool's own is the tool's own: it sees the 304.
    let mut own = by("alice");
    own.headers.insert(header::IF_NONE_MATCH, "\"1\"".parse().unwrap());
    assert_eq!(client.send(own).await.unwrap().status, StatusCode::NOT_MODIFIED);
    assert_eq!(log.lines().iter().filter(|line| line.contains("if-none-match")).count(), 3);
}

#[tokio::test]
async fn nobody_gets_the_kept_answer_of_another_credential_and_a_private_one_stays_with_its_caller() {
    let (port, log) = upstream_with_headers(|headers| tagged(headers, "private, max-age=60")).await;
    let client = client(private(format!("http://127.0.0.1:{port}")));
    for caller in ["alice", "bob", "alice", "bob"] {
        client.send(by(caller)).await.unwrap();
    }
    let asked_again = |log: Vec<String>| log.iter().map(|line| line.contains("if-none-match")).collect::<Vec<_>>();
    assert_eq!(asked_again(log.lines()), [false, false, true, true]);

    let (port, log) = upstream_with_headers(|headers| tagged(headers, "no-store")).await;
    let client = crate::http::client(private(format!("http://127.0.0.1:{port}")));
    for _ in 0..2 {
        client.send(by("alice")).await.unwrap();
    }
    assert_eq!(asked_again(log.lines()), [false, false]);

    let (port, log) = upstream_with_headers(|headers| tagged(headers, "public")).await;
    let values = Arc::new(Rotating::default());
    let config =
        ClientConfig { auth: Auth::Bearer { secret: "T".into() }, ..private(format!("http://127.0.0.1:{port}")) };
    let policy = Arc::new(mcp_factory_connect::Policy::operator());
    let client = mcp_factory_connect::http::Client::new(config, values.clone(), policy).unwrap();
    for value in ["a", "b", "a"] {
        *values.0.lock().unwrap() = value.to_owned();
        client.send(by("alice")).await.unwrap();
    }
    assert_eq!(asked_again(log.lines()), [false, false, true]);
}

/// A secret that is rotated.
#[derive(Debug, Default)]
struct Rotating(Mutex<String>);

impl mcp_factory_connect::Secrets for Rotating {
    fn get(&self, _: &str) -> Result<mcp_factory_connect::Secret, mcp_factory_connect::SecretError> {
        Ok(mcp_factory_connect::Secret::new(self.0.lock().unwrap().clone()))
    }
}

#[tokio::test]
async fn a_body_is_read_piece_by_piece_and_dropping_it_closes_the_connection() {
    let (gone, mut closed) = oneshot::channel::<()>();
    let gone = Arc::new(Mutex::new(Some(gone)));
    let (port, _) = upstream(move |_, _, _| {
        // Dropped with the stream, which the server drops with the connection.
        let alive = gone.lock().unwrap().take();
        let endless = stream::repeat_with(move || {
            let _ = &alive;
            Ok::<_, io::Error>(Bytes::from_static(&[b'x'; 1000]))
        });
        Body::from_stream(endless).into_response()
    })
    .await;
    let client = client(private(format!("http://127.0.0.1:{port}")));
    let mut answer = client.open(get("/")).await.unwrap();
    assert_eq!(answer.length(), None);
    assert!(!answer.chunk().await.unwrap().unwrap().is_empty());
    assert!(closed.try_recv().is_err(), "the upstream is still sending");
    drop(answer);
    let closed = tokio::time::timeout(Duration::from_secs(5), closed).await;
    assert!(closed.expect("the upstream notices").is_err());
}

#[tokio::test]
async fn a_host_gets_so_many_requests_at_once_and_who_waits_too_long_is_told() {
    let go = Arc::new(Notify::new());
    let until = Arc::clone(&go);
    let (port, log) = upstream(move |_, target, _| {
        let until = Arc::clone(&until);
        let first = stream::iter([Ok::<_, io::Error>(Bytes::from_static(b"a"))]);
        let rest = stream::once(async move {
            until.notified().await;
            Ok(Bytes::from_static(b"b"))
        });
        if target == "/slow" {
            Body::from_stream(first.chain(rest.boxed())).into_response()
        } else {
            "ok".into_response()
        }
    })
    .await;
    let hosts = Arc::new(Hosts::new(1));
    let config = || ClientConfig { hosts: Arc::clone(&hosts), ..private(format!("http://127.0.0.1:{port}")) };
    // Two connections of one server: the host is the same.
    let (one, other) = (client(config()), client(config()));
    let mut slow = one.open(get("/slow")).await.unwrap();
    slow.chunk().await.unwrap();
    let hurried = Request { timeout: Some(Duration::from_millis(100)), ..get("/never") };
    let error = other.send(hurried).await.unwrap_err();
    assert_eq!(error.class(), Class::Timeout);
    let expected = format!(
        "`127.0.0.1:{port}` was not asked: for 0.1s as many requests to it were under way as it gets at once (1, "
    );
    assert!(error.to_string().starts_with(&expected), "{error}");
    let waits = tokio::spawn(async move { other.send(get("/waits")).await });
    go.notify_one();
    while slow.chunk().await.unwrap().is_some() {}
    drop(slow);
    assert_eq!(waits.await.unwrap().unwrap().status, StatusCode::OK);
    assert_eq!(log.lines().len(), 2, "what gave up was never sent");
}

/// By RFC 9110 a request that says nothing of codings takes any.
#[tokio::test]
async fn answers_are_asked_for_without_compression_and_refused_with_it() {
    let (port, _) = upstream_with_headers(|headers| {
        let coding =
            if headers.get(header::ACCEPT_ENCODING).is_some_and(|it| it == "identity") { "identity" } else { "gzip" };
        ([(header::CONTENT_ENCODING, coding)], "x")
    })
    .await;
    let client = client(private(format!("http://127.0.0.1:{port}")));
    assert_eq!(client.send(get("/")).await.unwrap().status, StatusCode::OK);
    let mut asked = get("/");
    asked.headers.insert(header::ACCEPT_ENCODING, "gzip".parse().unwrap());
    let error = client.send(asked).await.unwrap_err();
    assert_eq!(
        (error.class(), error.to_string().ends_with("is compressed, which is not read")),
        (Class::BadResponse, true)
    );
}
