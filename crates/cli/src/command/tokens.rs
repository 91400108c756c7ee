//! `mcp-factory tokens`: with what users, their programs and agents come to the factory itself.

use std::process::ExitCode;

use serde_json::json;

use super::{
    keys::{done, once, rotate, shown},
    users::word,
};
use crate::{
    api,
    args::access::{Tokens, TokensVerb},
    output,
};

pub fn run(args: &Tokens) -> anyhow::Result<ExitCode> {
    match &args.what {
        TokensVerb::Issue { name, role, user, expires_in, asking } => {
            api::with(&asking.reach, asking.output, async |api| {
                let lifetime = expires_in.map(|time| time.get().as_secs());
                let body = json!({ "name": name, "role": word(*role), "lifetime": lifetime });
                once(
                    api,
                    &api.post(&of(user.as_deref(), &[])).json(&body).send().await?,
                    &format!("the token `{name}`"),
                )
            })
        }
        TokensVerb::List { user, asking } => api::with(&asking.reach, asking.output, async |api| {
            let tokens = api.get(&of(user.as_deref(), &[])).send_all("tokens").await?;
            output::print(api.output(), &tokens, |tokens| {
                shown(tokens, "tokens", "there are no tokens; `mcp-factory tokens issue NAME` makes one")
            })?;
            Ok(ExitCode::SUCCESS)
        }),
        TokensVerb::Rotate(rotation) => {
            let name = &rotation.name;
            rotate(rotation, &["mcp", "tokens", name, "rotate"], &format!("the token `{name}`"))
        }
        TokensVerb::Revoke { name, user, asking } => api::with(&asking.reach, asking.output, async |api| {
            api.delete(&of(user.as_deref(), &[name])).send().await?;
            done(api, &json!({ "token": name, "revoked": true }), &format!("`{name}` is no token now"))
        }),
    }
}

/// One's own, or somebody else's for an admin.
fn of<'a>(user: Option<&'a str>, rest: &[&'a str]) -> Vec<&'a str> {
    let start = match user {
        None => vec!["mcp", "tokens"],
        Some(user) => vec!["mcp", "users", user, "tokens"],
    };
    [start, rest.to_vec()].concat()
}
