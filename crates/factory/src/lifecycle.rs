//! What a deployment may do next. Commands of people and events of what runs go in, actions for its driver come out; nothing
//! here runs, waits or asks for the time.
//!
//! ```text
//!                     deploy, start
//!          ┌─────────────────────────────────────┐
//!          │                                     v    healthy
//!     ┌─────────┐   stopped, wanted again   ┌──────────┐ ────────────────> ┌─────────┐ <──── healthy ────┐
//!     │ stopped │            ┌───────────── │ starting │                   │ running │ ─ deploy ──> ┌──────────┐
//!     └─────────┘            │              └──────────┘ <── waited ─┐     └─────────┘              │ updating │
//!          ^           ┌──────────┐           │ failed              │       │ exited  <── failed ─ └──────────┘
//!          │  stopped  │          │ <── stop ─┤           ┌─────────────┐   │    (the old one serves on)  │
//!          └────────── │ stopping │           └─────────> │ backing-off │ <─┘                             │
//!                      │          │ <── stop, restart ──  └─────────────┘        the old one exited ──> starting
//!                      └──────────┘                         │ too often
//!                                                           v
//!     stop: backing-off, failed ──> stopped               ┌────────┐
//!     deploy, start: failed, backing-off ──> starting     │ failed │
//!                                                         └────────┘
//! ```
//!
//! An instance is one start of one version, and has a number, its generation. An event names the generation it is of; what
//! is said of an instance that was given up changes nothing. Repeating a command changes nothing either, and the
//! answer says so.

use std::{fmt, str::FromStr, time::Duration};

use semver::Version;

/// The state of one deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lifecycle {
    desired: Desired,
    state: State,
    /// What runs, or will.
    version: Version,
    /// Of the instance of `version`, which there is unless it is stopped, failed or backing off.
    generation: u64,
    /// The last generation there was: no number is given twice.
    launched: u64,
    /// What ran before `version` was to take its place.
    fallback: Option<Fallback>,
    /// In a row, since it last ran for long.
    failures: u32,
}

/// A version to go back to, when the new one does not become healthy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fallback {
    pub version: Version,
    /// Its instance, while it serves on.
    pub generation: Option<u64>,
}

/// What is meant to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Desired {
    Running,
    Stopped,
}

/// What is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    Stopped,
    Starting,
    Running,
    /// A version runs, and another is starting to take its place.
    Updating,
    Stopping,
    /// It crashed, and is started again after a while.
    BackingOff,
    /// It was started again too often, and is left alone.
    Failed,
}

/// What somebody wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// This version, from now on.
    Deploy(Version),
    Start,
    Stop,
    Restart,
    /// The same version in place of itself, where it runs: what it stands on changed.
    Renew,
}

/// What happened to the instance of a generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    /// It started and answers.
    Healthy,
    /// It did not start, or did not become healthy in time.
    Failed,
    /// It ran, and is gone.
    Exited,
    /// It ended, as it was told to.
    Stopped,
    /// The time it was to be left alone is over.
    Waited,
    /// It has been running for long: what failed before counts no more.
    Settled,
}

/// What is to be done now, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    Start {
        version: Version,
        generation: u64,
    },
    Stop {
        generation: u64,
    },
    /// Then [`Event::Waited`].
    Wait {
        generation: u64,
        time: Duration,
    },
}

/// What came of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    Done(Vec<Action>),
    /// It is so, or on its way.
    AlreadySo(&'static str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("another version is being deployed; wait until it runs, or stop it first")]
    Busy,
}

/// Failures in a row after which it is left alone.
pub const MOST_FAILURES: u32 = 10;
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

impl Lifecycle {
    /// The first deployment of a server, and what is to be done.
    #[must_use]
    pub fn deploy(version: Version) -> (Self, Vec<Action>) {
        let mut new = Self {
            desired: Desired::Running,
            state: State::Stopped,
            version,
            generation: 0,
            launched: 0,
            fallback: None,
            failures: 0,
        };
        let actions = vec![new.launch()];
        (new, actions)
    }

    /// As it was written down. `None` where that makes no sense.
    #[must_use]
    pub fn restored(
        desired: Desired,
        state: State,
        version: Version,
        (generation, launched): (u64, u64),
        fallback: Option<Fallback>,
        failures: u32,
    ) -> Option<Self> {
        let restored = Self { desired, state, version, generation, launched, fallback, failures };
        restored.is_legal().then_some(restored)
    }

    #[must_use]
    pub fn desired(&self) -> Desired {
        self.desired
    }

    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    #[must_use]
    pub fn version(&self) -> &Version {
        &self.version
    }

    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    #[must_use]
    pub fn launched(&self) -> u64 {
        self.launched
    }

