//! Word for somebody at a terminal who waits for longer than half a second.

use std::{
    convert::Infallible,
    io::{IsTerminal as _, Write},
    sync::mpsc::{self, Receiver, RecvTimeoutError, Sender},
    thread::JoinHandle,
    time::Duration,
};

use crate::terminal;

const PATIENCE: Duration = Duration::from_millis(500);
const TURN: Duration = Duration::from_millis(100);

/// Tells what is being done until it is dropped; nothing is left of it. Programs that read standard error are told nothing.
#[derive(Debug)]
#[must_use = "it ends when it is dropped"]
pub struct Telling(Option<(Sender<Infallible>, JoinHandle<()>)>);

impl Telling {
    pub fn begin(what: impl Into<String>) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self(None);
        }
        let what = what.into();
        let (done, until) = mpsc::channel();
        // What is waited for may block its thread.
        let thread = std::thread::spawn(move || {
            // A line that is broken would stay.
            let room = terminal::width(&std::io::stderr()).unwrap_or(80).saturating_sub(3);
            turn(&until, &terminal::cut(&what, room), PATIENCE, &mut std::io::stderr());
        });
        Self(Some((done, thread)))
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        if let Some((done, thread)) = self.0.take() {
            drop(done);
            let _ = thread.join();
        }
    }
}

/// The same, as long as the work takes.
pub async fn tell<T>(what: &str, work: impl Future<Output = T>) -> T {
    let _telling = Telling::begin(what);
    work.await
}

/// Nothing is ever sent: it is over with the sender.
fn turn(until: &Receiver<Infallible>, what: &str, patience: Duration, out: &mut impl Write) {
    let mut wait = patience;
    let mut told = false;
    for sign in ['|', '/', '-', '\\'].into_iter().cycle() {
        if until.recv_timeout(wait) != Err(RecvTimeoutError::Timeout) {
            break;
        }
        let _ = write!(out, "\r{sign} {what}");
        let _ = out.flush();
        (wait, told) = (TURN, true);
    }
    if told {
        let _ = write!(out, "\r\x1b[K");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A terminal at which the work is done when it was told of so often.
    struct Watched {
        shown: Vec<u8>,
        done: Option<Sender<Infallible>>,
        lines: usize,
    }

    impl Write for Watched {
        fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
            self.shown.extend_from_slice(text);
            Ok(text.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            self.lines -= 1;
            if self.lines == 0 {
                self.done = None;
            }
            Ok(())
        }
    }

    #[test]
    fn what_lasts_is_told_and_nothing_is_left_of_it() {
        let (done, until) = mpsc::channel();
        let mut terminal = Watched { shown: Vec::new(), done: Some(done), lines: 2 };
        turn(&until, "deploying `shop`", Duration::ZERO, &mut terminal);
        let shown = String::from_utf8(terminal.shown).unwrap();
        assert_eq!(shown, "\r| deploying `shop`\r/ deploying `shop`\r\x1b[K");
    }

    #[test]
    fn what_is_done_soon_is_not_told() {
        let (done, until) = mpsc::channel::<Infallible>();
        drop(done);
        let mut terminal = Watched { shown: Vec::new(), done: None, lines: 0 };
        turn(&until, "deploying `shop`", Duration::from_secs(60), &mut terminal);
        assert!(terminal.shown.is_empty());
    }
}
