//! The typed model of the language: one file per subject, fields named as in the spec.
//!
//! A [`Spec`] is always canonical: names are checked, references resolved, short forms written out. It is made by
//! [`crate::read()`] and by nothing else.

mod access;
mod auth;
mod caller;
mod completion;
mod connection;
mod deploy;
mod environment;
mod event;
mod exposure;
mod kind;
mod limits;
mod names;
mod outbound;
mod parameters;
mod prompt;
mod quantities;
mod resource;
mod spec;
mod template;
mod tool;
mod toolset;
mod transport;
mod trigger;

pub use access::{Access, AccessRule, ClaimPermissions, HeaderPermissions};
pub use auth::{Algorithm, ApiKey, Auth, Bearer, Introspection, Jwt, Oauth2};
pub use caller::{ExamplePrincipal, Expectation};
pub use completion::Completion;
pub use connection::{
    Broker, Bucket, Connection, ConnectionKind, Embeddings, Filesystem, Grpc as GrpcServer, Http as HttpServer,
    Identity, McpServer, Messenger, Mongodb, Per, Pool, Retries, RowScope, SqlServer, Sqlite, VectorKind, VectorStore,
};
pub use deploy::{Deploy, Docker, Microvm};
pub use environment::{ConnectionOverride, Environment, LimitsOverride, UnknownEnvironment};
pub use event::Event;
pub use exposure::{Exposure, Initial, Mode, Modern};
pub use kind::{
    BodyType, Call, Command, Embed, File, FileOperation, Graphql, GraphqlQuery, GrpcCall, HttpRequest, McpCall,
    Message, Method, Mongo, MongoOperation, NamedSecret, ParameterStyle, Redis, Setting, Sql, Static, Step, Steps,
    ToolKind, VectorCall, VectorOperation, Wasm,
};
pub use limits::{Cap, Limits, ToolLimits};
pub use names::{
    ConnectionName, EnvironmentName, EventName, HeaderName, ParameterName, PromptName, ServerName, ToolName,
    ToolPattern, ToolsetName, TriggerName, UpstreamTool, Url, Variable,
};
pub use outbound::{
    Basic, BearerToken, ClientCredentials, CookieKey, HeaderKey, OutboundAuth, OutboundAuths, PrincipalCredential,
    QueryKey,
};
pub(crate) use parameters::close;
pub use parameters::{Parameters, PlainSchema, Schema};
pub use prompt::{Prompt, PromptArgument, PromptMessage, Role};
pub use quantities::{Backoff, Duration, Period, QuantityError, Rate, Size};
pub use resource::{Address, Content, Resource};
pub use spec::Spec;
pub use template::{Pointer, TextTemplate, ValueTemplate};
pub use tool::{Annotations, Cache, Confirm, Example, PageStyle, Paginate, RowScopeException, Tool, Via};
pub use toolset::Toolset;
pub use transport::{Transport, Transports};
pub use trigger::{
    Cron, DatabaseChange, FileEvent, FileWatch, Missed, Overlap, Queue, Signature, SignatureScheme, Trigger,
    TriggerKind, Webhook,
};
