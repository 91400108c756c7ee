//! A program that is talked to line by line, until nobody holds its input any more.

use std::{io, path::PathBuf};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    sync::mpsc,
};

use super::{Lines, Program, Run, RunError, group::Group, run};

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

/// Lines that wait to be read, in either direction.
const WAITING: usize = 64;

impl Program {
    /// Starts it. What is sent is written to it line by line, what it prints is received; it ends when the sender is dropped.
    pub async fn talk(&self, talk: Talk) -> Result<(mpsc::Sender<String>, mpsc::Receiver<String>), RunError> {
        let longest = talk.longest_line;
        let run = Run {
            arguments: talk.arguments,
            // Not empty, so that it has an input.
            stdin: b"\n".to_vec(),
            folder: talk.folder,
            environment: talk.environment,
            timeout: std::time::Duration::MAX,
            max_stdout: 0,
            lines: Lines::default(),
        };
        let command = run::prepare(self, &run)?;
        drop(run);
        let group = run::spawn(self, command).await?;
        let (input, asked) = mpsc::channel(WAITING);
        let (said, output) = mpsc::channel(WAITING);
        tokio::spawn(own(group, asked, said, longest));
        Ok((input, output))
    }
}

/// Until it ends, or nobody asks it any more. The runtime's end drops this, which kills the program.
async fn own(mut group: Group, asked: mpsc::Receiver<String>, said: mpsc::Sender<String>, longest: usize) {
    let _ = follow(&mut group, asked, said, longest).await;
    group.end().await;
}

async fn follow(
    group: &mut Group,
    mut asked: mpsc::Receiver<String>,
    said: mpsc::Sender<String>,
    longest: usize,
) -> io::Result<()> {
    let (Some(mut stdin), Some(stdout), Some(mut stderr)) =
        (group.child.stdin.take(), group.child.stdout.take(), group.child.stderr.take())
    else {
        return Ok(());
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
                return io::Result::Ok(());
            }
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            if !text.is_empty() && said.send(text).await.is_err() {
                return Ok(());
            }
        }
    };
    // What it complains of is read, so that it never waits for us, and shown to nobody.
    let complaints = async {
        let mut chunk = [0; 4096];
        while stderr.read(&mut chunk).await? > 0 {}
        std::future::pending::<io::Result<()>>().await
    };
    tokio::select! {
        ended = write => ended,
        ended = read => ended,
        ended = complaints => ended,
    }
}
