//! The server of one user. It knows nothing of who serves it: not a name in here is of the wrapper.

// ANCHOR: imports
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorCode, Implementation, JsonObject,
        ListToolsResult, PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
    },
    service::RequestContext,
};
use serde_json::{Value, json};
use tokio::{net::TcpStream, sync::OnceCell};
// ANCHOR_END: imports

// ANCHOR: options
/// What may be set about a server, whoever it is for.
#[derive(Debug, Clone, Default)]
pub struct ServerOptions {
    pub name: Option<String>,
    pub version: Option<String>,
}
// ANCHOR_END: options

#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    #[error("userId is required")]
    UserRequired,
    #[error("Database initialization failed: {0}")]
    Database(std::io::Error),
}

// ANCHOR: init
static DATABASE: OnceCell<Arc<Database>> = OnceCell::const_new();

/// Connects once for the whole process. Whoever comes meanwhile waits; after a failure the next one tries again.
pub async fn ensure_databases_initialized() -> Result<Arc<Database>, CreateError> {
    let connect = || async { Database::connect().await.map_err(CreateError::Database) };
    DATABASE.get_or_try_init(connect).await.cloned()
}
// ANCHOR_END: init

/// Stands for a real one, so that the example needs none. Notes are kept here; `DATABASE` says where to connect to anyway.
#[derive(Debug, Default)]
pub struct Database {
    notes: Mutex<BTreeMap<String, Vec<String>>>,
    _connection: Option<TcpStream>,
}

/// How often it was connected to.
#[cfg(test)]
static CONNECTIONS: AtomicU64 = AtomicU64::new(0);

impl Database {
    async fn connect() -> std::io::Result<Arc<Self>> {
        #[cfg(test)]
        CONNECTIONS.fetch_add(1, Ordering::SeqCst);
        let connection = match std::env::var("DATABASE") {
            Ok(address) => Some(TcpStream::connect(address).await?),
            Err(_) => None,
        };
        Ok(Arc::new(Self { notes: Mutex::default(), _connection: connection }))
    }
}

// ANCHOR: scope
/// The notes of one user. There is no way to any notes but through a user id.
#[derive(Debug, Clone)]
struct Notes {
    database: Arc<Database>,
    user_id: String,
}

impl Notes {
    fn of(database: Arc<Database>, user_id: String) -> Self {
        Self { database, user_id }
    }

    fn add(&self, text: &str) -> usize {
        let mut all = self.database.notes.lock().unwrap_or_else(PoisonError::into_inner);
        let own = all.entry(self.user_id.clone()).or_default();
        own.push(text.to_owned());
        own.len()
    }

    fn list(&self) -> Vec<String> {
        let all = self.database.notes.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&self.user_id).cloned().unwrap_or_default()
    }
}
// ANCHOR_END: scope

// ANCHOR: create
/// The server of one user, connected to no transport. Two calls give two servers, also for the same user.
///
/// `access_token` is the user's token for the API that the tools call; it is empty where there is none.
pub async fn create_server(
    access_token: &str,
    user_id: &str,
    options: ServerOptions,
) -> Result<NotesServer, CreateError> {
    if user_id.trim().is_empty() {
        return Err(CreateError::UserRequired);
    }
    let database = ensure_databases_initialized().await?;
    Ok(NotesServer {
        name: options.name.unwrap_or_else(|| "my-mcp-server".to_owned()),
        version: options.version.unwrap_or_else(|| "0.1.0".to_owned()),
        notes: Notes::of(database, user_id.to_owned()),
        has_token: !access_token.is_empty(),
        calls: AtomicU64::new(0),
    })
}
// ANCHOR_END: create

// ANCHOR: server
#[derive(Debug)]
pub struct NotesServer {
    name: String,
    version: String,
    notes: Notes,
    has_token: bool,
    /// State of this server, and so of this user.
    calls: AtomicU64,
}

impl NotesServer {
    /// Handlers get at data through `self.notes` only, and so at this user's only.
    fn handle(&self, tool: &str, arguments: &JsonObject) -> Result<Value, ToolError> {
        let calls = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        match tool {
            "hello_computer" => Ok(json!({ "hello": self.notes.user_id, "calls": calls, "linked": self.has_token })),
            "add_note" => {
                let text = arguments.get("text").and_then(Value::as_str).filter(|text| !text.is_empty());
                let text = text.ok_or_else(|| ToolError::Failed("`text` is missing".to_owned()))?;
                Ok(json!({ "notes": self.notes.add(text) }))
            }
            "list_notes" => Ok(json!({ "notes": self.notes.list() })),
            unknown => Err(ToolError::Unknown(unknown.to_owned())),
        }
    }
}

