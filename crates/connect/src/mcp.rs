//! Another MCP server, as far as its tools go: which there are, and calls of them. Over HTTP or as a program on stdio, in the
//! current protocol (2026-07-28) where it speaks that, else in the older ones, with a session.
//!
//! Nothing is offered to it: no sampling, no elicitation, no roots. What it asks of us is refused, so that it can't reach
//! whoever calls. Its answers are bounded in bytes and time, and what it says of itself is data.

mod over_http;
mod stdio;

use std::{path::Path, sync::Arc, time::Duration};

use serde_json::{Map, Value, json};
use tokio::sync::Mutex;
use url::{Host, Url};

use crate::{
    Denied, Policy, Secrets, address,
    command::{Program, ProgramError},
    http,
};

const CURRENT: &str = "2026-07-28";
/// Asked of those that don't speak the current one.
const OLDER: &str = "2025-11-25";
/// All of a list of tools.
const MOST_TOOLS: usize = 5_000;
const MOST_PAGES: usize = 200;
/// One message of a list, or of the beginning.
const LARGEST_LIST: usize = 16 << 20;

/// Shared by all calls. It is talked to when the first one comes.
#[derive(Debug)]
pub struct Server {
    name: String,
    way: Way,
    /// What it speaks, when that is known.
    era: Mutex<Option<Era>>,
}

#[derive(Debug)]
enum Way {
    Http(Box<over_http::Endpoint>),
    Program(Box<stdio::Program>),
}

/// What a server speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Era {
    Current,
    /// With the session it gave, if it gave one.
    Older {
        version: String,
        session: Option<String>,
        generation: u64,
    },
}

/// What a request may cost.
#[derive(Debug, Clone)]
pub struct Bounds {
    pub timeout: Duration,
    /// Of the whole answer.
    pub max_bytes: usize,
    /// On whose behalf.
    pub caller: Option<String>,
}

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Http(#[from] http::Error),
    #[error("the MCP server `{server}` answers {status}")]
    Status { server: String, status: u16 },
    /// It answers, and it answers no.
    #[error("the MCP server `{server}` refuses: {message}")]
    Refused { server: String, code: i64, message: String },
    #[error("the MCP server `{server}` did not answer in time")]
    TimedOut { server: String },
    /// `complaints` are the end of what it wrote to standard error: for whoever runs it, and in no message.
    #[error("the MCP server `{server}` ended before it answered{how}")]
    Ended { server: String, how: String, complaints: String },
    #[error("the MCP server `{server}` {what}")]
    Broken { server: String, what: String },
}

/// One request, in the era's own form.
struct Message<'m> {
    method: &'m str,
    params: Map<String, Value>,
    bounds: &'m Bounds,
}

/// What came of a request.
enum Reply {
    Result(Value),
    Error {
        code: i64,
        message: String,
    },
    /// The session is gone; another one has to begin.
    Gone,
    /// Over HTTP, a status without a message of the protocol.
    Status(u16),
}

impl Server {
    /// At a URL. Whoever writes one of a private address means it; that it is granted is checked.
    pub fn at(
        url: &Url,
        config: http::ClientConfig,
        secrets: Arc<dyn Secrets>,
        policy: Arc<Policy>,
    ) -> Result<Self, Denied> {
        let config = http::ClientConfig {
            base: http::Base::Url(url.origin().ascii_serialization()),
            allow_private_network: is_private(url),
            kept_bytes: 0,
            ..config
        };
        let client = http::Client::new(config, secrets, policy)?;
        let (name, path) = (client.name().to_owned(), url.path().to_owned());
        let endpoint = over_http::Endpoint { client, path, query: url.query().map(str::to_owned) };
        Ok(Self { name, way: Way::Http(Box::new(endpoint)), era: Mutex::default() })
    }

    /// A program with its arguments, started in `folder` by the first call and ended with this. Of our environment it is given
    /// what a program needs to run at all, and nothing that may be a secret.
    pub fn program(name: &str, argv: &[String], folder: &Path, policy: &Policy) -> Result<Self, ProgramError> {
        let (program, arguments) = argv.split_first().map_or(("", argv), |(first, rest)| (&**first, rest));
        let program = Program::find(program, folder, policy)?;
        let of_ours = |name: &str| Some((name.to_owned(), std::env::var(name).ok()?));
        let environment = ["PATH", "HOME", "LANG", "TMPDIR"].into_iter().filter_map(of_ours).collect();
        let start = stdio::Start { program, arguments: arguments.to_vec(), folder: folder.to_owned(), environment };
        let way = Way::Program(Box::new(stdio::Program::new(name.to_owned(), start)));
        Ok(Self { name: name.to_owned(), way, era: Mutex::default() })
    }

