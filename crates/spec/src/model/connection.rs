//! What tools talk to: opened lazily, once per process, shared and pooled.

use std::num::NonZeroU32;

use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::{
    Backoff, ConnectionName, Duration, HeaderName, OutboundAuth, OutboundAuths, TextTemplate, UpstreamTool, Url,
    Variable, names::ColumnName,
};
use crate::{
    read::{Field, Fields, Object, Reader, object, put, tagged, words},
    schema_of_language::{Schemas, Shape},
};

/// A connection: its name, whose credential it uses, and what it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Connection {
    pub name: ConnectionName,
    /// Whose store its secrets come from; `None`: the owner's.
    pub per: Option<Per>,
    /// `None` for `use:`, a connection that the operator shares: what it is, is not the spec's to say.
    pub kind: Option<ConnectionKind>,
}

impl Object for Connection {
    const NAME: &'static str = "Connection";
    const ABOUT: &'static [&'static str] =
        &[" What tools talk to: opened lazily, once per process, shared and pooled."];

    fn read_fields(fields: &mut Fields<'_>, reader: &mut Reader) -> Option<Self> {
        if let Some((node, at)) = fields.take(reader, "use") {
            return Some(Self { name: ConnectionName::read(node, &at, reader)?, per: None, kind: None });
        }
        let name = fields.read(reader, "name", crate::Code::Missing, None)?;
        let per = fields.read(reader, "per", crate::Code::Missing, None)?;
        let kind = ConnectionKind::read_fields(fields, reader)?;
        Some(Self { name, per, kind: Some(kind) })
    }

    fn write_fields(&self, out: &mut Map<String, Value>) {
        match &self.kind {
            None => put(out, "use", &self.name, None),
            Some(kind) => {
                put(out, "name", &self.name, None);
                kind.write_fields(out);
                put(out, "per", &self.per, None);
            }
        }
    }

    fn describe(shape: &mut Shape, schemas: &mut Schemas) {
        let shared = shape.branch();
        shared.field::<ConnectionName>(schemas, "use", &["A connection shared by the operator."], None);
        let declared = shape.branch();
        declared.field::<ConnectionName>(schemas, "name", &["Its name."], None);
        declared.field::<Option<Per>>(
            schemas,
            "per",
            &["Whose store its secrets come from. Left out: the owner's."],
            None,
        );
        ConnectionKind::describe(declared, schemas);
    }
}

impl Connection {
    /// The word of `type`; `None` where the operator shares it.
    #[must_use]
    pub fn type_word(&self) -> Option<&'static str> {
        self.kind.as_ref().map(ConnectionKind::word)
    }

    /// Which rows belong to whom.
    #[must_use]
    pub fn scope(&self) -> Option<&RowScope> {
        match self.kind.as_ref()? {
            ConnectionKind::Postgresql(server) | ConnectionKind::Mysql(server) => server.scope.as_ref(),
            ConnectionKind::Sqlite(sqlite) => sqlite.scope.as_ref(),
            _ => None,
        }
    }

    /// Whether row security can ask the session who calls.
    #[must_use]
    pub fn tells_who_calls(&self) -> bool {
        match &self.kind {
            Some(ConnectionKind::Postgresql(server) | ConnectionKind::Mysql(server)) => !server.session.is_empty(),
            _ => false,
        }
    }

    /// Whether nothing may be written through it.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        match &self.kind {
            Some(ConnectionKind::Postgresql(server) | ConnectionKind::Mysql(server)) => server.read_only,
            Some(ConnectionKind::Sqlite(sqlite)) => sqlite.read_only,
            Some(ConnectionKind::Mongodb(mongodb)) => mongodb.read_only,
            Some(ConnectionKind::Filesystem(folder)) => folder.read_only,
            Some(ConnectionKind::S3(bucket) | ConnectionKind::Gcs(bucket)) => bucket.read_only,
            _ => false,
        }
    }
}

words! {
    /// In whose store a connection's secrets are looked up, with no fallback.
    pub enum Per {
        /// The caller's.
        Principal = "principal",
        /// The caller's tenant's.
        Tenant = "tenant",
    }
}

