//! Tokens in PostgreSQL, shared by any number of processes. Who changed something tells the others (`NOTIFY`).

use std::{fmt, future::poll_fn, sync::Arc};

use base64::{Engine, prelude::BASE64_STANDARD};
use tokio::sync::{Mutex, MutexGuard, watch};
use tokio_postgres::{
    AsyncMessage, Client, Config, Connection, IsolationLevel, NoTls, Transaction,
    config::{Host, SslMode},
};
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{Loaded, StoreError, TOMBSTONES, TokenStore, document, sql};
use crate::{BoxFuture, TokenId, tokens::TokenRecord};

/// One connection, made anew when it breaks.
pub struct PostgresTokens {
    config: Config,
    tls: Option<MakeRustlsConnect>,
    connection: Mutex<Option<Open>>,
    /// The newest that was heard of.
    revision: Arc<watch::Sender<u64>>,
}

struct Open {
    client: Client,
    lost: CancellationToken,
    _end: DropGuard,
}

const CHANNEL: &str = "mcp_tokens";

impl PostgresTokens {
    /// Makes its tables if there are none. Other machines are reached over TLS only, unless `sslmode=disable` says otherwise.
    pub async fn open(config: Config, tls: Option<rustls::ClientConfig>) -> Result<Self, StoreError> {
        let is_local = |host: &Host| match host {
            Host::Unix(_) => true,
            Host::Tcp(name) => name == "localhost" || name.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback()),
        };
        let is_local =
            config.get_hosts().iter().all(is_local) && config.get_hostaddrs().iter().all(|ip| ip.is_loopback());
        if tls.is_none() && !is_local && config.get_ssl_mode() != SslMode::Disable {
            return Err(StoreError::Unencrypted);
        }
        let mut config = config;
        if tls.is_some() {
            config.ssl_mode(SslMode::Require);
        }
        let store = Self {
            config,
            tls: tls.map(MakeRustlsConnect::new),
            connection: Mutex::default(),
            revision: Arc::new(watch::Sender::new(0)),
        };
        drop(store.connection().await?);
        Ok(store)
    }

    async fn connection(&self) -> Result<MutexGuard<'_, Option<Open>>, StoreError> {
        let mut open = self.connection.lock().await;
        if open.as_ref().is_some_and(|open| !open.lost.is_cancelled() && !open.client.is_closed()) {
            return Ok(open);
        }
        *open = None;
        let lost = CancellationToken::new();
        let client = match &self.tls {
            Some(tls) => {
                let (client, connection) = self.config.connect(tls.clone()).await?;
                tokio::spawn(listen(connection, self.revision.clone(), lost.clone()));
                client
            }
            None => {
                let (client, connection) = self.config.connect(NoTls).await?;
                tokio::spawn(listen(connection, self.revision.clone(), lost.clone()));
                client
            }
        };
        let opened = Open { client, lost: lost.clone(), _end: lost.drop_guard() };
        // Two that begin at once would both make the tables.
        opened.client.batch_execute("SELECT pg_advisory_lock(5571201)").await?;
        let made = opened.client.batch_execute(sql::SCHEMA).await;
        opened.client.batch_execute("SELECT pg_advisory_unlock(5571201)").await?;
        made?;
        opened.client.batch_execute(&format!("LISTEN {CHANNEL}")).await?;
        let state = opened.client.query_one(sql::STATE, &[]).await?;
        heard(&self.revision, state.get::<_, i64>(0).unsigned_abs());
        *open = Some(opened);
        Ok(open)
    }

    async fn write<T>(
        &self,
        work: impl AsyncFnOnce(&Transaction<'_>, i64) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut open = self.connection().await?;
        let client = &mut open.as_mut().expect("just opened").client;
        let transaction = client.transaction().await?;
        let revision: i64 = transaction.query_one(sql::NEXT_REVISION, &[]).await?.get(0);
        let done = work(&transaction, revision).await?;
        transaction.execute("SELECT pg_notify($1, $2)", &[&CHANNEL, &revision.to_string()]).await?;
        transaction.commit().await?;
        Ok(done)
    }
}

fn heard(revision: &watch::Sender<u64>, newest: u64) {
    revision.send_if_modified(|revision| {
        let is_news = newest > *revision;
        *revision = newest.max(*revision);
        is_news
    });
}

/// Drives a connection until it ends or nobody has it any more.
async fn listen<S, T>(mut connection: Connection<S, T>, revision: Arc<watch::Sender<u64>>, lost: CancellationToken)
where
    Connection<S, T>: Unpin,
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let driving = async {
        loop {
            match poll_fn(|cx| connection.poll_message(cx)).await {
                Some(Ok(AsyncMessage::Notification(news))) => {
                    if let Ok(newest) = news.payload().parse() {
                        heard(&revision, newest);
                    }
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => {
                    tracing::warn!(%error, "the connection to the token store broke");
                    break;
                }
                None => break,
            }
        }
    };
    tokio::select! {
        () = driving => lost.cancel(),
        () = lost.cancelled() => {}
    }
}

impl From<tokio_postgres::Error> for StoreError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Failed(Box::new(error))
    }
}

/// PostgreSQL's way to write a parameter.
fn dollars(sql: &str) -> String {
    sql.replace('?', "$")
}

