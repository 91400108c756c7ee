//! A started program with everything that it starts, as far as it stays in its process group.

use std::{
    io,
    sync::{OnceLock, mpsc},
    time::Duration,
};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, kill_process_group, test_kill_process_group, waitpgid};
use tokio::{
    process::{Child, Command},
    runtime::Handle,
    sync::oneshot,
    time::{Instant, sleep, timeout_at},
};

/// Between being asked to end and being killed: a cancelled call is gone within a tenth of a second.
const GRACE: Duration = Duration::from_millis(60);
/// How long is waited for the kernel to end what was killed.
const REAPING: Duration = Duration::from_millis(100);
const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// Killed when dropped, unless it was ended before.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) child: Child,
    pub(super) id: Option<Pid>,
}

impl Group {
    /// On a thread that never ends: a program that is to die with its parent dies with the thread that started it.
    pub(super) async fn spawn(command: Command) -> io::Result<Self> {
        static SPAWNER: OnceLock<mpsc::Sender<Job>> = OnceLock::new();
        let spawner = SPAWNER.get_or_init(|| {
            let (sender, jobs) = mpsc::channel();
            // Without the thread the receiver is gone, and every job fails below.
            let _ =
                std::thread::Builder::new().name("spawner".to_owned()).spawn(move || jobs.iter().for_each(Job::run));
            sender
        });
        let (reply, spawned) = oneshot::channel();
        let gone = || io::Error::other("the thread that starts programs is gone");
        spawner.send(Job { command, runtime: Handle::current(), reply }).map_err(|_| gone())?;
        spawned.await.map_err(|_| gone())?
    }

    /// Asks it to end, kills what is left after a short grace, and reaps what is ours.
    pub(super) async fn end(&mut self) {
        let Some(id) = self.id else { return };
        let killing = Instant::now() + GRACE;
        self.signal(Signal::TERM);
        let _ = timeout_at(killing, self.child.wait()).await;
        while test_kill_process_group(id).is_ok() && Instant::now() < killing {
            reap(id);
            sleep(LOOK_AGAIN).await;
        }
        self.kill().await;
    }

    /// Kills what is left. Harmless when nothing is.
    pub(super) async fn kill(&mut self) {
        let Some(id) = self.id else { return };
        self.signal(Signal::KILL);
        let _ = self.child.wait().await;
        // What lost its parent becomes ours where we are the first process of a container.
        let until = Instant::now() + REAPING;
        while reap(id) && Instant::now() < until {
            sleep(LOOK_AGAIN).await;
        }
        self.id = None;
    }

    fn signal(&self, signal: Signal) {
        let Some(id) = self.id else { return };
        let _ = kill_process_group(id, signal);
        // It may not have made its group yet. Once it was reaped, its id may be another's.
        if self.child.id().is_some() {
            let _ = kill_process(id, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// Kills what a program left behind.
pub(super) fn kill(group: Option<Pid>) {
    if let Some(group) = group {
        let _ = kill_process_group(group, Signal::KILL);
    }
}

/// Whether something in the group is our child and still ends.
fn reap(group: Pid) -> bool {
    loop {
        match waitpgid(group, WaitOptions::NOHANG) {
            Ok(Some(_)) => {}
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
}

struct Job {
    command: Command,
    runtime: Handle,
    reply: oneshot::Sender<io::Result<Group>>,
}

impl Job {
    fn run(mut self) {
        let _runtime = self.runtime.enter();
        let spawned = self.command.spawn().map(|child| {
            let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
            Group { child, id }
        });
        // Where nobody waits any more, the group is dropped, which kills it.
        let _ = self.reply.send(spawned);
    }
}
