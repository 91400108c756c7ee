//! Clients that mean no good: slow, silent, deaf, endless. They are survived with bounded memory, and others are served
//! meanwhile.

use std::{
    net::Shutdown,
    time::{Duration, Instant},
};

use mcp_serve::{Change, NoAuthentication, http::Config};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::raw;
use crate::support::{Running, within};

const HEAD: &str = "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
const MB: usize = 1024 * 1024;

async fn with(config: Config) -> Running {
    Running::with(config, NoAuthentication::default()).await
}

async fn opened(running: &Running, begun: &str) -> TcpStream {
    let mut stream = TcpStream::connect(running.address).await.expect("connects");
    stream.write_all(begun.as_bytes()).await.expect("sends");
    stream
}

fn whole(body: &str) -> String {
    format!("{HEAD}Content-Length: {}\r\n\r\n{body}", body.len())
}

fn listen() -> String {
    let meta =
        r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}"#;
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{{"notifications":{{"toolsListChanged":true}},"_meta":{{{meta}}}}}}}"#
    );
    whole(&body).replacen(
        "\r\n",
        "\r\nMCP-Protocol-Version: 2026-07-28\r\nMcp-Method: subscriptions/listen\r\nAccept: text/event-stream\r\n",
        1,
    )
}

/// Until the other side closes.
async fn rest(stream: &mut TcpStream) -> String {
    let mut rest = Vec::new();
    // A reset is an end, too.
    let _ended = within(stream.read_to_end(&mut rest)).await;
    String::from_utf8_lossy(&rest).into_owned()
}

async fn others_are_served(running: &Running) {
    running.ask_modern("tools/call", json!({"name": "echo"})).await.result();
}

/// Bytes of this process in memory.
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    pages.split(' ').nth(1).expect("the second field").parse::<usize>().expect("pages") * 4096
}

/// Writes, however slowly, until the other side has enough.
async fn dribble(stream: &mut TcpStream, every: Duration) {
    let mut ticks = tokio::time::interval(every);
    while stream.write_all(b"x").await.is_ok() {
        tokio::select! {
            _ = ticks.tick() => {}
            Ok(()) = stream.readable() => return,
        }
    }
}

#[tokio::test]
async fn a_head_that_comes_byte_by_byte_gets_no_more_time() {
    let running = with(Config { head_timeout: Duration::from_millis(300), ..Config::default() }).await;
    let mut slow = opened(&running, "POST /mcp HTTP/1.1\r\nX: ").await;
    let began = Instant::now();
    let dribbled = within(dribble(&mut slow, Duration::from_millis(10)));
    tokio::join!(dribbled, others_are_served(&running));
    rest(&mut slow).await;
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert_eq!(running.stopped().await.open, 0);
}

#[tokio::test]
async fn a_body_that_comes_byte_by_byte_gets_no_more_time() {
    let running = with(Config { body_timeout: Duration::from_millis(300), ..Config::default() }).await;
    for framing in ["Content-Length: 1000000\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\nfffff\r\n"] {
        let mut slow = opened(&running, &format!("{HEAD}{framing}")).await;
        tokio::join!(within(dribble(&mut slow, Duration::from_millis(10))), others_are_served(&running));
        let answer = rest(&mut slow).await;
        assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    }
}

/// Both ends are in this process: where it may open fewer than 20,000 descriptors, there are fewer connections.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_idle_connections_cost_little_and_hinder_nobody() {
    let limits = std::fs::read_to_string("/proc/self/limits").expect("Linux");
    let limit =
        limits.lines().find_map(|line| line.strip_prefix("Max open files")?.split_whitespace().next()?.parse().ok());
    let connections = (limit.unwrap_or(usize::MAX).saturating_sub(300) / 2).min(10_000);
    println!("{connections} connections");
    let running = with(Config { max_connections: 10_100, ..Config::default() }).await;
    others_are_served(&running).await;
    let before = resident();
    let address = running.address;
    let connect = move || {
        let connect = |_| std::net::TcpStream::connect(address).expect("connects");
        (0..connections).map(connect).collect::<Vec<_>>()
    };
    let idle = tokio::task::spawn_blocking(connect).await.expect("connected");
    // They are accepted in their order, so that all are before this is.
    for _ in 0..20 {
        others_are_served(&running).await;
    }
    let each = resident().saturating_sub(before) / connections;
    println!("{each} bytes each");
    assert!(each < 32 * 1024, "{each} bytes for an idle connection");
    drop(idle);
    others_are_served(&running).await;
}