    #[must_use]
    pub fn fallback(&self) -> Option<&Fallback> {
        self.fallback.as_ref()
    }

    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// The version that answers callers now, with its instance.
    #[must_use]
    pub fn serving(&self) -> Option<(&Version, u64)> {
        match self.state {
            State::Running => Some((&self.version, self.generation)),
            State::Updating => self.fallback.as_ref().and_then(|old| Some((&old.version, old.generation?))),
            _ => None,
        }
    }

    /// Whether the fields fit together.
    #[must_use]
    pub fn is_legal(&self) -> bool {
        let serves_on = self.fallback.as_ref().and_then(|old| old.generation);
        let state = match self.state {
            State::Updating => serves_on.is_some_and(|generation| generation < self.generation),
            // The old one may be there to go back to, but does not run.
            State::Starting => serves_on.is_none(),
            // It ends after the new one.
            State::Stopping => self.fallback.is_none() || serves_on.is_some(),
            State::Stopped | State::Running | State::BackingOff | State::Failed => self.fallback.is_none(),
        };
        let desired = match self.state {
            State::Stopped => self.desired == Desired::Stopped,
            State::Stopping => true,
            _ => self.desired == Desired::Running,
        };
        state && desired && (1..=self.launched).contains(&self.generation) && self.failures <= MOST_FAILURES
    }

    pub fn command(&mut self, command: Command) -> Result<Reply, Refusal> {
        match command {
            Command::Deploy(version) => self.deploy_version(version),
            Command::Start => Ok(self.start()),
            Command::Stop => Ok(self.stop()),
            Command::Restart => Ok(self.restart()),
            Command::Renew => Ok(self.renew()),
        }
    }

    fn deploy_version(&mut self, version: Version) -> Result<Reply, Refusal> {
        let is_same = self.version == version;
        match self.state {
            State::Running if is_same => Ok(Reply::AlreadySo("this version is running")),
            State::Starting | State::Updating if is_same => Ok(Reply::AlreadySo("this version is being deployed")),
            State::Starting | State::Updating => Err(Refusal::Busy),
            State::Running => Ok(self.replace(version)),
            State::Stopping => {
                // It begins when the old one has ended.
                let is_so = is_same && self.desired == Desired::Running;
                self.version = version;
                self.desired = Desired::Running;
                Ok(if is_so { Reply::AlreadySo("this version is being deployed") } else { Reply::Done(Vec::new()) })
            }
            State::Stopped | State::BackingOff | State::Failed => {
                if !is_same {
                    self.fallback = None;
                }
                self.version = version;
                Ok(self.begin())
            }
        }
    }

    fn start(&mut self) -> Reply {
        match self.state {
            State::Running | State::Updating => Reply::AlreadySo("it is running"),
            State::Starting => Reply::AlreadySo("it is starting"),
            State::Stopping if self.desired == Desired::Running => Reply::AlreadySo("it is starting again"),
            State::Stopping => {
                self.desired = Desired::Running;
                Reply::Done(Vec::new())
            }
            State::Stopped | State::BackingOff | State::Failed => self.begin(),
        }
    }

    fn stop(&mut self) -> Reply {
        let was = std::mem::replace(&mut self.desired, Desired::Stopped);
        match self.state {
            State::Stopped => Reply::AlreadySo("it is stopped"),
            State::Stopping if was == Desired::Stopped => Reply::AlreadySo("it is stopping"),
            State::Stopping => Reply::Done(Vec::new()),
            State::BackingOff | State::Failed => {
                self.fallback = None;
                self.state = State::Stopped;
                Reply::Done(Vec::new())
            }
            State::Starting | State::Running | State::Updating => Reply::Done(self.end()),
        }
    }

    fn restart(&mut self) -> Reply {
        match self.state {
            State::Running | State::Updating => Reply::Done(self.end()),
            _ => self.start(),
        }
    }

    fn renew(&mut self) -> Reply {
        match self.state {
            State::Running => self.replace(self.version.clone()),
            _ => self.start(),
        }
    }

    /// What runs goes on until the other one is healthy.
    fn replace(&mut self, version: Version) -> Reply {
        let old = std::mem::replace(&mut self.version, version);
        self.fallback = Some(Fallback { version: old, generation: Some(self.generation) });
        self.failures = 0;
        let action = self.launch();
        self.state = State::Updating;
        Reply::Done(vec![action])
    }

    /// From nothing.
    fn begin(&mut self) -> Reply {
        self.failures = 0;
        Reply::Done(vec![self.launch()])
    }

    fn launch(&mut self) -> Action {
        self.desired = Desired::Running;
        self.state = State::Starting;
        self.launched += 1;
        self.generation = self.launched;
        Action::Start { version: self.version.clone(), generation: self.generation }
    }