    /// All tools, as the server describes them.
    pub async fn tools(&self, bounds: &Bounds) -> Result<Vec<Value>, Error> {
        let bounds = &Bounds { max_bytes: LARGEST_LIST, ..bounds.clone() };
        let mut tools: Vec<Value> = Vec::new();
        let mut cursor = None;
        for _ in 0..MOST_PAGES {
            let mut params = Map::new();
            params.extend(cursor.take().map(|cursor: Value| ("cursor".to_owned(), cursor)));
            let mut page = self.ask(&Message { method: "tools/list", params, bounds }).await?;
            if let Value::Array(listed) = page["tools"].take() {
                tools.extend(listed);
            }
            if tools.len() > MOST_TOOLS {
                return Err(self.broken(format!("lists more than {MOST_TOOLS} tools")));
            }
            match page["nextCursor"].take() {
                next @ Value::String(_) => cursor = Some(next),
                _ => return Ok(tools),
            }
        }
        Err(self.broken("lists its tools without an end"))
    }

    /// The result of a call, as the server gives it.
    pub async fn call(&self, tool: &str, arguments: Map<String, Value>, bounds: &Bounds) -> Result<Value, Error> {
        let params = [("name".to_owned(), tool.into()), ("arguments".to_owned(), arguments.into())];
        self.ask(&Message { method: "tools/call", params: params.into_iter().collect(), bounds }).await
    }

    async fn ask(&self, message: &Message<'_>) -> Result<Value, Error> {
        let work = async {
            let mut era = self.era(None, message.bounds).await?;
            // A server that was started anew has forgotten its sessions; that is found out once.
            for attempt in 0..2 {
                match self.send(message, &era).await? {
                    Reply::Result(result) => return Ok(result),
                    Reply::Gone if attempt == 0 => era = self.era(Some(&era), message.bounds).await?,
                    reply => return Err(self.refused(reply)),
                }
            }
            Err(self.broken("forgets its sessions"))
        };
        let timed_out = |_| Error::TimedOut { server: self.name.clone() };
        tokio::time::timeout(message.bounds.timeout, work).await.map_err(timed_out)?
    }

    /// What it speaks; asked again where `gone` is what was believed.
    async fn era(&self, gone: Option<&Era>, bounds: &Bounds) -> Result<Era, Error> {
        let mut known = self.era.lock().await;
        if let Some(era) = known.as_ref().filter(|era| Some(*era) != gone && self.is_alive(era)) {
            return Ok(era.clone());
        }
        *known = None;
        let bounds = &Bounds { max_bytes: LARGEST_LIST, ..bounds.clone() };
        let mut generation = self.begin().await?;
        let discover = Message { method: "server/discover", params: Map::new(), bounds };
        let speaks = |result: &Value| {
            let versions = result["supportedVersions"].as_array();
            versions.is_some_and(|versions| versions.iter().any(|version| version == CURRENT))
        };
        let discovered = self.discover(&discover).await?;
        if discovered.is_none() {
            // It may still answer, and hold us to what it then believes.
            generation = self.begin().await?;
        }
        let is_current = matches!(discovered, Some(Reply::Result(result)) if speaks(&result));
        let era = if is_current && generation.is_none() {
            Era::Current
        } else if is_current {
            // A program that ends takes what was known of it along.
            Era::Older { version: CURRENT.to_owned(), session: None, generation: generation.unwrap_or_default() }
        } else {
            self.initialize(generation.unwrap_or_default(), bounds).await?
        };
        *known = Some(era.clone());
        Ok(era)
    }

