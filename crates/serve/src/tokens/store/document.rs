//! A token record as text, the same for the same record.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize, de::Error as _};
use serde_json::{Map, Value};

use super::Loaded;
use crate::{
    Limits, Principal, Rate, Scopes, TokenId,
    tokens::{SecretHash, SecretRecord, TokenRecord},
};

#[derive(Serialize, Deserialize)]
struct Document {
    principal: String,
    tenant: Option<String>,
    groups: Vec<String>,
    /// Null: all of them.
    scopes: Option<BTreeSet<String>>,
    claims: Map<String, Value>,
    secrets: Vec<DocumentSecret>,
    expires_at: Option<u64>,
    rate: Option<(u32, u64)>,
    concurrency: Option<usize>,
}

#[derive(Serialize, Deserialize)]
struct DocumentSecret {
    hash: String,
    expires_at: Option<u64>,
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX / 1_000_000)
}

fn to_millis(time: SystemTime) -> u64 {
    millis(time.duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn from_millis(time: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(time)
}

pub(super) fn hash_text(hash: &SecretHash) -> String {
    BASE64_STANDARD.encode(hash.as_bytes())
}

pub(super) fn write(record: &TokenRecord) -> String {
    let principal = &record.principal;
    let document = Document {
        principal: principal.id.clone(),
        tenant: principal.tenant.clone(),
        groups: principal.groups.clone(),
        scopes: match &principal.scopes {
            Scopes::All => None,
            Scopes::Only(scopes) => Some(scopes.clone()),
        },
        claims: principal.claims.clone(),
        secrets: record
            .secrets
            .iter()
            .map(|secret| DocumentSecret {
                hash: hash_text(&secret.hash),
                expires_at: secret.expires_at.map(to_millis),
            })
            .collect(),
        expires_at: record.expires_at.map(to_millis),
        rate: record.limits.rate.map(|rate| (rate.calls, millis(rate.per))),
        concurrency: record.limits.concurrency,
    };
    serde_json::to_string(&document).expect("texts and numbers are JSON")
}

/// One that can't be read must not keep the others from being used.
pub(super) fn add(loaded: &mut Loaded, id: String, text: &str) {
    let id = TokenId(id);
    match parse(&id, text) {
        Ok(record) => loaded.tokens.push(record),
        Err(error) => {
            // What is wrong with it, and never what is in it.
            let (line, column) = (error.line(), error.column());
            tracing::error!(token = %crate::visible(id.as_str()), line, column, "a stored token can't be read; it is refused");
            loaded.unreadable.push(id);
        }
    }
}

fn parse(id: &TokenId, text: &str) -> Result<TokenRecord, serde_json::Error> {
    let document: Document = serde_json::from_str(text)?;
    let secret = |secret: DocumentSecret| {
        let mut hash = [0; 32];
        match BASE64_STANDARD.decode_slice(&secret.hash, &mut hash) {
            Ok(32) => {
                let expires_at = secret.expires_at.map(from_millis);
                Ok(SecretRecord { hash: SecretHash::from_bytes(hash), expires_at })
            }
            _ => Err(serde_json::Error::custom("a hash has 32 bytes in base64")),
        }
    };
    let record = TokenRecord {
        secrets: document.secrets.into_iter().map(secret).collect::<Result<_, _>>()?,
        expires_at: document.expires_at.map(from_millis),
        limits: Limits {
            rate: document.rate.map(|(calls, per)| Rate { calls, per: Duration::from_millis(per) }),
            concurrency: document.concurrency,
        },
        principal: Arc::new(Principal {
            id: document.principal,
            tenant: document.tenant,
            groups: document.groups,
            scopes: document.scopes.map_or(Scopes::All, Scopes::Only),
            claims: document.claims,
            token: Some(id.clone()),
        }),
    };
    record.check().map_err(serde_json::Error::custom)?;
    Ok(record)
}
