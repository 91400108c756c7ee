//! What requests say of their circumstances, in these servers (S3-11, S3-75).

use std::sync::Arc;

use mcp_serve::{
    TenantContext, ToolResult,
    mcp_server::{CreateError, McpServerConfig, McpServerOptions, Startup, create_mcp_server},
    model::Tool,
    toolsets::{Catalog, Initial, Mode, OwnTool, Toolset},
};
use serde_json::{Map, Value, json};

use super::{anywhere, keys, options, routes::get, serve};
use crate::support::Running;

fn config(file: Value) -> McpServerConfig {
    let mut config = McpServerConfig::from_json(&file.to_string()).expect("reads");
    config.http = anywhere();
    config
}

fn by_header() -> Value {
    json!({ "header": { "name": "x-shop", "encoding": "json", "allowedKeys": ["region"] } })
}

/// What a caller in a region finds: a toolset of that region.
fn regional(caller: &TenantContext) -> Catalog {
    let region = caller.context.get("region").and_then(Value::as_str).unwrap_or("nowhere").to_owned();
    let tool = OwnTool::new(Tool::new("where", format!("In {region}"), Map::new()), move |cx, _| {
        let answer = format!("{} in {region}", cx.principal.id);
        async move { Ok(ToolResult::text(answer)) }
    });
    Catalog::new().toolset(Toolset::new("shop", "A shop").own(tool))
}

async fn place(running: &Running, user: &str, context: &str) -> String {
    let key = format!("key-of-{user}");
    let headers = [("x-api-key", key.as_str()), ("x-shop", context)];
    let call = async |params: Value| running.ask(running.modern("tools/call", params, &headers)).await.result();
    let enabled = call(json!({ "name": "enable_toolset", "arguments": { "name": "shop" } })).await;
    let activation = &enabled["structuredContent"]["activation"];
    let answer =
        call(json!({ "name": "call_tool", "arguments": { "tool": "shop.where", "activation": activation } })).await;
    answer["content"][0]["text"].as_str().expect("text").to_owned()
}

/// W2-12: two contexts of one caller never share a bundle, and two callers of one context do not either.
#[tokio::test]
async fn a_dynamic_server_is_made_for_its_context() {
    let options = McpServerOptions::default().catalog_for(regional).auth_provider(keys());
    let (handle, running) = serve(options.config(config(json!({ "sessionContext": by_header() })))).await;
    for _ in 0..2 {
        assert_eq!(place(&running, "alice", r#"{"region": "north"}"#).await, "alice in north");
        assert_eq!(place(&running, "alice", r#"{"region": "south", "admin": true}"#).await, "alice in south");
        assert_eq!(place(&running, "bob", r#"{"region": "north"}"#).await, "bob in north");
        assert_eq!(place(&running, "bob", "nonsense").await, "bob in nowhere");
    }
    assert_eq!(handle.bundles().expect("bundles").builds, 4);
    let schema: Value = serde_json::from_str(&get(&running, "/.well-known/mcp-config", &[]).await.text).expect("JSON");
    assert_eq!(schema["properties"], json!({ "region": {} }));
}

/// S3-11: a warning, not an error; none where it is not enabled.
#[tokio::test]
async fn a_static_server_warns_of_a_context() {
    let made = async |context: Value| {
        let startup = Startup { mode: Some(Mode::Static), toolsets: Initial::Only(Vec::new()) };
        let options = options(&Arc::default()).config(config(json!({ "sessionContext": context })));
        create_mcp_server(options.startup(startup)).await.expect("is made").warnings().to_vec()
    };
    let warnings = made(by_header()).await;
    assert!(matches!(&*warnings, [warning] if warning.contains("STATIC")), "{warnings:?}");
    let mut disabled = by_header();
    disabled["enabled"] = json!(false);
    assert!(made(disabled).await.is_empty());
}

/// W2-18: a URL is in every log on its way. S3-75: what may be said is listed.
#[tokio::test]
async fn secrets_in_urls_and_contexts_of_any_keys_are_refused_when_the_server_is_made() {
    for query in [json!({ "allowedKeys": ["region", "apiKey"] }), json!({ "allowedKeys": [] })] {
        let options = options(&Arc::default()).config(config(json!({ "sessionContext": { "queryParam": query } })));
        let error = create_mcp_server(options).await.expect_err("is refused");
        assert!(matches!(error, CreateError::SessionContext(_)), "{error}");
    }
    let unknown = json!({ "sessionContext": { "queryParams": {} } });
    let error = McpServerConfig::from_json(&unknown.to_string()).expect_err("is refused").to_string();
    assert!(error.contains("did you mean `queryParam`?"), "{error}");
}
