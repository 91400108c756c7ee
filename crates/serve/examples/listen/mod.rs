//! What all examples do as programs: they take `--listen ADDR`, say on standard error where they listen, log there as much as
//! `LOG` asks for (`LOG=debug`), and stop when they are interrupted or terminated.
#![allow(dead_code, reason = "no example needs all of it")]

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::LazyLock,
};

use mcp_serve::{Authenticator, http::Config};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::filter::LevelFilter;

/// Binds, and says where, if those who ask may be served there. On loopback and a free port, unless told otherwise.
pub async fn from_arguments(
    config: &Config,
    authenticator: &dyn Authenticator,
) -> Result<TcpListener, Box<dyn std::error::Error>> {
    let listener = TcpListener::bind(address()?).await?;
    let address = listener.local_addr()?;
    config.check(address, authenticator)?;
    eprintln!("listening on http://{address}/mcp");
    Ok(listener)
}

pub fn address() -> io::Result<SocketAddr> {
    address_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
}

pub fn address_or(default: SocketAddr) -> io::Result<SocketAddr> {
    log_to_stderr()?;
    hear_signals()?;
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next(), arguments.next()) {
        (None, ..) => Ok(default),
        (Some("--listen"), Some(address), None) => address.parse().map_err(invalid),
        _ => Err(invalid("usage: [--listen ADDRESS:PORT]")),
    }
}

/// By whoever is at the keyboard, or by whatever runs it.
pub async fn until_interrupted() {
    INTERRUPTED.cancelled().await;
}

static INTERRUPTED: LazyLock<CancellationToken> = LazyLock::new(CancellationToken::new);

/// From the start: whoever reads where it listens may end it in the next moment.
fn hear_signals() -> io::Result<()> {
    let (mut interrupted, mut terminated) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupted.recv() => {}
            _ = terminated.recv() => {}
        }
        INTERRUPTED.cancel();
    });
    Ok(())
}

fn log_to_stderr() -> io::Result<()> {
    let level = std::env::var("LOG").unwrap_or_else(|_| "warn".to_owned());
    let level: LevelFilter = level.parse().map_err(invalid)?;
    tracing_subscriber::fmt().with_max_level(level).with_ansi(false).with_writer(io::stderr).init();
    Ok(())
}

fn invalid(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why)
}
