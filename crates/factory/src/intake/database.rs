//! A live database. What it says of itself is asked by the drivers that tools use, in a session that can't write; its URL is a
//! variable's, a secret's or a shared connection's, and is in no spec and no message.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use mcp_factory_connect::{
    Environment, Policy, Secrets,
    sql::{self, Backend, Class, DatabaseConfig, Source},
};
use mcp_factory_intake::database::{self, Connection, Identity, Options, catalogue, schema::Schema};
use mcp_factory_spec::sql::Dialect;
use serde::Deserialize;
use serde_json::Value;
use url::Url;
use utoipa::ToSchema;

use super::{IntakeError, Proposed, Reach};
use crate::{Error, Factory, Owner};

/// Either `envVar` or `connection` says where it is.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Database {
    /// The secret of yours that holds the URL.
    #[schema(example = "DATABASE_URL")]
    pub env_var: Option<String>,
    /// A connection that the operator shares with you.
    pub connection: Option<String>,
    /// Only tables and views that fit one of these; `*` stands for anything.
    pub tables: Vec<String>,
    /// The schema, where it is not the one that unqualified names mean.
    pub schema: Option<String>,
    /// Tools that make, change and delete rows, too.
    pub writes: bool,
    /// The column that says to whom a row belongs: callers see and change their own rows only. It holds the caller's id, or what is
    /// said behind it: `tenant_id={principal.tenant}`.
    #[schema(example = "tenant_id={principal.tenant}")]
    pub scope: Option<String>,
    /// What the database is told with each call, for its row security: settings, and texts with placeholders. Of a shared
    /// connection its operator says it.
    #[schema(example = json!({ "app.user": "{principal.id}" }))]
    pub session: BTreeMap<String, String>,
    /// Where it is, whatever is said above.
    #[serde(skip)]
    pub place: Option<Place>,
}

/// Where a database is.
#[derive(Debug, Clone)]
pub enum Place {
    /// A URL, or a file of SQLite.
    Typed(String),
    /// A variable of this process, or a secret, that holds one.
    Named(String),
    /// What an operator shares, and what it stands on.
    Shared { name: String, definition: Box<Value>, secrets: Arc<dyn Secrets>, policy: Arc<Policy>, folder: PathBuf },
}

/// For each question about the catalogue.
const PATIENCE: Duration = Duration::from_secs(60);

impl Place {
    /// Of what is typed. A variable keeps the password out of lists of processes and histories of shells.
    #[must_use]
    pub fn typed(text: &str) -> Self {
        match Environment.get(text) {
            Ok(_) => Self::Named(text.to_owned()),
            Err(_) => Self::Typed(text.to_owned()),
        }
    }
}

impl Database {
    pub(super) async fn propose(self, name: Option<String>, reach: &Reach) -> Result<Proposed, IntakeError> {
        let place = match (self.place, self.env_var, self.connection) {
            (Some(place), None, None) => place,
            (None, Some(variable), None) => Place::Named(variable),
            _ => return Err(IntakeError::Argument("it takes either `envVar` or `connection`".to_owned())),
        };
        let scope = self.scope.map(whose).transpose()?;
        let is_shared = matches!(place, Place::Shared { .. });
        if is_shared && !self.session.is_empty() {
            let message = "what a shared connection tells the database is its operator's to say, in its `session`";
            return Err(IntakeError::Argument(message.to_owned()));
        }
        let mut opened = Opened::new(place, reach, self.schema.clone()).await?;
        if opened.database.backend() == Backend::Sqlite {
            if self.schema.as_ref().is_some_and(|schema| !schema.eq_ignore_ascii_case("main")) {
                return Err(IntakeError::Argument("SQLite has one schema, `main`; leave `--schema` out".to_owned()));
            }
            if !self.session.is_empty() {
                let message = "SQLite has no row security, and is told nothing of callers; leave `--session` out";
                return Err(IntakeError::Argument(message.to_owned()));
            }
        }
        let (scope, by) = match (opened.scope.take(), scope) {
            (None, Some((column, by))) => (Some(column), by),
            (theirs, _) => (theirs, opened.by),
        };
        let schema = read(&opened.database, self.schema.as_deref()).await;
        opened.database.close().await;
        let schema = schema.map_err(|error| unreadable(&error, opened.of.clone(), is_shared))?;
        let options = Options {
            name,
            database: std::mem::take(&mut opened.called),
            connection: opened.connection,
            tables: self.tables,
            schema: self.schema,
            writes: self.writes && !opened.read_only,
            scope,
            by,
            session: if opened.session.is_empty() { self.session } else { opened.session },
        };
        Proposed::of(opened.of, 0, move |_| database::propose(&schema, &options)).await
    }
}

