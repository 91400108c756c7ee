//! What tenants ask, over HTTP as anybody would. Every answer is looked at, whatever it is an answer to.

use std::sync::LazyLock;

use anyhow::Context as _;
use mcp_factory::suite::generated::{self, Settings};
use reqwest::{Method, header};
use serde_json::{Map, Value, json};

use super::{
    ground::{Ground, Shared, Tenant},
    report::Report,
};

const SESSIONS: &str = "2025-11-25";
/// Calls of one tool that its schema alone makes.
const MOST_ORDINARY: usize = 6;

static CLIENT: LazyLock<reqwest::Client> = LazyLock::new(|| {
    let client = reqwest::Client::builder().no_proxy().timeout(std::time::Duration::from_secs(60));
    client.build().expect("nothing is set that could fail")
});

struct Answer {
    /// With its headers.
    whole: String,
    body: String,
    session: Option<String>,
}

impl Answer {
    /// The result of a request of MCP, as JSON or as an event.
    fn result(&self) -> Option<Value> {
        let json = self.body.lines().find_map(|line| line.strip_prefix("data:")).unwrap_or(&self.body);
        serde_json::from_str::<Value>(json).ok()?.get_mut("result").map(Value::take)
    }
}

async fn send(method: Method, url: &str, headers: &[(&str, &str)], body: String) -> anyhow::Result<Answer> {
    let mut request = CLIENT.request(method, url).body(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.context("the proof's own factory does not answer")?;
    let session = answer.headers().get("mcp-session-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
    let head = format!("{} {:?}", answer.status(), answer.headers());
    let body = answer.text().await?;
    Ok(Answer { whole: format!("{head}\n{body}"), body, session })
}

async fn ask(
    ground: &Ground,
    server: &str,
    tenant: &Tenant,
    session: Option<&str>,
    method: &str,
    params: Value,
) -> anyhow::Result<Answer> {
    let url = format!("http://{}/servers/{server}/mcp", ground.address);
    let bearer = format!("Bearer {}", tenant.key);
    let mut headers = vec![
        (header::AUTHORIZATION.as_str(), bearer.as_str()),
        (header::ACCEPT.as_str(), "application/json, text/event-stream"),
        (header::CONTENT_TYPE.as_str(), "application/json"),
    ];
    if method != "initialize" {
        headers.push(("mcp-protocol-version", SESSIONS));
    }
    if let Some(session) = session {
        headers.push(("mcp-session-id", session));
    }
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    send(Method::POST, &url, &headers, body.to_string()).await
}

/// Everybody calls every tool: those that only read all at once, those that may write one after the other.
pub async fn every_tool(ground: &Ground, server: &Shared, report: &mut Report) -> anyhow::Result<()> {
    let someone = &ground.tenants[server.only.unwrap_or(0)];
    let listed = ask(ground, &server.name, someone, None, "tools/list", json!({})).await?;
    let tools = listed.result().and_then(|mut it| it["tools"].as_array_mut().map(std::mem::take));
    let tools = tools.with_context(|| format!("`{}` does not list its tools: {}", server.name, listed.body))?;
    // Databases are made by the first call.
    for tool in &tools {
        for arguments in ordinary(tool).into_iter().take(1) {
            let call = json!({ "name": tool["name"], "arguments": arguments });
            ask(ground, &server.name, someone, None, "tools/call", call).await?;
        }
    }
    let mut planted = Vec::new();
    for rows in &server.rows {
        for tenant in &ground.tenants {
            planted.extend(rows.plant(tenant).await.with_context(|| format!("in a database of `{}`", server.name))?);
        }
    }
    report.begin(server, tools.len());
    let (reading, writing): (Vec<&Value>, Vec<&Value>) = tools.iter().partition(|tool| only_reads(tool));
    let mut calls = tokio::task::JoinSet::new();
    let asked = |tool: &Value, planted: &[i64]| {
        let calls = ordinary(tool).into_iter().chain(curious(tool, ground, planted));
        calls.map(|arguments| json!({ "name": tool["name"], "arguments": arguments })).collect::<Vec<_>>()
    };
    for (place, tenant) in ground.tenants.iter().enumerate() {
        let url = format!("http://{}/servers/{}/mcp", ground.address, server.name);
        let bearer = format!("Bearer {}", tenant.key);
        // Twice: answers may be kept.
        let asked: Vec<Value> = reading.iter().flat_map(|tool| asked(tool, &planted)).collect();
        calls.spawn(async move {
            let mut answers = Vec::new();
            for call in asked.iter().chain(&asked) {
                let headers = [
                    (header::AUTHORIZATION.as_str(), bearer.as_str()),
                    (header::ACCEPT.as_str(), "application/json, text/event-stream"),
                    (header::CONTENT_TYPE.as_str(), "application/json"),
                    ("mcp-protocol-version", SESSIONS),
                ];
                let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call });
                answers.push((call.clone(), send(Method::POST, &url, &headers, body.to_string()).await?));
            }
            anyhow::Ok((place, answers))
        });
    }
    while let Some(answers) = calls.join_next().await {
        let (place, answers) = answers.context("a tenant broke off")??;
        for (call, answer) in answers {
            report.answered(ground, place, &call.to_string(), &answer.whole);
        }
    }
    for tool in writing {
        for call in asked(tool, &planted) {
            for (place, tenant) in ground.tenants.iter().enumerate() {
                let before = all_rows(ground, server).await?;
                let answer = ask(ground, &server.name, tenant, None, "tools/call", call.clone()).await?;
                report.answered(ground, place, &call.to_string(), &answer.whole);
                let after = all_rows(ground, server).await?;
                for (other, (before, after)) in before.iter().zip(&after).enumerate() {
                    if before == after {
                        continue;
                    }
                    if other != place {
                        report.changed(ground, place, other, &call.to_string());
                    }
                    // There is always something to find.
                    for rows in &server.rows {
                        planted.extend(rows.plant(&ground.tenants[other]).await?);
                    }
                }
            }
        }
    }
    Ok(())
}

