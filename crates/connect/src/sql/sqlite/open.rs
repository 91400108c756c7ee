//! Opens a sqlite database: makes the file from its seed when there is none, and sets a connection up so that a statement
//! can reach nothing but this database.

use std::{io, path::Path, sync::Arc, time::Duration};

use rusqlite::{
    Connection, OpenFlags,
    config::DbConfig,
    hooks::{AuthAction, AuthContext, Authorization},
    limits::Limit,
};

use super::{
    super::{Access, Class, DatabaseConfig, Error, Seed, source::Target},
    execute,
    hold::Hold,
    watch::Watch,
};

/// One value, one row, one string: no more than this.
const MAX_LENGTH: i32 = 64 << 20;

/// SQLite makes room for twenty pages when it keeps its first one, unless it is to keep no more than two. Most pages are
/// read from the mapped file and not kept, and there may be thousands of connections.
const SMALL: &str = "PRAGMA cache_size = 2; PRAGMA shrink_memory;";

#[derive(Debug)]
pub struct Session {
    pub connection: Connection,
    pub access: Access,
    pub watch: Arc<Watch>,
    pub hold: Hold,
}

/// Makes the file, from its seed if it has one. Two processes may do this at once: the file is filled under another name
/// and appears whole, and only where there is none yet.
pub fn create(config: &DatabaseConfig, target: &Target) -> Result<(), Error> {
    let path = match target {
        Target::Memory(_) => return Ok(()),
        Target::File(path) => path,
    };
    if path.exists() {
        return Ok(());
    }
    let Some(seed) = &config.seed else {
        if config.read_only {
            let message = format!("`{}` does not exist, and a read-only connection does not make it", path.display());
            return Err(Error::new(Class::Unavailable, message));
        }
        return Ok(());
    };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let failed = |what: &str, error: &io::Error| {
        Error::new(Class::Unavailable, format!("{what} `{}` failed: {error}", path.display()))
    };
    let file = tempfile::Builder::new()
        .prefix(".seeding-")
        .suffix(".db")
        .tempfile_in(folder)
        .map_err(|error| failed("making", &error))?
        .into_temp_path();
    let mut connection = Connection::open(&file).map_err(|error| execute::open_error(config, &error))?;
    confine(&mut connection).map_err(|error| execute::open_error(config, &error))?;
    run_seed(&connection, seed)?;
    connection.close().map_err(|(_, error)| execute::open_error(config, &error))?;
    match file.persist_noclobber(path) {
        Ok(()) => Ok(()),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(failed("making", &error.error)),
    }
}

fn run_seed(connection: &Connection, seed: &Seed) -> Result<(), Error> {
    let read;
    let (text, whence) = match seed {
        Seed::Text(text) => (text, "the seed".to_owned()),
        Seed::File(path) => {
            let whence = format!("the seed `{}`", path.display());
            read = std::fs::read_to_string(path)
                .map_err(|error| Error::new(Class::Configuration, format!("reading {whence} failed: {error}")))?;
            (&read, whence)
        }
    };
    // One transaction makes a seed of many rows quick; one that has its own keeps it.
    let own = connection.execute_batch(&format!("BEGIN;\n{text}\n;COMMIT;"));
    let result = match own {
        Err(_) if text.to_ascii_uppercase().contains("BEGIN") => {
            if !connection.is_autocommit() {
                connection.execute_batch("ROLLBACK").ok();
            }
            connection.execute_batch(text)
        }
        result => result,
    };
    result.map_err(|error| {
        let error = execute::error(&error);
        Error::new(Class::Configuration, format!("{whence} failed: {error}"))
    })
}

impl Session {
    pub fn open(config: &DatabaseConfig, target: &Target, access: Access) -> Result<Self, Error> {
        Self::try_open(config, target, access).map_err(|error| match error {
            OpenError::Sqlite(error) => execute::open_error(config, &error),
            OpenError::Seed(error) => error,
        })
    }

