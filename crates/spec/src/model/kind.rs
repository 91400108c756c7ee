//! What a tool does: exactly one of these kinds.

use std::num::NonZeroU64;

use indexmap::IndexMap;

use super::{ConnectionName, Duration, HeaderName, Pointer, Size, TextTemplate, UpstreamTool, ValueTemplate};
use crate::read::{keyed, object, words};

mod fixed;
mod setting;
mod steps;
mod text;

pub use fixed::Static;
pub use setting::{NamedSecret, Setting};
pub use steps::{Call, Step, Steps};
pub use text::{GraphqlQuery, Sql};

keyed! {
    /// What a tool does.
    pub enum ToolKind else ToolTwoImplementations {
        /// One SQL statement; `:name` binds an argument.
        Sql(Sql) = "sql",
        /// An operation on a MongoDB collection.
        Mongo(Mongo) = "mongo",
        /// A Redis command and its arguments.
        Redis(Redis) = "redis",
        /// An HTTP request.
        Http(HttpRequest) = "http",
        /// A GraphQL query.
        Graphql(Graphql) = "graphql",
        /// A gRPC call.
        Grpc(GrpcCall) = "grpc",
        /// An operation on a file or object.
        File(File) = "file",
        /// A message to people.
        Message(Message) = "message",
        /// A vector made of a text.
        Embed(Embed) = "embed",
        /// An operation on a store of vectors.
        Vector(VectorCall) = "vector",
        /// A program, started without a shell.
        Command(Command) = "command",
        /// A function of a WebAssembly component.
        Wasm(Wasm) = "wasm",
        /// A tool of another MCP server.
        Mcp(McpCall) = "mcp",
        /// An answer that is always the same.
        Static(Static) = "static",
        /// Calls of other tools, one after the other.
        Steps(Steps) = "steps",
    }
}

/// A Redis command and its arguments.
pub type Redis = Vec<ValueTemplate>;

object! {
    /// An operation on a MongoDB collection.
    pub struct Mongo {
        /// The collection.
        collection: String,
        /// What is done.
        operation: MongoOperation,
        /// Which documents.
        filter: Option<ValueTemplate>,
        /// Which of their fields.
        projection: Option<ValueTemplate>,
        /// In which order.
        sort: Option<ValueTemplate>,
        /// How many.
        limit: Option<ValueTemplate>,
        /// The stages of `aggregate`.
        pipeline: Option<ValueTemplate>,
        /// What `insert` inserts.
        document: Option<ValueTemplate>,
        /// What `update` changes.
        update: Option<ValueTemplate>
    }
}

words! {
    /// An operation on a MongoDB collection.
    pub enum MongoOperation {
        Find = "find",
        Aggregate = "aggregate",
        Insert = "insert",
        Update = "update",
        Delete = "delete",
    }
}

object! {
    /// An HTTP request.
    pub struct HttpRequest {
        /// The method.
        method: Method = Method::Get,
        /// The path below the connection's URL.
        path: TextTemplate,
        /// The query.
        query: IndexMap<String, ValueTemplate>,
        /// The headers.
        headers: IndexMap<HeaderName, TextTemplate>,
        /// The cookies. One whose argument is left out goes, and the others stay.
        cookies: IndexMap<HeaderName, TextTemplate>,
        /// The body.
        body: Option<ValueTemplate>,
        /// How the body is written. A part of `multipart` may be `{ content, filename, contentType }`.
        body_type: BodyType = BodyType::Json,
        /// How arguments that are lists or objects are written, by their names. Left out: a list as several values of a query or
        /// form, anything else as JSON.
        styles: IndexMap<String, ParameterStyle>,
        /// The part of the answer that is the result.
        select: Option<Pointer>,
        /// The media type to ask for.
        accept: Option<String>
    }
}

words! {
    /// How a list or an object is written as text.
    pub enum ParameterStyle {
        CommaDelimited = "commaDelimited",
        SpaceDelimited = "spaceDelimited",
        TabDelimited = "tabDelimited",
        PipeDelimited = "pipeDelimited",
        DeepObject = "deepObject",
    }
}