/// By tenants.
async fn all_rows(ground: &Ground, server: &Shared) -> anyhow::Result<Vec<Vec<String>>> {
    let mut all = Vec::new();
    for tenant in &ground.tenants {
        let mut theirs = Vec::new();
        for rows in &server.rows {
            theirs.extend(rows.of_tenant(tenant).await?);
        }
        all.push(theirs);
    }
    Ok(all)
}

fn only_reads(tool: &Value) -> bool {
    tool["annotations"]["readOnlyHint"] == true
}

fn ordinary(tool: &Value) -> Vec<Map<String, Value>> {
    let calls = generated::accepted(&tool["inputSchema"], Settings { seed: 1, cases: 2 });
    calls.into_iter().map(|call| call.arguments).take(MOST_ORDINARY).collect()
}

/// As somebody would ask who is after what is not theirs.
fn curious(tool: &Value, ground: &Ground, planted: &[i64]) -> Vec<Map<String, Value>> {
    let smallest = generated::accepted(&tool["inputSchema"], Settings { seed: 1, cases: 0 }).into_iter().next();
    let smallest = smallest.map(|call| call.arguments).unwrap_or_default();
    let names = ground.tenants.iter().map(|tenant| json!(tenant.name));
    let words = [json!("canary"), json!("%"), json!("' OR '1'='1")];
    let values = names.chain(words).chain(planted.iter().map(|id| json!(id)));
    let mut calls: Vec<Map<String, Value>> = Vec::new();
    for value in values {
        let mut arguments = smallest.clone();
        for (name, property) in tool["inputSchema"]["properties"].as_object().into_iter().flatten() {
            let (kind, is) = (&property["type"], if value.is_string() { "string" } else { "integer" });
            if kind == is || kind.as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind == is)) {
                arguments.insert(name.clone(), value.clone());
            }
        }
        if !calls.contains(&arguments) {
            calls.push(arguments);
        }
    }
    calls
}

/// A session belongs to who opened it, whoever knows its number.
pub async fn sessions_of_others(ground: &Ground, server: &Shared, report: &mut Report) -> anyhow::Result<()> {
    for (whose, tenant) in ground.tenants.iter().enumerate() {
        let client = json!({ "name": "mcp-factory", "version": env!("CARGO_PKG_VERSION") });
        let hello = json!({ "protocolVersion": SESSIONS, "capabilities": {}, "clientInfo": client });
        let opened = ask(ground, &server.name, tenant, None, "initialize", hello).await?;
        report.answered(ground, whose, "initialize", &opened.whole);
        let Some(session) = opened.session else { continue };
        for (place, other) in ground.tenants.iter().enumerate().filter(|(place, _)| *place != whose) {
            for (method, params) in [("tools/list", json!({})), ("tools/call", json!({ "name": "tell" }))] {
                let answer = ask(ground, &server.name, other, Some(&session), method, params).await?;
                report.answered(ground, place, &format!("{method} in a session of {}", tenant.name), &answer.whole);
                if answer.result().is_some() {
                    report.entered(ground, place, whose, method);
                }
            }
        }
    }
    Ok(())
}

/// The REST API, with the token of each tenant and the names of all.
pub async fn everything_else(ground: &Ground, report: &mut Report) -> anyhow::Result<()> {
    report.begin_rest();
    let mut paths =
        ["servers", "search?q=canary", "search?q=tells", "secrets", "tokens", "audit", "usage", "templates"]
            .map(|path| format!("/mcp/{path}"))
            .to_vec();
    paths.push("/v0.1/servers".to_owned());
    for server in &ground.servers {
        let name = &server.name;
        for more in ["", "/logs", "/versions", "/export", "/export?format=mcpb", "/keys"] {
            paths.push(format!("/mcp/servers/{name}{more}"));
        }
        paths.push(format!("/v0.1/servers/local%2F{name}/versions"));
    }
    for (place, tenant) in ground.tenants.iter().enumerate() {
        let bearer = format!("Bearer {}", tenant.token);
        for path in &paths {
            let url = format!("http://{}{path}", ground.address);
            let answer = send(Method::GET, &url, &[("authorization", &bearer)], String::new()).await?;
            report.answered(ground, place, &format!("GET {path}"), &answer.whole);
        }
    }
    Ok(())
}
