//! A program that is talked to line by line, until nobody holds its input any more.

use std::{io, path::PathBuf, process::ExitStatus, time::Duration};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    sync::{mpsc, watch},
    time::timeout,
};

use super::{
    Captured, Lines, Program, Run, RunError,
    capture::{self, Keep, Watch},
    group::Group,
    run,
};

/// How it is started.
#[derive(Debug, Clone)]
pub struct Talk {
    pub arguments: Vec<String>,
    /// Absolute.
    pub folder: PathBuf,
    /// All of its environment.
    pub environment: Vec<(String, String)>,
    /// A program that writes a longer line is ended.
    pub longest_line: usize,
}

/// A program that is talked to.
#[derive(Debug)]
pub struct Talking {
    /// What is sent is written to it, line by line. It ends when this is dropped.
    pub input: mpsc::Sender<String>,
    pub output: mpsc::Receiver<String>,
    /// Set when it has ended.
    pub ended: watch::Receiver<Option<LastWords>>,
}

/// How a program ended, and the end of what it complained of. That may be anything; whoever runs the program may see it.
#[derive(Debug, Clone, Default)]
pub struct LastWords {
    pub status: Option<ExitStatus>,
    pub complaints: String,
}

/// Lines that wait to be read, in either direction.
const WAITING: usize = 64;
/// Of what it complains of, in bytes.
const KEPT: usize = 4 << 10;
/// For a program that closed its output to end by itself.
const GRACE: Duration = Duration::from_millis(200);

impl Program {
    /// Starts it.
    pub async fn talk(&self, talk: Talk) -> Result<Talking, RunError> {
        let longest = talk.longest_line;
        let run = Run {
            arguments: talk.arguments,
            // Not empty, so that it has an input.
            stdin: b"\n".to_vec(),
            folder: talk.folder,
            environment: talk.environment,
            timeout: Duration::MAX,
            max_stdout: 0,
            lines: Lines::default(),
        };
        let command = run::prepare(self, &run)?;
        drop(run);
        let group = run::spawn(self, command).await?;
        let (input, asked) = mpsc::channel(WAITING);
        let (said, output) = mpsc::channel(WAITING);
        let (tell, ended) = watch::channel(None);
        tokio::spawn(async move {
            let last_words = own(group, asked, said, longest).await;
            tell.send_replace(Some(last_words));
        });
        Ok(Talking { input, output, ended })
    }
}

/// Until it ends, or nobody asks it any more. The runtime's end drops this, which kills the program.
async fn own(mut group: Group, asked: mpsc::Receiver<String>, said: mpsc::Sender<String>, longest: usize) -> LastWords {
    let mut complaints = Captured::default();
    // What it complains of is read all the time, so that it never waits for us.
    let (stderr, unreported) = (group.child.stderr.take(), Watch::new(Lines::default()));
    let mut complaining = Box::pin(capture::read(stderr, Keep::End(KEPT), &mut complaints, &unreported));
    let mut is_silent = false;
    let ended = {
        let following = std::pin::pin!(follow(&mut group, asked, said, longest));
        let complained = async {
            let _ = complaining.as_mut().await;
            is_silent = true;
            std::future::pending::<bool>().await
        };
        tokio::select! {
            ended = following => ended,
            never = complained => never,
        }
    };
    let mut status = None;
    if ended {
        status = timeout(GRACE, group.child.wait()).await.ok().and_then(Result::ok);
        if !is_silent {
            let _ = timeout(GRACE, complaining.as_mut()).await;
        }
    }
    drop(complaining);
    group.end().await;
    LastWords { status, complaints: String::from_utf8_lossy(&complaints.bytes).into_owned() }
}

/// Whether it ended by itself.
async fn follow(
    group: &mut Group,
    mut asked: mpsc::Receiver<String>,
    said: mpsc::Sender<String>,
    longest: usize,
) -> bool {
    let (Some(mut stdin), Some(stdout)) = (group.child.stdin.take(), group.child.stdout.take()) else {
        return false;
    };
    let write = async {
        while let Some(line) = asked.recv().await {
            stdin.write_all(line.as_bytes()).await?;
            stdin.write_all(b"\n").await?;
            stdin.flush().await?;
        }
        io::Result::Ok(())
    };
    let read = async {
        let mut stdout = BufReader::new(stdout);
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = (&mut stdout).take(longest as u64 + 1).read_until(b'\n', &mut line).await?;
            if read == 0 || read > longest {
                return io::Result::Ok(read == 0);
            }
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            if !text.is_empty() && said.send(text).await.is_err() {
                return Ok(false);
            }
        }
    };
    tokio::select! {
        // It can't be written to where it reads no more.
        wrote = write => wrote.is_err(),
        read = read => read.unwrap_or(true),
    }
}
