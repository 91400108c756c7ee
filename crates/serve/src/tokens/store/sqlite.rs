//! Tokens in a SQLite file, which processes of one machine may share.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use super::{Loaded, StoreError, TOMBSTONES, TokenStore, document, sql};
use crate::{BoxFuture, TokenId, tokens::TokenRecord};

/// Tokens in a SQLite file, which several processes may share.
#[derive(Clone)]
pub struct SqliteTokens {
    path: PathBuf,
    connection: Arc<Mutex<Connection>>,
    /// Changes of others are looked for this often.
    poll: Duration,
}

impl SqliteTokens {
    /// Makes the file if there is none. Changes of other processes are noticed within a quarter of a second.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let path = path.as_ref().to_owned();
        let opened = path.clone();
        let connection = blocking(move || {
            let connection = Connection::open(opened)?;
            connection.busy_timeout(Duration::from_secs(5))?;
            connection.pragma_update(None, "journal_mode", "wal")?;
            connection.execute_batch(sql::SCHEMA)?;
            Ok(connection)
        })
        .await?;
        Ok(Self { path, connection: Arc::new(Mutex::new(connection)), poll: Duration::from_millis(250) })
    }

    #[must_use]
    pub fn polling(self, poll: Duration) -> Self {
        Self { poll, ..self }
    }

    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>, i64) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let connection = self.connection.clone();
        blocking(move || {
            let mut connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let revision: i64 = transaction.query_row(sql::NEXT_REVISION, [], |row| row.get(0))?;
            let done = work(&transaction, revision)?;
            transaction.commit()?;
            Ok(done)
        })
        .await
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(panicked) => Err(StoreError::Failed(Box::new(panicked))),
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Failed(Box::new(error))
    }
}

fn remember_secrets(transaction: &Transaction<'_>, token: &TokenRecord) -> Result<(), StoreError> {
    let mut add = transaction.prepare_cached("INSERT INTO mcp_token_secrets VALUES (?1, ?2) ON CONFLICT DO NOTHING")?;
    for secret in &token.secrets {
        if add.execute(params![document::hash_text(&secret.hash), token.id().as_str()])? == 0 {
            return Err(StoreError::Conflict);
        }
    }
    Ok(())
}

impl TokenStore for SqliteTokens {
    fn agree<'a>(&'a self, key: [u8; 32]) -> BoxFuture<'a, Result<(), StoreError>> {
        use base64::Engine;
        let mine = base64::prelude::BASE64_STANDARD.encode(key);
        Box::pin(self.write(move |transaction, _| {
            let agreed: String = transaction.query_row(sql::AGREE, [&mine], |row| row.get(0))?;
            if agreed == mine { Ok(()) } else { Err(StoreError::OtherKey) }
        }))
    }

    fn load<'a>(&'a self, since: Option<u64>) -> BoxFuture<'a, Result<Loaded, StoreError>> {
        let connection = self.connection.clone();
        Box::pin(blocking(move || {
            let mut connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            let transaction = connection.transaction()?;
            let (revision, oldest): (i64, i64) =
                transaction.query_row(sql::STATE, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let since = since.and_then(|since| i64::try_from(since).ok()).filter(|since| *since >= oldest);
            let mut loaded = Loaded { whole: since.is_none(), revision: revision.unsigned_abs(), ..Loaded::default() };
            let mut select = transaction.prepare_cached(if loaded.whole { sql::ALL } else { sql::SINCE })?;
            let mut rows = select.query([since.unwrap_or(-1)])?;
            while let Some(row) = rows.next()? {
                let (id, text): (String, Option<String>) = (row.get(0)?, row.get(1)?);
                match text {
                    Some(text) => document::add(&mut loaded, id, &text),
                    None => loaded.removed.push(TokenId(id)),
                }
            }
            Ok(loaded)
        }))
    }

    fn add<'a>(&'a self, tokens: &'a [TokenRecord]) -> BoxFuture<'a, Result<(), StoreError>> {
        let tokens = tokens.to_vec();
        Box::pin(self.write(move |transaction, revision| {
            let mut add = transaction.prepare_cached(
                "INSERT INTO mcp_tokens VALUES (?1, ?2, ?3) ON CONFLICT (id) DO UPDATE
                 SET revision = excluded.revision, document = excluded.document WHERE mcp_tokens.document IS NULL",
            )?;
            for token in &tokens {
                if add.execute(params![token.id().as_str(), revision, document::write(token)])? == 0 {
                    return Err(StoreError::Conflict);
                }
                remember_secrets(transaction, token)?;
            }
            Ok(())
        }))
    }

    fn update<'a>(
        &'a self,
        before: &'a TokenRecord,
        after: &'a TokenRecord,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        let (before, after) = (before.clone(), after.clone());
        Box::pin(self.write(move |transaction, revision| {
            let id = before.id().as_str();
            let texts = (document::write(&after), document::write(&before));
            if transaction.execute(sql::UPDATE, params![id, revision, texts.0, texts.1])? == 0 {
                return Ok(false);
            }
            transaction.execute(sql::FORGET_SECRETS, [id])?;
            remember_secrets(transaction, &after)?;
            Ok(true)
        }))
    }

    fn remove<'a>(&'a self, id: &'a TokenId) -> BoxFuture<'a, Result<bool, StoreError>> {
        let id = id.clone();
        Box::pin(self.write(move |transaction, revision| {
            let removed = transaction.execute(sql::REMOVE, params![id.as_str(), revision])? > 0;
            transaction.execute(sql::FORGET_SECRETS, [id.as_str()])?;
            let oldest = revision - TOMBSTONES;
            if transaction.execute(sql::FORGET_REMOVED, [oldest])? > 0 {
                transaction.execute(sql::OLDEST, [oldest])?;
            }
            Ok(removed)
        }))
    }

    /// One row, mostly out of SQLite's cache: `data_version` would not tell what this connection wrote itself, which another
    /// registry of this process may have to learn.
    fn changed<'a>(&'a self, since: u64) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            loop {
                let connection = self.connection.clone();
                let revision = blocking(move || {
                    let connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
                    let revision: i64 = connection.query_row(sql::STATE, [], |row| row.get(0))?;
                    Ok(revision.unsigned_abs())
                });
                if revision.await? > since {
                    return Ok(());
                }
                tokio::time::sleep(self.poll).await;
            }
        })
    }
}

impl fmt::Debug for SqliteTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteTokens").field("path", &self.path).finish_non_exhaustive()
    }
}
