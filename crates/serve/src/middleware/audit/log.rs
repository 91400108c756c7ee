//! An audit log of lines, each an object of JSON.
//!
//! A call that ends puts its line into a buffer and goes on; a thread writes the buffer some times a second. Waking somebody
//! for each line would cost more than the rest of what stands around a call.

use std::{
    cell::RefCell,
    fmt,
    io::{self, Write},
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{
            AtomicBool,
            Ordering::{Acquire, Relaxed, Release},
        },
        mpsc::Receiver,
    },
    thread::{self, Thread},
    time::{Duration, UNIX_EPOCH},
};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::{Audit, AuditRecord};
use crate::{CallId, middleware::Outcome};

/// Where audit records are written, one line each:
///
/// ```json
/// {"at":"2026-07-28T09:30:00.000123Z","request":"…32 digits…","principal":"alice","server":"hotels","tool":"get_hotel","outcome":"ok","took_us":120}
/// ```
///
/// `tenant` and `arguments` are there where there are any.
///
/// Nobody waits for the writer, which has a thread of its own. What could not be written is written again with the next
/// lines. While the writer is so far behind that [`Self::MOST`] bytes wait (its disk is full, its pipe is not read), calls
/// are refused before they begin ([`Error::Unaudited`](crate::Error::Unaudited), 503): what can't be written down is not
/// done. Calls that run by then have their lines still, in as much room again; what does not fit is counted, and the log of
/// the process says how many lines are missing once it goes on. Where calls matter more than their lines, see
/// [`losing`](Self::losing).
///
/// A process that is killed takes the lines of its last moments with it, some twenty milliseconds of them.
///
/// What waits is written when the last clone and the last [`Audit`] of it are gone, which waits for that a second at most, or
/// by [`flush`](Self::flush).
#[derive(Clone)]
pub struct AuditLog(Arc<Handle>);

/// The last of it ends the thread.
struct Handle {
    lines: Arc<Lines>,
    thread: Thread,
    ended: Mutex<Receiver<()>>,
    refuses: bool,
}

struct Lines {
    waiting: Mutex<Waiting>,
    /// Held while lines are written, so that they stay in order. Taken before `waiting`.
    file: Mutex<Destination>,
    is_full: AtomicBool,
    ending: AtomicBool,
}

#[derive(Default)]
struct Waiting {
    lines: Vec<u8>,
    /// Since the last that could be written.
    lost: u64,
}

struct Destination {
    writer: Box<dyn Write + Send>,
    /// What is being written; the rest of it, where writing failed.
    lines: Vec<u8>,
    fails: bool,
}

impl fmt::Debug for AuditLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuditLog(..)")
    }
}

impl AuditLog {
    /// Bytes that wait, after which calls are refused.
    pub const MOST: usize = 4 * 1024 * 1024;
    /// The longest that a line waits for others.
    const EVERY: Duration = Duration::from_millis(20);
    /// After an attempt that failed.
    const AGAIN: Duration = Duration::from_millis(500);
    /// For the last lines.
    const PATIENCE: Duration = Duration::from_secs(1);

    /// Starts the thread that writes.
    pub fn new(writer: impl Write + Send + 'static) -> io::Result<Self> {
        Self::start(writer, true)
    }

    /// The same, but calls go on while the writer is behind, and their lines are missing.
    pub fn losing(writer: impl Write + Send + 'static) -> io::Result<Self> {
        Self::start(writer, false)
    }

    fn start(writer: impl Write + Send + 'static, refuses: bool) -> io::Result<Self> {
        let lines = Arc::new(Lines {
            waiting: Mutex::default(),
            file: Mutex::new(Destination { writer: Box::new(writer), lines: Vec::new(), fails: false }),
            is_full: AtomicBool::new(false),
            ending: AtomicBool::new(false),
        });
        let (end, ended) = std::sync::mpsc::sync_channel(1);
        let writing = lines.clone();
        let thread = thread::Builder::new().name("audit".to_owned()).spawn(move || {
            writing.write_on();
            let _ = end.send(());
        })?;
        Ok(Self(Arc::new(Handle { lines, thread: thread.thread().clone(), ended: Mutex::new(ended), refuses })))
    }

