//! What `per_bearer_prototype` does, with rmcp and axum alone: for comparison (S4-44).
//!
//! It lacks what the other has besides: events, statistics, limits, updates, removal, 2026-07-28 without a task per request,
//! and sessions that are bound to their token: here another token may use them.

mod listen;

use std::{collections::HashMap, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{HeaderValue, Request, Response, StatusCode, header},
};
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorCode, JsonObject, ListToolsResult,
        PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
    },
    service::RequestContext,
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
    },
};

// ANCHOR: raw
#[derive(Clone)]
struct Hello;

impl ServerHandler for Hello {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let mut schema = JsonObject::new();
        schema.insert("type".to_owned(), "object".into());
        Ok(ListToolsResult::with_all_items(vec![Tool::new("hello", "Says hello", schema)]))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        if request.name != "hello" {
            return Err(ErrorData::new(ErrorCode::INVALID_PARAMS, format!("Unknown tool: {}", request.name), None));
        }
        Ok(CallToolResult::success(vec![ContentBlock::text("hello")]).into())
    }
}

type Service = StreamableHttpService<Hello, LocalSessionManager>;

fn service() -> Service {
    StreamableHttpService::new(
        || Ok(Hello),
        Arc::new(LocalSessionManager::default()),
        StreamableHttpServerConfig::default(),
    )
}

async fn route(State(servers): State<Arc<HashMap<String, Service>>>, request: Request<Body>) -> Response<Body> {
    let credential = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let server = credential.and_then(|value| value.strip_prefix("Bearer ")).and_then(|token| servers.get(token));
    match server {
        Some(server) => server.handle(request).await.map(Body::new),
        None => {
            let mut refused = Response::new(Body::empty());
            *refused.status_mut() = StatusCode::UNAUTHORIZED;
            let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
            refused.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
            refused
        }
    }
}

async fn start(address: std::net::SocketAddr) -> std::io::Result<()> {
    let servers = HashMap::from([("test".to_owned(), service())]);
    let app = Router::new().route("/mcp", axum::routing::any(route)).with_state(Arc::new(servers));
    let listener = tokio::net::TcpListener::bind(address).await?;
    eprintln!("listening on http://{}/mcp", listener.local_addr()?);
    axum::serve(listener, app).with_graceful_shutdown(listen::until_interrupted()).await
}
// ANCHOR_END: raw

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    Ok(start(listen::address()?).await?)
}