#[tokio::test]
async fn who_says_nothing_makes_room_for_who_does() {
    let running = with(Config { max_connections: 3, ..Config::default() }).await;
    let call = running.spawn(running.modern("tools/call", json!({"name": "wait"}), &[]));
    running.server.until_waiting(1).await;
    let mut begun = opened(&running, "POST /mcp HTTP/1.1\r\nHost: loc").await;
    let mut silent = opened(&running, "").await;
    let health = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    // Each displaces the one that is idle longest, and is idle itself after its answer.
    let mut kept = Vec::new();
    for _ in 0..5 {
        let mut stream = opened(&running, health).await;
        let mut answer = [0; 1024];
        let read = within(stream.read(&mut answer)).await.expect("an answer");
        assert!(answer[..read].starts_with(b"HTTP/1.1 200"));
        kept.push(stream);
    }
    for displaced in [&mut begun, &mut silent, &mut kept[0]] {
        assert_eq!(rest(displaced).await, "", "ends without a word");
    }
    running.server.release.notify_waiters();
    within(call).await.expect("no panic").expect("a call is no idleness").result();
}

/// Each held its place for as long as a body may take, so that who sends beginnings of bodies kept everybody out.
#[tokio::test]
async fn who_sends_a_body_without_end_makes_room_for_who_does_not() {
    let body_timeout = Duration::from_secs(600);
    let running = with(Config { max_connections: 3, body_timeout, ..Config::default() }).await;
    let call = running.spawn(running.modern("tools/call", json!({"name": "wait"}), &[]));
    running.server.until_waiting(1).await;
    let mut dribbling = opened(&running, &format!("{HEAD}Content-Length: 100000\r\n\r\n{{")).await;
    let mut silent = opened(&running, &format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n5\r\n{{")).await;
    let served = async || {
        let mut stream = opened(&running, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        let mut answer = [0; 12];
        within(stream.read_exact(&mut answer)).await.expect("an answer");
        assert_eq!(&answer, b"HTTP/1.1 200");
        stream
    };
    // Bytes that come now and then make it no younger.
    let ((), _first) = tokio::join!(within(dribble(&mut dribbling, Duration::from_millis(100))), served());
    let _second = served().await;
    assert_eq!(rest(&mut silent).await, "", "ends without a word");
    running.server.release.notify_waiters();
    within(call).await.expect("no panic").expect("a call is no idleness").result();
}

#[tokio::test]
async fn a_flood_of_silent_connections_keeps_nobody_out() {
    let running = with(Config { max_connections: 16, ..Config::default() }).await;
    let mut flood = Vec::new();
    for round in 0..20 {
        for _ in 0..20 {
            flood.push(opened(&running, if round % 2 == 0 { "" } else { "POST /mcp HTTP/1.1\r\nHost: " }).await);
        }
        others_are_served(&running).await;
    }
}

#[tokio::test]
async fn a_client_that_closes_its_half_leaves_nothing_behind() {
    let running = Running::start().await;
    let wait = whole(r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"wait"}}"#);
    let body = format!("{HEAD}Content-Length: 1000\r\n\r\n{{");
    let listen = listen();
    for begun in ["", "POST /mcp HTTP/1.1\r\nHost: loc", &body, &wait, &listen] {
        let mut stream = opened(&running, begun).await;
        if *begun == *wait {
            running.server.until_waiting(1).await;
        }
        if *begun == *listen {
            let mut answer = [0; 4096];
            assert!(within(stream.read(&mut answer)).await.expect("an acknowledgement") > 0);
        }
        let mut stream = stream.into_std().expect("a socket");
        stream.shutdown(Shutdown::Write).expect("half closed");
        stream.set_nonblocking(true).expect("a socket");
        let mut again = TcpStream::from_std(stream.try_clone().expect("a socket")).expect("a socket");
        rest(&mut again).await;
        let _ = std::io::Write::flush(&mut stream);
    }
    running.server.until_dropped(1).await;
    running.server.until_waiting(0).await;
    assert_eq!(running.stopped().await.open, 0);
}

#[tokio::test]
async fn a_client_that_vanishes_in_any_state_leaves_nothing_behind() {
    let running = Running::start().await;
    let wait = whole(r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"wait"}}"#);
    let body = format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n5\r\n{{");
    let listen = listen();
    for begun in ["POST", &body, &wait, &listen] {
        for _ in 0..20 {
            drop(opened(&running, begun).await);
        }
    }
    others_are_served(&running).await;
    running.server.until_waiting(0).await;
    let ended = running.stopped().await;
    assert_eq!(ended.forced, 0, "{ended:?}");
}

#[tokio::test]
async fn heads_have_a_limit_in_bytes_and_in_lines() {
    let running = Running::start().await;
    let many = |lines: usize| format!("{HEAD}{}\r\n", "X-Line: 1\r\n".repeat(lines));
    for request in [many(101), many(5_000), format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(200_000))] {
        let mut stream = TcpStream::connect(running.address).await.expect("connects");
        let _cut = stream.write_all(request.as_bytes()).await;
        let mut answer = [0; 1024];
        // Where the rest is thrown away, so may be the answer.
        let read = within(stream.read(&mut answer)).await.unwrap_or(0);
        let answer = String::from_utf8_lossy(&answer[..read]);
        assert!(["HTTP/1.1 431", "HTTP/1.1 414", ""].iter().any(|begin| answer.starts_with(begin)), "{answer}");
        assert!(!answer.starts_with("HTTP/1.1 2"), "{answer}");
    }
    others_are_served(&running).await;
}

#[tokio::test]
async fn what_comes_in_one_piece_is_answered_one_by_one() {
    let running = Running::start().await;
    let requests: String = (0..200)
        .map(|id| {
            whole(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"whoami"}}}}"#))
        })
        .collect();
    let mut stream = opened(&running, &requests).await;
    stream.shutdown().await.expect("half closed");
    // Who closes its half leaves: what was answered by then is in order.
    let answers = rest(&mut stream).await;
    let ids: Vec<&str> = answers.split("\"id\":").skip(1).filter_map(|part| part.split(',').next()).collect();
    assert!(ids.iter().enumerate().all(|(at, id)| *id == at.to_string()), "{ids:?}");
}