    /// What writes to this log.
    #[must_use]
    pub fn audit(&self) -> Audit {
        let (log, room) = (self.clone(), self.clone());
        let audit = Audit::new(move |record| log.0.add(&record));
        if self.0.refuses { audit.admitting(move || !room.0.lines.is_full.load(Relaxed)) } else { audit }
    }

    /// Writes what waits. It waits for the writer: nothing to do on a thread that others need.
    pub fn flush(&self) -> io::Result<()> {
        self.0.lines.write()
    }
}

impl Handle {
    fn add(&self, record: &AuditRecord) {
        thread_local! {
            static LINE: RefCell<Line> = RefCell::default();
        }
        LINE.with_borrow_mut(|line| {
            line.write(record);
            // The second half is for calls that ran already when the first was full.
            let most = if record.outcome == Outcome::Refused { AuditLog::MOST } else { AuditLog::MOST * 2 };
            if self.lines.put(&line.text, most) {
                self.thread.unpark();
            }
        });
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.lines.ending.store(true, Release);
        self.thread.unpark();
        let ended = self.ended.get_mut().unwrap_or_else(PoisonError::into_inner);
        if ended.recv_timeout(AuditLog::PATIENCE).is_err() {
            tracing::error!("the last audit lines are not written yet, and nobody waits for them any longer");
        }
    }
}

impl Lines {
    #[expect(clippy::disallowed_methods, reason = "lines are to gather meanwhile; on a thread for nothing else")]
    fn write_on(&self) {
        let mut written = Ok(());
        loop {
            // What went wrong is in the log, and tried again: whoever adds to lines that wait wakes nobody.
            match written {
                Ok(()) => thread::park(),
                Err(_) => thread::park_timeout(AuditLog::AGAIN),
            }
            let ends = self.ending.load(Acquire);
            if !ends {
                thread::sleep(AuditLog::EVERY);
            }
            written = self.write();
            if ends {
                return;
            }
        }
    }

    /// Never waits for the writer. Whether it is to be woken.
    fn put(&self, line: &[u8], most: usize) -> bool {
        let mut waiting = self.waiting();
        let all = waiting.lines.len() + line.len();
        if all > AuditLog::MOST {
            self.is_full.store(true, Relaxed);
        }
        if all > most {
            waiting.lost += 1;
            return false;
        }
        let first = waiting.lines.is_empty();
        waiting.lines.extend_from_slice(line);
        first
    }

