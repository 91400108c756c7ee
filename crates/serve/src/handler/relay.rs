//! What a handler says on its own: a transport without a wire.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
};

use rmcp::{
    ErrorData, RoleServer,
    model::{ErrorCode, JsonRpcMessage, NumberOrString, ProgressToken, ServerNotification},
    service::{RxJsonRpcMessage, TxJsonRpcMessage},
    transport::Transport,
};
use tokio::sync::{broadcast, mpsc};

use crate::{Change, Progress};

/// Passes on what is said: progress to calls by their number, changes to who keeps up with them.
#[derive(Clone)]
pub(super) struct Relay {
    calls: Arc<Mutex<HashMap<i64, Progress>>>,
    news: broadcast::Sender<Change>,
}

impl Default for Relay {
    fn default() -> Self {
        Self { calls: Arc::default(), news: broadcast::Sender::new(16) }
    }
}

/// While a call runs that wants progress.
pub(super) struct Reporting {
    relay: Relay,
    call: i64,
}

impl Relay {
    pub(super) fn transport(&self) -> impl Transport<RoleServer, Error = Infallible> + 'static {
        let (refuse, refused) = mpsc::unbounded_channel();
        Silence { relay: self.clone(), refuse, refused }
    }

    pub(super) fn news(&self) -> broadcast::Receiver<Change> {
        self.news.subscribe()
    }

    pub(super) fn report(&self, call: i64, progress: Progress) -> Reporting {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).insert(call, progress);
        Reporting { relay: self.clone(), call }
    }

    pub(super) fn hear(&self, said: ServerNotification) {
        let change = match said {
            ServerNotification::ProgressNotification(said) => {
                let said = said.params;
                let ProgressToken(NumberOrString::Number(call)) = said.progress_token else { return };
                let progress = self.calls.lock().unwrap_or_else(PoisonError::into_inner).get(&call).cloned();
                if let Some(progress) = progress {
                    progress.report(said.progress, said.total, said.message.as_deref());
                }
                return;
            }
            ServerNotification::ToolListChangedNotification(_) => Change::Tools,
            ServerNotification::PromptListChangedNotification(_) => Change::Prompts,
            ServerNotification::ResourceListChangedNotification(_) => Change::Resources,
            ServerNotification::ResourceUpdatedNotification(said) => Change::Resource(said.params.uri.into()),
            _ => return,
        };
        let _ = self.news.send(change);
    }
}

impl Drop for Reporting {
    fn drop(&mut self) {
        self.relay.calls.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.call);
    }
}

/// Hears what belongs to no call in particular. What is asked is refused at once, so that no handler waits for ever.
struct Silence {
    relay: Relay,
    refuse: mpsc::UnboundedSender<RxJsonRpcMessage<RoleServer>>,
    refused: mpsc::UnboundedReceiver<RxJsonRpcMessage<RoleServer>>,
}

impl Transport<RoleServer> for Silence {
    type Error = Infallible;

    fn send(
        &mut self,
        message: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = Result<(), Infallible>> + Send + 'static {
        match message {
            JsonRpcMessage::Notification(said) => self.relay.hear(said.notification),
            JsonRpcMessage::Request(asked) => {
                let error = ErrorData::new(ErrorCode::METHOD_NOT_FOUND, "the client can't be asked", None);
                let _ = self.refuse.send(JsonRpcMessage::error(error, Some(asked.id)));
            }
            _ => {}
        }
        std::future::ready(Ok(()))
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        self.refused.recv().await
    }

    async fn close(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}