tagged! {
    /// What a connection is.
    pub enum ConnectionKind by "type" {
        /// A PostgreSQL database.
        Postgresql(SqlServer) = "postgresql",
        /// A MySQL or MariaDB database.
        Mysql(SqlServer) = "mysql",
        /// An SQLite file.
        Sqlite(Sqlite) = "sqlite",
        /// A MongoDB database.
        Mongodb(Mongodb) = "mongodb",
        /// A Redis server.
        Redis(Broker) = "redis",
        /// A RabbitMQ broker.
        Rabbitmq(Broker) = "rabbitmq",
        /// A NATS server.
        Nats(Broker) = "nats",
        /// An Amazon SQS queue service.
        Sqs(Broker) = "sqs",
        /// An HTTP API.
        Http(Http) = "http",
        /// A GraphQL API.
        Graphql(Http) = "graphql",
        /// A gRPC server.
        Grpc(Grpc) = "grpc",
        /// A folder, which tools can't leave.
        Filesystem(Filesystem) = "filesystem",
        /// An Amazon S3 bucket, or one that speaks its protocol.
        S3(Bucket) = "s3",
        /// A Google Cloud Storage bucket.
        Gcs(Bucket) = "gcs",
        /// A mail server.
        Smtp(Messenger) = "smtp",
        /// Slack.
        Slack(Messenger) = "slack",
        /// A service for text messages.
        Sms(Messenger) = "sms",
        /// A model that makes vectors of texts.
        Embeddings(Embeddings) = "embeddings",
        /// A store of vectors.
        Vector(VectorStore) = "vector",
        /// Another MCP server.
        Mcp(McpServer) = "mcp",
    }
}

impl ConnectionKind {
    /// Whether it names a secret, or takes the caller's own credential: what may be another one for each caller.
    #[must_use]
    pub(crate) fn differs_by_caller(&self) -> bool {
        fn names_a_secret(value: &Value) -> bool {
            match value {
                Value::Object(fields) => fields
                    .iter()
                    .any(|(name, value)| name.to_ascii_lowercase().ends_with("envvar") || names_a_secret(value)),
                Value::Array(values) => values.iter().any(names_a_secret),
                _ => false,
            }
        }
        let mut fields = Map::new();
        self.write_fields(&mut fields);
        let is_callers = |auth: &Value| auth["type"] == "principal";
        let of_caller = match fields.get("auth") {
            Some(Value::Array(several)) => several.iter().any(is_callers),
            one => one.is_some_and(is_callers),
        };
        of_caller || names_a_secret(&Value::Object(fields))
    }
}

object! {
    /// A database server.
    pub struct SqlServer else ConnectionNeeds {
        /// Holds the URL.
        env_var: Option<Variable>,
        /// The URL, where it holds no secret.
        url: Option<Url>,
        /// How many connections are kept.
        pool: Pool = Pool::default(),
        /// Nothing may be written.
        read_only: bool = false,
        /// The schema that unqualified names are in.
        schema: Option<String>,
        /// Settings of each call's transaction, such as `app.user: "{principal.id}"`: the ground of row security.
        session: IndexMap<String, TextTemplate>,
        /// Which rows belong to whom.
        scope: Option<RowScope>
    }
}

object! {
    /// How many connections are kept.
    pub struct Pool {
        /// At most this many.
        max: NonZeroU32 = NonZeroU32::new(10).expect("ten is not zero"),
        /// How long a call waits for one.
        acquire_timeout: Duration = Duration::from_secs(5),
        /// How long an idle one is kept.
        idle_timeout: Duration = Duration::from_secs(600)
    }
}

impl Default for Pool {
    fn default() -> Self {
        Self {
            max: NonZeroU32::new(10).expect("ten is not zero"),
            acquire_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(600),
        }
    }
}

object! {
    /// The rows of these tables belong to somebody: a statement that does not bind the column is an error.
    pub struct RowScope {
        /// The column that says to whom a row belongs.
        column: ColumnName,
        /// What of the caller it holds.
        by: Identity,
        /// The tables.
        tables: Vec<ColumnName>
    }
}

words! {
    /// What identifies a caller to a row.
    pub enum Identity {
        PrincipalId = "principal.id",
        PrincipalTenant = "principal.tenant",
    }
}

object! {
    /// An SQLite file.
    pub struct Sqlite else ConnectionNeeds {
        /// The file, which is made when it is not there.
        path: Option<String>,
        /// Holds the path.
        env_var: Option<Variable>,
        /// Nothing may be written.
        read_only: bool = false,
        /// SQL that is run once, when the file is made.
        seed: Option<String>,
        /// Which rows belong to whom.
        scope: Option<RowScope>
    }
}

