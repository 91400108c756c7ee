//! Which server is a caller's? [`Live`](crate::Live) asks with each request, after authentication, so that a server that was
//! updated or taken away is seen by the next request, in sessions too.
//!
//! Nothing but a [`TenantContext`] leads to a server: another caller's can't be named.

use std::{fmt, sync::Arc};

use rmcp::model::MetaObject;
use tokio::sync::broadcast;

use crate::{BoxFuture, FactoryError, Server, TenantContext, wire::Replies};

/// Finds the server of a caller. [`Instances`](crate::Instances) is one, over a [`ServerFactory`](crate::ServerFactory).
pub trait Servers: Send + Sync + 'static {
    /// The one that answers this caller's request.
    fn find(&self, caller: TenantContext) -> Finding<'_>;

    /// What of a request, besides its principal, says which server it is: names of [`Extras`](crate::Extras).
    /// Everything else that a client sends is left out.
    fn extras(&self) -> &[String] {
        &[]
    }

    /// Whether a URL may name a part of these servers; see [`Server::has_parts`].
    fn has_parts(&self) -> bool {
        false
    }

    /// Where it says that callers have other servers now. Sessions and listeners are told that lists may have changed.
    fn renewals(&self) -> Option<broadcast::Receiver<Renewal>> {
        None
    }
}

/// What [`Servers`] found, at once or after making it.
pub enum Finding<'a> {
    Ready(Result<Arc<Served>, FactoryError>),
    Pending(BoxFuture<'a, Result<Arc<Served>, FactoryError>>),
}

impl fmt::Debug for Finding<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ready(Ok(_)) => "Ready(Ok)",
            Self::Ready(Err(_)) => "Ready(Err)",
            Self::Pending(_) => "Pending",
        })
    }
}

/// Whose server is another one from now on.
#[derive(Debug, Clone)]
pub enum Renewal {
    All,
    /// Of this principal: id and tenant.
    Of {
        id: Arc<str>,
        tenant: Option<Arc<str>>,
    },
}

impl Renewal {
    #[must_use]
    pub fn concerns(&self, principal: &crate::Principal) -> bool {
        match self {
            Self::All => true,
            Self::Of { id, tenant } => **id == *principal.id && tenant.as_deref() == principal.tenant.as_deref(),
        }
    }
}

/// A server with what is made of it once, to be sent many times.
pub struct Served {
    pub(crate) server: Arc<dyn Server>,
    pub(crate) replies: Replies,
    /// Says who made a result, in the SDK's terms.
    pub(crate) meta: MetaObject,
}

impl Served {
    #[must_use]
    pub fn new(server: Arc<dyn Server>) -> Self {
        let info = serde_json::to_value(server.implementation()).expect("names and versions are JSON");
        let mut meta = MetaObject::default();
        meta.0.insert("io.modelcontextprotocol/serverInfo".to_owned(), info);
        let replies = Replies::new(&*server);
        Self { server, replies, meta }
    }

    #[must_use]
    pub fn server(&self) -> &Arc<dyn Server> {
        &self.server
    }
}

impl fmt::Debug for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Served").field("server", self.server.implementation()).finish_non_exhaustive()
    }
}
