//! Whose server is made, and with which token.

use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tokio::sync::broadcast;

use super::check_user;
use crate::{
    Extras, FactoryError, Finding, Instances, Principal, Renewal, Server, Servers, TenantContext,
    resolver::{Credential, ResolveError, Resource, TokenResolver, TokenSource},
};

/// What a factory is told: the user, the user's token for the resource, and how the server is to be called.
#[derive(Debug, Clone)]
pub struct Tenant {
    context: TenantContext,
    credential: Option<Arc<Credential>>,
    tokens: Option<TokenSource>,
    resource: Resource,
    name: String,
    version: String,
}

impl Tenant {
    pub(super) async fn of(
        context: TenantContext,
        tokens: &Tokens,
        name: String,
        version: String,
    ) -> Result<Self, FactoryError> {
        let source = tokens.source(&context.principal);
        let credential = match &source {
            None => None,
            Some(source) => tokens.found(source.credential().await)?,
        };
        let resource = tokens.resource.clone();
        Ok(Self { context, credential, tokens: source, resource, name, version })
    }

    /// Never empty.
    #[must_use]
    pub fn user_id(&self) -> &str {
        self.context.user_id()
    }

    /// The user's token for the resource, for the requests that this server makes there. Empty without a resolver. It is not
    /// what the user came with. For a server that is kept, ask [`tokens`](Self::tokens) in each call instead.
    #[must_use]
    pub fn access_token(&self) -> &str {
        self.credential.as_deref().map_or("", Credential::reveal)
    }

    /// The same, asked in each call, so that a rotated token is used from the next call on.
    #[must_use]
    pub fn tokens(&self) -> Option<&TokenSource> {
        self.tokens.as_ref()
    }

    #[must_use]
    pub fn resource(&self) -> &Resource {
        &self.resource
    }

    #[must_use]
    pub fn principal(&self) -> &Arc<Principal> {
        &self.context.principal
    }

    #[must_use]
    pub fn context(&self) -> &TenantContext {
        &self.context
    }

    /// One of the values that [`WrapConfig::extras`](super::WrapConfig::extras) allows.
    #[must_use]
    pub fn extra(&self, name: &str) -> Option<&str> {
        self.context.extras.get(name)
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }
}

/// Where tokens come from.
#[derive(Debug, Clone)]
pub(super) struct Tokens {
    pub(super) resolver: Option<Arc<dyn TokenResolver>>,
    pub(super) resource: Resource,
    /// Whether a user without one is refused.
    pub(super) required: bool,
}

impl Tokens {
    fn source(&self, principal: &Arc<Principal>) -> Option<TokenSource> {
        let resolver = self.resolver.clone()?;
        Some(TokenSource::new(resolver, principal.clone(), self.resource.clone()))
    }

    fn found(&self, found: Result<Arc<Credential>, ResolveError>) -> Result<Option<Arc<Credential>>, FactoryError> {
        match found {
            Ok(credential) => Ok(Some(credential)),
            Err(ResolveError::NotLinked { .. }) if !self.required => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// [`Instances`], keyed by the user's token, too, so that none is kept with a token that was replaced (W1-3).
pub(super) struct Tenants {
    pub(super) instances: Instances,
    pub(super) tokens: Tokens,
    pub(super) pooled: bool,
    pub(super) extras: Vec<String>,
}

/// No header can be called so.
const TOKEN: &str = " token";

impl Tenants {
    pub(super) async fn server_of(&self, caller: TenantContext) -> Result<Arc<dyn Server>, FactoryError> {
        let served = match self.find(caller) {
            Finding::Ready(found) => found,
            Finding::Pending(found) => found.await,
        };
        Ok(served?.server().clone())
    }
}

fn fingerprint(token: &str) -> String {
    static KEY: std::sync::OnceLock<[u8; 32]> = std::sync::OnceLock::new();
    let key = KEY.get_or_init(crate::random);
    let mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    let digest = mac.chain_update(token).finalize().into_bytes();
    digest[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Servers for Tenants {
    fn find(&self, caller: TenantContext) -> Finding<'_> {
        if let Err(refused) = check_user(caller.user_id()) {
            return Finding::Ready(Err(refused));
        }
        let Some(source) = self.tokens.source(&caller.principal).filter(|_| self.pooled) else {
            return self.instances.find(caller);
        };
        Finding::Pending(Box::pin(async move {
            let caller = match self.tokens.found(source.credential().await)? {
                None => caller,
                Some(credential) => {
                    let token = (TOKEN.to_owned(), fingerprint(credential.reveal()));
                    let sent = caller.extras.iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
                    let extras: Extras = sent.chain([token]).collect();
                    caller.with_extras(extras)
                }
            };
            match self.instances.find(caller) {
                Finding::Ready(found) => found,
                Finding::Pending(found) => found.await,
            }
        }))
    }

    fn extras(&self) -> &[String] {
        &self.extras
    }

    fn renewals(&self) -> Option<broadcast::Receiver<Renewal>> {
        self.instances.renewals()
    }
}
