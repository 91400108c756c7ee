//! `mcp-factory grants`: what the specs of a user may reach outside their own, for admins.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::keys::done;
use crate::{
    api,
    args::access::{Grants, GrantsVerb},
    output::{self, Table, cell, time},
};

pub fn run(args: &Grants) -> anyhow::Result<ExitCode> {
    match &args.what {
        GrantsVerb::Add { grant, asking } => api::with(&asking.reach, asking.output, async |api| {
            let body = json!({ "kind": grant.kind, "value": grant.value });
            api.post(&["mcp", "users", &grant.user, "grants"]).json(&body).send().await?;
            done(api, &body, &format!("specs of `{}` may use {} {}", grant.user, grant.kind, grant.value))
        }),
        GrantsVerb::List { user, asking } => api::with(&asking.reach, asking.output, async |api| {
            let path = match user {
                None => vec!["mcp", "grants"],
                Some(user) => vec!["mcp", "users", user, "grants"],
            };
            output::print(api.output(), &api.get(&path).send().await?, shown)?;
            Ok(ExitCode::SUCCESS)
        }),
        GrantsVerb::Remove { grant, asking } => api::with(&asking.reach, asking.output, async |api| {
            let ask = api.delete(&["mcp", "users", &grant.user, "grants"]);
            ask.query("kind", Some(&grant.kind)).query("value", Some(&grant.value)).send().await?;
            let answer = json!({ "kind": grant.kind, "value": grant.value, "removed": true });
            done(api, &answer, &format!("specs of `{}` may use {} {} no more", grant.user, grant.kind, grant.value))
        }),
    }
}

fn shown(grants: &Value) -> String {
    let mut table = Table::new(&["KIND", "VALUE", "BY", "SINCE"]);
    for grant in grants["grants"].as_array().into_iter().flatten() {
        table.row([cell(&grant["kind"]), cell(&grant["value"]), cell(&grant["grantedBy"]), time(&grant["created"])]);
    }
    table.shown("nothing is granted: specs reach their own folder, secrets and the public internet")
}