/// `owner`, or `tenant_id={principal.tenant}`.
fn whose(scope: String) -> Result<(String, Identity), IntakeError> {
    match scope.split_once('=') {
        None => Ok((scope, Identity::Principal)),
        Some((column, "{principal.id}")) => Ok((column.to_owned(), Identity::Principal)),
        Some((column, "{principal.tenant}")) => Ok((column.to_owned(), Identity::Tenant)),
        Some((column, text)) => Err(IntakeError::Argument(format!(
            "a column such as `{column}` says whose a row is by `{{principal.id}}` or `{{principal.tenant}}`, and `{text}` is neither"
        ))),
    }
}

/// What the database says of itself.
pub async fn read(database: &sql::Database, schema: Option<&str>) -> Result<Schema, sql::Error> {
    let dialect = dialect(database.backend());
    let mut answers = Vec::new();
    for question in catalogue::questions(dialect) {
        let arguments = if question.takes_schema { vec![schema.map_or(Value::Null, Value::from)] } else { Vec::new() };
        answers.push(match database.table(question.text, arguments, PATIENCE).await {
            Ok(rows) => Some(rows),
            Err(error) if question.optional.is_some() && error.class() == Class::Rejected => None,
            Err(error) => return Err(error),
        });
    }
    Ok(Schema::of(dialect, &answers))
}

const fn dialect(backend: Backend) -> Dialect {
    match backend {
        Backend::Postgres => Dialect::Postgres,
        Backend::Mysql => Dialect::Mysql,
        Backend::Sqlite => Dialect::Sqlite,
    }
}

/// A database that is about to be asked.
struct Opened {
    database: sql::Database,
    /// As messages call it: without user, password and query.
    of: String,
    /// Its own name.
    called: String,
    connection: Connection,
    read_only: bool,
    scope: Option<String>,
    by: Identity,
    session: BTreeMap<String, String>,
}

impl Opened {
    async fn new(place: Place, reach: &Reach, schema: Option<String>) -> Result<Self, IntakeError> {
        let (secrets, policy) = (reach.secrets().clone(), reach.policy().clone());
        let (url, connection) = match place {
            Place::Typed(url) => {
                if backend_of(&url)? == Backend::Sqlite {
                    is_there(path(&url))?;
                }
                (url, Connection::OfServer)
            }
            Place::Named(variable) => {
                let secret = secrets.get(&variable).map_err(|error| IntakeError::Argument(error.to_string()))?;
                if secret.expose().trim().is_empty() {
                    return Err(IntakeError::Argument(format!("`{variable}` is set, and empty")));
                }
                (secret.expose().to_owned(), Connection::Variable(variable))
            }
            Place::Shared { name, definition, secrets, policy, folder } => {
                let url = url_of(&definition, &*secrets, &folder)?;
                let word = |key: &str| definition["scope"][key].as_str().map(str::to_owned);
                let schema = schema.or_else(|| definition["schema"].as_str().map(str::to_owned));
                let mut opened = Self::open(&url, Connection::Shared(name.clone()), secrets, policy, schema)?;
                // Where a shared connection leads is not told.
                opened.of = format!("the shared connection `{name}`");
                opened.called = name;
                opened.read_only = definition["readOnly"] == true;
                opened.scope = word("column");
                let settings = definition["session"].as_object().into_iter().flatten();
                let settings = settings.filter_map(|(name, text)| Some((name.clone(), text.as_str()?.to_owned())));
                opened.session = settings.collect();
                opened.by = if word("by").as_deref() == Some("principal.tenant") {
                    Identity::Tenant
                } else {
                    Identity::Principal
                };
                return Ok(opened);
            }
        };
        Self::open(&url, connection, secrets, policy, schema)
    }

    fn open(
        url: &str,
        connection: Connection,
        secrets: Arc<dyn Secrets>,
        policy: Arc<Policy>,
        schema: Option<String>,
    ) -> Result<Self, IntakeError> {
        let backend = backend_of(url)?;
        let (of, mut called) = shown(url, backend);
        if backend == Backend::Mysql && called.is_empty() && schema.is_none() {
            let message = "the URL names no database: write it behind the last `/`, or pass `--schema`";
            return Err(IntakeError::Argument(message.to_owned()));
        }
        if called.is_empty() {
            called = schema.clone().unwrap_or_default();
        }
        let source = match backend {
            Backend::Sqlite => Source::Path(std::path::absolute(path(url)).unwrap_or_else(|_| path(url).into())),
            _ => Source::Url(url.to_owned()),
        };
        let config = DatabaseConfig { read_only: true, schema, ..DatabaseConfig::new("database", backend, source) };
        let database = sql::Database::new(config, secrets, policy)?;
        let (read_only, scope, by, session) = (false, None, Identity::default(), BTreeMap::new());
        Ok(Self { database, of, called, connection, read_only, scope, by, session })
    }
}

