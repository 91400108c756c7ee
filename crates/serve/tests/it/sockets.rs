//! Below HTTP: connections that are slow, many, or kept open.

mod hostile;

use std::time::Duration;

use mcp_serve::{NoAuthentication, http::Config};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{Running, within};

/// Sends these bytes and returns all that comes back until the other side closes or answers.
pub async fn raw(running: &Running, request: &str) -> String {
    let mut stream = TcpStream::connect(running.address).await.expect("connects");
    stream.write_all(request.as_bytes()).await.expect("sends");
    let mut answer = vec![0; 64 * 1024];
    let read = within(stream.read(&mut answer)).await.expect("an answer");
    String::from_utf8_lossy(&answer[..read]).into_owned()
}

#[tokio::test]
async fn many_requests_share_one_connection() {
    let running = Running::start().await;
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let request = format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(running.address).await.expect("connects");
    for _ in 0..3 {
        stream.write_all(request.as_bytes()).await.expect("sends");
        let mut answer = String::new();
        while !answer.ends_with(r#""result":{}}"#) {
            let mut part = [0; 1024];
            let read = within(stream.read(&mut part)).await.expect("reads");
            assert!(read > 0, "{answer}");
            answer.push_str(std::str::from_utf8(&part[..read]).expect("text"));
        }
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}

#[tokio::test]
async fn a_head_that_does_not_arrive_closes_the_connection() {
    let config = Config { head_timeout: Duration::from_millis(50), ..Config::default() };
    let running = Running::with(config, NoAuthentication::default()).await;
    for begun in ["", "POST /mcp HTTP/1.1\r\nHost: loc"] {
        let mut stream = TcpStream::connect(running.address).await.expect("connects");
        stream.write_all(begun.as_bytes()).await.expect("sends");
        let mut rest = Vec::new();
        within(stream.read_to_end(&mut rest)).await.expect("closed");
    }
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_given_up() {
    let config = Config { body_timeout: Duration::from_millis(50), ..Config::default() };
    let running = Running::with(config, NoAuthentication::default()).await;
    let begun =
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{";
    let answer = raw(&running, begun).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
}

#[tokio::test]
async fn a_head_has_a_limit() {
    let running = Running::start().await;
    let request = format!("POST /mcp HTTP/1.1\r\nHost: localhost\r\nX-Padding: {}\r\n\r\n", "x".repeat(100 * 1024));
    let answer = raw(&running, &request).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_while_all_have_a_request() {
    let config = Config { max_connections: 1, ..Config::default() };
    let running = Running::with(config, NoAuthentication::default()).await;
    let first = running.spawn(running.modern("tools/call", json!({"name": "wait"}), &[]));
    running.server.until_waiting(1).await;
    let second = raw(&running, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    tokio::pin!(second);
    let early = tokio::time::timeout(Duration::from_millis(100), &mut second).await;
    assert!(early.is_err(), "{early:?}");
    running.server.release.notify_waiters();
    within(first).await.expect("no panic").expect("an answer").result();
    assert!(second.await.starts_with("HTTP/1.1 200"));
}

/// Whoever waits was looked at once, when all were busy: one that became idle later kept its place.
#[tokio::test]
async fn a_connection_that_becomes_idle_makes_room_for_one_that_waits_already() {
    let config = Config { max_connections: 1, ..Config::default() };
    let running = Running::with(config, NoAuthentication::default()).await;
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"wait"}}"#;
    let head = "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length:";
    let mut first = TcpStream::connect(running.address).await.expect("connects");
    first.write_all(format!("{head} {}\r\n\r\n{body}", body.len()).as_bytes()).await.expect("sends");
    running.server.until_waiting(1).await;
    let second = raw(&running, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    tokio::pin!(second);
    let early = tokio::time::timeout(Duration::from_millis(100), &mut second).await;
    assert!(early.is_err(), "{early:?}");
    running.server.release.notify_waiters();
    // The first one stays open on its side.
    assert!(second.await.starts_with("HTTP/1.1 200"));
    let mut answer = Vec::new();
    within(first.read_to_end(&mut answer)).await.expect("answered, and closed");
    assert!(answer.starts_with(b"HTTP/1.1 200"));
}

/// X-9: programs that send no length had thirty-two places together, eight each where callers are told apart, however little
/// they sent. What they send is small until it is not.
#[tokio::test]
async fn small_bodies_without_a_length_take_no_place_of_large_ones() {
    let running = Running::start().await;
    let head =
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut held = Vec::new();
    for _ in 0..40 {
        let mut stream = TcpStream::connect(running.address).await.expect("connects");
        stream.write_all(format!("{head}1\r\n{{\r\n").as_bytes()).await.expect("sends");
        held.push(stream);
    }
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let mut stream = TcpStream::connect(running.address).await.expect("connects");
    stream.write_all(format!("{head}{:x}\r\n{body}\r\n0\r\n\r\n", body.len()).as_bytes()).await.expect("sends");
    let mut answer = [0; 12];
    within(stream.read_exact(&mut answer)).await.expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 200");
    // What grows beyond that is read in turn, and whole.
    let large = format!("{}{}", body, " ".repeat(300_000));
    let answer = raw(&running, &format!("{head}{:x}\r\n{large}\r\n0\r\n\r\n", large.len())).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn one_address_does_not_take_all_connections() {
    let config = Config { max_connections_per_address: 2, proxies: Vec::new(), ..Config::default() };
    let running = Running::with(config, NoAuthentication::default()).await;
    let healthy = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n";
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(running.address).await.expect("connects");
        stream.write_all(format!("{healthy}\r\n").as_bytes()).await.expect("sends");
        let mut begun = [0; 12];
        stream.read_exact(&mut begun).await.expect("served");
        held.push(stream);
    }
    let mut third = TcpStream::connect(running.address).await.expect("connects");
    let mut rest = Vec::new();
    let _ = within(third.read_to_end(&mut rest)).await;
    assert!(rest.is_empty(), "closed without a word");
    drop(held);
    within(async {
        loop {
            let mut next = TcpStream::connect(running.address).await.expect("connects");
            let _ = next.write_all(format!("{healthy}Connection: close\r\n\r\n").as_bytes()).await;
            let mut answer = Vec::new();
            let _ = next.read_to_end(&mut answer).await;
            if answer.starts_with(b"HTTP/1.1 200") {
                return;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_client_that_does_not_read_its_answer_is_cut() {
    let config = Config { max_connections: 1, write_timeout: Duration::from_millis(50), ..Config::default() };
    let running = Running::with(config, NoAuthentication::default()).await;
    // The answer holds the argument three times, more than the kernel keeps for both sides.
    let argument = "x".repeat(4_000_000);
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"echo","arguments":{{"a":"{argument}"}}}}}}"#
    );
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let mut deaf = TcpStream::connect(running.address).await.expect("connects");
    deaf.write_all(head.as_bytes()).await.expect("sends");
    deaf.write_all(body.as_bytes()).await.expect("sends");
    let next = raw(&running, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await;
    assert!(next.starts_with("HTTP/1.1 200"), "{next}");
}
