//! The catalogue as the official registry's read API has it: versions of servers, each a `server.json` with what the registry
//! says of it.

use mcp_factory_spec::Spec;
use serde_json::Value;

use crate::{
    Caller, Error, Factory, Owner,
    registry::{Listed, Page, Paged, Selection, Transaction, Which},
    server_json::{self, Namespace},
    spec::read_again,
};

/// One entry.
#[derive(Debug, Clone, PartialEq)]
pub struct Published {
    /// Its `server.json`.
    pub server: Value,
    pub listed: Listed,
}

impl Factory {
    /// Of servers that the caller may see. `page.after` is what the page before said.
    pub async fn catalogue(&self, caller: &Caller, wanted: &Selection, page: &Page) -> Result<Paged<Published>, Error> {
        let (wanted, page, namespace) = (wanted.clone(), page.clone(), self.namespace());
        self.look(caller, move |transaction, owner| {
            let Paged { entries, next } = transaction.catalogue(owner, &wanted, &page)?;
            let entries = entries.into_iter().map(|listed| published(transaction, owner, &namespace, listed));
            Ok(Paged { entries: entries.collect::<Result<_, Error>>()?, next })
        })
        .await
    }

    /// Versions of a server by its whole name, the newest first.
    pub async fn catalogue_of(&self, caller: &Caller, name: &str, which: &Which) -> Result<Vec<Published>, Error> {
        let (wanted, which, namespace) = (name.to_owned(), which.clone(), self.namespace());
        self.look(caller, move |transaction, owner| {
            let no_server = || Error::no_server(&wanted);
            let server = namespace.server(&wanted).ok_or_else(no_server)?;
            transaction.server(owner, server)?.ok_or_else(no_server)?;
            let listed = transaction.catalogue_of(owner, server, &which)?;
            match &which {
                Which::Only(version) if listed.is_empty() => Err(crate::versions::no_version(&wanted, version)),
                _ => listed.into_iter().map(|it| published(transaction, owner, &namespace, it)).collect(),
            }
        })
        .await
    }

    pub(crate) fn namespace(&self) -> Namespace {
        Namespace::of(self.public_url())
    }
}

pub(crate) fn published(
    transaction: &mut Transaction<'_>,
    owner: &Owner,
    namespace: &Namespace,
    listed: Listed,
) -> Result<Published, Error> {
    let spec = running_spec(transaction, owner, &listed)?;
    Ok(Published { server: server_json::of(&listed, namespace, spec.as_ref()), listed })
}

/// What callers bring is said by the spec, and only of what they can reach.
fn running_spec(transaction: &mut Transaction<'_>, owner: &Owner, listed: &Listed) -> Result<Option<Spec>, Error> {
    if listed.endpoint.is_none() || matches!(&*listed.auth, "none" | "oauth2") {
        return Ok(None);
    }
    let text = transaction.spec(owner, &listed.server, &listed.version)?;
    Ok(text.as_deref().and_then(read_again))
}