    fn try_open(config: &DatabaseConfig, target: &Target, access: Access) -> Result<Self, OpenError> {
        let writes = access == Access::Write;
        let mut flags = OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_EXRESCODE;
        flags |= match (target, writes) {
            (Target::Memory(_), _) => {
                OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_URI
            }
            (Target::File(_), true) => {
                OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NOFOLLOW
            }
            (Target::File(_), false) => OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NOFOLLOW,
        };
        let mut connection = match target {
            Target::Memory(uri) => Connection::open_with_flags(uri, flags)?,
            Target::File(path) => Connection::open_with_flags(path, flags)?,
        };
        // Until the watch takes over: two processes may be setting one file up.
        connection.busy_timeout(Duration::from_secs(5))?;
        if let (Target::Memory(_), Some(seed)) = (target, &config.seed) {
            let empty = connection.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| row.get(0))?;
            if empty {
                run_seed(&connection, seed).map_err(OpenError::Seed)?;
            }
        }
        if writes && matches!(target, Target::File(_)) {
            // Readers and the writer don't wait for each other. A file system that can't keeps the mode it has.
            connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).ok();
        }
        connection.execute_batch("PRAGMA foreign_keys = ON; PRAGMA mmap_size = 268435456;")?;
        if !writes {
            connection.execute_batch("PRAGMA query_only = ON")?;
        }
        // An unreadable file shows here, not in the first statement.
        connection.execute_batch(SMALL)?;
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
        connection.execute_batch("PRAGMA cache_size = -2000")?;
        connection.set_prepared_statement_cache_capacity(256);
        confine(&mut connection)?;
        let watch = Watch::install(&mut connection)?;
        // Who may write here may do so between any two reads.
        let hold = if config.read_only && matches!(target, Target::File(_)) { Hold::default() } else { Hold::never() };
        Ok(Self { connection, access, watch, hold })
    }
}

enum OpenError {
    Sqlite(rusqlite::Error),
    Seed(Error),
}

impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// A statement reaches no other file, changes no setting and loads no code.
fn confine(connection: &mut Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, MAX_LENGTH)?;
    connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
    connection.authorizer(Some(|context: AuthContext<'_>| match context.action {
        AuthAction::Attach { .. } | AuthAction::Detach { .. } => Authorization::Deny,
        // They would stay on the connection, in front of tables of the same names, for whoever calls next.
        AuthAction::CreateTempIndex { .. }
        | AuthAction::CreateTempTable { .. }
        | AuthAction::CreateTempTrigger { .. }
        | AuthAction::CreateTempView { .. } => Authorization::Deny,
        // `CREATE TABLE temp.products`, and a trigger that says of itself that it is in `main`, as its table is.
        AuthAction::CreateIndex { .. }
        | AuthAction::CreateTable { .. }
        | AuthAction::CreateTrigger { .. }
        | AuthAction::CreateView { .. }
        | AuthAction::CreateVtable { .. }
        | AuthAction::Insert { .. }
            if context.database_name.is_some_and(|name| name.eq_ignore_ascii_case("temp")) =>
        {
            Authorization::Deny
        }
        AuthAction::Pragma { pragma_name, pragma_value } => authorize_pragma(pragma_name, pragma_value),
        AuthAction::Function { function_name } if function_name.eq_ignore_ascii_case("load_extension") => {
            Authorization::Deny
        }
        _ => Authorization::Allow,
    }))
}

/// Questions about the schema, and nothing that sets anything.
fn authorize_pragma(name: &str, value: Option<&str>) -> Authorization {
    const WITH_NAME: [&str; 8] = [
        "table_info",
        "table_xinfo",
        "table_list",
        "index_info",
        "index_xinfo",
        "index_list",
        "foreign_key_list",
        "foreign_key_check",
    ];
    // `data_version` is asked by full-text indexes.
    const WITHOUT: [&str; 7] = [
        "user_version",
        "application_id",
        "schema_version",
        "foreign_keys",
        "encoding",
        "data_version",
        "journal_mode",
    ];
    let listed = |names: &[&str]| names.iter().any(|known| known.eq_ignore_ascii_case(name));
    if listed(&WITH_NAME) || (value.is_none() && listed(&WITHOUT)) { Authorization::Allow } else { Authorization::Deny }
}