async fn remember_secrets(transaction: &Transaction<'_>, tokens: &[TokenRecord]) -> Result<(), StoreError> {
    let secrets = tokens.iter().flat_map(|token| token.secrets.iter().map(move |secret| (secret, token.id().as_str())));
    let (hashes, ids): (Vec<String>, Vec<&str>) =
        secrets.map(|(secret, id)| (document::hash_text(&secret.hash), id)).unzip();
    let added = transaction
        .execute(
            "INSERT INTO mcp_token_secrets SELECT * FROM unnest($1::text[], $2::text[]) ON CONFLICT DO NOTHING",
            &[&hashes, &ids],
        )
        .await?;
    if added == hashes.len() as u64 { Ok(()) } else { Err(StoreError::Conflict) }
}

impl TokenStore for PostgresTokens {
    fn agree<'a>(&'a self, key: [u8; 32]) -> BoxFuture<'a, Result<(), StoreError>> {
        let mine = BASE64_STANDARD.encode(key);
        Box::pin(self.write(async move |transaction: &Transaction<'_>, _| {
            let agreed: String = transaction.query_one(&dollars(sql::AGREE), &[&mine]).await?.get(0);
            if agreed == mine { Ok(()) } else { Err(StoreError::OtherKey) }
        }))
    }

    fn load<'a>(&'a self, since: Option<u64>) -> BoxFuture<'a, Result<Loaded, StoreError>> {
        Box::pin(async move {
            let mut open = self.connection().await?;
            let client = &mut open.as_mut().expect("just opened").client;
            let transaction = client
                .build_transaction()
                .isolation_level(IsolationLevel::RepeatableRead)
                .read_only(true)
                .start()
                .await?;
            let state = transaction.query_one(sql::STATE, &[]).await?;
            let (revision, oldest): (i64, i64) = (state.get(0), state.get(1));
            let since = since.and_then(|since| i64::try_from(since).ok()).filter(|since| *since >= oldest);
            let mut loaded = Loaded { whole: since.is_none(), revision: revision.unsigned_abs(), ..Loaded::default() };
            let select = dollars(if loaded.whole { sql::ALL } else { sql::SINCE });
            for row in transaction.query(&select, &[&since.unwrap_or(-1)]).await? {
                match row.get(1) {
                    Some(text) => document::add(&mut loaded, row.get(0), text),
                    None => loaded.removed.push(TokenId(row.get(0))),
                }
            }
            transaction.commit().await?;
            Ok(loaded)
        })
    }

    fn add<'a>(&'a self, tokens: &'a [TokenRecord]) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(self.write(async move |transaction: &Transaction<'_>, revision| {
            let ids: std::collections::BTreeSet<_> = tokens.iter().map(|token| token.id().as_str()).collect();
            if ids.len() < tokens.len() {
                return Err(StoreError::Conflict);
            }
            let ids: Vec<_> = tokens.iter().map(|token| token.id().as_str()).collect();
            let documents: Vec<_> = tokens.iter().map(document::write).collect();
            let added = transaction
                .execute(
                    "INSERT INTO mcp_tokens SELECT id, $1, document
                     FROM unnest($2::text[], $3::text[]) AS new (id, document)
                     ON CONFLICT (id) DO UPDATE SET revision = excluded.revision, document = excluded.document
                     WHERE mcp_tokens.document IS NULL",
                    &[&revision, &ids, &documents],
                )
                .await?;
            if added < tokens.len() as u64 {
                return Err(StoreError::Conflict);
            }
            remember_secrets(transaction, tokens).await
        }))
    }

    fn update<'a>(
        &'a self,
        before: &'a TokenRecord,
        after: &'a TokenRecord,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(self.write(async move |transaction: &Transaction<'_>, revision| {
            let id = before.id().as_str();
            let (new, old) = (document::write(after), document::write(before));
            if transaction.execute(&dollars(sql::UPDATE), &[&id, &revision, &new, &old]).await? == 0 {
                return Ok(false);
            }
            transaction.execute(&dollars(sql::FORGET_SECRETS), &[&id]).await?;
            remember_secrets(transaction, std::slice::from_ref(after)).await?;
            Ok(true)
        }))
    }

    fn remove<'a>(&'a self, id: &'a TokenId) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(self.write(async move |transaction: &Transaction<'_>, revision| {
            let id = id.as_str();
            let removed = transaction.execute(&dollars(sql::REMOVE), &[&id, &revision]).await? > 0;
            transaction.execute(&dollars(sql::FORGET_SECRETS), &[&id]).await?;
            let oldest = revision - TOMBSTONES;
            if transaction.execute(&dollars(sql::FORGET_REMOVED), &[&oldest]).await? > 0 {
                transaction.execute(&dollars(sql::OLDEST), &[&oldest]).await?;
            }
            Ok(removed)
        }))
    }

    fn changed<'a>(&'a self, since: u64) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let mut revision = self.revision.subscribe();
            loop {
                // A new connection asks for the revision, so that what was said while there was none is not missed.
                let lost = self.connection().await?.as_ref().expect("just opened").lost.clone();
                tokio::select! {
                    _ = revision.wait_for(|revision| *revision > since) => return Ok(()),
                    () = lost.cancelled() => {}
                }
            }
        })
    }
}

impl fmt::Debug for PostgresTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresTokens").field("hosts", &self.config.get_hosts()).finish_non_exhaustive()
    }
}
