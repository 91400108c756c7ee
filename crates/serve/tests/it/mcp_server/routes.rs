//! What is served beside MCP (S3-70, S3-71).

use std::sync::{Arc, atomic::Ordering};

use http::Method;
use mcp_serve::{
    endpoints::{CustomEndpoint, EndpointRequest, EndpointResponse},
    mcp_server::{Startup, create_mcp_server},
};
use serde_json::{Value, json};

use super::{keys, only, options, serve};
use crate::{
    support::{Reply, Running},
    toolsets::{Era, Late, list},
};

pub async fn get(running: &Running, path: &str, headers: &[(&str, &str)]) -> Reply {
    let mut request = running.request(Method::GET, headers, "");
    *request.uri_mut() = path.parse().expect("a path");
    running.ask(request).await
}

fn json_of(reply: &Reply) -> Value {
    assert_eq!(reply.status, 200, "{reply:?}");
    serde_json::from_str(&reply.text).expect("JSON")
}

#[tokio::test]
async fn health_and_configuration_are_for_everybody() {
    let (_handle, running) = serve(options(&Arc::default()).auth_provider(keys())).await;
    assert_eq!(json_of(&get(&running, "/healthz", &[]).await), json!({ "ok": true }));
    let schema = get(&running, "/.well-known/mcp-config", &[]).await;
    assert_eq!(schema.header("content-type"), "application/schema+json");
    assert_eq!(json_of(&schema)["$schema"], "https://json-schema.org/draft/2020-12/schema");
    let own = json!({ "type": "object", "properties": { "region": { "type": "string" } } });
    let given = own.as_object().expect("an object").clone();
    let (_handle, running) = serve(options(&Arc::default()).with(|config| config.config_schema = Some(given))).await;
    assert_eq!(json_of(&get(&running, "/.well-known/mcp-config", &[]).await), own);
}

/// W2-19: what is served was told to everybody who asked.
#[tokio::test]
async fn the_tools_are_told_to_callers_alone() {
    let late: Arc<Late> = Arc::default();
    late.works.store(true, Ordering::SeqCst);
    let startup = Startup { mode: None, toolsets: only(&["writing", "late"]) };
    let (_handle, running) = serve(options(&late).startup(startup).auth_provider(keys())).await;
    for headers in [&[][..], &[("x-api-key", "key-of-eve")], &[("mcp-client-id", "alice")]] {
        let refused = get(&running, "/tools", headers).await;
        assert_eq!((refused.status.as_u16(), refused.text.contains("writing")), (401, false));
        assert!(!refused.header("www-authenticate").is_empty());
    }
    let told = get(&running, "/tools", &[("x-api-key", "key-of-alice")]).await;
    assert_eq!(told.header("cache-control"), "no-store");
    let status = json_of(&told);
    assert_eq!(status["availableToolsets"], json!(["reading", "writing", "late", "two"]));
    assert_eq!(status["activeToolsets"], json!(["writing", "late"]));
    assert_eq!(status["registeredModules"], json!(["late"]));
    assert_eq!((&status["totalToolsets"], &status["activeCount"]), (&json!(4), &json!(2)));
    let tools = status["tools"].as_array().expect("tools").clone();
    assert!(tools.contains(&json!("writing.send_invoice")) && tools.contains(&json!("late.delayed")), "{tools:?}");
    let by_toolset = json!({ "writing": ["writing.send_invoice"], "late": ["late.delayed"] });
    assert_eq!(status["toolsetToTools"], by_toolset);
}

#[tokio::test]
async fn everything_is_below_the_base_path() {
    let options = options(&Arc::default()).with(|config| config.http.base_path = "/api".to_owned());
    let (_handle, running) = serve(options).await;
    for path in ["/api/healthz", "/healthz"] {
        assert_eq!(json_of(&get(&running, path, &[]).await), json!({ "ok": true }), "{path}");
    }
    assert!(json_of(&get(&running, "/api/tools", &[]).await)["toolsetToTools"]["_meta"].is_array());
    for path in ["/tools", "/.well-known/mcp-config", "/mcp", "/api/other"] {
        assert_eq!(get(&running, path, &[]).await.status, 404, "{path}");
    }
    let mut request = running.modern("tools/list", json!({}), &[]);
    *request.uri_mut() = "/api/mcp".parse().expect("a path");
    assert!(running.ask(request).await.result()["tools"].is_array());
}

#[tokio::test]
async fn routes_of_the_program_stand_beside_ours() {
    let other = || axum::Router::new().route("/hello", axum::routing::get(async || "hello"));
    let ours = other().route("/tools", axum::routing::get(async || "theirs"));
    let (_handle, running) = serve(options(&Arc::default()).http(|http| http.routes = ours)).await;
    assert_eq!(get(&running, "/hello", &[]).await.text, "hello");
    assert_ne!(get(&running, "/tools", &[]).await.text, "theirs");
}

/// W2-8: any page's origin was echoed back.
#[tokio::test]
async fn only_pages_that_were_named_may_call() {
    let evil = [("origin", "https://evil.example")];
    let page = [("origin", "https://app.example")];
    let (_handle, running) = serve(options(&Arc::default())).await;
    let cors = options(&Arc::default()).with(|config| {
        config.http.cors = true;
        config.http.cors_origins = vec!["https://app.example".to_owned()];
    });
    let (_other, open) = serve(cors).await;
    for (running, headers, status) in
        [(&running, evil, 403), (&running, page, 403), (&open, evil, 403), (&open, page, 200)]
    {
        let reply = running.ask(running.modern("tools/list", json!({}), &headers)).await;
        assert_eq!(reply.status, status, "{headers:?}");
        let echoed = if status == 200 { "https://app.example" } else { "" };
        assert_eq!(reply.header("access-control-allow-origin"), echoed);
        for path in ["/tools", "/.well-known/mcp-config"] {
            let reply = get(running, path, &headers).await;
            assert_eq!(reply.status, status, "{headers:?}");
            assert_eq!(reply.header("access-control-allow-origin"), echoed, "{path}");
        }
    }
    assert!(!list(&running, Era::Modern).await.is_empty());
}

/// S3-74, W2-9: an endpoint that only began like one of ours was dropped, and one that is ours is told when the server is made.
#[tokio::test]
async fn endpoints_of_the_program_stand_beside_ours_and_not_in_their_place() {
    let endpoint = |path: &str| {
        CustomEndpoint::get(path, async |request: EndpointRequest| {
            let toolsets = request.toolsets.map(|toolsets| toolsets.allowed);
            Ok::<_, std::io::Error>(EndpointResponse::json(json!({ "by": request.principal.id, "toolsets": toolsets })))
        })
    };
    let under = |path: &str| {
        let options = options(&Arc::default()).auth_provider(keys()).endpoints([endpoint(path).permission_aware()]);
        options.with(|config| config.http.base_path = "/api".to_owned())
    };
    for taken in ["/tools", "/healthz", "/.well-known/mcp-config", "/mcp", "/mcp/reading", "/{any}"] {
        let error = create_mcp_server(under(taken)).await.expect_err(taken).to_string();
        assert!(error.contains("reserved path"), "{taken}: {error}");
    }
    let (_handle, running) = serve(under("/tools-report")).await;
    assert_eq!(get(&running, "/api/tools-report", &[]).await.status, 401);
    let report = json_of(&get(&running, "/api/tools-report", &[("x-api-key", "key-of-bob")]).await);
    assert_eq!(report, json!({ "by": "bob", "toolsets": ["reading", "writing", "late", "two"] }));
}
