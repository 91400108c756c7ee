//! `mcp-factory keys`: what callers of a hosted server come with.

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::{
    api::{self, Api},
    args::{
        Output,
        access::{IssueKey, Keys, KeysVerb, Rotation},
    },
    output::{self, Table, cell, time},
};

pub fn run(args: &Keys) -> anyhow::Result<ExitCode> {
    match &args.what {
        KeysVerb::Issue(args) => issue(args),
        KeysVerb::List { server, asking } => api::with(&asking.reach, asking.output, async |api| {
            let keys = api.get(&["mcp", "servers", server, "keys"]).send_all("keys").await?;
            output::print(api.output(), &keys, |keys| {
                shown(keys, "keys", "there are no keys; `mcp-factory keys issue SERVER NAME` makes one")
            })?;
            Ok(ExitCode::SUCCESS)
        }),
        KeysVerb::Rotate { server, rotation } => {
            let name = &rotation.name;
            rotate(
                rotation,
                &["mcp", "servers", server, "keys", name, "rotate"],
                &format!("the key `{name}` of `{server}`"),
            )
        }
        KeysVerb::Revoke { server, name, asking } => api::with(&asking.reach, asking.output, async |api| {
            api.delete(&["mcp", "servers", server, "keys", name]).send().await?;
            done(
                api,
                &json!({ "server": server, "key": name, "revoked": true }),
                &format!("`{name}` is no key of `{server}` now"),
            )
        }),
    }
}

fn issue(args: &IssueKey) -> anyhow::Result<ExitCode> {
    let IssueKey { server, name, principal, tenant, groups, scopes, expires_in, asking } = args;
    api::with(&asking.reach, asking.output, async |api| {
        let body = json!({
            "name": name, "principal": principal, "tenant": tenant, "groups": groups, "scopes": scopes,
            "lifetime": expires_in.map(|time| time.get().as_secs()),
        });
        let issued = api.post(&["mcp", "servers", server, "keys"]).json(&body).send().await?;
        once(api, &issued, &format!("the key `{name}` of `{server}`"))
    })
}

/// Of a key or a token.
pub fn rotate(Rotation { overlap, asking, .. }: &Rotation, path: &[&str], what: &str) -> anyhow::Result<ExitCode> {
    api::with(&asking.reach, asking.output, async |api| {
        let body = json!({ "overlap": overlap.map_or(0, |overlap| overlap.get().as_secs()) });
        once(api, &api.post(path).json(&body).send().await?, what)
    })
}

/// The secret alone on standard output, so that it goes into a variable or a file as it is.
pub fn once(api: &Api, issued: &Value, what: &str) -> anyhow::Result<ExitCode> {
    if api.output() == Output::Text {
        eprintln!("{what}; it is shown this once:");
    }
    output::print(api.output(), issued, |issued| format!("{}\n", cell(&issued["secret"])))?;
    Ok(ExitCode::SUCCESS)
}

/// What has no answer of its own.
pub fn done(api: &Api, answer: &Value, said: &str) -> anyhow::Result<ExitCode> {
    output::print(api.output(), answer, |_| format!("{said}\n"))?;
    Ok(ExitCode::SUCCESS)
}

/// Keys and tokens look alike.
pub fn shown(answer: &Value, list: &str, otherwise: &'static str) -> String {
    let mut table = Table::new(&["NAME", "PRINCIPAL", "TENANT", "SECRETS", "EXPIRES"]);
    for key in answer[list].as_array().into_iter().flatten() {
        // A token's name is its id.
        let name = if key["name"].is_null() { &key["token"] } else { &key["name"] };
        let expires = key["expires"].as_str().or_else(|| key["expiresAt"].as_str());
        table.row([
            cell(name),
            cell(&key["principal"]),
            cell(&key["tenant"]),
            cell(&key["secrets"]),
            expires.map_or_else(|| "-".to_owned(), |expires| time(&expires.into())),
        ]);
    }
    table.shown(otherwise)
}