    fn write(&self) -> io::Result<()> {
        let mut destination = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let Destination { writer, lines, fails } = &mut *destination;
        // Lines of an attempt that failed come first. What comes while this is written is for the next time.
        let written = write_out(writer, lines).and_then(|()| {
            mem::swap(lines, &mut self.waiting().lines);
            self.is_full.store(false, Relaxed);
            write_out(writer, lines)
        });
        match &written {
            Ok(()) => {
                let lost = mem::take(&mut self.waiting().lost);
                if mem::take(fails) || lost > 0 {
                    tracing::warn!(lost, "audit lines are written again");
                }
            }
            Err(error) if !*fails => {
                *fails = true;
                tracing::error!(error = error as &dyn std::error::Error, "audit lines can't be written");
            }
            Err(_) => {}
        }
        written
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes from `lines` what was written.
fn write_out(writer: &mut dyn Write, lines: &mut Vec<u8>) -> io::Result<()> {
    let mut written = 0;
    let outcome = loop {
        if written == lines.len() {
            break writer.flush();
        }
        match writer.write(&lines[written..]) {
            Ok(0) => break Err(io::ErrorKind::WriteZero.into()),
            Ok(some) => written += some,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => break Err(error),
        }
    };
    lines.drain(..written);
    outcome
}

/// One line, whose room is kept for the next.
#[derive(Default)]
struct Line {
    text: Vec<u8>,
    /// `2026-07-28T09:30:00.000123Z`; most calls are of the same second.
    at: String,
    second: u64,
}

impl Line {
    fn write(&mut self, record: &AuditRecord) {
        #[derive(Serialize)]
        struct Fields<'a> {
            at: &'a str,
            #[serde(serialize_with = "shown")]
            request: CallId,
            principal: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            tenant: Option<&'a str>,
            server: &'a str,
            tool: &'a str,
            #[serde(skip_serializing_if = "Map::is_empty")]
            arguments: &'a Map<String, Value>,
            outcome: &'a str,
            took_us: u64,
        }
        self.set(record.at.duration_since(UNIX_EPOCH).unwrap_or_default());
        let fields = Fields {
            at: &self.at,
            request: record.request,
            principal: &record.principal.id,
            tenant: record.principal.tenant.as_deref(),
            server: &record.server,
            tool: &record.tool,
            arguments: &record.arguments,
            outcome: record.outcome.as_str(),
            took_us: u64::try_from(record.took.as_micros()).unwrap_or(u64::MAX),
        };
        self.text.clear();
        serde_json::to_writer(&mut self.text, &fields).expect("names are JSON and a Vec takes every byte");
        self.text.push(b'\n');
    }

    fn set(&mut self, at: Duration) {
        const SECONDS: usize = "2026-07-28T09:30:00".len();
        if self.at.is_empty() || at.as_secs() != self.second {
            let second = DateTime::<Utc>::from(UNIX_EPOCH + Duration::from_secs(at.as_secs()));
            self.at = second.to_rfc3339_opts(SecondsFormat::Secs, true);
            self.second = at.as_secs();
        }
        self.at.truncate(SECONDS);
        self.at.push('.');
        let micros = at.subsec_micros();
        let digit = |place| char::from(b'0' + (micros / place % 10) as u8);
        self.at.extend([100_000, 10_000, 1_000, 100, 10, 1].map(digit));
        self.at.push('Z');
    }
}

fn shown<S: Serializer>(id: &CallId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Principal, middleware::Observer};

    /// A file that can be full.
    #[derive(Clone, Default)]
    struct Disk(Arc<Mutex<(Vec<u8>, bool)>>);

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut disk = self.0.lock().expect("lock");
            if disk.1 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            // Not all at once, as files may.
            let some = bytes.len().min(100);
            disk.0.extend_from_slice(&bytes[..some]);
            Ok(some)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Disk {
        /// Those that are there whole: the writing thread may be in the middle of the next.
        fn lines(&self) -> Vec<Value> {
            let disk = self.0.lock().expect("lock");
            let text = std::str::from_utf8(&disk.0).expect("text");
            let whole = text.rfind('\n').map_or(0, |end| end + 1);
            text[..whole].lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
        }

        fn is_full(&self, full: bool) {
            self.0.lock().expect("lock").1 = full;
        }
    }

    fn record(number: u64) -> AuditRecord {
        AuditRecord {
            at: UNIX_EPOCH + Duration::from_micros(1_785_231_000_000_123),
            request: CallId(7),
            principal: Principal::trusted("ann \"a\""),
            server: "hotels".to_owned(),
            tool: "get_hotel".to_owned(),
            arguments: Map::from_iter([("id".to_owned(), Value::from(number))]),
            outcome: Outcome::ToolError,
            took: Duration::from_micros(120),
        }
    }

    #[test]
    fn a_line_says_who_what_when_and_how_it_ended() {
        let disk = Disk::default();
        let log = AuditLog::new(disk.clone()).expect("a thread");
        log.0.add(&record(1));
        log.flush().expect("written");
        let expected = serde_json::json!({
            "at": "2026-07-28T09:30:00.000123Z", "request": "00000000000000000000000000000007",
            "principal": "ann \"a\"", "server": "hotels", "tool": "get_hotel", "arguments": {"id": 1},
            "outcome": "tool error", "took_us": 120,
        });
        assert_eq!(disk.lines(), [expected]);
        let mut line = Line::default();
        for (micros, text) in [(1, "1970-01-01T00:00:00.000001Z"), (1_999_999, "1970-01-01T00:00:01.999999Z")] {
            line.set(Duration::from_micros(micros));
            assert_eq!(line.at, text);
        }
    }

