//! Programs of `command` tools, started through the program itself.

use std::{
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

#[test]
fn a_program_dies_with_a_server_that_is_killed() {
    let text = "name: a\ntools:\n  - { name: wait, description: Waits, command: { argv: [/bin/sh, -c, \"echo $$ > new; mv new id; \
                exec sleep 60\"] } }\n";
    let place = Place::new().file("a.yaml", text);
    let serving = place.serve(&["a.yaml"]);
    let address = serving.address.clone();
    let call = std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        let body =
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"wait\",\"arguments\":{}}}";
        let mut stream = std::net::TcpStream::connect(&address).unwrap();
        write!(
            stream,
            "POST /mcp HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nAccept: application/json, \
             text/event-stream\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut reply = String::new();
        let _ = stream.read_to_string(&mut reply);
        reply
    });
    let id = place.path("id");
    until("the program has started", || id.exists());
    let process = format!("/proc/{}", std::fs::read_to_string(id).unwrap().trim());
    assert!(Path::new(&process).exists());
    // Nothing is told, so nothing can be cleaned up.
    assert!(Command::new("kill").args(["-KILL", &serving.id().to_string()]).status().unwrap().success());
    until("the program is gone", || {
        std::fs::read_to_string(format!("{process}/stat")).map_or(true, |stat| stat.contains(") Z"))
    });
    call.join().unwrap();
}

fn until(what: &str, mut state: impl FnMut() -> bool) {
    let began = Instant::now();
    while !state() {
        assert!(began.elapsed() < Duration::from_secs(10), "{what}");
        std::thread::yield_now();
    }
}
