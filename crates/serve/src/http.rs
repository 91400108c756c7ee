//! Streamable HTTP: both protocol eras at one endpoint; a [`Host`] serves many of them at one listener.
//!
//! 2026-07-28 and session-less requests of older clients are answered here, straight from the [`Server`]; sessions are the
//! SDK's. Whatever the way, a request passes Host and Origin checks, authentication and the limits first.
//!
//! Where this differs from the SDK on purpose: malformed JSON is 400 with -32700 and a batch 400 with -32600 (there 415), in
//! sessions too; `Accept` may be `*/*` or name one type (there 406); an older request without a session is served (there
//! 400); a session is 404 for everybody but the principal that opened it, and limited in number; it ends with 204 (there
//! 202); every modern result says who made it, not only `server/discover`. A test puts generated requests to both
//! (`tests/it/differential.rs`) and has the list of what else differs, with the reasons.

mod body;
mod caller;
mod config;
mod connections;
mod cors;
mod endpoint;
mod guard;
mod host;
mod large;
mod presence;
mod sessions;
mod shares;
mod site;
mod stateless;
mod stream;
mod tasks;

use std::sync::Arc;

use tokio::net::TcpListener;

use crate::{Authenticator, Live, Server};

pub use body::Body;
pub(crate) use body::{is_not_encoded, read as read_body};
#[cfg(feature = "endpoints")]
pub(crate) use body::{json, refuse};
pub use caller::Caller;
pub(crate) use caller::CallersServer;
pub use config::{Config, ConfigError};
pub use connections::Summary;
pub(crate) use connections::run;
pub(crate) use endpoint::CurrentAuthenticator;
pub use endpoint::Endpoint;
pub use host::{Host, HostConfig, MountError, Unmounted};
pub(crate) use presence::{Open, Presence};
pub(crate) use sessions::{Bound, Ending};
pub(crate) use shares::{Share, Shares};

/// Why nothing is served: the configuration, or the socket.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("the listening socket has no address")]
    Listener(#[source] std::io::Error),
}

/// Serves until `shutdown` ends, then stops accepting, ends listen streams and sessions and waits for the calls that run,
/// at most [`Config::drain`].
pub async fn serve(
    server: Arc<dyn Server>,
    listener: TcpListener,
    authenticator: Arc<dyn Authenticator>,
    config: Config,
    shutdown: impl Future<Output = ()>,
) -> Result<Summary, ServeError> {
    serve_live(Live::new(server, authenticator, config), listener, shutdown).await
}

/// The same for a server that may be replaced while it is served.
pub async fn serve_live(
    live: Live,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> Result<Summary, ServeError> {
    live.serve_at(listener.local_addr().map_err(ServeError::Listener)?)?;
    let endpoint = Endpoint::new(live)?;
    Ok(connections::run(endpoint, listener, shutdown).await)
}
