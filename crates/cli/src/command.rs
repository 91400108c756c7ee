//! One file per command.

pub mod audit;
pub mod completions;
pub mod connect;
pub mod connections;
pub mod create;
pub mod deploy;
pub mod doctor;
pub mod down;
pub mod export;
pub mod grants;
pub mod install_links;
pub mod keys;
pub mod list;
pub mod logs;
pub mod prove;
pub mod remove;
pub mod restart;
pub mod rollback;
pub mod schema;
pub mod search;
pub mod secrets;
pub mod serve;
pub mod start;
pub mod status;
pub mod stdio;
pub mod stop;
pub mod test;
pub mod tokens;
pub mod up;
pub mod usage;
pub mod users;
pub mod validate;
pub mod versions;

use std::io::Write as _;

/// Writes to standard output; a reader who has left is no error.
pub fn print(text: &str) -> anyhow::Result<()> {
    print_bytes(text.as_bytes())
}

fn print_bytes(bytes: &[u8]) -> anyhow::Result<()> {
    match std::io::stdout().lock().write_all(bytes) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// A runtime for the commands that need one.
pub fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}
