//! One server on standard input and output, for one caller, in both protocol eras. Nothing but protocol is written.

use std::sync::Arc;

use rmcp::{
    RoleServer,
    service::{QuitReason, ServerInitializeError, serve_server_with_ct},
    transport::{async_rw::AsyncRwTransport, io::stdio_pipes},
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use crate::{
    Limits, Live, Principal, Server,
    http::Config,
    sdk::{Adapter, Caller, Shared},
};

/// Why serving on standard input and output ended badly.
#[derive(Debug, thiserror::Error)]
pub enum StdioError {
    #[error("the first message on standard input is no request")]
    Opening(#[source] Box<ServerInitializeError>),
    #[error("the server ended unexpectedly")]
    Ended(#[source] tokio::task::JoinError),
}

/// Serves until standard input ends; calls in flight then get five seconds to finish before they are cancelled.
pub async fn serve(server: Arc<dyn Server>, principal: Arc<Principal>) -> Result<(), StdioError> {
    serve_with(server, principal, &Limits::default(), std::future::pending()).await
}

/// Serves until standard input or `shutdown` ends. Where standard input is no pipe, a thread may still wait for it
/// afterwards, so leave the process by `exit`.
pub async fn serve_with(
    server: Arc<dyn Server>,
    principal: Arc<Principal>,
    limits: &Limits,
    shutdown: impl Future<Output = ()>,
) -> Result<(), StdioError> {
    let (input, output) = stdio_pipes();
    serve_on(server, principal, limits, input, output, shutdown).await
}

/// The same for a server that may be replaced while it is served.
pub async fn serve_live(
    live: Live,
    principal: Arc<Principal>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), StdioError> {
    let (input, output) = stdio_pipes();
    serve_live_on(live, principal, input, output, shutdown).await
}

/// The same on any pair of streams, until the input ends or `shutdown` does.
pub async fn serve_on(
    server: Arc<dyn Server>,
    principal: Arc<Principal>,
    limits: &Limits,
    input: impl AsyncRead + Send + Unpin + 'static,
    output: impl AsyncWrite + Send + Unpin + 'static,
    shutdown: impl Future<Output = ()>,
) -> Result<(), StdioError> {
    serve_live_on(Live::of_one_caller(server, limits), principal, input, output, shutdown).await
}

/// [`serve_live`] on any pair of streams.
pub async fn serve_live_on(
    live: Live,
    principal: Arc<Principal>,
    input: impl AsyncRead + Send + Unpin + 'static,
    output: impl AsyncWrite + Send + Unpin + 'static,
    shutdown: impl Future<Output = ()>,
) -> Result<(), StdioError> {
    let stopping = CancellationToken::new();
    let adapter = Adapter::new(Shared { live, caller: Caller::Fixed(principal), stopping: stopping.clone() });
    let transport =
        AsyncRwTransport::<RoleServer, _, _>::new_server(input, output).with_max_line_length(Config::DEFAULT_MAX_BODY);
    let running = async {
        match serve_server_with_ct(adapter, transport, stopping.clone()).await {
            Ok(service) => match service.waiting().await {
                Ok(QuitReason::JoinError(error)) | Err(error) => Err(StdioError::Ended(error)),
                Ok(_) => Ok(()),
            },
            // Nobody said anything, or nothing more: that is an end, not an error.
            Err(ServerInitializeError::ConnectionClosed(_) | ServerInitializeError::Cancelled) => Ok(()),
            Err(error) => Err(StdioError::Opening(Box::new(error))),
        }
    };
    tokio::pin!(running);
    tokio::select! {
        outcome = &mut running => return outcome,
        () = shutdown => stopping.cancel(),
    }
    running.await
}
