//! How often tools are called, counted in memory and written down now and then. Nothing of a call is kept but that it was, how
//! long it took and whether it failed.

use std::{
    collections::HashMap,
    sync::{
        Mutex, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::{
    Caller, Error, Factory, Owner,
    registry::{self, Calls, LATENCIES, Registry, latency_class},
};

#[derive(Debug, Default)]
pub(crate) struct Usage {
    /// By owner, server and tool, since it was last written down.
    counted: RwLock<HashMap<Owner, HashMap<Box<str>, Tools>>>,
    /// Before that, since this process began. Held while what is counted is taken or put back, so that a sum is one of a moment.
    before: Mutex<HashMap<Series, [Sum; LATENCIES.len()]>>,
}

/// Owner, server and tool.
type Series = (Owner, Box<str>, Box<str>);

/// Calls, errors and microseconds.
#[derive(Debug, Default, Clone, Copy)]
struct Sum(u64, u64, u64);

type Tools = HashMap<Box<str>, Counts>;

#[derive(Debug, Default)]
struct Counts([Class; LATENCIES.len()]);

/// Calls that took about as long.
#[derive(Debug, Default)]
struct Class {
    calls: AtomicU64,
    errors: AtomicU64,
    micros: AtomicU64,
}

/// Tools of one server that are told apart. What is more counts as one, without a name.
const MOST_TOOLS: usize = 10_000;
/// Tools of all servers that sums since the beginning tell apart. What is more counts as one of its owner, without a name.
const MOST_SERIES: usize = 20_000;

impl Usage {
    /// Waits only for who writes down, which takes as long as to take the whole map.
    pub(crate) fn add(&self, owner: &Owner, server: &str, tool: &str, failed: bool, took: Duration) {
        let counted = self.counted.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(counts) = counted.get(owner).and_then(|servers| servers.get(server)?.get(tool)) {
            return counts.add(failed, took);
        }
        drop(counted);
        let mut counted = self.counted.write().unwrap_or_else(PoisonError::into_inner);
        let tools = counted.entry(owner.clone()).or_default().entry(server.into()).or_default();
        let name = if tools.len() < MOST_TOOLS { tool } else { "" };
        tools.entry(name.into()).or_default().add(failed, took);
    }

    /// Writes down what was counted. What can't be is counted on.
    pub(crate) async fn flush(&self, registry: &Registry) -> Result<(), registry::Error> {
        let day = registry.now().day();
        let counted = {
            let mut before = self.before.lock().unwrap_or_else(PoisonError::into_inner);
            let counted = std::mem::take(&mut *self.counted.write().unwrap_or_else(PoisonError::into_inner));
            each(&counted, day, |owner, calls| add(&mut before, owner, &calls, u64::wrapping_add));
            counted
        };
        let mut failed = Ok(());
        for (owner, servers) in counted {
            let calls: Vec<Calls> = servers
                .iter()
                .flat_map(|(server, tools)| tools.iter().map(move |(tool, counts)| (server, tool, counts)))
                .flat_map(|(server, tool, counts)| counts.calls(server, tool, day))
                .collect();
            let (of, written) = (owner.clone(), calls.clone());
            if let Err(error) = registry.write(move |transaction| transaction.add_calls(&of, &written)).await {
                self.put_back(&owner, &calls);
                failed = Err(error);
            }
        }
        failed
    }

    /// Since this process began.
    pub(crate) fn totals(&self) -> Vec<(Owner, Calls)> {
        let mut all = {
            let before = self.before.lock().unwrap_or_else(PoisonError::into_inner);
            let mut all = before.clone();
            let counted = self.counted.read().unwrap_or_else(PoisonError::into_inner);
            each(&counted, 0, |owner, calls| add(&mut all, owner, &calls, u64::wrapping_add));
            all
        };
        let classes = all.drain().flat_map(|((owner, server, tool), classes)| {
            classes.into_iter().zip(LATENCIES).filter(|(sum, _)| sum.0 > 0).map(move |(sum, latency)| {
                let (server, tool) = (server.to_string(), tool.to_string());
                let calls = Calls { server, tool, day: 0, latency, calls: sum.0, errors: sum.1, micros: sum.2 };
                (owner.clone(), calls)
            })
        });
        classes.collect()
    }

    fn put_back(&self, owner: &Owner, calls: &[Calls]) {
        let mut before = self.before.lock().unwrap_or_else(PoisonError::into_inner);
        for calls in calls {
            add(&mut before, owner, calls, u64::wrapping_sub);
        }
        let mut counted = self.counted.write().unwrap_or_else(PoisonError::into_inner);
        let servers = counted.entry(owner.clone()).or_default();
        for calls in calls {
            let tools = servers.entry(calls.server.as_str().into()).or_default();
            tools.entry(calls.tool.as_str().into()).or_default().put_back(calls);
        }
    }
}

fn each(counted: &HashMap<Owner, HashMap<Box<str>, Tools>>, day: i64, mut work: impl FnMut(&Owner, Calls)) {
    for (owner, servers) in counted {
        for (server, tools) in servers {
            for (tool, counts) in tools {
                counts.calls(server, tool, day).for_each(|calls| work(owner, calls));
            }
        }
    }
}

fn add(
    sums: &mut HashMap<Series, [Sum; LATENCIES.len()]>,
    owner: &Owner,
    calls: &Calls,
    change: impl Fn(u64, u64) -> u64,
) {
    let mut series: Series = (owner.clone(), calls.server.as_str().into(), calls.tool.as_str().into());
    if !sums.contains_key(&series) && sums.len() >= MOST_SERIES {
        series = (owner.clone(), "".into(), "".into());
    }
    let class = LATENCIES.iter().position(|end| *end == calls.latency).unwrap_or(LATENCIES.len() - 1);
    let sum = &mut sums.entry(series).or_default()[class];
    *sum = Sum(change(sum.0, calls.calls), change(sum.1, calls.errors), change(sum.2, calls.micros));
}

impl Counts {
    fn class(&self, end: u32) -> &Class {
        let place = LATENCIES.iter().position(|known| *known == end).unwrap_or(LATENCIES.len() - 1);
        &self.0[place]
    }

    fn add(&self, failed: bool, took: Duration) {
        let class = self.class(latency_class(took));
        class.calls.fetch_add(1, Ordering::Relaxed);
        class.errors.fetch_add(failed.into(), Ordering::Relaxed);
        class.micros.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX >> 16), Ordering::Relaxed);
    }

    fn put_back(&self, calls: &Calls) {
        let class = self.class(calls.latency);
        class.calls.fetch_add(calls.calls, Ordering::Relaxed);
        class.errors.fetch_add(calls.errors, Ordering::Relaxed);
        class.micros.fetch_add(calls.micros, Ordering::Relaxed);
    }

    fn calls(&self, server: &str, tool: &str, day: i64) -> impl Iterator<Item = Calls> {
        self.0.iter().zip(LATENCIES).filter_map(move |(class, latency)| {
            let calls = class.calls.load(Ordering::Relaxed);
            (calls > 0).then(|| Calls {
                server: server.to_owned(),
                tool: tool.to_owned(),
                day,
                latency,
                calls,
                errors: class.errors.load(Ordering::Relaxed),
                micros: class.micros.load(Ordering::Relaxed),
            })
        })
    }
}

impl Factory {
    /// A call of a tool ended. `tool` is one that there is: what callers make up is not counted.
    pub fn count_call(&self, owner: &Owner, server: &str, tool: &str, failed: bool, took: Duration) {
        self.usage_counted().add(owner, server, tool, failed, took);
    }

    /// How often the tools of one server or of all were called, since a day (days since 1970, UTC).
    pub async fn usage(&self, caller: &Caller, server: Option<&str>, since: i64) -> Result<Vec<Calls>, Error> {
        self.usage_counted().flush(self.registry()).await?;
        let server = server.map(str::to_owned);
        self.look(caller, move |transaction, owner| Ok(transaction.calls(owner, server.as_deref(), since)?)).await
    }

    /// Before a factory ends: what is counted in memory is written down.
    pub async fn flush(&self) -> Result<(), Error> {
        self.usage_counted().flush(self.registry()).await?;
        Ok(self.refusals().flush(self.registry()).await?)
    }
}
