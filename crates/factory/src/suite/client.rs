//! A server on a free loopback port, and MCP clients that call it.

use std::{collections::HashMap, fmt, net::SocketAddr, sync::Arc, time::Instant};

use axum::http::request::Parts;
use mcp_factory_engine::Engine;
use mcp_factory_spec::{Spec, json_schema};
use mcp_serve::{Authentication, Authenticator, Challenge, Limits, Principal, http, tokens::Secret};
use rmcp::{
    RoleClient,
    model::{CallToolRequestParams, ProtocolVersion, Tool},
    service::{ClientLifecycleMode, ClientServiceExt as _, RunningService, ServiceError},
    transport::{StreamableHttpClientTransport, streamable_http_client::StreamableHttpClientTransportConfig},
};
use serde_json::{Map, Value};
use tokio::{sync::oneshot, task::JoinHandle};

use super::{
    Error, cases,
    report::{Outcome, Report, Row},
};
use crate::tester::tester;

/// How the client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Era {
    Modern,
    Sessions,
}

impl Era {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Modern => "2026-07-28",
            Self::Sessions => "2025-11-25",
        }
    }

    fn lifecycle(self) -> ClientLifecycleMode {
        match self {
            Self::Modern => ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] },
            Self::Sessions => ClientLifecycleMode::Initialize,
        }
    }
}

/// Who the examples' callers are, by the keys of their examples.
#[derive(Debug, Default)]
pub struct Callers(HashMap<String, Arc<Principal>>);

impl Callers {
    pub fn of(spec: &Spec) -> Self {
        let mut callers = HashMap::new();
        for (position, tool) in spec.tools.iter().enumerate() {
            for (number, example) in tool.examples.iter().enumerate() {
                let Some(caller) = &example.principal else { continue };
                callers.insert(cases::caller(position, number), tester(Some(caller)));
            }
        }
        Self(callers)
    }
}

/// Others on this machine reach the port too: who asks knows the secret of this test, and says behind it as whom.
#[derive(Debug)]
struct Guard {
    secret: Secret,
    callers: Callers,
}

fn credential(secret: &Secret, caller: Option<&str>) -> String {
    format!("{}:{}", secret.reveal(), caller.unwrap_or_default())
}

impl Authenticator for Guard {
    fn authenticate<'a>(&'a self, head: &'a Parts) -> Authentication<'a> {
        let value = head.headers.get(axum::http::header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let said = value.and_then(|value| value.strip_prefix("Bearer ")).and_then(|said| said.split_once(':'));
        let known = said.filter(|(secret, _)| *secret == self.secret.reveal()).and_then(|(_, caller)| match caller {
            "" => Some(tester(None)),
            caller => self.callers.0.get(caller).cloned(),
        });
        Authentication::Ready(known.ok_or_else(|| Challenge::malformed("no such caller", "this is a test")))
    }
}

/// A server that lives as long as the test.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    secret: Secret,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<http::Summary, http::ServeError>>,
}

impl Server {
    pub async fn start(spec: &Spec, engine: Engine, callers: Callers) -> Result<Self, Error> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.map_err(Error::Listen)?;
        let address = listener.local_addr().map_err(Error::Listen)?;
        let secret = Secret::generate();
        let guard = Arc::new(Guard { secret: secret.clone(), callers });
        let (stop, stopped) = oneshot::channel();
        // The tests of a large spec are more calls than one caller may make in a minute.
        let limits = Limits { rate: None, ..mcp_factory_engine::limits(spec) };
        let config = http::Config { limits, ..http::Config::default() };
        let task = tokio::spawn(async move {
            http::serve(Arc::new(engine), listener, guard, config, async {
                let _ = stopped.await;
            })
            .await
        });
        Ok(Self { address, secret, stop, task })
    }

    pub async fn stop(self) {
        let _ = self.stop.send(());
        let _ = self.task.await;
    }
}

#[derive(Debug)]
pub struct Client(RunningService<RoleClient, ()>);

impl Client {
    pub async fn connect(server: &Server, era: Era, caller: Option<&str>) -> Result<Self, Error> {
        let config = StreamableHttpClientTransportConfig::with_uri(format!("http://{}/mcp", server.address))
            .auth_header(credential(&server.secret, caller));
        let transport = StreamableHttpClientTransport::from_config(config);
        let service = ().serve_with_lifecycle(transport, era.lifecycle()).await;
        service.map(Self).map_err(|source| Error::NoAnswer { era: era.as_str(), source: Box::new(source) })
    }

