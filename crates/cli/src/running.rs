//! The factory that runs on a data folder: `factory.json` says where it listens, and the lock on `factory.lock` says that it is
//! alive. A file without its lock was left by a factory that is gone, and its address may be somebody else's by now.

use std::{
    fs::{self, File, TryLockError},
    net::SocketAddr,
    path::Path,
};

use serde::{Deserialize, Serialize};

/// For its owner only (0600): who may read it is asked no further.
pub const RUN_FILE: &str = "factory.json";
/// Held exclusively by a factory from before it writes the run file until it ends. Whoever looks holds it shared, for a moment.
pub const LOCK_FILE: &str = "factory.lock";

/// What the run file says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    pub pid: u32,
    pub address: SocketAddr,
    pub version: String,
    /// RFC 3339.
    pub started: String,
}

impl Running {
    /// `None` where none runs, or it does not listen yet.
    pub fn find(data: &Path) -> std::io::Result<Option<Self>> {
        let none = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::NotFound => Ok(None),
            _ => Err(error),
        };
        let lock = match File::open(data.join(LOCK_FILE)) {
            Ok(lock) => lock,
            Err(error) => return none(error),
        };
        match lock.try_lock_shared() {
            Ok(()) => return Ok(None),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error),
        }
        match fs::read(data.join(RUN_FILE)) {
            // One that is being written is of a factory that starts.
            Ok(text) => Ok(serde_json::from_slice(&text).ok()),
            Err(error) => none(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_run_file_whose_lock_is_held_counts() {
        let folder = tempfile::tempdir().unwrap();
        let find = || Running::find(folder.path()).unwrap();
        assert_eq!(find(), None);
        let running = Running {
            pid: 1,
            address: "127.0.0.1:1".parse().unwrap(),
            version: "0.1.0".to_owned(),
            started: "2026-01-01T00:00:00Z".to_owned(),
        };
        fs::write(folder.path().join(RUN_FILE), serde_json::to_vec(&running).unwrap()).unwrap();
        let lock = File::create(folder.path().join(LOCK_FILE)).unwrap();
        assert_eq!(find(), None, "it is left over");
        lock.lock().unwrap();
        assert_eq!(find(), Some(running));
        fs::remove_file(folder.path().join(RUN_FILE)).unwrap();
        assert_eq!(find(), None, "it does not listen yet");
    }
}
