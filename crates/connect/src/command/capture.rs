//! What a program prints, kept within bounds and read to its end.

use std::{
    io,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::Lines;

const CHUNK: usize = 16 * 1024;
/// A line that is reported, in bytes.
const LONGEST_LINE: usize = 400;
const BETWEEN_REPORTS: Duration = Duration::from_millis(100);

/// What a program printed, as much as was kept.
#[derive(Debug, Default)]
pub struct Captured {
    pub bytes: Vec<u8>,
    /// How much it was in all.
    pub total: u64,
}

impl Captured {
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.total > self.bytes.len() as u64
    }
}

/// Which part is kept.
#[derive(Debug, Clone, Copy)]
pub(super) enum Keep {
    Beginning(usize),
    End(usize),
}

impl Keep {
    fn add(self, captured: &mut Captured, chunk: &[u8]) {
        captured.total += chunk.len() as u64;
        match self {
            Self::Beginning(most) => {
                let room = most.saturating_sub(captured.bytes.len()).min(chunk.len());
                captured.bytes.extend_from_slice(&chunk[..room]);
            }
            Self::End(most) => {
                captured.bytes.extend_from_slice(chunk);
                let over = captured.bytes.len().saturating_sub(most);
                captured.bytes.drain(..over);
            }
        }
    }
}

/// Reads until nobody can write any more.
pub(super) async fn read(
    pipe: Option<impl AsyncRead + Unpin>,
    keep: Keep,
    captured: &mut Captured,
    watch: &Watch,
) -> io::Result<()> {
    let Some(mut pipe) = pipe else { return Ok(()) };
    let mut chunk = vec![0; CHUNK];
    let mut line = Vec::new();
    loop {
        let read = pipe.read(&mut chunk).await?;
        if read == 0 {
            return Ok(());
        }
        keep.add(captured, &chunk[..read]);
        watch.see(&mut line, &chunk[..read]);
    }
}

/// Reports the lines of both outputs.
#[derive(Debug)]
pub(super) struct Watch(Option<Mutex<Seen>>);

#[derive(Debug)]
struct Seen {
    lines: Lines,
    count: u64,
    reported: Option<Instant>,
}

impl Watch {
    pub(super) fn new(lines: Lines) -> Self {
        Self(lines.0.is_some().then(|| Mutex::new(Seen { lines, count: 0, reported: None })))
    }

    /// `line` is the beginning of a line, as far as it was printed.
    fn see(&self, line: &mut Vec<u8>, chunk: &[u8]) {
        let Some(seen) = &self.0 else { return };
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        for piece in chunk.split_inclusive(|byte| *byte == b'\n') {
            let room = LONGEST_LINE.saturating_sub(line.len()).min(piece.len());
            line.extend_from_slice(&piece[..room]);
            if piece.ends_with(b"\n") {
                seen.count += 1;
                seen.report(line);
                line.clear();
            }
        }
    }
}

impl Seen {
    fn report(&mut self, line: &[u8]) {
        if self.reported.is_some_and(|reported| reported.elapsed() < BETWEEN_REPORTS) {
            return;
        }
        self.reported = Some(Instant::now());
        let text = String::from_utf8_lossy(line);
        // What a terminal would obey, a client might too.
        let text: String = text.trim_end().chars().filter(|character| !character.is_control()).collect();
        if let Some(report) = &mut self.lines.0 {
            report(self.count, &text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn captured(keep: Keep, printed: &[u8]) -> (String, bool) {
        let mut captured = Captured::default();
        read(Some(printed), keep, &mut captured, &Watch::new(Lines::default())).await.unwrap();
        (String::from_utf8(captured.bytes.clone()).unwrap(), captured.is_cut())
    }

    #[tokio::test]
    async fn the_beginning_or_the_end_is_kept_and_a_cut_is_known() {
        assert_eq!(captured(Keep::Beginning(3), b"abcdef").await, ("abc".to_owned(), true));
        assert_eq!(captured(Keep::Beginning(6), b"abcdef").await, ("abcdef".to_owned(), false));
        assert_eq!(captured(Keep::End(3), b"abcdef").await, ("def".to_owned(), true));
        assert_eq!(captured(Keep::End(9), b"abcdef").await, ("abcdef".to_owned(), false));
    }

    #[test]
    fn lines_are_counted_over_chunks_and_shown_without_control_characters() {
        let (sender, reports) = std::sync::mpsc::channel();
        let watch =
            Watch::new(Lines(Some(Box::new(move |count, line| sender.send((count, line.to_owned())).unwrap()))));
        let mut line = Vec::new();
        watch.see(&mut line, b"on");
        watch.see(&mut line, b"e\x1b[1m\r\ntwo\nthr");
        assert_eq!(reports.try_iter().collect::<Vec<_>>(), [(1, "one[1m".to_owned())]);
        assert_eq!(line, b"thr");
    }
}
