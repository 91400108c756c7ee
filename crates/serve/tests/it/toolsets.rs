//! Toolsets over the real sockets, in both protocol eras.

mod handles;
mod modern;
mod names;
mod own_servers;
mod permissions;
mod rules;
mod sessions;

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use mcp_serve::{
    Authenticator, NoAuthentication, ToolResult,
    http::Config,
    model::Tool,
    toolsets::{Catalog, Mode, Modern, Options, OwnTool, Toolset, Toolsets},
};
use serde_json::{Value, json};

use crate::{
    sessions::ask,
    support::{Reply, Running, TestServer},
};

pub fn own(name: &'static str, description: &'static str) -> OwnTool {
    let schema = json!({ "type": "object", "properties": { "customer": { "type": "string" } } });
    let tool = Tool::new(name, description, schema.as_object().expect("object").clone());
    OwnTool::new(tool, move |cx, _| async move { Ok(ToolResult::text(format!("{name} for {}", cx.principal.id))) })
}

/// A module that fails until it is repaired.
#[derive(Default)]
pub struct Late {
    pub works: AtomicBool,
    pub loads: AtomicUsize,
}

/// `reading`: echo, whoami of the server within. `writing`: a closure. `late`: a module. `two`: both kinds of modules.
pub fn catalog(late: &Arc<Late>) -> Catalog {
    let (first, late) = (late.clone(), late.clone());
    Catalog::new()
        .toolset(
            Toolset::new("reading", "Look things up")
                .tools(["echo", "whoami"])
                .decision_criteria("To look something up"),
        )
        .toolset(Toolset::new("writing", "Change things").named("Write").own(own("send_invoice", "Mails a bill")))
        .toolset(Toolset::new("late", "Comes later").module("late"))
        .toolset(Toolset::new("two", "Comes in two").module("late").own(own("sure", "Always there")))
        .module("late", move || {
            let late = late.clone();
            async move {
                late.loads.fetch_add(1, Ordering::SeqCst);
                if late.works.load(Ordering::SeqCst) {
                    Ok(vec![own("delayed", "Loaded")])
                } else {
                    Err("not yet".into())
                }
            }
        })
        .module("unused", move || {
            let first = first.clone();
            async move {
                first.loads.fetch_add(1000, Ordering::SeqCst);
                Ok(Vec::new())
            }
        })
}

pub fn dynamic(modern: Modern) -> Options {
    Options { mode: Mode::Dynamic, modern, ..Options::default() }
}

pub async fn serve(options: Options) -> (Running, Arc<Late>) {
    serve_to(options, NoAuthentication::default()).await
}

pub async fn serve_to(options: Options, authenticator: impl Authenticator) -> (Running, Arc<Late>) {
    let late = Arc::default();
    let server = TestServer::new();
    let toolsets = Toolsets::new(server.clone(), catalog(&late), options).expect("a catalog");
    toolsets.ready().await.expect("ready");
    (Running::around(server, Arc::new(toolsets), Config::default(), authenticator).await, late)
}

pub fn names(reply: &Reply) -> Vec<String> {
    let result = reply.result();
    let tools = result["tools"].as_array().expect("tools");
    tools.iter().map(|tool| tool["name"].as_str().expect("a name").to_owned()).collect()
}

/// One caller of one era.
#[derive(Clone, Copy)]
pub enum Era<'a> {
    Session(&'a str),
    Modern,
    Older,
}

pub async fn request(running: &Running, era: Era<'_>, headers: &[(&str, &str)], method: &str, params: Value) -> Reply {
    match era {
        Era::Session(id) => ask(running, id, headers, method, params).await,
        Era::Modern => running.ask(running.modern(method, params, headers)).await,
        Era::Older => running.ask_older(method, params).await,
    }
}

pub async fn list(running: &Running, era: Era<'_>) -> Vec<String> {
    names(&request(running, era, &[], "tools/list", json!({})).await)
}

pub async fn call(running: &Running, era: Era<'_>, tool: &str, arguments: Value) -> Reply {
    request(running, era, &[], "tools/call", json!({ "name": tool, "arguments": arguments })).await
}

/// The structured answer of a meta-tool, which is its text, too.
pub async fn meta(running: &Running, era: Era<'_>, tool: &str, arguments: Value) -> Value {
    let result = call(running, era, tool, arguments).await.result();
    let text: Value = serde_json::from_str(result["content"][0]["text"].as_str().expect("text")).expect("JSON");
    assert_eq!(text, result["structuredContent"]);
    text
}
