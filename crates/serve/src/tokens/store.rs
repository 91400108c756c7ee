//! Where tokens are kept for longer than a process lives, and for several at once.

#[cfg(any(feature = "store-sqlite", feature = "store-postgres"))]
mod document;
mod memory;
#[cfg(feature = "store-postgres")]
mod postgres;
#[cfg(feature = "store-sqlite")]
mod sqlite;

use std::fmt;

use super::{TokenError, TokenRecord};
use crate::{BoxFuture, TokenId};

pub use memory::MemoryTokens;
#[cfg(feature = "store-postgres")]
pub use postgres::PostgresTokens;
#[cfg(feature = "store-sqlite")]
pub use sqlite::SqliteTokens;

/// Keeps [`TokenRecord`]s, so hashes and no secrets. Every change gets the next revision, in the order in which changes
/// become visible; what one process changed, the others learn by [`changed`](Self::changed).
pub trait TokenStore: fmt::Debug + Send + Sync + 'static {
    /// Who comes first writes down of which key its hashes are; everybody else must have the same.
    fn agree<'a>(&'a self, key: [u8; 32]) -> BoxFuture<'a, Result<(), StoreError>>;

    /// What changed after a revision, as far as that is still known; else everything.
    fn load<'a>(&'a self, since: Option<u64>) -> BoxFuture<'a, Result<Loaded, StoreError>>;

    /// All or none.
    fn add<'a>(&'a self, tokens: &'a [TokenRecord]) -> BoxFuture<'a, Result<(), StoreError>>;

    /// `false` when what is stored is not `before` any more.
    fn update<'a>(&'a self, before: &'a TokenRecord, after: &'a TokenRecord)
    -> BoxFuture<'a, Result<bool, StoreError>>;

    /// `false` when there was none.
    fn remove<'a>(&'a self, id: &'a TokenId) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// Ends when something may have changed after this revision.
    fn changed<'a>(&'a self, since: u64) -> BoxFuture<'a, Result<(), StoreError>>;
}

/// What a store has, or what is new in it.
#[derive(Debug, Default)]
pub struct Loaded {
    pub tokens: Vec<TokenRecord>,
    /// Of those known before. Empty where `whole`: whatever is not in `tokens` is gone then.
    pub removed: Vec<TokenId>,
    /// Those that are there and can't be read. They are nobody's, and the others are not kept from being used.
    pub unreadable: Vec<TokenId>,
    pub whole: bool,
    pub revision: u64,
}

/// Why a store has not done what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error("the store has a token with this id or with one of these secrets already")]
    Conflict,
    #[error("the store's hashes are of another key; hand in the key that all processes of this store share")]
    OtherKey,
    #[error("the stored token `{}` was written by somebody else, and can't be changed; remove it and add it anew", .id.as_str())]
    Foreign { id: TokenId },
    #[error("connections to other machines need TLS; hand in a TLS configuration, or say `sslmode=disable`")]
    Unencrypted,
    #[error("the token store failed")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// How many removals are remembered, so that a replica that was away for a while need not load everything.
#[cfg(any(feature = "store-sqlite", feature = "store-postgres"))]
const TOMBSTONES: i64 = 10_000;

/// What SQLite and PostgreSQL share; PostgreSQL writes `$` for `?`.
#[cfg(any(feature = "store-sqlite", feature = "store-postgres"))]
mod sql {
    pub(super) const SCHEMA: &str = "
        CREATE TABLE IF NOT EXISTS mcp_tokens (
            id TEXT PRIMARY KEY,
            revision BIGINT NOT NULL,
            document TEXT -- null: removed
        );
        CREATE INDEX IF NOT EXISTS mcp_tokens_revision ON mcp_tokens (revision);
        CREATE TABLE IF NOT EXISTS mcp_token_secrets (hash TEXT PRIMARY KEY, token TEXT NOT NULL);
        CREATE INDEX IF NOT EXISTS mcp_token_secrets_token ON mcp_token_secrets (token);
        CREATE TABLE IF NOT EXISTS mcp_token_state (
            only_one INTEGER PRIMARY KEY CHECK (only_one = 1),
            revision BIGINT NOT NULL,
            oldest BIGINT NOT NULL,
            key_fingerprint TEXT
        );
        INSERT INTO mcp_token_state VALUES (1, 0, 0, NULL) ON CONFLICT DO NOTHING;";
    /// Also the lock that keeps writers apart until they commit, so that revisions become visible in their order.
    pub(super) const NEXT_REVISION: &str = "UPDATE mcp_token_state SET revision = revision + 1 RETURNING revision";
    pub(super) const STATE: &str = "SELECT revision, oldest FROM mcp_token_state";
    pub(super) const AGREE: &str = "UPDATE mcp_token_state SET key_fingerprint = coalesce(key_fingerprint, ?1)
        RETURNING key_fingerprint";
    pub(super) const ALL: &str = "SELECT id, document FROM mcp_tokens WHERE revision > ?1 AND document IS NOT NULL";
    pub(super) const SINCE: &str = "SELECT id, document FROM mcp_tokens WHERE revision > ?1";
    pub(super) const UPDATE: &str =
        "UPDATE mcp_tokens SET revision = ?2, document = ?3 WHERE id = ?1 AND document = ?4";
    pub(super) const REMOVE: &str =
        "UPDATE mcp_tokens SET revision = ?2, document = NULL WHERE id = ?1 AND document IS NOT NULL";
    pub(super) const FORGET_SECRETS: &str = "DELETE FROM mcp_token_secrets WHERE token = ?1";
    pub(super) const FORGET_REMOVED: &str = "DELETE FROM mcp_tokens WHERE document IS NULL AND revision <= ?1";
    pub(super) const OLDEST: &str = "UPDATE mcp_token_state SET oldest = ?1 WHERE oldest < ?1";
}
