//! Registries to test with: one in a file of its own, one in a PostgreSQL of its own.

use std::path::PathBuf;

use mcp_factory::registry::{Place, PostgresUrl, Registry};
use mcp_factory_connect::Secret;
use mcp_factory_testing::Postgres;
use tempfile::TempDir;

/// A place that several registries can be opened at.
pub struct Kept {
    pub place: Place,
    _folder: TempDir,
    postgres: Option<Postgres>,
}

impl Kept {
    pub fn in_file() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let place = Place::File(folder.path().join("data").join("registry.db"));
        Self { place, _folder: folder, postgres: None }
    }

    pub fn in_postgres() -> Self {
        let postgres = Postgres::start();
        let url = PostgresUrl::parse(&Secret::new(postgres.url())).expect("a URL");
        let folder = tempfile::tempdir().expect("a folder");
        Self { place: Place::Postgres(url), _folder: folder, postgres: Some(postgres) }
    }

    pub async fn open(&self) -> Registry {
        Registry::open(self.place.clone()).await.expect("it opens")
    }

    pub fn postgres(&self) -> &Postgres {
        self.postgres.as_ref().expect("it is in PostgreSQL")
    }

    pub fn file(&self) -> PathBuf {
        let Place::File(path) = &self.place else { panic!("no file") };
        path.clone()
    }
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
