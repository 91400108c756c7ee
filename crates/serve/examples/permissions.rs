//! A shop where each caller has the toolsets that they are permitted, and nothing else.
//!
//! `MCP_KEYS='{"a-long-key": "alice"}' cargo run -p mcp-serve --example permissions -- --listen 127.0.0.1:9090`
//!
//! Permissions are what is typed, one caller a line: `alice orders billing`. They count from the next request on.

#![expect(clippy::print_stdout, reason = "what it is asked on standard input it answers on standard output")]

#[path = "listen/mod.rs"]
mod listen;

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use mcp_serve::{
    BearerTokens, BoxFuture, KeyList, Principal, ToolResult,
    mcp_server::{HttpConfig, McpServerHandle, PermissionBasedOptions, create_permission_based_mcp_server},
    model::Tool,
    toolsets::{Catalog, ModuleError, OwnTool, PermissionResolver, Toolset},
};
use serde_json::{Map, Value};

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn tool(name: &'static str, description: &'static str) -> OwnTool {
    let schema = Map::from_iter([("type".to_owned(), Value::from("object"))]);
    OwnTool::new(Tool::new(name, description, schema), move |caller, _arguments| async move {
        Ok(ToolResult::text(format!("{name} for {}", caller.principal.id)))
    })
}

fn catalog() -> Catalog {
    Catalog::new()
        .toolset(Toolset::new("orders", "Look orders up").own(tool("find", "Find an order")))
        .toolset(Toolset::new("billing", "Bills and refunds").own(tool("refund", "Pay money back")))
}

// ANCHOR: resolver
/// Who may do what; yours asks your own directory.
#[derive(Debug, Clone, Default)]
pub struct Directory(Arc<RwLock<HashMap<String, Vec<String>>>>);

impl Directory {
    pub fn permit(&self, user: &str, toolsets: &[&str]) {
        let toolsets = toolsets.iter().map(ToString::to_string).collect();
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(user.to_owned(), toolsets);
    }
}

impl PermissionResolver for Directory {
    fn resolve<'a>(&'a self, caller: &'a Principal) -> BoxFuture<'a, Result<Option<Vec<String>>, ModuleError>> {
        Box::pin(async move { Ok(self.0.read().unwrap_or_else(PoisonError::into_inner).get(&caller.id).cloned()) })
    }
}
// ANCHOR_END: resolver

// ANCHOR: permissions
pub async fn start(keys: KeyList, directory: Directory, http: HttpConfig) -> Result<McpServerHandle, Failure> {
    let options = PermissionBasedOptions::default()
        .catalog(catalog())
        .auth_provider(BearerTokens::new(keys))
        .resolver(directory)
        .with(|config| config.http = http);
    let server = create_permission_based_mcp_server(options).await?;
    server.start().await?;
    Ok(server)
}
// ANCHOR_END: permissions

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let keys = std::env::var("MCP_KEYS").map_err(|_| "set MCP_KEYS to {\"key\": \"principal\"}")?;
    let directory = Directory::default();
    let server = start(KeyList::parse(&keys)?, directory.clone(), HttpConfig::at(listen::address()?)).await?;
    eprintln!("listening on http://{}/mcp", server.local_addr().ok_or("it was started")?);
    // A thread of its own, which nobody waits for: it may wait for a line for ever.
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            let mut words = line.split_whitespace();
            if let Some(user) = words.next() {
                directory.permit(user, &words.collect::<Vec<_>>());
                println!("{user}: done");
            }
        }
    });
    listen::until_interrupted().await;
    Ok(server.close().await?)
}
