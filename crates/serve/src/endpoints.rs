//! Endpoints of the embedding program's own, beside MCP: plain HTTP and JSON, behind the same Host and Origin checks, the
//! same authentication and the same limits. What a schema says of a request is checked before its handler runs, what it
//! says of the answer before the answer is sent.
//!
//! ```
//! # use mcp_serve::{endpoints::{CustomEndpoint, CustomEndpoints, EndpointRequest, EndpointResponse}, http::Config};
//! # use serde_json::json;
//! # fn run() -> Result<Config, mcp_serve::endpoints::EndpointsError> {
//! let greeting = CustomEndpoint::get("/greetings/{name}", async |request: EndpointRequest| {
//!     let name = &request.params["name"];
//!     Ok::<_, std::io::Error>(EndpointResponse::json(json!({ "hello": name, "from": request.principal.id })))
//! })
//! .params(json!({ "properties": { "name": { "type": "string", "maxLength": 40 } } }));
//! Ok(Config { endpoints: CustomEndpoints::new([greeting])?, ..Config::default() })
//! # }
//! ```
//!
//! Only JSON comes in and goes out. For anything else there is [`Config::routes`](crate::http::Config::routes).

mod answer;
mod request;
mod serve;

use std::{fmt, sync::Arc};

use http::Method;
use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::Value;

pub use answer::EndpointResponse;
pub use request::EndpointRequest;
pub(crate) use serve::serve;

use crate::{BoxFuture, toolsets::Toolsets};

type Cause = Box<dyn std::error::Error + Send + Sync>;
type Handler = Arc<dyn Fn(EndpointRequest) -> BoxFuture<'static, Result<EndpointResponse, Cause>> + Send + Sync>;

/// One method at one path. Parts of the path are written `{name}` or `:name`.
#[must_use]
pub struct CustomEndpoint {
    method: Method,
    path: String,
    schemas: Schemas<Option<Value>>,
    permission_aware: bool,
    handler: Handler,
}

#[derive(Debug, Default)]
struct Schemas<T> {
    params: T,
    query: T,
    body: T,
    response: T,
}

impl CustomEndpoint {
    /// What the handler fails with goes to the log. The client is told an id to look for.
    pub fn new<F, Answer, E>(method: Method, path: impl Into<String>, handler: F) -> Self
    where
        F: Fn(EndpointRequest) -> Answer + Send + Sync + 'static,
        Answer: Future<Output = Result<EndpointResponse, E>> + Send + 'static,
        E: Into<Cause>,
    {
        let handler: Handler = Arc::new(move |request| {
            let answer = handler(request);
            Box::pin(async move { answer.await.map_err(Into::into) })
        });
        Self { method, path: path.into(), schemas: Schemas::default(), permission_aware: false, handler }
    }

    pub fn get<F, Answer, E>(path: impl Into<String>, handler: F) -> Self
    where
        F: Fn(EndpointRequest) -> Answer + Send + Sync + 'static,
        Answer: Future<Output = Result<EndpointResponse, E>> + Send + 'static,
        E: Into<Cause>,
    {
        Self::new(Method::GET, path, handler)
    }

    pub fn post<F, Answer, E>(path: impl Into<String>, handler: F) -> Self
    where
        F: Fn(EndpointRequest) -> Answer + Send + Sync + 'static,
        Answer: Future<Output = Result<EndpointResponse, E>> + Send + 'static,
        E: Into<Cause>,
    {
        Self::new(Method::POST, path, handler)
    }

    /// JSON Schema of the parts of the path. Numbers and booleans become what the schema says they are.
    pub fn params(mut self, schema: Value) -> Self {
        self.schemas.params = Some(schema);
        self
    }

    /// The same of the query. A parameter may be there several times where the schema says `array`.
    pub fn query(mut self, schema: Value) -> Self {
        self.schemas.query = Some(schema);
        self
    }

    pub fn body(mut self, schema: Value) -> Self {
        self.schemas.body = Some(schema);
        self
    }

    /// Of answers with a status from 200 to 299. One that is otherwise is not sent.
    pub fn response(mut self, schema: Value) -> Self {
        self.schemas.response = Some(schema);
        self
    }

