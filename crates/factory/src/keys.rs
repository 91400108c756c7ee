//! Keys of hosted servers: with which callers come to one server, and to nothing else of the factory. A secret is shown once;
//! what is kept is its hash under the factory's key.
//!
//! They share a registry with API tokens and are told apart by their ids: a key is `owner/server/name`, an API token
//! `owner/name`, and none of these parts has a `/`.

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime},
};

use mcp_factory_engine::authentication::IssuedKeys;
use mcp_factory_spec::model::{Auth, ServerName};
use mcp_serve::tokens::{Secret, Token, TokenInfo};

use crate::{Caller, Change, Error, Factory, Issued, Owner, registry::Role, spec::read_again, tokens::bounded};

/// Of all servers of one owner.
const MOST: usize = 10_000;
const MOST_NAMES: usize = 100;

/// A key that is to be issued: whose it is, and what they may.
#[derive(Debug, Clone, Default)]
pub struct NewKey {
    /// Unique among the keys of the server.
    pub name: String,
    /// Who calls with it; by default somebody of the key's name.
    pub principal: Option<String>,
    pub tenant: Option<String>,
    pub groups: Vec<String>,
    pub scopes: BTreeSet<String>,
    /// Left out: until it is revoked.
    pub lifetime: Option<Duration>,
}

impl NewKey {
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }
}

impl Factory {
    /// Of the caller's server, which has to take keys. It is good at once, wherever this server is served.
    pub async fn issue_key(&self, caller: &Caller, server: &str, new: NewKey) -> Result<Issued, Error> {
        let subject = subject(server, &new.name);
        let issued = self.issue_key_for(caller, server, new).await;
        self.told(caller, "keys.issue", &subject, issued).await
    }

    async fn issue_key_for(&self, caller: &Caller, server: &str, new: NewKey) -> Result<Issued, Error> {
        caller.needs(Role::Developer)?;
        self.takes_keys(caller, server).await?;
        let NewKey { name, principal, tenant, groups, scopes, lifetime } = new;
        let id = id_of(caller.owner(), server, &name)?;
        if groups.len() > MOST_NAMES || scopes.len() > MOST_NAMES {
            return Err(Error::argument("a key", format!("has at most {MOST_NAMES} groups and {MOST_NAMES} scopes")));
        }
        if groups.iter().chain(&scopes).any(|name| !is_name(name)) {
            return Err(Error::argument("a group or scope", "has 1 to 255 bytes, and no control characters"));
        }
        if self.keys_below(&format!("{}/", caller.owner())).count() >= MOST {
            return Err(Error::TooMany { what: "keys", most: MOST as u32 });
        }
        let secret = Secret::generate();
        let mut token = Token::new(secret.clone())
            .with_id(&id)
            .with_principal(principal.unwrap_or(name))
            .with_groups(groups)
            .with_scopes(scopes);
        if let Some(tenant) = tenant {
            token = token.with_tenant(tenant);
        }
        if let Some(lifetime) = lifetime {
            token = token.expires_at(SystemTime::now() + bounded("a lifetime", lifetime)?);
        }
        self.shared_tokens().add(token).await?;
        let token = self.tokens().get(&id).ok_or_else(|| no_key(&id))?;
        Ok(Issued { token, secret })
    }

    /// In the order of their names; no secrets.
    pub async fn list_keys(&self, caller: &Caller, server: &str) -> Result<Vec<TokenInfo>, Error> {
        self.has_server(caller, server).await?;
        Ok(self.keys_below(&prefix_of(caller.owner(), server)).collect())
    }

    /// Gives a key another secret; the one it has is good for `overlap` more.
    pub async fn rotate_key(
        &self,
        caller: &Caller,
        server: &str,
        name: &str,
        overlap: Duration,
    ) -> Result<Issued, Error> {
        let secret = Secret::generate();
        let rotated = async {
            caller.needs(Role::Developer)?;
            self.has_server(caller, server).await?;
            let id = id_of(caller.owner(), server, name)?;
            let overlap = bounded("an overlap", overlap)?;
            let token = self.shared_tokens().rotate(&id, secret.clone(), overlap).await?;
            Ok(Issued { token: token.ok_or_else(|| no_key(name))?, secret })
        };
        let rotated = rotated.await;
        self.told(caller, "keys.rotate", &subject(server, name), rotated).await
    }

