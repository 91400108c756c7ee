//! `mcp-factory connections`: what the operator shares, and what one's specs may use.

use std::{fs::File, io::Read, path::Path, process::ExitCode};

use anyhow::Context as _;
use serde_json::{Value, json};

use super::keys::done;
use crate::{
    api,
    args::access::{Connections, ConnectionsVerb},
    load,
    output::{self, Table, cell, plain, time},
    program,
};

pub fn run(args: &Connections) -> anyhow::Result<ExitCode> {
    match &args.what {
        ConnectionsVerb::Share { file, asking } => {
            let text = read(file)?;
            api::with(&asking.reach, asking.output, async |api| {
                let is_json = match file == Path::new("-") {
                    true => text.trim_ascii_start().starts_with(b"{"),
                    false => file.extension().is_some_and(|it| it == "json"),
                };
                let kind = if is_json { "application/json" } else { "application/yaml" };
                let shared = api.post(&["mcp", "connections"]).text(kind, text).send().await?;
                let name = cell(&shared["name"]);
                let said = match shared["changed"].as_bool() {
                    Some(false) => format!("`{name}` was shared already, as this"),
                    _ => match super::secrets::until_restarted(&shared) {
                        none if none.is_empty() => {
                            let grant = program::line(&format!("grants add USER shared-connection {name}"));
                            format!("`{name}` is shared; next: {grant}")
                        }
                        users => format!("`{name}` is shared{users}"),
                    },
                };
                done(api, &shared, &said)
            })
        }
        ConnectionsVerb::List { all, tables, asking } => api::with(&asking.reach, asking.output, async |api| {
            let ask = api.get(&["mcp", "connections"]).query("all", all.then_some(true));
            let shared = ask.query("tables", tables.then_some(true)).doing("asking databases for their tables").send();
            let shared = shared.await?;
            output::print(api.output(), &shared, |all_of| shown(all_of, *all) + &tables_of(all_of))?;
            Ok(ExitCode::SUCCESS)
        }),
        ConnectionsVerb::Remove { name, force, asking } => api::with(&asking.reach, asking.output, async |api| {
            let ask = api.delete(&["mcp", "connections", name]).query("force", force.then_some(true));
            ask.send().await?;
            done(api, &json!({ "name": name, "removed": true }), &format!("`{name}` is shared no more"))
        }),
    }
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    let mut text = Vec::new();
    if file == Path::new("-") {
        std::io::stdin().lock().take(load::MOST).read_to_end(&mut text).context("can't read standard input")?;
    } else {
        let failed = || format!("can't read `{}`", file.display());
        let from = File::open(file).with_context(failed)?;
        from.take(load::MOST).read_to_end(&mut text).with_context(failed)?;
    }
    Ok(text)
}

/// A line for each table.
fn tables_of(shared: &Value) -> String {
    let mut text = String::new();
    for connection in shared["connections"].as_array().into_iter().flatten() {
        let Some(tables) = connection["tables"].as_array() else { continue };
        text.push_str(&format!("\n{}:\n", cell(&connection["name"])));
        for table in tables {
            let columns = table["columns"].as_array().into_iter().flatten().map(|column| {
                let key = if column["key"] == true { "*" } else { "" };
                format!("{}{key} {}", plain(&cell(&column["name"])), cell(&column["type"]))
            });
            let columns: Vec<String> = columns.chain(more(table, "columns")).collect();
            text.push_str(&format!("  {}: {}\n", plain(&cell(&table["name"])), columns.join(", ")));
        }
        more(connection, "tables").into_iter().for_each(|more| text.push_str(&format!("  {more}\n")));
    }
    text
}

fn more(of: &Value, what: &str) -> Option<String> {
    of["more"].as_u64().map(|more| format!("… and {more} more {what}"))
}

fn shown(shared: &Value, all: bool) -> String {
    let connections = shared["connections"].as_array().into_iter().flatten();
    let mut table =
        Table::new(if all { &["NAME", "TYPE", "SHARED BY", "SINCE"] } else { &["NAME", "TYPE", "READ-ONLY"] });
    for it in connections {
        let rest = if all { vec![cell(&it["sharedBy"]), time(&it["updated"])] } else { vec![cell(&it["readOnly"])] };
        table.row([cell(&it["name"]), cell(&it["type"])].into_iter().chain(rest));
    }
    table.shown(if all {
        "nothing is shared; `mcp-factory connections share FILE` does"
    } else {
        "nothing is shared with you"
    })
}