pub(super) fn unreadable(error: &sql::Error, of: String, is_shared: bool) -> IntakeError {
    match error.denied() {
        // Found out when its name is resolved, and refused as it is everywhere.
        Some(denied) if !is_shared => denied.clone().into(),
        _ => IntakeError::Unreadable { of, why: told(error, is_shared) },
    }
}

/// Whoever may use a shared connection does not learn where it leads.
pub(super) fn told(error: &sql::Error, is_shared: bool) -> String {
    match error.class() {
        Class::Unavailable | Class::Configuration if is_shared => "it can't be reached".to_owned(),
        _ => error.to_string(),
    }
}

/// By its scheme; what has none is a file.
fn backend_of(url: &str) -> Result<Backend, IntakeError> {
    let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme).to_ascii_lowercase();
    match &*scheme {
        "postgres" | "postgresql" => Ok(Backend::Postgres),
        "mysql" | "mariadb" => Ok(Backend::Mysql),
        // Another scheme is nothing to guess at, and a file of that name nothing to make.
        _ if url.contains("://") && scheme != "sqlite" => {
            let message = "a database's URL begins with `postgresql://`, `mysql://`, `mariadb://` or `sqlite:`";
            Err(IntakeError::Argument(message.to_owned()))
        }
        _ => Ok(Backend::Sqlite),
    }
}

/// A file that was typed, where a variable may have been meant.
fn is_there(typed: &str) -> Result<(), IntakeError> {
    if typed.trim().is_empty() {
        return Err(IntakeError::Argument("there is no database: give a URL, a file or a variable".to_owned()));
    }
    let is_word = typed.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let why = match std::path::Path::new(typed).metadata() {
        Ok(found) if found.is_dir() => "it is a folder".to_owned(),
        Ok(_) => return Ok(()),
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => error.to_string(),
        Err(_) if is_word => "there is no variable of that name, and no file".to_owned(),
        Err(_) => "there is no such file".to_owned(),
    };
    Err(IntakeError::Unreadable { of: format!("`{typed}`"), why })
}

fn path(url: &str) -> &str {
    url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:")).unwrap_or(url)
}

/// As messages call it, and its own name.
fn shown(url: &str, backend: Backend) -> (String, String) {
    if backend == Backend::Sqlite {
        let path = PathBuf::from(path(url));
        let stem = path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
        return (format!("`{}`", path.display()), stem);
    }
    let name = |path: &str| path.trim_matches('/').to_owned();
    match Url::parse(url) {
        Ok(url) => {
            let place = url.host_str().map_or_else(String::new, |host| match url.port() {
                Some(port) => format!(" at {host}:{port}"),
                None => format!(" at {host}"),
            });
            let database = name(url.path());
            let of = match &*database {
                "" => format!("the database{place}"),
                database => format!("the database `{database}`{place}"),
            };
            (of, database)
        }
        // PostgreSQL's may have several hosts.
        Err(_) => ("the database".to_owned(), String::new()),
    }
}

/// Where a shared connection leads.
fn url_of(definition: &Value, secrets: &dyn Secrets, folder: &std::path::Path) -> Result<String, IntakeError> {
    let kind = definition["type"].as_str().unwrap_or_default();
    if !matches!(kind, "postgresql" | "mysql" | "sqlite") {
        return Err(IntakeError::Argument(format!(
            "the shared connection is of type `{kind}`, which is no SQL database"
        )));
    }
    if let Some(path) = definition["path"].as_str() {
        return Ok(folder.join(path).to_string_lossy().into_owned());
    }
    if let Some(url) = definition["url"].as_str() {
        return Ok(url.to_owned());
    }
    let variable = definition["envVar"].as_str().unwrap_or_default();
    // Whose secret it is, and how it is called, is the operator's.
    let unset =
        |_| IntakeError::Argument("the secret of the shared connection is not set; its operator can set it".to_owned());
    Ok(secrets.get(variable).map_err(unset)?.expose().to_owned())
}

impl Factory {
    /// A shared connection, by its name, where it was granted.
    pub(super) async fn find_shared(&self, owner: &Owner, database: &mut Database) -> Result<(), Error> {
        // A place is only ever typed.
        database.place = None;
        let Some(name) = database.connection.take_if(|_| database.env_var.is_none()) else { return Ok(()) };
        let (definition, ground) = self.granted(owner, &name).await?;
        database.place = Some(Place::Shared {
            name,
            definition: Box::new(definition),
            secrets: ground.secrets,
            policy: Arc::new(ground.policy),
            folder: ground.folder,
        });
        Ok(())
    }
}
