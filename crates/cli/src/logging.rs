//! Logs go to standard error: for people on a terminal, as JSON lines otherwise.

use std::io::IsTerminal as _;

use clap::ValueEnum;
use tracing_subscriber::{EnvFilter, fmt};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl LogLevel {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// The level is for our own crates; others speak at `warn`, and rmcp, which logs ordinary client mistakes, at `error`.
pub fn start(level: LogLevel) {
    let level = level.as_str();
    let others = if matches!(level, "error" | "debug" | "trace") { level } else { "warn" };
    let filter = EnvFilter::new(format!(
        "{others},rmcp=error,mcp_factory={level},mcp_factory_engine={level},mcp_factory_connect={level},mcp_serve={level}"
    ));
    let builder = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() {
        builder.with_target(false).init();
    } else {
        builder.json().flatten_event(true).with_current_span(false).init();
    }
}
