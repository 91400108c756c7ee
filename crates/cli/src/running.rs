//! Which factory runs on a data folder. It holds a lock as long as it lives, so that there is one, and says in a file where it
//! is reached as long as it can be. The lock goes with the process, however that ends; a file without it is of no account.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    net::SocketAddr,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use chrono::{SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::{approvals, exit};

/// For its owner only (0600): who may read it is asked no further.
const FILE: &str = "factory.json";
/// Held exclusively by a factory as long as it lives; says its process id. Whoever looks holds it shared, for a moment.
const LOCK: &str = "factory.lock";
/// Of this program. Commands talk to a factory of the same one.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// For whoever only looks to let go of it.
const GLANCE: Duration = Duration::from_millis(200);
const PAUSE: Duration = Duration::from_millis(10);

/// A factory that answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    pub pid: u32,
    /// Where it listens, as seen from this machine.
    pub address: SocketAddr,
    pub version: String,
    /// RFC 3339.
    pub started: String,
}

/// What there is on a data folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presence {
    Nobody,
    /// It starts or ends at this moment.
    Between {
        pid: Option<u32>,
    },
    Ready(Running),
}

/// Held by the factory that runs on a data folder, and nobody else.
#[derive(Debug)]
pub struct Lock {
    file: File,
    data: PathBuf,
}

impl Lock {
    /// `None` where another factory runs. Makes the folder where there is none; nobody else may look into it.
    pub fn take(data: &Path) -> io::Result<Option<Self>> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(data)?;
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(data.join(LOCK))?;
        let began = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(error)) => return Err(error),
                Err(TryLockError::WouldBlock) if began.elapsed() > GLANCE => return Ok(None),
                Err(TryLockError::WouldBlock) => pause(),
            }
        }
        let lock = Self { file, data: data.to_owned() };
        lock.withdraw()?;
        lock.sign(&std::process::id().to_string())?;
        Ok(Some(lock))
    }

    /// Says where it is reached.
    pub fn announce(&self, address: SocketAddr) -> io::Result<Running> {
        let started = Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true);
        let running = Running { pid: std::process::id(), address, version: VERSION.to_owned(), started };
        let draft = self.data.join(format!("{FILE}.{}", running.pid));
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        serde_json::to_writer(&mut file, &running)?;
        fs::rename(&draft, self.data.join(FILE))?;
        Ok(running)
    }

    /// It is not reached any more.
    pub fn withdraw(&self) -> io::Result<()> {
        match fs::remove_file(self.data.join(FILE)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn sign(&self, name: &str) -> io::Result<()> {
        self.file.set_len(0)?;
        (&self.file).rewind()?;
        (&self.file).write_all(name.as_bytes())
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // What is left of a process that was killed is found to be of no account.
        let _ = self.withdraw();
        let _ = self.sign("");
    }
}

impl Running {
    /// `None` where none runs, or it can't be reached yet or any more.
    pub fn find(data: &Path) -> io::Result<Option<Self>> {
        Ok(match Presence::on(data)? {
            Presence::Ready(running) => Some(running),
            Presence::Nobody | Presence::Between { .. } => None,
        })
    }

    pub fn url(&self) -> Url {
        approvals::url_of(self.address)
    }

    /// A factory of another version may mean something else by what this program asks.
    pub fn checked(self) -> anyhow::Result<Self> {
        if self.version == VERSION {
            return Ok(self);
        }
        Err(exit::hinted(
            format!("the factory that runs (pid {}) is version {}, and this program {VERSION}", self.pid, self.version),
            "start it again with this one: `mcp-factory down`, then `mcp-factory up --detach`",
        ))
    }
}

impl Presence {
    pub fn on(data: &Path) -> io::Result<Self> {
        let mut lock = match File::open(data.join(LOCK)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::Nobody),
            lock => lock?,
        };
        match lock.try_lock_shared() {
            Ok(()) => return Ok(Self::Nobody),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) => {}
        }
        let mut holder = String::new();
        lock.read_to_string(&mut holder)?;
        let pid = holder.trim().parse().ok();
        let said = match fs::read(data.join(FILE)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            said => said?,
        };
        // What one left that was killed is not what this one says.
        let running: Option<Running> = serde_json::from_slice(&said).ok();
        let running = running.filter(|running| Some(running.pid) == pid);
        Ok(running.map_or(Self::Between { pid }, Self::Ready))
    }

    /// The same, when it has come or gone.
    pub fn settled(data: &Path, patience: Duration) -> io::Result<Self> {
        let began = Instant::now();
        loop {
            match Self::on(data)? {
                Self::Between { .. } if began.elapsed() < patience => pause(),
                presence => return Ok(presence),
            }
        }
    }

    /// Waits until nobody is left.
    pub fn gone(data: &Path, patience: Duration) -> io::Result<bool> {
        let began = Instant::now();
        while Self::on(data)? != Self::Nobody {
            if began.elapsed() > patience {
                return Ok(false);
            }
            pause();
        }
        Ok(true)
    }
}

#[expect(clippy::disallowed_methods, reason = "another process tells nobody when it lets a lock go or writes its file")]
fn pause() {
    std::thread::sleep(PAUSE);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address() -> SocketAddr {
        "127.0.0.1:8080".parse().unwrap()
    }

    #[test]
    fn one_factory_runs_on_a_folder_and_is_found_while_it_does() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path();
        assert_eq!(Presence::on(data).unwrap(), Presence::Nobody);
        let lock = Lock::take(data).unwrap().unwrap();
        assert_eq!(Presence::on(data).unwrap(), Presence::Between { pid: Some(std::process::id()) });
        assert!(Lock::take(data).unwrap().is_none(), "there is one");
        let running = lock.announce(address()).unwrap();
        assert_eq!(Presence::on(data).unwrap(), Presence::Ready(running));
        let mode = fs::metadata(data.join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        drop(lock);
        assert_eq!(Presence::on(data).unwrap(), Presence::Nobody);
        assert!(!data.join(FILE).exists());
        assert!(Lock::take(data).unwrap().is_some());
    }

    #[test]
    fn what_a_killed_one_left_is_of_no_account() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path();
        let left = Running { pid: 1, address: address(), version: VERSION.to_owned(), started: "once".to_owned() };
        fs::write(data.join(FILE), serde_json::to_vec(&left).unwrap()).unwrap();
        fs::write(data.join(LOCK), "1").unwrap();
        assert_eq!(Presence::on(data).unwrap(), Presence::Nobody);
        let lock = Lock::take(data).unwrap().unwrap();
        assert!(!data.join(FILE).exists(), "the next one says nothing before it is reached");
        // One that came between.
        fs::write(data.join(FILE), serde_json::to_vec(&left).unwrap()).unwrap();
        assert_eq!(Presence::on(data).unwrap(), Presence::Between { pid: Some(std::process::id()) });
        drop(lock);
    }

    #[test]
    fn a_factory_of_another_version_is_not_talked_to() {
        let other = Running { pid: 7, address: address(), version: "0.0.1".to_owned(), started: String::new() };
        let error = other.checked().unwrap_err();
        assert!(error.to_string().contains("pid 7") && exit::hint(&error).unwrap().to_string().contains(" down"));
    }
}
