//! `mcp-factory users`: who uses the factory, for its admins.

use std::process::ExitCode;

use axum::http::Method;
use clap::ValueEnum as _;
use serde_json::{Map, Value, json};

use super::keys::done;
use crate::{
    api,
    args::access::{Rights, Role, Users, UsersVerb},
    output::{self, Table, cell, time},
    program,
};

pub fn run(args: &Users) -> anyhow::Result<ExitCode> {
    match &args.what {
        UsersVerb::Add { name, rights, asking } => api::with(&asking.reach, asking.output, async |api| {
            let mut body = wanted(rights);
            body.insert("name".to_owned(), name.as_str().into());
            let user = api.post(&["mcp", "users"]).json(&body.into()).send().await?;
            let issue = program::line(&format!("tokens issue laptop --user {name}"));
            let next = format!("`{name}` is a user; next: {issue}");
            done(api, &user, &next)
        }),
        UsersVerb::List { asking } => api::with(&asking.reach, asking.output, async |api| {
            output::print(api.output(), &api.get(&["mcp", "users"]).send_all("users").await?, shown)?;
            Ok(ExitCode::SUCCESS)
        }),
        UsersVerb::Change { name, rights, asking } => api::with(&asking.reach, asking.output, async |api| {
            let ask = api.ask(Method::PATCH, &["mcp", "users", name]).json(&wanted(rights).into());
            let user = ask.send().await?;
            done(api, &user, &format!("`{name}` is {} now", cell(&user["role"])))
        }),
        UsersVerb::Remove { name, asking } => api::with(&asking.reach, asking.output, async |api| {
            api.delete(&["mcp", "users", name]).send().await?;
            done(
                api,
                &json!({ "name": name, "removed": true }),
                &format!("`{name}` is gone, with tokens, secrets and grants"),
            )
        }),
    }
}

/// What was said, and nothing else.
fn wanted(rights: &Rights) -> Map<String, Value> {
    let fields = [
        ("role", rights.role.map(|role| word(role).into())),
        ("maxServers", rights.max_servers.map(Value::from)),
        ("requestsPerMinute", rights.requests_per_minute.map(|rate| rate.get().into())),
        ("maxSpecBytes", rights.max_spec_bytes.map(Value::from)),
    ];
    fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

pub fn word(role: Role) -> String {
    role.to_possible_value().expect("each role has a word").get_name().to_owned()
}

fn shown(users: &Value) -> String {
    let mut table = Table::new(&["NAME", "ROLE", "SERVERS", "REQUESTS/MIN", "SINCE"]);
    for user in users["users"].as_array().into_iter().flatten() {
        table.row([
            cell(&user["name"]),
            cell(&user["role"]),
            format!("at most {}", cell(&user["maxServers"])),
            cell(&user["requestsPerMinute"]),
            time(&user["created"]),
        ]);
    }
    table.shown("there are no users")
}
