//! Registries to test with: one in a file of its own, one in a PostgreSQL of its own.

use std::path::PathBuf;

use mcp_factory::{
    Caller, Config, Error, Factory, FactoryKey, Owner,
    registry::{Limits, Place, PostgresUrl, Registry, Role},
};
use mcp_factory_connect::Secret;
use mcp_factory_testing::Postgres;
use tempfile::TempDir;

/// A place that several registries can be opened at.
pub struct Kept {
    pub place: Place,
    pub folder: TempDir,
    postgres: Option<Postgres>,
}

impl Kept {
    pub fn in_file() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let place = Place::File(folder.path().join("data").join("registry.db"));
        Self { place, folder, postgres: None }
    }

    pub fn in_postgres() -> Self {
        let postgres = Postgres::start();
        let url = PostgresUrl::parse(&Secret::new(postgres.url())).expect("a URL");
        let folder = tempfile::tempdir().expect("a folder");
        Self { place: Place::Postgres(url), folder, postgres: Some(postgres) }
    }

    pub async fn open(&self) -> Registry {
        Registry::open(self.place.clone()).await.expect("it opens")
    }

    /// A factory with this registry, and a data folder that goes with it.
    pub async fn factory(&self) -> Factory {
        self.try_factory(FactoryKey::new(&[7; 32]).expect("long enough")).await.expect("it opens")
    }

    pub async fn try_factory(&self, key: FactoryKey) -> Result<Factory, Error> {
        let config = Config {
            data: self.folder.path().join("data"),
            registry: self.postgres.as_ref().map(|postgres| Secret::new(postgres.url())),
            key,
            approvals: mcp_serve::Approvals::default(),
            launcher: None,
        };
        Factory::open(config).await
    }

    pub fn postgres(&self) -> &Postgres {
        self.postgres.as_ref().expect("it is in PostgreSQL")
    }

    pub fn file(&self) -> PathBuf {
        let Place::File(path) = &self.place else { panic!("no file") };
        path.clone()
    }
}

/// A user that an admin made, as the caller of what follows.
pub async fn user(factory: &Factory, name: &str, role: Role) -> Caller {
    let owner: Owner = name.parse().expect("a name");
    factory.add_user(&Caller::local(), &owner, role, Limits::default()).await.expect("added");
    let principal = mcp_serve::Principal::trusted(name);
    factory.caller(&principal).await.expect("known")
}

/// The same test on both.
macro_rules! on_both {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        mod in_sqlite {
            $($(#[$doc])* #[tokio::test(flavor = "multi_thread")]
            async fn $name() { super::$name(crate::kept::Kept::in_file()).await; })*
        }
        mod in_postgresql {
            $($(#[$doc])* #[tokio::test(flavor = "multi_thread")]
            async fn $name() { super::$name(crate::kept::Kept::in_postgres()).await; })*
        }
    };
}
pub(crate) use on_both;