object! {
    /// A MongoDB database.
    pub struct Mongodb else ConnectionNeeds {
        /// Holds the URL.
        env_var: Option<Variable>,
        /// The URL, where it holds no secret.
        url: Option<Url>,
        /// The database.
        database: Option<String>,
        /// Nothing may be written.
        read_only: bool = false
    }
}

object! {
    /// A server of messages or keys.
    pub struct Broker else ConnectionNeeds {
        /// Holds the URL.
        env_var: Option<Variable>,
        /// The URL, where it holds no secret.
        url: Option<Url>
    }
}

object! {
    /// An API over HTTP.
    pub struct Http else ConnectionNeeds {
        /// Where the API begins.
        url: Option<Url>,
        /// Holds the URL.
        env_var: Option<Variable>,
        /// How the server identifies itself; a list where every request carries several credentials.
        auth: OutboundAuths,
        /// Headers of every request.
        headers: IndexMap<HeaderName, TextTemplate>,
        /// Requests may go to private networks.
        allow_private_network: bool = false,
        /// Further hosts that redirects may lead to.
        allow_hosts: Vec<String>,
        /// What is tried again, where it is safe to.
        retries: Retries = Retries::default()
    }
}

object! {
    /// How often something is tried again.
    pub struct Retries {
        /// At most this many times.
        attempts: NonZeroU32 = NonZeroU32::new(2).expect("two is not zero"),
        /// How long to wait in between.
        backoff: Option<Backoff>
    }
}

impl Default for Retries {
    fn default() -> Self {
        Self { attempts: NonZeroU32::new(2).expect("two is not zero"), backoff: None }
    }
}

object! {
    /// A gRPC server.
    pub struct Grpc else ConnectionNeeds {
        /// Where the server is.
        url: Option<Url>,
        /// Holds the URL.
        env_var: Option<Variable>,
        /// How the server identifies itself.
        auth: Option<OutboundAuth>,
        /// A file of descriptors. Left out: server reflection.
        descriptors: Option<String>,
        /// Requests may go to private networks.
        allow_private_network: bool = false
    }
}

object! {
    /// A folder.
    pub struct Filesystem else ConnectionNeeds {
        /// The folder.
        root: String,
        /// Nothing may be written.
        read_only: bool = false
    }
}

object! {
    /// A bucket of objects.
    pub struct Bucket else ConnectionNeeds {
        /// The bucket.
        bucket: String,
        /// Its region.
        region: Option<String>,
        /// Where the service is, when it is not the provider's own.
        endpoint: Option<Url>,
        /// What all names begin with.
        prefix: Option<String>,
        /// Holds the credentials.
        credentials_env_var: Option<Variable>,
        /// Nothing may be written.
        read_only: bool = false
    }
}

object! {
    /// Something that sends messages.
    pub struct Messenger else ConnectionNeeds {
        /// Holds the URL or the token.
        env_var: Variable,
        /// Whom messages are from.
        from: Option<String>,
        /// Where the service is, when it is not the provider's own.
        url: Option<Url>
    }
}

object! {
    /// A model that makes vectors of texts.
    pub struct Embeddings else ConnectionNeeds {
        /// Where the API is.
        url: Url,
        /// The model.
        model: String,
        /// How the server identifies itself.
        auth: Option<OutboundAuth>,
        /// How long the vectors are.
        dimensions: Option<NonZeroU32>
    }
}

object! {
    /// A store of vectors.
    pub struct VectorStore else ConnectionNeeds {
        /// Where the store is.
        url: Option<Url>,
        /// Holds the URL.
        env_var: Option<Variable>,
        /// The collection.
        collection: String,
        /// What the store is.
        kind: VectorKind = VectorKind::Qdrant,
        /// How the server identifies itself.
        auth: Option<OutboundAuth>
    }
}

words! {
    /// A kind of store of vectors.
    pub enum VectorKind {
        Qdrant = "qdrant",
        Pgvector = "pgvector",
    }
}

object! {
    /// Another MCP server.
    pub struct McpServer else ConnectionNeeds {
        /// Where it is.
        url: Option<Url>,
        /// How it is started, as a child on stdio.
        argv: Vec<String>,
        /// How the server identifies itself.
        auth: Option<OutboundAuth>,
        /// The tools of it that may be used; `*` stands for any characters. Left out: all.
        tools: Vec<UpstreamTool>
    }
}