words! {
    /// An HTTP method.
    pub enum Method {
        Get = "GET",
        Head = "HEAD",
        Post = "POST",
        Put = "PUT",
        Patch = "PATCH",
        Delete = "DELETE",
        Options = "OPTIONS",
    }
}

impl Method {
    /// Whether doing it twice is like doing it once.
    #[must_use]
    pub const fn is_idempotent(self) -> bool {
        !matches!(self, Self::Post | Self::Patch)
    }

    /// Whether it only looks.
    #[must_use]
    pub const fn is_safe(self) -> bool {
        matches!(self, Self::Get | Self::Head | Self::Options)
    }
}

words! {
    /// How a body is written.
    pub enum BodyType {
        Json = "json",
        Form = "form",
        Multipart = "multipart",
        Text = "text",
        Binary = "binary",
    }
}

object! {
    /// A GraphQL query.
    pub struct Graphql {
        /// The query; it has no placeholders.
        query: GraphqlQuery,
        /// Its variables.
        variables: IndexMap<String, ValueTemplate>,
        /// The part of the answer that is the result.
        select: Option<Pointer>
    }
}

object! {
    /// A gRPC call.
    pub struct GrpcCall {
        /// `package.Service/Method`.
        method: String,
        /// The request.
        message: Option<ValueTemplate>,
        /// The metadata.
        metadata: IndexMap<HeaderName, TextTemplate>
    }
}

object! {
    /// An operation on a file or object.
    pub struct File {
        /// What is done.
        operation: FileOperation,
        /// Where, below the connection's root.
        path: TextTemplate,
        /// What `write` writes.
        content: Option<ValueTemplate>
    }
}

words! {
    /// An operation on a file or object.
    pub enum FileOperation {
        Read = "read",
        List = "list",
        Write = "write",
        Delete = "delete",
        Stat = "stat",
    }
}

object! {
    /// A message to people.
    pub struct Message {
        /// To whom, or to which channel.
        to: ValueTemplate,
        /// The subject.
        subject: Option<TextTemplate>,
        /// The text.
        text: Option<TextTemplate>,
        /// The text as HTML.
        html: Option<TextTemplate>
    }
}

object! {
    /// A vector made of a text.
    pub struct Embed {
        /// The text.
        input: ValueTemplate
    }
}

object! {
    /// An operation on a store of vectors.
    pub struct VectorCall {
        /// What is done.
        operation: VectorOperation,
        /// What to look for.
        query: Option<ValueTemplate>,
        /// Which point.
        id: Option<ValueTemplate>,
        /// What is kept with a point.
        payload: Option<ValueTemplate>,
        /// How many.
        limit: Option<ValueTemplate>,
        /// Among which points.
        filter: Option<ValueTemplate>,
        /// The connection that makes vectors of texts.
        embed: Option<ConnectionName>
    }
}

words! {
    /// An operation on a store of vectors.
    pub enum VectorOperation {
        Search = "search",
        Upsert = "upsert",
        Delete = "delete",
    }
}

object! {
    /// A program, started without a shell.
    pub struct Command {
        /// The program and its arguments; each element stays one argument.
        argv: Vec<ValueTemplate>,
        /// What it reads.
        stdin: Option<ValueTemplate>,
        /// The folder it runs in.
        cwd: Option<String>,
        /// Its environment; nothing else is in it. A text, or a secret by its name.
        env: IndexMap<String, Setting>,
        /// How long it may take.
        timeout: Duration = Duration::from_secs(30)
    }
}

object! {
    /// A function of a WebAssembly component.
    pub struct Wasm {
        /// The file.
        component: String,
        /// The function.
        function: String,
        /// How much memory it may use.
        memory: Size = Size::from_bytes(64 << 20),
        /// How many steps it may take.
        fuel: Option<NonZeroU64>,
        /// What it may import. Everything else is denied.
        imports: Vec<String>
    }
}

object! {
    /// A tool of another MCP server. The arguments pass as they are.
    pub struct McpCall {
        /// The tool's name there.
        tool: UpstreamTool
    }
}
