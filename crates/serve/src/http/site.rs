//! What answers at a listener: one endpoint, or a host of many.

use std::{net::IpAddr, sync::Arc, time::Duration};

use http::{Request, Response};
use tokio_util::sync::CancellationToken;

use super::{
    Body, Config, Endpoint, Host,
    host::conversations::{Arriving, Conversation, Listed},
    shares::Addresses,
};
use crate::Peer;

#[derive(Clone)]
pub(crate) enum Site {
    One(Endpoint),
    Many(Host),
}

impl From<Endpoint> for Site {
    fn from(endpoint: Endpoint) -> Self {
        Self::One(endpoint)
    }
}

impl From<Host> for Site {
    fn from(host: Host) -> Self {
        Self::Many(host)
    }
}

/// How its connections are treated.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sockets {
    pub(super) max_connections: usize,
    pub(super) head_timeout: Duration,
    pub(super) write_timeout: Duration,
    pub(super) drain: Duration,
}

impl From<&Config> for Sockets {
    fn from(config: &Config) -> Self {
        let &Config { max_connections, head_timeout, write_timeout, drain, .. } = config;
        Self { max_connections, head_timeout, write_timeout, drain }
    }
}

impl Site {
    pub(super) fn sockets(&self) -> Sockets {
        match self {
            Self::One(endpoint) => endpoint.shared().config().into(),
            Self::Many(host) => host.sockets(),
        }
    }

    /// How many connections one address may have.
    pub(super) fn addresses(&self) -> Addresses {
        match self {
            Self::One(endpoint) => {
                let live = &endpoint.shared().live;
                let Config { max_connections_per_address, proxies, .. } = live.config();
                let trusted = live.front().authenticator.proxies();
                Addresses::new(*max_connections_per_address, proxies.iter().copied().chain(trusted).collect())
            }
            Self::Many(host) => host.addresses(),
        }
    }

    /// A connection begins.
    pub(super) fn converse(&self, closing: CancellationToken) -> (Arc<Conversation>, Option<Listed>) {
        let conversation = Arc::new(Conversation::new(closing));
        let listed = match self {
            Self::One(_) => None,
            Self::Many(host) => Some(host.list(conversation.clone())),
        };
        (conversation, listed)
    }

    /// `local` is the address that the connection came in on.
    pub(super) async fn handle(
        &self,
        mut request: Request<Arriving>,
        local: Option<IpAddr>,
        peer: Peer,
        conversation: &Conversation,
    ) -> Response<Body> {
        match self {
            Self::One(endpoint) => {
                // Extensions are allocated; hardly anybody asks for this one.
                if endpoint.shared().live.reads_peer() {
                    request.extensions_mut().insert(peer);
                }
                endpoint.handle(request, local).await
            }
            Self::Many(host) => host.handle(request, local, peer, conversation).await,
        }
    }

    /// No stream that only listens holds up the end.
    pub(super) fn end_streams(&self) {
        match self {
            Self::One(endpoint) => endpoint.shared().stopping.cancel(),
            Self::Many(host) => host.end_streams(),
        }
    }

    /// Waits until no call runs, and sessions have sent their answers.
    pub(super) async fn idle(&self) {
        match self {
            Self::One(endpoint) => endpoint.shared().idle().await,
            Self::Many(host) => host.idle().await,
        }
    }

    pub(super) fn end_sessions(&self) {
        match self {
            Self::One(endpoint) => endpoint.shared().end_sessions(),
            Self::Many(host) => host.end_sessions(),
        }
    }
}
