//! Programs of `command` tools, started through the program itself.

use std::{
    io::Write as _,
    net::TcpStream,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use mcp_factory_connect::{
    Policy,
    command::{Ended, Launcher, Lines, Output, ProcessLimits, Program, Run},
};

use crate::run::Place;

async fn run(script: &str, limits: Option<ProcessLimits>) -> Output {
    let mut policy = Policy::operator().with_launcher(Launcher::new(env!("CARGO_BIN_EXE_mcp-factory")));
    if let Some(limits) = limits {
        policy = policy.with_process_limits(limits);
    }
    let program = Program::find("/bin/sh", Path::new("/"), &policy).unwrap();
    let run = Run {
        arguments: vec!["-c".to_owned(), script.to_owned()],
        stdin: Vec::new(),
        folder: PathBuf::from("/"),
        environment: vec![("ONLY".to_owned(), "this".to_owned())],
        timeout: Duration::from_secs(20),
        max_stdout: 1 << 20,
        lines: Lines::default(),
    };
    program.run(run).await.unwrap()
}

fn said(output: &Output) -> Vec<&str> {
    std::str::from_utf8(&output.stdout.bytes).unwrap().lines().collect()
}

#[tokio::test]
async fn a_program_has_a_session_of_its_own_and_no_terminal() {
    let output = run("cut -d' ' -f1,5,6,7 /proc/$$/stat; echo $ONLY; echo >/dev/tty", None).await;
    let lines = said(&output);
    let numbers: Vec<&str> = lines[0].split(' ').collect();
    assert!(numbers[0] == numbers[1] && numbers[1] == numbers[2] && numbers[3] == "0", "{numbers:?}");
    assert_eq!(lines[1], "this");
    assert_ne!(output.ended, Ended::Exited(0), "there is no terminal to write to");
}

#[tokio::test]
async fn limits_hold_for_a_program_and_its_children() {
    let limits = ProcessLimits {
        memory: Some(512 << 20),
        processor_time: Some(Duration::from_secs(7)),
        file_size: Some(1 << 20),
        open_files: Some(40),
    };
    let output =
        run("sh -c 'grep -E \"^Max (address|cpu|file size|open|core)\" /proc/self/limits'", Some(limits)).await;
    let limits: Vec<Vec<&str>> = said(&output)
        .iter()
        .map(|line| line.split_whitespace().filter(|word| word.parse::<u64>().is_ok()).collect())
        .collect();
    assert_eq!(limits, [["7", "7"], ["1048576", "1048576"], ["0", "0"], ["40", "40"], ["536870912", "536870912"]]);
    let over = ProcessLimits { processor_time: Some(Duration::from_secs(1)), ..ProcessLimits::default() };
    assert_eq!(run("while :; do :; done", Some(over)).await.ended, Ended::Killed(9));
}

const WAITS: &str = "name: a\ntools:\n  - { name: wait, description: Waits, command: { argv: [/bin/sh, -c, \"echo $$ > new; mv new id; \
                     exec sleep 60\"] } }\n";

/// A request whose answer is not waited for.
fn send(address: &str, headers: &str, body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "POST /mcp HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nAccept: application/json, \
         text/event-stream\r\nContent-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    )
    .unwrap();
    stream
}

/// The program that the tool has started.
fn started(place: &Place) -> String {
    let id = place.path("id");
    until("the program has started", || id.exists());
    let process = format!("/proc/{}/stat", std::fs::read_to_string(id).unwrap().trim());
    assert!(Path::new(&process).exists());
    process
}

fn is_gone(process: &str) -> bool {
    std::fs::read_to_string(process).map_or(true, |stat| stat.contains(") Z"))
}

#[test]
fn who_asks_hears_what_a_program_prints_while_it_runs() {
    let text = "name: a\ntools:\n  - { name: work, description: Works, command: { argv: [/bin/sh, -c, \"echo one; echo careful >&2; \
                echo two\"] } }\n";
    let place = Place::new().file("a.yaml", text);
    let serving = place.serve(&["a.yaml"]);
    let headers = [("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", "tools/call"), ("Mcp-Name", "work")];
    let call = |meta: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"work","arguments":{{}},"_meta":{{{meta}
               "io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{{}}}}}}}}"#
        )
    };
    let (_, asked) = serving.post(&headers, &call(r#""progressToken":"p","io.modelcontextprotocol/logLevel":"info","#));
    let events: Vec<serde_json::Value> = asked
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .filter_map(|data| serde_json::from_str(data).ok())
        .collect();
    let of = |method: &str| events.iter().filter(|event| event["method"] == method).collect::<Vec<_>>();
    let lines = of("notifications/progress");
    assert!(
        lines.iter().any(|event| event["params"]["message"].as_str().is_some_and(|line| !line.is_empty())),
        "{asked}"
    );
    let told = of("notifications/message");
    assert!(told.iter().any(|event| event["params"]["data"] == "careful"), "{asked}");
    let answer = events.last().unwrap();
    assert_eq!(answer["result"]["structuredContent"]["value"], "one\ntwo", "{asked}");
    let (_, unasked) = serving.post(&headers, &call(""));
    assert!(!unasked.contains("careful"), "{unasked}");
}

#[test]
fn a_program_dies_with_a_server_that_is_killed() {
    let place = Place::new().file("a.yaml", WAITS);
    let serving = place.serve(&["a.yaml"]);
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"wait","arguments":{}}}"#;
    let stream = send(&serving.address, "", body);
    let process = started(&place);
    // Nothing is told, so nothing can be cleaned up.
    assert!(Command::new("kill").args(["-KILL", &serving.id().to_string()]).status().unwrap().success());
    until("the program is gone", || is_gone(&process));
    drop(stream);
}

fn until(what: &str, mut state: impl FnMut() -> bool) {
    let began = Instant::now();
    while !state() {
        assert!(began.elapsed() < Duration::from_secs(40), "{what}");
        std::thread::yield_now();
    }
}
