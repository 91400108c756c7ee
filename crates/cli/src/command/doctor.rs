//! `mcp-factory doctor`: whether a factory can work here, and what to do where it can't. Nothing is made that was not there.

mod checks;

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::{
    api,
    args::up::Doctor,
    exit,
    output::{self, Colour, paint},
    program::Hint,
    progress,
};

/// What was found out about one thing.
#[derive(Debug)]
pub struct Finding {
    check: &'static str,
    state: State,
    /// As people are told.
    detail: String,
    hint: Option<Hint>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Ok,
    /// It works, and soon may not.
    Warning,
    Error,
}

pub fn run(args: &Doctor) -> anyhow::Result<ExitCode> {
    let reach = args.place.reach();
    let data = std::path::absolute(api::data_folder(&reach)?)?;
    let findings = super::runtime()?.block_on(progress::tell("looking", checks::all(&reach, &data, args.listen)));
    let failed = findings.iter().any(|finding| finding.state == State::Error);
    let listed: Vec<Value> = findings.iter().map(Finding::json).collect();
    let shown = json!({ "version": env!("CARGO_PKG_VERSION"), "data": data.display().to_string(), "ok": !failed, "checks": listed });
    output::print(args.output, &shown, |_| findings.iter().map(Finding::text).collect())?;
    Ok(if failed { ExitCode::from(exit::FAILURE) } else { ExitCode::SUCCESS })
}

impl Finding {
    fn ok(check: &'static str, detail: impl Into<String>) -> Self {
        Self { check, state: State::Ok, detail: detail.into(), hint: None }
    }

    fn warning(check: &'static str, detail: impl Into<String>, hint: impl Into<Hint>) -> Self {
        Self { check, state: State::Warning, detail: detail.into(), hint: Some(hint.into()) }
    }

    fn error(check: &'static str, detail: impl Into<String>, hint: impl Into<Hint>) -> Self {
        Self { check, state: State::Error, detail: detail.into(), hint: Some(hint.into()) }
    }

    fn json(&self) -> Value {
        let hint = self.hint.as_ref().map(ToString::to_string);
        json!({ "check": self.check, "state": self.state.word(), "detail": self.detail, "hint": hint })
    }

    fn text(&self) -> String {
        let Self { check, state, detail, hint } = self;
        let colour = match state {
            State::Ok => Colour::Green,
            State::Warning => Colour::Yellow,
            State::Error => Colour::Red,
        };
        let hint = hint.as_ref().map(|hint| format!("{:9}hint: {hint}\n", "")).unwrap_or_default();
        format!("{}{:pad$}{check}: {detail}\n{hint}", paint(colour, state.word()), "", pad = 9 - state.word().len())
    }
}

impl State {
    const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}
