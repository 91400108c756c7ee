//! One run: a task owns the program, feeds and reads it, and ends it whichever way the run is over.

use std::{io, os::unix::process::ExitStatusExt as _, process::ExitStatus, process::Stdio, time::Duration};

use tokio::{io::AsyncWriteExt as _, process::Command, sync::oneshot, time::timeout};

use super::{
    Captured, Ended, Output, Program, Run, RunError,
    capture::{Keep, Watch, read},
    group::{self, Group},
};

/// How much of its standard error is kept.
const COMPLAINT: usize = 8 * 1024;
/// What a program left behind may keep its output open; it has this long to end by itself.
const LEFT_BEHIND: Duration = Duration::from_millis(100);
/// Whatever is not in the group may keep it open for ever.
const OUT_OF_REACH: Duration = Duration::from_secs(2);

pub(super) async fn run(program: &Program, run: Run) -> Result<Output, RunError> {
    let group = spawn(program, prepare(program, &run)?).await?;
    let (answer, output) = oneshot::channel();
    tokio::spawn(own(group, run, answer));
    let output = output.await.unwrap_or_else(|_| Err(io::Error::other("the server is ending")));
    output.map_err(|source| failed(program, source))
}

pub(super) async fn spawn(program: &Program, command: Command) -> Result<Group, RunError> {
    Group::spawn(command).await.map_err(|source| failed(program, source))
}

pub(super) fn prepare(program: &Program, run: &Run) -> Result<Command, RunError> {
    let texts = run.arguments.iter().chain(run.environment.iter().map(|(_, value)| value));
    if texts.into_iter().any(|text| text.contains('\0')) {
        return Err(RunError::Nul { program: program.name.clone() });
    }
    Ok(command(program, run))
}

fn failed(program: &Program, source: io::Error) -> RunError {
    match source.kind() {
        io::ErrorKind::ArgumentListTooLong => RunError::TooLong { program: program.name.clone() },
        _ => RunError::Io { program: program.name.clone(), source },
    }
}

fn command(program: &Program, run: &Run) -> Command {
    let mut command = match &program.launcher {
        // It makes itself a session.
        Some(launcher) => launcher.command(program.limits, &program.path, &program.name).into(),
        None => {
            let mut command = Command::new(&program.path);
            command.arg0(&program.name).process_group(0);
            command
        }
    };
    command.args(&run.arguments).current_dir(&run.folder).env_clear();
    command.envs(run.environment.iter().map(|(name, value)| (name, value)));
    command.stdin(if run.stdin.is_empty() { Stdio::null() } else { Stdio::piped() });
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Until the program has ended. The runtime's end drops this, which kills the program.
async fn own(mut group: Group, run: Run, mut answer: oneshot::Sender<io::Result<Output>>) {
    let (mut stdout, mut stderr) = (Captured::default(), Captured::default());
    let limit = run.timeout;
    let followed = tokio::select! {
        followed = timeout(limit, follow(&mut group, run, &mut stdout, &mut stderr)) => followed,
        () = answer.closed() => return group.end().await,
    };
    let ended = match followed {
        Ok(Ok(status)) => {
            group.kill().await;
            Ok(ended(status))
        }
        Ok(Err(error)) => {
            group.end().await;
            Err(error)
        }
        Err(_) => {
            group.end().await;
            Ok(Ended::TimedOut)
        }
    };
    let _ = answer.send(ended.map(|ended| Output { ended, stdout, stderr }));
}

/// To the end of the program, and of what it prints.
async fn follow(group: &mut Group, run: Run, stdout: &mut Captured, stderr: &mut Captured) -> io::Result<ExitStatus> {
    let Group { child, id } = group;
    let watch = Watch::new(run.lines);
    let (stdin, out, err) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let talk = async {
        let feed = async {
            if let Some(mut stdin) = stdin {
                // A program that has read enough may close its input.
                let _ = stdin.write_all(&run.stdin).await;
            }
            Ok(())
        };
        tokio::try_join!(
            feed,
            read(out, Keep::Beginning(run.max_stdout), stdout, &watch),
            read(err, Keep::End(COMPLAINT), stderr, &watch)
        )
    };
    tokio::pin!(talk);
    tokio::select! {
        status = child.wait() => {
            if timeout(LEFT_BEHIND, &mut talk).await.is_err() {
                group::kill(*id);
                let _ = timeout(OUT_OF_REACH, talk).await;
            }
            status
        }
        said = &mut talk => {
            said?;
            child.wait().await
        }
    }
}

fn ended(status: ExitStatus) -> Ended {
    status.code().map_or_else(|| Ended::Killed(status.signal().unwrap_or_default()), Ended::Exited)
}