    #[test]
    fn every_line_of_every_thread_is_there_when_the_last_of_it_is_gone() {
        let disk = Disk::default();
        let log = AuditLog::new(disk.clone()).expect("a thread");
        let threads: Vec<_> = (0..4_u64)
            .map(|thread| {
                let audit = log.clone();
                thread::spawn(move || (0..1_000).for_each(|number| audit.0.add(&record(thread * 1_000 + number))))
            })
            .collect();
        drop(log);
        threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
        // The writing thread may have been the last that held it.
        let mut numbers = Vec::new();
        while numbers.len() < 4_000 {
            thread::yield_now();
            numbers = disk.lines().iter().map(|line| line["arguments"]["id"].as_u64().expect("a number")).collect();
        }
        // Those of one thread in their order.
        for thread in 0..4 {
            let of_thread: Vec<_> = numbers.iter().filter(|number| **number / 1_000 == thread).copied().collect();
            assert_eq!(of_thread, (thread * 1_000..(thread + 1) * 1_000).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_disk_that_is_well_again_has_all_lines_though_nobody_asks() {
        let disk = Disk::default();
        let log = AuditLog::new(disk.clone()).expect("a thread");
        disk.is_full(true);
        log.0.add(&record(0));
        while !log.0.lines.file.lock().expect("lock").fails {
            thread::yield_now();
        }
        // Nobody is woken for the second.
        log.0.add(&record(1));
        log.0.add(&record(2));
        disk.is_full(false);
        while disk.lines().len() < 3 {
            thread::yield_now();
        }
    }

    /// X-4, X-9: what can't be written down is not done, and nobody waits for that.
    #[test]
    fn what_could_not_be_written_is_written_later_and_memory_is_bounded() {
        let disk = Disk::default();
        let log = AuditLog::new(disk.clone()).expect("a thread");
        let audit = log.audit();
        disk.is_full(true);
        log.0.add(&record(0));
        log.flush().expect_err("the disk is full");
        let mut added = 1;
        while audit.admit().is_ok() {
            log.0.add(&record(added));
            added += 1;
        }
        let refused = AuditRecord { outcome: Outcome::Refused, ..record(added) };
        (0..10).for_each(|_| log.0.add(&refused));
        assert_eq!(log.0.lines.waiting().lost, 10, "what was refused takes no room of what was done");
        let running = added..added + 1_000;
        running.clone().for_each(|number| log.0.add(&record(number)));
        assert_eq!(log.0.lines.waiting().lost, 10, "what ran already is written down");
        while log.0.lines.waiting().lost == 10 {
            log.0.add(&record(u64::MAX));
        }
        assert!(log.0.lines.waiting().lines.len() <= AuditLog::MOST * 2);
        disk.is_full(false);
        log.flush().expect("written");
        audit.admit().expect("there is room again");
        let lines = disk.lines();
        let numbers = lines.iter().map(|line| line["arguments"]["id"].as_u64().expect("a number"));
        let all = numbers.take_while(|number| *number != u64::MAX);
        assert!(all.eq(0..running.end), "in order, and whole");
    }

    /// A pipe that nobody reads.
    struct Stuck(Arc<Mutex<()>>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            drop(self.0.lock().expect("lock"));
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A write that does not end held up whoever called, and with them the threads of the runtime.
    #[test]
    fn nobody_waits_for_a_destination_that_takes_nothing() {
        let pipe = Arc::new(Mutex::new(()));
        let taken = pipe.lock().expect("lock");
        let (careful, careless) = (AuditLog::new(Stuck(pipe.clone())), AuditLog::losing(Stuck(pipe.clone())));
        let (careful, careless) = (careful.expect("a thread"), careless.expect("a thread"));
        for log in [&careful, &careless] {
            while log.0.lines.waiting().lost == 0 {
                log.0.add(&record(0));
            }
        }
        assert!(matches!(careful.audit().admit(), Err(crate::Error::Unaudited)));
        careless.audit().admit().expect("calls matter more here");
        drop(taken);
        careful.flush().expect("written");
        careful.audit().admit().expect("there is room again");
    }
}
