//! The factory itself: where it keeps things, and how its verbs are done and written down.

use std::{
    fmt,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::Duration,
};

use mcp_factory_connect::{Secret, command::Launcher};
use mcp_factory_engine::{CursorKey, Tasks};
use mcp_factory_spec::syntax::limits::BYTES;
use mcp_serve::{
    Approvals, StateKey,
    tokens::{HashKey, PostgresTokens, RegistryOptions, SharedTokens, SqliteTokens, TokenRegistry, TokenStore},
};
use tokio_util::task::AbortOnDropHandle;

use crate::{
    Caller, Error, Operator, Owner,
    hosting::Hosting,
    keeping::keep,
    key::FactoryKey,
    refusals::Refusals,
    registry::{self, Deed, Limits, Place, PostgresUrl, Registry, Role, Transaction},
    schemas::Schemas,
    search::Searches,
    telling::Telling,
    usage::Usage,
    vault::Vault,
};

/// Every verb, once. Clones share one.
#[derive(Clone)]
pub struct Factory(Arc<Inner>);

struct Inner {
    data: PathBuf,
    registry: Registry,
    tokens: SharedTokens,
    vault: Arc<Vault>,
    usage: Arc<Usage>,
    refusals: Arc<Refusals>,
    searches: Searches,
    schemas: Schemas,
    telling: Telling,
    cursors: CursorKey,
    tasks: Tasks,
    approvals: Approvals,
    launcher: Option<Launcher>,
    states: StateKey,
    /// Where servers run in this process.
    hosting: OnceLock<Hosting>,
    #[expect(dead_code, reason = "ends with the factory")]
    keeping: AbortOnDropHandle<()>,
}

/// One that does not keep the factory.
pub(crate) struct Weak(std::sync::Weak<Inner>);

impl Weak {
    pub(crate) fn upgrade(&self) -> Option<Factory> {
        self.0.upgrade().map(Factory)
    }
}

/// How a factory is opened.
#[derive(Debug)]
pub struct Config {
    /// A folder of this factory's own, made if there is none; nobody else may look into it.
    pub data: PathBuf,
    /// Of a PostgreSQL. Without one the registry is a file in `data`.
    pub registry: Option<Secret>,
    pub key: FactoryKey,
    /// Where people approve calls; shared with whoever serves.
    pub approvals: Approvals,
    /// Starts the programs of those who may.
    pub launcher: Option<Launcher>,
}

/// What was changed by a verb that may be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Done,
    /// It was so before.
    Unchanged,
}

impl Change {
    pub(crate) fn of(done: bool) -> Self {
        if done { Self::Done } else { Self::Unchanged }
    }
}

/// Of all users and hosted servers. How many one user has is limited too.
const MOST_TOKENS: usize = 1_000_000;
/// Revocations of other processes are noticed within this time.
const POLL: Duration = Duration::from_millis(500);

