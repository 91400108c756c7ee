//! Programs, as they are on every Linux machine.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use mcp_factory_connect::{
    Policy,
    command::{Ended, Lines, Output, ProcessLimits, Program, ProgramError, Run, RunError},
};

fn run(arguments: &[&str], folder: &Path) -> Run {
    Run {
        arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
        stdin: Vec::new(),
        folder: folder.to_owned(),
        environment: Vec::new(),
        timeout: Duration::from_secs(20),
        max_stdout: 1 << 20,
        lines: Lines::default(),
    }
}

async fn shell(script: &str, change: impl FnOnce(&mut Run)) -> Result<Output, RunError> {
    let folder = tempfile::tempdir().unwrap();
    let mut run = run(&["-c", script], folder.path());
    change(&mut run);
    Program::find("sh", folder.path(), &Policy::operator()).unwrap().run(run).await
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Whether the process still runs; one that only waits to be reaped does not.
fn runs(id: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", id.trim())).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.trim_start().starts_with(['Z', 'X']))
}

async fn until(what: &str, mut state: impl FnMut() -> bool) {
    let began = Instant::now();
    while !state() {
        assert!(began.elapsed() < Duration::from_secs(40), "{what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn a_program_gets_its_arguments_input_and_environment_and_nothing_else() {
    let script = "printf '%s|' \"$@\"; echo; cat; echo; pwd; echo \"$GREETING\"; echo problem >&2; exit 3";
    let output = shell(script, |run| {
        run.arguments.extend(["sh", "a b", "$(id)", "", "*"].map(str::to_owned));
        run.stdin = b"in".to_vec();
        run.environment = vec![("GREETING".to_owned(), "hello".to_owned())];
    })
    .await
    .unwrap();
    let lines: Vec<&str> = text(&output.stdout.bytes).lines().collect();
    assert_eq!((lines[0], lines[1], lines[3]), ("a b|$(id)||*|", "in", "hello"));
    assert_eq!((output.ended, text(&output.stderr.bytes)), (Ended::Exited(3), "problem\n"));
    let output = shell("echo $0", |_| {}).await.unwrap();
    assert_eq!(text(&output.stdout.bytes), "sh\n", "it has its own name, and no path of this machine");
    let output = shell("exec env", |_| {}).await.unwrap();
    // What a shell sets itself.
    let own = |line: &&str| !["PWD=", "_=", "SHLVL=", "OLDPWD="].iter().any(|name| line.starts_with(name));
    assert_eq!(text(&output.stdout.bytes).lines().filter(own).collect::<Vec<_>>(), Vec::<&str>::new());
}

#[tokio::test]
async fn what_is_printed_beyond_the_cap_is_read_and_dropped() {
    let script = "i=0; while [ $i -lt 3000 ]; do echo 0123456789012345678901234567890123456789; echo error $i >&2; \
                  i=$((i+1)); done";
    let output = shell(script, |run| run.max_stdout = 1000).await.unwrap();
    assert_eq!((output.ended, output.stdout.bytes.len(), output.stdout.total), (Ended::Exited(0), 1000, 41 * 3000));
    assert!(output.stdout.is_cut() && output.stderr.is_cut());
    assert!(text(&output.stderr.bytes).ends_with("error 2999\n"), "the end of what it complains of is kept");
}

#[tokio::test]
async fn input_that_nobody_reads_and_output_that_nobody_expects_block_nothing() {
    let large = vec![b'x'; 4 << 20];
    let output = shell("exit 0", |run| run.stdin = large.clone()).await.unwrap();
    assert_eq!(output.ended, Ended::Exited(0));
    let output = shell("cat", |run| {
        run.stdin = large.clone();
        run.max_stdout = 8 << 20;
    })
    .await
    .unwrap();
    assert!(output.stdout.bytes == large, "all of it comes back while it is written");
}

#[tokio::test]
async fn at_the_timeout_a_program_ends_with_its_children_even_if_they_refuse() {
    let script = "trap '' TERM; sh -c 'trap \"\" TERM; echo $$; while :; do sleep 1; done' & wait; while :; do :; done";
    let began = Instant::now();
    let output = shell(script, |run| run.timeout = Duration::from_millis(300)).await.unwrap();
    assert_eq!(output.ended, Ended::TimedOut);
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    let child = text(&output.stdout.bytes).to_owned();
    assert!(!child.is_empty(), "what was printed before is kept");
    until("the child of the program is gone", || !runs(&child)).await;
}

#[tokio::test]
async fn a_program_that_nobody_waits_for_is_gone_with_its_children() {
    let folder = tempfile::tempdir().unwrap();
    let ids = folder.path().join("ids");
    let program = Program::find("sh", folder.path(), &Policy::operator()).unwrap();
    let script = "sleep 60 & echo $$ $! > new; mv new ids; wait";
    let call = tokio::spawn({
        let run = run(&["-c", script], folder.path());
        async move { program.run(run).await }
    });
    until("the program has started its child", || ids.exists()).await;
    let ids = std::fs::read_to_string(ids).unwrap();
    let ids: Vec<&str> = ids.split_whitespace().collect();
    assert!(ids.len() == 2 && ids.iter().all(|id| runs(id)), "{ids:?}");
    call.abort();
    // Within a tenth of a second on a machine that has time: `./test times`, with the release binary.
    until("both are gone", || !ids.iter().any(|id| runs(id))).await;
    until("the program was reaped", || !Path::new(&format!("/proc/{}", ids[0])).exists()).await;
}

#[tokio::test]
async fn what_a_program_leaves_behind_is_ended_and_holds_up_nothing() {
    let began = Instant::now();
    let output = shell("sleep 60 & echo $!", |_| {}).await.unwrap();
    assert_eq!(output.ended, Ended::Exited(0));
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    let left = text(&output.stdout.bytes).to_owned();
    until("what was left behind is gone", || !runs(&left)).await;
}

#[tokio::test]
async fn a_signal_that_was_not_ours_is_told() {
    assert_eq!(shell("kill -9 $$", |_| {}).await.unwrap().ended, Ended::Killed(9));
}

#[tokio::test]
async fn lines_are_told_while_the_program_runs() {
    let (sender, mut lines) = tokio::sync::mpsc::unbounded_channel();
    let call = tokio::spawn(shell("echo begun; read answer; echo $answer", move |run| {
        run.stdin = b"done\n".to_vec();
        run.lines = Lines(Some(Box::new(move |count, line| drop(sender.send((count, line.to_owned()))))));
    }));
    assert_eq!(lines.recv().await, Some((1, "begun".to_owned())));
    assert_eq!(call.await.unwrap().unwrap().ended, Ended::Exited(0));
}

#[tokio::test]
async fn what_can_not_be_an_argument_is_refused() {
    let nul = shell(":", |run| run.arguments.push("a\0b".to_owned())).await.unwrap_err();
    assert!(matches!(nul, RunError::Nul { .. }), "{nul}");
    let long = shell(":", |run| run.arguments.push("x".repeat(256 * 1024))).await.unwrap_err();
    assert!(matches!(long, RunError::TooLong { .. }), "{long}");
}

#[test]
fn a_program_is_found_or_its_absence_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("notes.txt"), "no program").unwrap();
    let find = |name: &str| Program::find(name, folder.path(), &Policy::operator());
    assert_eq!(find("sh").unwrap().name(), "sh");
    assert!(matches!(find("no-such-program"), Err(ProgramError::NotInPath { .. })));
    assert!(matches!(find("./notes.txt"), Err(ProgramError::NotExecutable { .. })));
    assert!(matches!(find("/nowhere/at/all"), Err(ProgramError::NotExecutable { .. })));
    assert!(matches!(Program::find("sh", folder.path(), &Policy::none()), Err(ProgramError::Denied(_))));
    let limited = Policy::operator().with_process_limits(ProcessLimits::default());
    assert!(matches!(Program::find("sh", folder.path(), &limited), Err(ProgramError::NoLauncher { .. })));
}