    /// The handler is told which toolsets the caller has: [`EndpointRequest::toolsets`]. Who may have none of those they are
    /// given is refused, as by MCP.
    pub fn permission_aware(mut self) -> Self {
        self.permission_aware = true;
        self
    }

    /// The same endpoint below a path of the embedding program.
    pub fn under(mut self, base: &str) -> Self {
        self.path = format!("{}{}", base.trim_end_matches('/'), self.path);
        self
    }
}

impl fmt::Debug for CustomEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CustomEndpoint({} {})", self.method, self.path)
    }
}

/// Endpoints that are there together. Clones are the same.
#[derive(Clone, Default)]
pub struct CustomEndpoints(Option<Arc<Paths>>);

struct Paths {
    by_path: matchit::Router<usize>,
    paths: Vec<AtPath>,
    toolsets: Option<Arc<Toolsets>>,
}

struct AtPath {
    path: String,
    methods: Vec<Compiled>,
}

struct Compiled {
    method: Method,
    schemas: Schemas<Option<Schema>>,
    permission_aware: bool,
    handler: Handler,
}

/// The schema is kept for its types: they say what becomes of text.
#[derive(Debug)]
struct Schema {
    validator: Validator,
    source: Value,
}

/// Endpoints that can't be served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointsError {
    #[error("an endpoint answers to GET, POST, PUT, DELETE or PATCH, not to `{method}` (`{path}`)")]
    Method { method: String, path: String },
    #[error("`{path}` is no path of an endpoint; write it as in `/reports/{{id}}`")]
    Path { path: String },
    #[error("the endpoint `{method} {path}` is there twice")]
    Twice { method: Method, path: String },
    #[error("the endpoints `{path}` and `{other}` would answer to the same paths")]
    Overlap { path: String, other: String },
    #[error("the endpoint `{path}` would take the reserved path `{reserved}`; give it another one")]
    Reserved { path: String, reserved: String },
    #[error("the {of} schema of `{method} {path}` is none: {why}")]
    Schema { of: &'static str, method: Method, path: String, why: String },
    #[error("the endpoint `{path}` asks for its caller's toolsets, and there are none")]
    NoToolsets { path: String },
}

impl CustomEndpoints {
    pub fn new(endpoints: impl IntoIterator<Item = CustomEndpoint>) -> Result<Self, EndpointsError> {
        Self::compile(endpoints.into_iter().collect(), None)
    }

    /// Where endpoints are [permission-aware](CustomEndpoint::permission_aware).
    pub fn with_toolsets(
        endpoints: impl IntoIterator<Item = CustomEndpoint>,
        toolsets: Arc<Toolsets>,
    ) -> Result<Self, EndpointsError> {
        Self::compile(endpoints.into_iter().collect(), Some(toolsets))
    }