    /// From the next request on; calls that run have a grace to end, streams end at once.
    pub async fn revoke_key(&self, caller: &Caller, server: &str, name: &str) -> Result<Change, Error> {
        let revoked = async {
            caller.needs(Role::Developer)?;
            self.has_server(caller, server).await?;
            let id = id_of(caller.owner(), server, name)?;
            Ok(Change::of(self.shared_tokens().remove(&id).await?.is_some()))
        };
        let revoked = revoked.await;
        self.told(caller, "keys.revoke", &subject(server, name), revoked).await
    }

    /// What a server of this owner takes beside the keys that its spec names.
    pub(crate) fn issued_keys(&self, owner: &Owner, server: &ServerName) -> IssuedKeys {
        IssuedKeys { registry: self.tokens().clone(), prefix: prefix_of(owner, server) }
    }

    /// A server is gone, and its keys with it: one of the same name is another one.
    pub(crate) async fn revoke_keys_of(&self, owner: &Owner, server: &str) -> Result<(), Error> {
        let keys: Vec<TokenInfo> = self.keys_below(&prefix_of(owner, server)).collect();
        for key in keys {
            self.shared_tokens().remove(key.token.as_str()).await?;
        }
        Ok(())
    }

    fn keys_below(&self, prefix: &str) -> impl Iterator<Item = TokenInfo> + use<'_> {
        let prefix = prefix.to_owned();
        let keys = self.tokens().list().into_iter();
        keys.filter(move |key| key.token.as_str().starts_with(&prefix) && is_key(key.token.as_str()))
    }

    async fn has_server(&self, caller: &Caller, server: &str) -> Result<(), Error> {
        let wanted = server.to_owned();
        self.look(caller, move |transaction, owner| {
            transaction.server(owner, &wanted)?.ok_or_else(|| Error::no_server(&wanted)).map(drop)
        })
        .await
    }

    /// A key for a server that everybody may call, or that asks somebody else who calls, would keep nobody out.
    async fn takes_keys(&self, caller: &Caller, server: &str) -> Result<(), Error> {
        let wanted = server.to_owned();
        let text = self.look(caller, move |transaction, owner| {
            let server = transaction.server(owner, &wanted)?.ok_or_else(|| Error::no_server(&wanted))?;
            transaction.spec(owner, &wanted, &server.latest)?.ok_or_else(|| Error::no_server(&wanted))
        });
        let text = text.await?;
        let spec = tokio::task::spawn_blocking(move || read_again(&text)).await?;
        match spec.ok_or(crate::registry::Error::Content)?.auth {
            Auth::ApiKey(_) | Auth::Bearer(_) => Ok(()),
            auth => Err(Error::TakesNoKeys { server: server.to_owned(), auth: auth.word() }),
        }
    }
}

/// Whether this is a key of a hosted server, and no API token.
pub(crate) fn is_key(id: &str) -> bool {
    id.bytes().filter(|byte| *byte == b'/').count() == 2
}

/// The name of a key, of its public id.
#[must_use]
pub fn name_of(key: &TokenInfo) -> &str {
    key.token.as_str().rsplit('/').next().unwrap_or_default()
}

fn prefix_of(owner: &Owner, server: &str) -> String {
    format!("{owner}/{server}/")
}

fn id_of(owner: &Owner, server: &str, name: &str) -> Result<String, Error> {
    Ok(prefix_of(owner, server) + crate::tokens::checked("the name of a key", name)?.as_str())
}

fn subject(server: &str, name: &str) -> String {
    let short = |text: &str| text.chars().take(64).flat_map(char::escape_debug).collect::<String>();
    format!("{}/{}", short(server), short(name))
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= 255 && !text.chars().any(char::is_control)
}

fn no_key(name: &str) -> Error {
    Error::NotFound { what: "key", name: name.chars().take(64).flat_map(char::escape_debug).collect() }
}
