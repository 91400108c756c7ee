//! `mcp-factory secrets`: what one's servers know and nobody sees. A value comes from a file or standard input.

use std::{
    fs::File,
    io::{IsTerminal as _, Read},
    path::Path,
    process::ExitCode,
};

use anyhow::Context as _;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::keys::done;
use crate::{
    api,
    args::access::{Secrets, SecretsVerb},
    exit,
    output::{self, Table, cell, time},
    program,
};

/// More than any secret has; the factory says how much that is.
const MOST: u64 = 1 << 20;

pub fn run(args: &Secrets) -> anyhow::Result<ExitCode> {
    match &args.what {
        SecretsVerb::Set { name, from_file, asking } => {
            let value = read(name, from_file.as_deref())?;
            api::with(&asking.reach, asking.output, async |api| {
                let set = api.put(&["mcp", "secrets", name]).json(&json!({ "value": &**value })).send().await?;
                done(api, &set, &format!("`{name}` is set{}", until_restarted(&set)))
            })
        }
        SecretsVerb::List { asking } => api::with(&asking.reach, asking.output, async |api| {
            let secrets = api.get(&["mcp", "secrets"]).send_all("secrets").await?;
            output::print(api.output(), &secrets, shown)?;
            Ok(ExitCode::SUCCESS)
        }),
        SecretsVerb::Remove { name, asking } => api::with(&asking.reach, asking.output, async |api| {
            let known = api.get(&["mcp", "secrets"]).send_all("secrets").await?;
            let mut known = known["secrets"].as_array().into_iter().flatten();
            if !known.any(|secret| secret["name"] == name.as_str()) {
                let error = anyhow::anyhow!("there is no secret `{name}`");
                return Err(exit::of_code("not-found", Some("secret"), error));
            }
            api.delete(&["mcp", "secrets", name]).send().await?;
            done(api, &json!({ "name": name, "removed": true }), &format!("`{name}` is forgotten"))
        }),
    }
}

/// Of what the factory says that a server needs: those that are not set, and what to type, a line for each.
pub fn missing(needed: &Value) -> String {
    let missing = needed.as_array().into_iter().flatten().filter(|secret| secret["set"] == false);
    let told = |secret: &Value| {
        let name = cell(&secret["name"]);
        let set = program::line(&format!("secrets set {}", program::quoted(&name)));
        format!("needs the secret `{name}`, which is not set: {set} < FILE\n")
    };
    missing.map(told).collect()
}

/// Who still runs with what it was before, and what to type.
pub fn until_restarted(changed: &Value) -> String {
    let names: Vec<&str> = changed["usedBy"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    match names.as_slice() {
        [] => String::new(),
        [one] => {
            format!("; `{one}` has it from its next start on: {}", program::line(&format!("restart {one}")))
        }
        many => {
            let named = many.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            format!("; these have it from their next start on ({}): {named}", program::line("restart NAME"))
        }
    }
}

fn read(name: &str, file: Option<&Path>) -> anyhow::Result<Zeroizing<String>> {
    let mut value = Zeroizing::new(String::new());
    let read = match file {
        Some(file) => {
            let failed = || format!("can't read `{}`", file.display());
            let from = File::open(file).with_context(failed)?;
            from.take(MOST).read_to_string(&mut value).with_context(failed)
        }
        // What is typed is seen by whoever looks on.
        None if std::io::stdin().is_terminal() => {
            return Err(exit::usage(
                "the value of a secret is not typed in here, where it would be seen",
                format!(
                    "read -rs VALUE && printf %s \"$VALUE\" | {}",
                    program::line(&format!("secrets set {}", program::quoted(name)))
                ),
            ));
        }
        None => std::io::stdin().lock().take(MOST).read_to_string(&mut value).context("can't read standard input"),
    };
    read?;
    let whole = value.strip_suffix('\n').unwrap_or(&value);
    Ok(Zeroizing::new(whole.strip_suffix('\r').unwrap_or(whole).to_owned()))
}

fn shown(secrets: &Value) -> String {
    let mut table = Table::new(&["NAME", "SET"]);
    for secret in secrets["secrets"].as_array().into_iter().flatten() {
        table.row([cell(&secret["name"]), time(&secret["updated"])]);
    }
    table.shown("there are no secrets; `mcp-factory secrets set NAME < FILE` sets one")
}
