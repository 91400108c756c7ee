//! Tokens that an operator issues: API keys and bearer tokens, changed while they are used.
//!
//! [`TokenRegistry`] is what requests are checked against; [`SharedTokens`] keeps one the same as a [`TokenStore`], which
//! several processes may share. Neither remembers a secret: what stays is its hash under a [`HashKey`].

mod hash;
mod id;
mod registry;
mod shared;
mod store;
mod token;

pub use hash::{HashKey, HashKeyError, Secret, SecretHash};
pub use id::TokenIdError;
pub use registry::{RegistryOptions, TokenRegistry};
pub(crate) use registry::{TokenChange, TokenObserver};
pub use shared::SharedTokens;
#[cfg(feature = "store-postgres")]
pub use store::PostgresTokens;
#[cfg(feature = "store-sqlite")]
pub use store::SqliteTokens;
pub use store::{Loaded, MemoryTokens, StoreError, TokenStore};
pub use token::{SecretRecord, Token, TokenError, TokenInfo, TokenRecord};

#[cfg(test)]
mod tests;