impl Factory {
    /// Makes what is not there yet: the folder, the registry, the user `local` and their token for the command line.
    pub async fn open(config: Config) -> Result<Self, Error> {
        let Config { data, registry, key, approvals, launcher } = config;
        let data = make_folder(data).await?;
        let place = match &registry {
            None => Place::File(data.join("registry.db")),
            Some(url) => Place::Postgres(PostgresUrl::parse(url)?),
        };
        // Makes the file or the schema that the tokens are kept in too.
        let registry = Registry::open(place.clone()).await?;
        let store: Arc<dyn TokenStore> = match place {
            Place::File(file) => Arc::new(SqliteTokens::open(file).await.map_err(Error::Tokens)?.polling(POLL)),
            Place::Postgres(url) => {
                let (config, tls) = url.for_tokens();
                Arc::new(PostgresTokens::open(config, tls).await.map_err(Error::Tokens)?)
            }
        };
        let (vault, usage) = (Arc::new(Vault::new(registry.clone(), key.seals())), Arc::new(Usage::default()));
        let hashes = vault.factory_key(Operator::acting(), "api-tokens").await?.ok_or(Error::OtherKey)?;
        let key_of_hashes = HashKey::from_base64(&hashes).map_err(|_| registry::Error::Content)?;
        let options = RegistryOptions { key: key_of_hashes, max_tokens: MOST_TOKENS, ..RegistryOptions::default() };
        let tokens = SharedTokens::follow(TokenRegistry::new(options), store).await.map_err(Error::Tokens)?;
        let refusals = Arc::<Refusals>::default();
        let keeping = keep(registry.clone(), vault.clone(), usage.clone(), refusals.clone());
        let factory = Self(Arc::new(Inner {
            keeping: AbortOnDropHandle::new(tokio::spawn(keeping)),
            vault,
            usage,
            refusals,
            searches: Searches::default(),
            schemas: Schemas::default(),
            telling: Telling::default(),
            cursors: key.cursors(),
            states: key.states(),
            hosting: OnceLock::new(),
            tasks: Tasks::kept_in(data.join("tasks")),
            data,
            registry,
            tokens,
            approvals,
            launcher,
        }));
        // Whose machine it is may have any spec that the language takes, in a factory that is new.
        let most = u32::try_from(BYTES).unwrap_or(u32::MAX);
        let limits = Limits { max_spec_bytes: most, ..Limits::default() };
        factory.registry().write(move |it| it.add_user(&Owner::local(), Role::Admin, limits)).await?;
        factory.keep_local_token().await?;
        Ok(factory)
    }

    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.0.registry
    }

    /// What requests to the factory itself are checked against.
    #[must_use]
    pub fn tokens(&self) -> &TokenRegistry {
        self.0.tokens.registry()
    }

    pub(crate) fn shared_tokens(&self) -> &SharedTokens {
        &self.0.tokens
    }

    pub(crate) fn vault(&self) -> &Vault {
        &self.0.vault
    }

    pub(crate) fn usage_counted(&self) -> &Usage {
        &self.0.usage
    }

    pub(crate) fn refusals(&self) -> &Refusals {
        &self.0.refusals
    }

    pub(crate) fn searches(&self) -> &Searches {
        &self.0.searches
    }

    pub(crate) fn schemas(&self) -> &Schemas {
        &self.0.schemas
    }

    pub(crate) fn telling(&self) -> &Telling {
        &self.0.telling
    }

    pub(crate) fn cursors(&self) -> CursorKey {
        self.0.cursors.clone()
    }

    pub(crate) fn states(&self) -> StateKey {
        self.0.states.clone()
    }

    /// Of the questions that agents are asked.
    #[must_use]
    pub fn state_key(&self) -> StateKey {
        self.states()
    }

    pub(crate) fn hosting(&self) -> Option<&Hosting> {
        self.0.hosting.get()
    }

    /// `false` where it does so already.
    pub(crate) fn hosts(&self, hosting: Hosting) -> bool {
        self.0.hosting.set(hosting).is_ok()
    }

    pub(crate) fn downgrade(&self) -> Weak {
        Weak(Arc::downgrade(&self.0))
    }

    pub(crate) fn tasks(&self) -> Tasks {
        self.0.tasks.clone()
    }

    pub(crate) fn approvals(&self) -> Approvals {
        self.0.approvals.clone()
    }

    pub(crate) fn launcher(&self) -> Option<&Launcher> {
        self.0.launcher.as_ref()
    }

    #[must_use]
    pub fn data(&self) -> &Path {
        &self.0.data
    }

    /// The private folder of a server that brought none: what its spec names lies there.
    #[must_use]
    pub fn folder_of(&self, owner: &Owner, server: &mcp_factory_spec::model::ServerName) -> PathBuf {
        self.0.data.join("servers").join(owner.as_str()).join(server.as_str())
    }

    /// Reads what is the caller's.
    pub(crate) async fn look<T: Send + 'static>(
        &self,
        caller: &Caller,
        work: impl Fn(&mut Transaction<'_>, &Owner) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        caller.needs(Role::Viewer)?;
        let owner = caller.owner().clone();
        self.registry().read(move |transaction| work(transaction, &owner)).await
    }

    /// Changes what is the caller's, and writes down that it was done, both or neither. What is refused is written down too.
    pub(crate) async fn change<T: Send + 'static>(
        &self,
        caller: &Caller,
        needed: Role,
        verb: &'static str,
        subject: &str,
        work: impl Fn(&mut Transaction<'_>, &Owner) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let done = match caller.needs(needed) {
            Err(error) => Err(error),
            Ok(()) => {
                let (caller, subject) = (caller.clone(), subject.to_owned());
                let work = move |transaction: &mut Transaction<'_>| {
                    if verb.starts_with("servers.")
                        && let Some(expected) = caller.expected()
                    {
                        crate::servers::check(transaction, caller.owner(), &subject, expected)?;
                    }
                    let done = work(transaction, caller.owner())?;
                    audit(transaction, &caller, verb, &subject, "done")?;
                    Ok(done)
                };
                self.registry().write(work).await
            }
        };
        match done {
            Err(error) if error.is_refusal() => Err(self.refused(caller, verb, subject, error).await),
            done => done,
        }
    }

    /// Writes down that something was refused.
    pub(crate) async fn refused(&self, caller: &Caller, verb: &'static str, subject: &str, error: Error) -> Error {
        let (caller, subject, code) = (caller.clone(), subject.to_owned(), error.code());
        let written: Result<(), registry::Error> =
            self.registry().write(move |transaction| audit(transaction, &caller, verb, &subject, code)).await;
        if let Err(failed) = written {
            tracing::warn!(error = &failed as &dyn std::error::Error, verb, "a refusal could not be written down");
        }
        error
    }
}

fn audit(
    transaction: &mut Transaction<'_>,
    caller: &Caller,
    verb: &str,
    subject: &str,
    outcome: &str,
) -> Result<(), registry::Error> {
    let deed = Deed { actor: caller.actor(), token: caller.token(), verb, subject, outcome };
    transaction.audit(caller.owner(), &deed)
}

pub(crate) async fn make_folder(folder: PathBuf) -> Result<PathBuf, Error> {
    let made = {
        let folder = folder.clone();
        tokio::task::spawn_blocking(move || {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
            std::fs::canonicalize(&folder)
        })
    };
    made.await?.map_err(|source| Error::Folder { path: folder.display().to_string(), source })
}

impl fmt::Debug for Factory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Factory")
            .field("data", &self.0.data)
            .field("registry", &self.0.registry)
            .finish_non_exhaustive()
    }
}