    /// The handshake of the older protocols.
    async fn initialize(&self, generation: u64, bounds: &Bounds) -> Result<Era, Error> {
        let params = json!({
            "protocolVersion": OLDER,
            "capabilities": {},
            "clientInfo": { "name": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION") },
        });
        let Value::Object(params) = params else { return Err(self.broken("can't be asked")) };
        let message = Message { method: "initialize", params, bounds };
        let unknown = Era::Older { version: String::new(), session: None, generation };
        let (reply, session) = match &self.way {
            Way::Http(endpoint) => endpoint.send(&message, &unknown).await?,
            Way::Program(program) => match program.send(&message, &unknown).await? {
                // It was started for this.
                Reply::Gone => return Err(program.gone().await),
                reply => (reply, None),
            },
        };
        let Reply::Result(result) = reply else { return Err(self.refused(reply)) };
        let version = result["protocolVersion"].as_str().unwrap_or(OLDER).to_owned();
        let era = Era::Older { version, session, generation };
        match &self.way {
            Way::Http(endpoint) => endpoint.notify("notifications/initialized", &era, bounds).await?,
            Way::Program(program) => program.notify("notifications/initialized").await?,
        }
        Ok(era)
    }

    /// `None` where an older server may well be silent about what it doesn't know.
    async fn discover(&self, message: &Message<'_>) -> Result<Option<Reply>, Error> {
        match &self.way {
            Way::Http(endpoint) => Ok(Some(endpoint.send(message, &Era::Current).await?.0)),
            Way::Program(program) => {
                // To start may take it a while.
                let patience = (message.bounds.timeout / 2).min(Duration::from_secs(15));
                match tokio::time::timeout(patience, program.send(message, &Era::Current)).await {
                    Ok(Ok(Reply::Gone)) => Err(program.gone().await),
                    Ok(reply) => reply.map(Some),
                    Err(_) => Ok(None),
                }
            }
        }
    }

    /// Starts a program that does not run; its number, if this is one.
    async fn begin(&self) -> Result<Option<u64>, Error> {
        match &self.way {
            Way::Http(_) => Ok(None),
            Way::Program(program) => program.begin().await.map(Some),
        }
    }

    fn is_alive(&self, era: &Era) -> bool {
        match (&self.way, era) {
            (Way::Program(program), Era::Older { generation, .. }) => program.is_alive(*generation),
            _ => true,
        }
    }

    async fn send(&self, message: &Message<'_>, era: &Era) -> Result<Reply, Error> {
        match &self.way {
            Way::Http(endpoint) => Ok(endpoint.send(message, era).await?.0),
            Way::Program(program) => program.send(message, era).await,
        }
    }

    fn refused(&self, reply: Reply) -> Error {
        let server = self.name.clone();
        match reply {
            Reply::Error { code, message } => Error::Refused { server, code, message },
            Reply::Status(status) => Error::Status { server, status },
            Reply::Gone | Reply::Result(_) => self.broken("forgets its sessions"),
        }
    }

    fn broken(&self, what: impl Into<String>) -> Error {
        Error::Broken { server: self.name.clone(), what: what.into() }
    }
}

impl Message<'_> {
    /// As JSON-RPC.
    fn json(&self, id: u64, era: &Era) -> Value {
        let mut params = self.params.clone();
        let is_current = match era {
            Era::Current => true,
            Era::Older { version, .. } => version == CURRENT,
        };
        if is_current {
            params.insert("_meta".to_owned(), meta());
        }
        json!({ "jsonrpc": "2.0", "id": id, "method": self.method, "params": params })
    }
}

/// Whether a URL says itself that it leads to this machine or a network of its own.
#[must_use]
pub fn is_private(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost") || !name.contains('.'),
        Some(Host::Ipv4(ip)) => !address::is_public(ip.into()),
        Some(Host::Ipv6(ip)) => !address::is_public(ip.into()),
        None => false,
    }
}

/// What each request of the current protocol says of who asks.
fn meta() -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": CURRENT,
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": { "name": "mcp-factory", "version": env!("CARGO_PKG_VERSION") },
    })
}

/// What an answer to a request says.
fn reply_of(mut message: Value) -> Reply {
    if let Some(error) = message.get("error").filter(|error| error.is_object()) {
        let code = error["code"].as_i64().unwrap_or_default();
        let mut text = error["message"].as_str().unwrap_or("it does not say why").to_owned();
        text.truncate(text.char_indices().nth(500).map_or(text.len(), |(at, _)| at));
        return Reply::Error { code, message: text };
    }
    Reply::Result(message["result"].take())
}
