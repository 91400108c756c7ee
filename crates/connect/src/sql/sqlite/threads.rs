//! Threads for long reads. They have a lower priority than those that answer: whoever runs a query of seconds shares what
//! the others leave, and the machine's last core is not taken from a call that needs microseconds.

use std::sync::OnceLock;

use tokio::{
    runtime::{Builder, Handle, Runtime},
    task::JoinHandle,
};

use super::super::{Class, Error};

/// Of all databases together. Each has no more long reads than its pool allows; what is beyond this waits in line.
const MOST_THREADS: usize = 64;

/// A tenth of the weight of a thread with the usual 0: on a busy machine the read goes on, and slowly.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

/// Runs it on a thread that others come before.
pub fn spawn<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<JoinHandle<T>, Error> {
    Ok(threads()?.spawn_blocking(work))
}

/// A runtime for the sake of its blocking threads alone, which begin when there is work and end when there is none.
fn threads() -> Result<&'static Handle, Error> {
    static THREADS: OnceLock<Option<Runtime>> = OnceLock::new();
    let build = || {
        Builder::new_current_thread()
            .max_blocking_threads(MOST_THREADS)
            .thread_name("long-read")
            .on_thread_start(yield_to_others)
            .build()
            .ok()
    };
    let threads = THREADS.get_or_init(build).as_ref().map(Runtime::handle);
    threads.ok_or_else(|| Error::new(Class::Unavailable, "the machine gives no thread to run a long statement on"))
}

/// A thread that may not lower its priority runs with the usual one.
fn yield_to_others() {
    #[cfg(target_os = "linux")]
    rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICENESS).ok();
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_thread_for_long_reads_lets_others_go_first() {
        let own = rustix::process::getpriority_process(Some(rustix::thread::gettid())).expect("a priority");
        let theirs = spawn(|| rustix::process::getpriority_process(Some(rustix::thread::gettid()))).expect("threads");
        let theirs = theirs.await.expect("the thread ran").expect("a priority");
        assert_eq!((own, theirs), (0, NICENESS));
    }
}