    /// The new one first, where there are two: the old one is told when that has ended.
    fn end(&mut self) -> Vec<Action> {
        self.fallback.take_if(|old| old.generation.is_none());
        self.state = State::Stopping;
        vec![Action::Stop { generation: self.generation }]
    }

    /// What happened to the instance of a generation; what is to be done about it.
    pub fn event(&mut self, generation: u64, event: Event) -> Vec<Action> {
        if generation != self.generation {
            return self.event_of_old(generation, event);
        }
        match (self.state, event) {
            (State::Starting, Event::Healthy) => {
                self.fallback = None;
                self.state = State::Running;
                Vec::new()
            }
            (State::Updating, Event::Healthy) => {
                self.state = State::Running;
                let old = self.fallback.take().and_then(|old| old.generation);
                old.into_iter().map(|generation| Action::Stop { generation }).collect()
            }
            (State::Updating, Event::Failed | Event::Exited | Event::Stopped) => {
                // The old one has been serving all the time.
                if let Some(Fallback { version, generation: Some(generation) }) = self.fallback.take() {
                    (self.version, self.generation) = (version, generation);
                }
                self.state = State::Running;
                Vec::new()
            }
            (State::Starting, Event::Failed | Event::Exited | Event::Stopped) => match self.fallback.take() {
                Some(old) => {
                    self.version = old.version;
                    vec![self.launch()]
                }
                None => self.failed(),
            },
            (State::Running, Event::Failed | Event::Exited | Event::Stopped) => self.failed(),
            (State::Running, Event::Settled) => {
                self.failures = 0;
                Vec::new()
            }
            (State::BackingOff, Event::Waited) => vec![self.launch()],
            (State::Stopping, Event::Failed | Event::Exited | Event::Stopped) => self.ended(),
            _ => Vec::new(),
        }
    }

    fn ended(&mut self) -> Vec<Action> {
        if let Some(generation) = self.fallback.take().and_then(|old| old.generation) {
            self.generation = generation;
            return self.end();
        }
        match self.desired {
            Desired::Running => {
                self.failures = 0;
                vec![self.launch()]
            }
            Desired::Stopped => {
                self.state = State::Stopped;
                Vec::new()
            }
        }
    }

    /// The old one may crash while the new one starts.
    fn event_of_old(&mut self, generation: u64, event: Event) -> Vec<Action> {
        let gone = matches!(event, Event::Failed | Event::Exited | Event::Stopped);
        if let Some(old) = self.fallback.as_mut().filter(|old| gone && old.generation == Some(generation)) {
            old.generation = None;
            match self.state {
                State::Stopping => self.fallback = None,
                _ => self.state = State::Starting,
            }
        }
        Vec::new()
    }

    fn failed(&mut self) -> Vec<Action> {
        self.failures += 1;
        if self.failures >= MOST_FAILURES {
            self.state = State::Failed;
            return Vec::new();
        }
        self.state = State::BackingOff;
        let time = FIRST_WAIT.saturating_mul(1 << (self.failures - 1).min(16)).min(LONGEST_WAIT);
        vec![Action::Wait { generation: self.generation, time }]
    }

    /// The factory has begun anew, and nothing of what ran in it is left: what is meant to run is started, what was half done
    /// is done to its end.
    #[must_use]
    pub fn recover(&mut self) -> Vec<Action> {
        match (self.desired, self.state) {
            // It was given up for a reason, which a restart does not mend.
            (Desired::Running, State::Failed) => Vec::new(),
            (Desired::Running, state) => {
                match &mut self.fallback {
                    Some(old) if state != State::Stopping => old.generation = None,
                    fallback => *fallback = None,
                }
                self.failures = 0;
                vec![self.launch()]
            }
            (Desired::Stopped, _) => {
                self.fallback = None;
                self.state = State::Stopped;
                Vec::new()
            }
        }
    }
}

impl State {
    pub const ALL: [Self; 7] =
        [Self::Stopped, Self::Starting, Self::Running, Self::Updating, Self::Stopping, Self::BackingOff, Self::Failed];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Updating => "updating",
            Self::Stopping => "stopping",
            Self::BackingOff => "backing-off",
            Self::Failed => "failed",
        }
    }
}

impl Desired {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Stopped => "stopped",
        }
    }
}

/// Not the word of a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no such state of a deployment")]
pub struct UnknownState;

impl FromStr for State {
    type Err = UnknownState;

    fn from_str(word: &str) -> Result<Self, UnknownState> {
        Self::ALL.into_iter().find(|state| state.as_str() == word).ok_or(UnknownState)
    }
}

impl FromStr for Desired {
    type Err = UnknownState;

    fn from_str(word: &str) -> Result<Self, UnknownState> {
        [Self::Running, Self::Stopped].into_iter().find(|desired| desired.as_str() == word).ok_or(UnknownState)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Desired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests;
