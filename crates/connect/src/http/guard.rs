//! Decides which addresses are connected to. The name is resolved here, every answer is checked, and the connection goes to
//! an address that was checked: what the name means a moment later does not matter.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use crate::{Grant, Policy, address};

pub type ResolveFuture = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Where names are looked up.
pub trait Resolver: Send + Sync + fmt::Debug {
    fn resolve(&self, host: &str) -> ResolveFuture;
}

/// The resolver of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

/// In front of every connection of a client.
#[derive(Debug, Clone)]
pub(super) struct Guard {
    pub resolver: Arc<dyn Resolver>,
    pub allow_private: bool,
    /// Is told of what is not granted.
    pub policy: Arc<Policy>,
}

/// An address that may not be connected to. It is not told: who may not go there may not learn either what a name means there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{host}` is not on the public internet; if that is meant, set `allowPrivateNetwork: true` beside its URL")]
pub(super) struct Forbidden {
    host: String,
}

#[derive(Debug, thiserror::Error)]
#[error("the name can't be resolved")]
pub(super) struct Unresolved {
    #[source]
    source: Option<io::Error>,
}

impl Resolver for SystemResolver {
    fn resolve(&self, host: &str) -> ResolveFuture {
        let host = host.to_owned();
        Box::pin(
            async move { Ok(tokio::net::lookup_host((host.as_str(), 0)).await?.map(|address| address.ip()).collect()) },
        )
    }
}

impl Guard {
    /// For a host that is an address: no name is looked up for it, so the resolver never sees it.
    pub fn check_literal(&self, url: &Url) -> Result<(), Forbidden> {
        match url.host() {
            Some(Host::Ipv4(address)) => self.check(&address.to_string(), address.into()),
            Some(Host::Ipv6(address)) => self.check(&address.to_string(), address.into()),
            Some(Host::Domain(_)) | None => Ok(()),
        }
    }

    fn check(&self, host: &str, address: IpAddr) -> Result<(), Forbidden> {
        if self.allow_private || address::is_public(address) {
            Ok(())
        } else {
            let _ = self.policy.check(Grant::PrivateNetworks);
            Err(Forbidden { host: host.to_owned() })
        }
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let host = name.as_str();
            let found = guard.resolver.resolve(host).await.map_err(|error| Unresolved { source: Some(error) })?;
            if found.is_empty() {
                return Err(Unresolved { source: None }.into());
            }
            for address in &found {
                guard.check(host, *address)?;
            }
            let addresses: Addrs = Box::new(found.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}
