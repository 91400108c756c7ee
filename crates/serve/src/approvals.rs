//! Approvals by link: a call waits outside of itself until a person says yes on a page of ours.
//!
//! The caller gets a URL that nobody can guess, works once and expires; what was approved may then be done once, by the same
//! caller with the same arguments. What waits is kept in memory, so it ends with the process. Opening the page decides
//! nothing: programs open links too.

mod page;
mod pending;

use std::{
    fmt,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use axum::Router;
use rmcp::model::Implementation;
use serde_json::{Map, Value};
use tokio::{net::TcpListener, sync::OnceCell};
use tokio_util::sync::{CancellationToken, DropGuard};
use url::Url;

use crate::{
    Authenticator, BoxFuture, CallContext, Capabilities, Error, Listing, Live, NoAuthentication, Principal, Server,
    ToolResult, http,
};
pub use pending::Ticket;
use pending::{Pending, Standing};

/// What is to be approved.
#[derive(Debug, Clone, Copy)]
pub struct ApprovalRequest<'a> {
    pub server: &'a str,
    pub tool: &'a str,
    /// What will happen, for people.
    pub message: &'a str,
    pub arguments: &'a Map<String, Value>,
    pub caller: &'a Principal,
    /// Only somebody else, of this group, may approve.
    pub by: Option<&'a str>,
    /// What else an approval is good for only: a changed tool is another one.
    pub of: &'a str,
}

/// Where an approval stands.
#[derive(Debug)]
pub enum Approval {
    /// Somebody has to open this link, within the time.
    Waiting { url: String, left: Duration },
    /// It may be done once. [`Ticket::redeem`] says whether it still may.
    Approved(Ticket),
    /// Somebody said no. This is told once.
    Declined,
}

/// Why nobody can be asked to approve.
#[derive(Debug, thiserror::Error)]
pub enum ApprovalError {
    #[error("there is no approval page: this program serves none")]
    NoPage,
    #[error("the approval page could not be opened on this machine")]
    Page(#[source] std::io::Error),
    #[error(
        "nobody could be told from the caller here, as nobody has to say who they are; the server needs `auth`, and its keys groups"
    )]
    NobodyElse,
    #[error("{waiting} calls {whose} wait for an approval already; let people decide on them, or let them expire")]
    TooMany { waiting: usize, whose: &'static str },
    #[error("the arguments are larger than the {most} bytes that an approval page shows")]
    TooLarge { most: usize },
}

/// The approvals of one program. Clones are the same.
#[derive(Clone)]
pub struct Approvals(Arc<Inner>);

struct Inner {
    pending: Arc<Mutex<Pending>>,
    base: Arc<OnceLock<Url>>,
    /// The page that was opened because there was none.
    loopback: OnceCell<(Site, DropGuard)>,
    may_open: OnceLock<Option<Arc<dyn Authenticator>>>,
}

/// Where the page is.
#[derive(Debug, Clone)]
struct Site {
    base: Url,
    /// Whether people there say who they are.
    authenticated: bool,
}

impl fmt::Debug for Approvals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Approvals").field("base", &self.0.base.get().map(Url::as_str)).finish_non_exhaustive()
    }
}

impl Default for Approvals {
    fn default() -> Self {
        Self(Arc::new(Inner {
            pending: Arc::default(),
            base: Arc::default(),
            loopback: OnceCell::new(),
            may_open: OnceLock::new(),
        }))
    }
}

impl Approvals {
    /// The page, for [`http::Config::routes`].
    pub fn routes(&self) -> Router {
        page::routes(self.0.pending.clone(), self.0.base.clone())
    }

    /// The page is reached below this URL: links begin with it. Only the first call counts.
    pub fn serve_at(&self, base: Url) {
        let _ = self.0.base.set(base);
    }

    /// Where nothing is served over HTTP, the page opens on a loopback port when it is needed first. Without an
    /// authenticator nobody there can be told from the caller.
    pub fn open_on_loopback(&self, authenticator: Option<Arc<dyn Authenticator>>) {
        let _ = self.0.may_open.set(authenticator.filter(|authenticator| !authenticator.is_open()));
    }

    /// Where this call stands. One that nobody was asked about waits from now on.
    pub async fn ask(&self, request: &ApprovalRequest<'_>) -> Result<Approval, ApprovalError> {
        let site = self.site().await?;
        if request.by.is_some() && !site.authenticated {
            return Err(ApprovalError::NobodyElse);
        }
        let mut pending = self.0.pending.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(match pending.ask(request)? {
            Standing::Waiting { token, left } => Approval::Waiting {
                url: format!("{}{}{token}", site.base.as_str().trim_end_matches('/'), page::PATH),
                left,
            },
            Standing::Approved(call) => Approval::Approved(Ticket { pending: self.0.pending.clone(), call }),
            Standing::Declined => Approval::Declined,
        })
    }

    async fn site(&self) -> Result<Site, ApprovalError> {
        if let Some(base) = self.0.base.get() {
            // The page finds out itself whether people are known; a plan has no `by` where they are not.
            return Ok(Site { base: base.clone(), authenticated: true });
        }
        let Some(authenticator) = self.0.may_open.get() else { return Err(ApprovalError::NoPage) };
        let opened = self.0.loopback.get_or_try_init(|| self.open(authenticator.clone())).await;
        opened.map(|(site, _)| site.clone()).map_err(ApprovalError::Page)
    }

    async fn open(&self, authenticator: Option<Arc<dyn Authenticator>>) -> std::io::Result<(Site, DropGuard)> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let base = Url::parse(&format!("http://{}", listener.local_addr()?)).map_err(std::io::Error::other)?;
        let site = Site { authenticated: authenticator.is_some(), base: base.clone() };
        let routes = page::routes(self.0.pending.clone(), Arc::new(base.into()));
        let config = http::Config { routes, max_connections: 64, ..http::Config::default() };
        let authenticator = authenticator.unwrap_or_else(|| Arc::new(NoAuthentication::default()));
        let live = Live::new(Arc::new(NoServer(Implementation::new("approvals", "1"))), authenticator, config);
        let end = CancellationToken::new();
        let ended = end.clone().cancelled_owned();
        tokio::spawn(async move {
            if let Err(error) = http::serve_live(live, listener, ended).await {
                tracing::error!(%error, "the approval page could not be served");
            }
        });
        Ok((site, end.drop_guard()))
    }
}

/// Offers nothing: beside the page there is nothing on its port.
struct NoServer(Implementation);

impl Server for NoServer {
    fn implementation(&self) -> &Implementation {
        &self.0
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    fn tools(&self, _: &CallContext) -> Arc<Listing<rmcp::model::Tool>> {
        Listing::empty()
    }

    fn call_tool<'a>(
        &'a self,
        _: &'a CallContext,
        name: &'a str,
        _: Map<String, Value>,
    ) -> BoxFuture<'a, Result<ToolResult, Error>> {
        Box::pin(async move { Err(Error::UnknownTool { name: name.to_owned(), suggestion: None }) })
    }
}

#[cfg(test)]
mod tests;