    /// Paths that the embedding program serves itself, for [`Config::routes`](crate::http::Config::routes) can't be asked.
    /// Those of MCP, of the health check and of metadata are known.
    pub fn beside<'a>(self, paths: impl IntoIterator<Item = &'a str>) -> Result<Self, EndpointsError> {
        paths.into_iter().try_for_each(|path| self.leaves(path))?;
        Ok(self)
    }

    fn compile(endpoints: Vec<CustomEndpoint>, toolsets: Option<Arc<Toolsets>>) -> Result<Self, EndpointsError> {
        if endpoints.is_empty() {
            return Ok(Self(None));
        }
        let mut paths: Vec<AtPath> = Vec::new();
        let mut by_path = matchit::Router::new();
        for endpoint in endpoints {
            let path = normal(&endpoint.path).ok_or(EndpointsError::Path { path: endpoint.path.clone() })?;
            let CustomEndpoint { method, schemas, permission_aware, handler, .. } = endpoint;
            if ![Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::PATCH].contains(&method) {
                return Err(EndpointsError::Method { method: method.to_string(), path });
            }
            if permission_aware && toolsets.is_none() {
                return Err(EndpointsError::NoToolsets { path });
            }
            let schema = |of, source: Option<Value>| {
                let compiled = source.map(Schema::compile).transpose();
                compiled.map_err(|why| EndpointsError::Schema { of, method: method.clone(), path: path.clone(), why })
            };
            let schemas = Schemas {
                params: schema("params", schemas.params)?,
                query: schema("query", schemas.query)?,
                body: schema("body", schemas.body)?,
                response: schema("response", schemas.response)?,
            };
            let place = match paths.iter().position(|known| known.path == path) {
                Some(place) => place,
                None => {
                    by_path.insert(path.clone(), paths.len()).map_err(|error| match error {
                        matchit::InsertError::Conflict { with } => {
                            EndpointsError::Overlap { path: path.clone(), other: with }
                        }
                        _ => EndpointsError::Path { path: path.clone() },
                    })?;
                    paths.push(AtPath { path: path.clone(), methods: Vec::new() });
                    paths.len() - 1
                }
            };
            let methods = &mut paths[place].methods;
            if methods.iter().any(|known| known.method == method) {
                return Err(EndpointsError::Twice { method, path });
            }
            methods.push(Compiled { method, schemas, permission_aware, handler });
        }
        Ok(Self(Some(Arc::new(Paths { by_path, paths, toolsets }))))
    }

    /// Whether none of them would answer at this path. A path that only begins alike is another one.
    pub(crate) fn leaves(&self, reserved: &str) -> Result<(), EndpointsError> {
        let Some(paths) = &self.0 else { return Ok(()) };
        match paths.by_path.at(reserved) {
            Err(_) => Ok(()),
            Ok(found) => {
                let path = paths.paths[*found.value].path.clone();
                Err(EndpointsError::Reserved { path, reserved: reserved.to_owned() })
            }
        }
    }

    /// Whether none of them is at a path directly below this one, where parts of a server are.
    pub(crate) fn leaves_below(&self, reserved: &str) -> Result<(), EndpointsError> {
        let Some(paths) = &self.0 else { return Ok(()) };
        let below = |path: &str| {
            let rest = path.strip_prefix(reserved).and_then(|rest| rest.strip_prefix('/'));
            rest.is_some_and(|rest| !rest.contains('/'))
        };
        match paths.paths.iter().find(|at| below(&at.path)) {
            None => self.leaves(&format!("{reserved}/toolset")),
            Some(at) => {
                Err(EndpointsError::Reserved { path: at.path.clone(), reserved: format!("{reserved}/<toolset>") })
            }
        }
    }

    pub(crate) fn has(&self, path: &str) -> bool {
        self.0.as_ref().is_some_and(|paths| paths.by_path.at(path).is_ok())
    }
}

impl fmt::Debug for CustomEndpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let paths = self.0.iter().flat_map(|paths| &paths.paths).map(|at| &at.path);
        f.debug_set().entries(paths).finish()
    }
}

/// `/users/:id` as `/users/{id}`. One segment is one parameter or plain text.
fn normal(path: &str) -> Option<String> {
    let segments = path.strip_prefix('/')?;
    let mut normal = String::with_capacity(path.len() + 1);
    for segment in segments.split('/') {
        normal.push('/');
        let parameter = segment
            .strip_prefix(':')
            .or_else(|| segment.strip_prefix('{').and_then(|segment| segment.strip_suffix('}')));
        match parameter {
            Some(name) => {
                let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
                if name.is_empty() || !name.bytes().all(plain) || normal.contains(&format!("{{{name}}}")) {
                    return None;
                }
                normal.push_str(&format!("{{{name}}}"));
            }
            None => {
                let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()+,;=@%".contains(&byte);
                if segment.is_empty() || matches!(segment, "." | "..") || !segment.bytes().all(plain) {
                    return None;
                }
                normal.push_str(segment);
            }
        }
    }
    Some(normal)
}

impl Schema {
    /// Offline, and with patterns that can't run away.
    fn compile(source: Value) -> Result<Self, String> {
        if !source.is_object() && !source.is_boolean() {
            return Err("a schema is an object or a boolean".to_owned());
        }
        let patterns = PatternOptions::fancy_regex().backtrack_limit(100_000).size_limit(1 << 20);
        let options = jsonschema::options().with_draft(Draft::Draft202012).offline().with_pattern_options(patterns);
        match options.build(&source) {
            Ok(validator) => Ok(Self { validator, source }),
            Err(error) => Err(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests;
