//! Counts of calls, for the program around to read. Nothing is sent anywhere.

use std::{
    collections::HashMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use super::{Observer, Outcome, ToolCall};

/// Clones count together.
#[derive(Debug, Clone, Default)]
pub struct Metrics(Arc<RwLock<Tools>>);

/// By server and tool.
type Tools = HashMap<Box<str>, HashMap<Box<str>, Arc<Counters>>>;

#[derive(Debug, Default)]
struct Counters {
    outcomes: [AtomicU64; Outcome::ALL.len()],
    running: AtomicU64,
    micros: AtomicU64,
}

/// The calls of one tool so far.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ToolCounts {
    pub server: String,
    pub tool: String,
    pub outcomes: [(Outcome, u64); Outcome::ALL.len()],
    pub running: u64,
    /// Of all that ended.
    pub took: Duration,
}

impl ToolCounts {
    #[must_use]
    pub fn of(&self, outcome: Outcome) -> u64 {
        self.outcomes[outcome as usize].1
    }
}

impl Metrics {
    /// Tools of all servers that are counted by name. The others are counted together, as [`Self::OTHERS`].
    pub const MOST: usize = 10_000;
    pub const OTHERS: &str = "(others)";

    /// In the order of their names.
    #[must_use]
    pub fn read(&self) -> Vec<ToolCounts> {
        let servers = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut counts: Vec<_> = servers
            .iter()
            .flat_map(|(server, tools)| tools.iter().map(move |(tool, counters)| (server, tool, counters)))
            .map(|(server, tool, counters)| ToolCounts {
                server: server.to_string(),
                tool: tool.to_string(),
                outcomes: Outcome::ALL.map(|it| (it, counters.outcomes[it as usize].load(Ordering::Relaxed))),
                running: counters.running.load(Ordering::Relaxed),
                took: Duration::from_micros(counters.micros.load(Ordering::Relaxed)),
            })
            .collect();
        counts.sort_by(|a, b| (&a.server, &a.tool).cmp(&(&b.server, &b.tool)));
        counts
    }

    fn known(&self, server: &str, tool: &str) -> Option<Arc<Counters>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(server)?.get(tool).cloned()
    }

    fn add(&self, server: &str, tool: &str) -> Arc<Counters> {
        let mut servers = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = servers.get(server).and_then(|tools| tools.get(tool)) {
            return known.clone();
        }
        let many = servers.values().map(HashMap::len).sum::<usize>() >= Self::MOST;
        let (server, tool) = if many { (Self::OTHERS, Self::OTHERS) } else { (server, tool) };
        servers.entry(server.into()).or_default().entry(tool.into()).or_default().clone()
    }
}

impl Observer for Metrics {
    type Seen = Running;

    fn begin(&self, call: &ToolCall) -> Running {
        let server = &*call.server.implementation().name;
        let counters = self.known(server, &call.tool).unwrap_or_else(|| {
            // A name that is none of the server's is the caller's invention.
            let tools = call.server.tools(&call.cx);
            let is_its_own = tools.items().iter().any(|tool| tool.name == call.tool);
            self.add(server, if is_its_own { &call.tool } else { Self::OTHERS })
        });
        counters.running.fetch_add(1, Ordering::Relaxed);
        Running(counters)
    }

    fn end(&self, Running(counters): Running, outcome: Outcome, took: Duration) {
        counters.running.fetch_sub(1, Ordering::Relaxed);
        counters.outcomes[outcome as usize].fetch_add(1, Ordering::Relaxed);
        counters.micros.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

/// A call that is counted when it ends.
#[derive(Debug)]
pub struct Running(Arc<Counters>);