#[tokio::test]
async fn a_client_that_asks_without_end_and_never_reads_is_cut_with_bounded_memory() {
    let running = with(Config { write_timeout: Duration::from_millis(300), ..Config::default() }).await;
    others_are_served(&running).await;
    let before = resident();
    let text = "x".repeat(32 * 1024);
    let request = whole(&format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"echo","arguments":{{"a":"{text}"}}}}}}"#
    ));
    let mut deaf = TcpStream::connect(running.address).await.expect("connects");
    let asks = async {
        let mut sent = 0;
        while deaf.write_all(request.as_bytes()).await.is_ok() {
            sent += request.len();
            assert!(sent < 256 * MB, "it takes everything");
        }
        sent
    };
    let (sent, ()) = tokio::join!(within(asks), others_are_served(&running));
    let grown = resident().saturating_sub(before);
    println!("{sent} bytes were taken, memory grew by {grown}");
    assert!(grown < 32 * MB, "{grown}");
}

#[tokio::test]
async fn a_listener_that_never_reads_holds_no_news_back_and_no_memory() {
    let running = with(Config { write_timeout: Duration::from_millis(500), ..Config::default() }).await;
    let mut deaf = Vec::new();
    for _ in 0..20 {
        deaf.push(opened(&running, &listen()).await);
    }
    for stream in &mut deaf {
        let mut answer = [0; 64];
        within(stream.read_exact(&mut answer)).await.expect("an acknowledgement");
    }
    let before = resident();
    for round in 0..200_000_u32 {
        running.server.notify(Change::Tools);
        if round % 100 == 0 {
            tokio::task::yield_now().await;
        }
    }
    others_are_served(&running).await;
    let grown = resident().saturating_sub(before);
    println!("memory grew by {grown}");
    assert!(grown < 32 * MB, "{grown}");
}

#[tokio::test]
async fn chunks_may_be_small_but_not_say_more_than_they_hold() {
    let running = Running::start().await;
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let small: String = body.chars().map(|byte| format!("1\r\n{byte}\r\n")).collect();
    let answer = raw(&running, &format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n{small}0\r\n\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    let before = resident();
    let extension = "x".repeat(100_000);
    for absurd in [
        format!("1;{extension}\r\n{{\r\n").repeat(20),
        format!("{}\r\n", "0".repeat(100_000)),
        "fffffffffffffffff\r\n{".to_owned(),
        "-1\r\n{".to_owned(),
        format!("0\r\n{}\r\n", "X-Trailer: x\r\n".repeat(20_000)),
    ] {
        let mut stream = TcpStream::connect(running.address).await.expect("connects");
        let _cut = stream.write_all(format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n{absurd}").as_bytes()).await;
        let _closed = stream.shutdown().await;
        let answer = rest(&mut stream).await;
        assert!(!answer.starts_with("HTTP/1.1 2"), "{answer}");
        others_are_served(&running).await;
    }
    let grown = resident().saturating_sub(before);
    assert!(grown < 16 * MB, "{grown}");
}