    /// Dropping it tells the server that nobody waits any longer.
    pub async fn call(&self, tool: &str, arguments: Map<String, Value>) -> Result<Answer, CallError> {
        let params = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments);
        let result = self.0.call_tool(params).await?;
        let text: Vec<&str> =
            result.content.iter().filter_map(|block| block.as_text()).map(|text| text.text.as_str()).collect();
        Ok(Answer {
            is_error: result.is_error == Some(true),
            text: text.join("\n"),
            structured: result.structured_content.clone(),
            whole: serde_json::to_value(&result).unwrap_or_default(),
        })
    }

    pub async fn close(self) {
        let _ = self.0.cancel().await;
    }
}

/// One client for each caller.
#[derive(Debug)]
pub struct Clients<'a> {
    server: &'a Server,
    era: Era,
    clients: HashMap<Option<String>, Client>,
    /// What the list says of the tools' answers.
    output_schemas: HashMap<String, Value>,
}

impl<'a> Clients<'a> {
    pub fn new(server: &'a Server, era: Era) -> Self {
        Self { server, era, clients: HashMap::new(), output_schemas: HashMap::new() }
    }

    pub async fn of(&mut self, caller: Option<&str>) -> Result<&Client, Error> {
        let key = caller.map(str::to_owned);
        if !self.clients.contains_key(&key) {
            let client = Client::connect(self.server, self.era, caller).await?;
            self.clients.insert(key.clone(), client);
        }
        Ok(&self.clients[&key])
    }

    /// The lists that a client sees first, as far as the server has something to list.
    pub async fn check_lists(&mut self, spec: &Spec, report: &mut Report) -> Result<(), Error> {
        let era = self.era;
        let service = &self.of(None).await?.0;
        let mut schemas = HashMap::new();
        let mut add = |what: &str, start: Instant, listed: Result<(), ServiceError>| {
            let outcome = listed.map_or_else(|error| Outcome::Failed(error.to_string()), |()| Outcome::Passed);
            report.add(Row::of_protocol(era, &format!("lists its {what}"), outcome, start.elapsed()));
        };
        if !spec.tools.is_empty() {
            let start = Instant::now();
            let schema = |tool: Tool| Some((tool.name.into_owned(), Value::Object((*tool.output_schema?).clone())));
            let listed = service.list_all_tools().await;
            add("tools", start, listed.map(|tools| schemas = tools.into_iter().filter_map(schema).collect()));
        }
        if !spec.resources.is_empty() {
            let start = Instant::now();
            let listed = match service.list_all_resources().await {
                Ok(_) => service.list_all_resource_templates().await.map(drop),
                Err(error) => Err(error),
            };
            add("resources", start, listed);
        }
        if !spec.prompts.is_empty() {
            let start = Instant::now();
            add("prompts", start, service.list_all_prompts().await.map(drop));
        }
        self.output_schemas = schemas;
        Ok(())
    }

    /// What keeps clients that check answers from taking this one.
    pub fn misfit(&self, tool: &str, answer: &Answer) -> Option<String> {
        let schema = self.output_schemas.get(tool).filter(|_| !answer.is_error)?;
        let Some(value) = &answer.structured else {
            return Some("the tool has an output schema, and this answer has no structured content".to_owned());
        };
        let validator = json_schema::compile(schema).ok()?;
        let error = validator.validate(value).err()?;
        Some(format!("the answer does not fit `returns`, at `{}`: {error}", error.instance_path()))
    }

    pub async fn close(self) {
        for client in self.clients.into_values() {
            client.close().await;
        }
    }
}

/// What a tool answered.
#[derive(Debug, Clone)]
pub struct Answer {
    pub is_error: bool,
    pub text: String,
    structured: Option<Value>,
    whole: Value,
}

impl Answer {
    /// What `expect` is matched against.
    pub fn value(&self) -> Value {
        self.structured.clone().unwrap_or_else(|| Value::String(self.text.clone()))
    }

    /// The whole result, as the protocol has it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        self.whole.clone()
    }
}

/// The call did not reach the tool.
#[derive(Debug)]
pub enum CallError {
    Protocol { code: i32, message: String },
    Transport(ServiceError),
}

impl std::error::Error for CallError {}

impl From<ServiceError> for CallError {
    fn from(error: ServiceError) -> Self {
        match error {
            ServiceError::McpError(error) => Self::Protocol { code: error.code.0, message: error.message.into_owned() },
            other => Self::Transport(other),
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Protocol { code, message } => write!(f, "{message} ({code})"),
            Self::Transport(error) => write!(f, "{error}"),
        }
    }
}
