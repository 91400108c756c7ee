//! `mcp-factory status NAME`: what the factory knows of a server (`registered.rs`).
//! `mcp-factory status FILE`: each tool as it would be served, with what is bounded and what is an exception.
//!
//! Databases that the spec seeds are looked at as made anew; others are asked for their keys, which nothing waits for long.

mod registered;
mod toolsets;

use std::{fmt::Write as _, process::ExitCode, time::Duration};

use mcp_factory::NeededSecret;
use mcp_factory_connect::Environment;
use mcp_factory_engine::{Engine, Paging, authentication::Summary};
use mcp_factory_spec::{Spec, model};
use serde_json::{Value, json};

use crate::{args::Status, load, output, progress};

/// What a database that is down may cost.
const PATIENCE: Duration = Duration::from_secs(3);

pub fn run(args: &Status) -> anyhow::Result<ExitCode> {
    if let Some(name) = args.spec.name_of_a_server()? {
        return registered::run(&name, &args.reach, args.output);
    }
    let folder = tempfile::Builder::new().prefix("mcp-factory-status-").tempdir()?;
    let (spec, engine) = load::engine(&args.spec.spec, true, load::Seeds::Fresh(folder.path().to_owned()))?;
    let asked = async {
        let mut tools = Vec::new();
        for tool in &spec.tools {
            tools.push(status(&spec, &engine, tool).await);
        }
        tools
    };
    let tools = super::runtime()?.block_on(progress::tell("asking databases for their keys", asked));
    let callers = Summary::of(&spec).to_string();
    let needs = NeededSecret::of_spec(&spec, &Environment);
    let secrets: Vec<Value> = needs.iter().map(|it| json!({ "name": it.name, "set": it.is_set })).collect();
    let mut status = json!({ "name": spec.name.as_str(), "callers": callers, "secrets": secrets, "tools": tools });
    if let Some(toolsets) = toolsets::status(&spec) {
        status["exposure"] = toolsets;
    }
    output::print(args.output, &status, |_| {
        let mut text = format!("{} {}\ncallers: {callers}\n", spec.name, spec.version);
        if !needs.is_empty() {
            let shown = needs.iter().map(|it| format!("`{}` ({})", it.name, if it.is_set { "set" } else { "missing" }));
            text.push_str(&format!("needs: {}\n", shown.collect::<Vec<_>>().join(", ")));
        }
        for tool in &tools {
            show(tool, &mut text);
        }
        if let Some(toolsets) = toolsets::status(&spec) {
            toolsets::show(&toolsets, &mut text);
        }
        text
    })?;
    Ok(ExitCode::SUCCESS)
}

async fn status(spec: &Spec, engine: &Engine, tool: &model::Tool) -> Value {
    let name = tool.name.as_str();
    let limits = &tool.limits;
    let mut status = json!({
        "name": name,
        "kind": tool.kind.as_ref().map_or("stub", model::ToolKind::key),
        "readOnly": engine.only_reads(name),
        "scopes": tool.scopes,
        "timeout": limits.timeout.at().map(|timeout| timeout.to_string()),
        "maxRows": limits.max_rows.at(),
        "maxBytes": limits.max_bytes.at().map(|size| size.to_string()),
    });
    if let Some(connection) = &tool.connection {
        status["connection"] = connection.as_str().into();
        if tool.scope.is_some() && spec.connections.iter().any(|known| known.name == *connection) {
            status["scope"] = "none".into();
        }
    }
    if let Some(cache) = &tool.cache {
        status["cache"] = cache.ttl.to_string().into();
    }
    if tool.confirm.is_some() {
        status["confirm"] = true.into();
    }
    let paging = engine.paging(name, PATIENCE).await;
    if !paging.is_empty() {
        status["paging"] = paging.iter().map(|(sort, paging)| paging_of(sort.as_deref(), paging)).collect();
    }
    status
}

fn paging_of(sort: Option<&str>, paging: &Paging) -> Value {
    let mut status = match paging {
        Paging::Keyset { columns } => json!({ "by": "keyset", "columns": columns }),
        Paging::Unknown { columns, why } => json!({ "by": "unknown", "columns": columns, "why": why }),
        Paging::Offset { why } => json!({ "by": "offset", "why": why }),
    };
    if let Some(sort) = sort {
        status["sort"] = sort.into();
    }
    status
}

fn show(tool: &Value, text: &mut String) {
    let word = |field: &str| tool[field].as_str();
    let mut line = |what: String| writeln!(text, "{what}").expect("writing to a string can't fail");
    let connection = word("connection").map(|connection| format!(" on {connection}")).unwrap_or_default();
    let effect = if tool["readOnly"] == true { "read-only" } else { "writes" };
    let confirm = if tool["confirm"] == true { ", asks a person first" } else { "" };
    line(format!(
        "\n{} ({}{connection}): {effect}{confirm}",
        word("name").unwrap_or_default(),
        word("kind").unwrap_or_default()
    ));
    let rows = tool["maxRows"].as_u64().map_or_else(|| "no limit".to_owned(), |rows| rows.to_string());
    let (timeout, bytes) = (word("timeout").unwrap_or("no limit"), word("maxBytes").unwrap_or("no limit"));
    line(format!("  limits: timeout {timeout}, rows {rows}, bytes {bytes}"));
    let scopes: Vec<&str> = tool["scopes"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if !scopes.is_empty() {
        line(format!("  scopes: {}", scopes.join(", ")));
    }
    if word("scope") == Some("none") {
        line("  scope: none (reaches rows of everybody)".to_owned());
    }
    if let Some(ttl) = word("cache") {
        line(format!("  cache: {ttl}"));
    }
    for paging in tool["paging"].as_array().into_iter().flatten() {
        let sort = paging["sort"].as_str().map(|sort| format!(" ({sort})")).unwrap_or_default();
        let columns: Vec<String> = paging["columns"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(|c| format!("`{c}`"))
            .collect();
        let (columns, why) = (columns.join(", "), paging["why"].as_str().unwrap_or_default());
        line(match paging["by"].as_str() {
            Some("keyset") => format!("  pages{sort}: keyset by {columns}"),
            Some("offset") => format!("  pages{sort}: offset, since {why}"),
            _ => format!("  pages{sort}: keyset if {columns} has a unique key; the database can't be asked: {why}"),
        });
    }
}