/// Why there is no answer: what the protocol has an error for, and what the model is told.
enum ToolError {
    Unknown(String),
    Failed(String),
}

impl ServerHandler for NotesServer {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new(self.name.clone(), self.version.clone()))
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let schema = |schema: Value| schema.as_object().expect("an object").clone();
        let nothing = schema(json!({ "type": "object", "additionalProperties": false }));
        let text =
            schema(json!({ "type": "object", "properties": { "text": { "type": "string" } }, "required": ["text"] }));
        Ok(ListToolsResult::with_all_items(vec![
            Tool::new("hello_computer", "Says hello", nothing.clone()),
            Tool::new("add_note", "Keeps a note", text),
            Tool::new("list_notes", "Lists your notes", nothing),
        ]))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        match self.handle(&request.name, &request.arguments.unwrap_or_default()) {
            Ok(answer) => Ok(CallToolResult::success(vec![ContentBlock::text(answer.to_string())]).into()),
            Err(ToolError::Unknown(name)) => {
                Err(ErrorData::new(ErrorCode::INVALID_PARAMS, format!("Unknown tool: {name}"), None))
            }
            // The model can act on it.
            Err(ToolError::Failed(message)) => {
                let text = format!("Tool execution failed: {message}");
                Ok(CallToolResult::error(vec![ContentBlock::text(text)]).into())
            }
        }
    }
}
// ANCHOR_END: server

#[cfg(test)]
mod tests {
    use super::*;

    // S2-56: the four unit tests of the pattern.

    /// S2-1, S2-4: configured, and connected to nothing.
    #[tokio::test]
    async fn should_create_server_instance_with_valid_parameters() {
        let server = create_server("test-token", "user123", ServerOptions::default()).await.expect("a server");
        assert_eq!(server.notes.user_id, "user123");
        let info = server.get_info();
        assert_eq!((&*info.server_info.name, &*info.server_info.version), ("my-mcp-server", "0.1.0"));
        assert!(info.capabilities.tools.is_some());
    }

    /// S2-2.
    #[tokio::test]
    async fn should_require_user_id() {
        for nobody in ["", " ", "\t\n"] {
            let error = create_server("token", nobody, ServerOptions::default()).await.expect_err("nobody");
            assert_eq!(error.to_string(), "userId is required");
        }
    }

    /// S2-5, S2-22, S2-24.
    #[tokio::test]
    async fn should_create_separate_instances_for_different_users() {
        let first = create_server("token1", "user1", ServerOptions::default()).await.expect("a server");
        let second = create_server("token2", "user2", ServerOptions::default()).await.expect("a server");
        first.handle("add_note", json!({ "text": "a secret" }).as_object().expect("an object")).ok().expect("kept");
        let seen = second.handle("list_notes", &JsonObject::new()).ok().expect("a list");
        assert_eq!(seen, json!({ "notes": [] }));
        // Its state is its own, also for the same user (S2-5).
        let again = create_server("token1", "user1", ServerOptions::default()).await.expect("a server");
        let hello = again.handle("hello_computer", &JsonObject::new()).ok().expect("an answer");
        assert_eq!(hello["calls"], 1);
    }

    /// S2-4; S2-3: without a token resolver there is no token.
    #[tokio::test]
    async fn should_accept_custom_options() {
        let options = ServerOptions { name: Some("custom-name".to_owned()), version: Some("2.0.0".to_owned()) };
        let server = create_server("", "user123", options).await.expect("a server");
        let info = server.get_info();
        assert_eq!((&*info.server_info.name, &*info.server_info.version), ("custom-name", "2.0.0"));
    }

    #[tokio::test]
    async fn databases_are_initialised_once_however_many_come_at_once() {
        let all =
            (0..100).map(|n| async move { create_server("", &format!("user{n}"), ServerOptions::default()).await });
        assert!(futures_util::future::join_all(all).await.iter().all(Result::is_ok));
        assert_eq!(CONNECTIONS.load(Ordering::SeqCst), 1);
    }
}
