//! The line of one call to its client: what a handler says and asks while it runs.
//!
//! A handler speaks through a [`Peer`], which knows nothing of calls. So a call whose client can be asked, or wants messages,
//! has a peer of its own, and what comes from it is this call's. Other calls share one, and cost nothing for it.
#![expect(deprecated, reason = "2026-07-28 deprecates messages, models and folders and keeps them for a year")]

use std::{convert::Infallible, sync::Arc};

use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        ClientCapabilities, ClientResult, ElicitRequestParams, ElicitResult, ElicitationAction, ElicitationCapability,
        ErrorCode, InputRequest, InputRequiredResult, InputResponses, JsonRpcMessage, ListRootsResult, RequestId,
        ServerNotification, ServerRequest,
    },
    service::{Peer, RunningService, RxJsonRpcMessage, TxJsonRpcMessage, serve_directly},
    transport::Transport,
};
use serde_json::Value;
use tokio::sync::mpsc;

use super::{older_client, raised, relay::Relay};
use crate::{Answer, Ask, CallContext, Elicitation, Error, LogLevel, Reply, input::Asks, sdk::level_of};

pub(super) struct Line<H: ServerHandler> {
    asked: mpsc::UnboundedReceiver<(RequestId, ServerRequest)>,
    answers: mpsc::Sender<RxJsonRpcMessage<RoleServer>>,
    /// Ends with this.
    running: RunningService<RoleServer, Arc<H>>,
}

impl<H: ServerHandler> Line<H> {
    /// `None` where nobody would hear anything.
    pub(super) fn open(handler: &Arc<H>, relay: &Relay, cx: &CallContext) -> Option<Self> {
        let asks = cx.asks();
        if !asks.any() && !cx.log.wants(LogLevel::Emergency) {
            return None;
        }
        // Without a bound: a handler waits for what it asked, and asks so much at once as it likes.
        let (questions, asked) = mpsc::unbounded_channel();
        let (answers, answered) = mpsc::channel(16);
        let wire = Wire { relay: relay.clone(), cx: cx.clone(), questions, answered };
        let running = serve_directly(handler.clone(), wire, Some(older_client(capabilities(asks))));
        Some(Self { asked, answers, running })
    }

    pub(super) fn peer(&self) -> &Peer<RoleServer> {
        self.running.peer()
    }

    /// Does the work, and meanwhile asks the client what the handler asks. Where requests stand alone, a question is the end
    /// of the work: the request is sent again with its answer.
    pub(super) async fn during<T>(
        line: Option<&mut Self>,
        cx: &CallContext,
        work: impl Future<Output = Result<T, ErrorData>>,
    ) -> Result<T, Error> {
        let Some(line) = line else { return work.await.map_err(raised) };
        tokio::select! {
            biased;
            done = work => done.map_err(raised),
            question = line.converse(cx) => Err(question),
        }
    }

    async fn converse(&mut self, cx: &CallContext) -> Error {
        let mut nth = 0;
        while let Some((id, asked)) = self.asked.recv().await {
            nth += 1;
            let answer = match ask(asked) {
                None => Err(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, "the client can't be asked this", None)),
                Some(ask) => match cx.ask_one(&format!("question-{nth}"), ask).await {
                    Ok(reply) => result(reply),
                    Err(question @ Error::InputRequired(_)) => return question,
                    Err(error) => Err(ErrorData::new(ErrorCode::INVALID_REQUEST, error.to_string(), None)),
                },
            };
            let message = match answer {
                Ok(result) => JsonRpcMessage::response(result, id),
                Err(error) => JsonRpcMessage::error(error, Some(id)),
            };
            // Who is not there any more needs no answer.
            let _ = self.answers.send(message).await;
        }
        std::future::pending().await
    }
}

/// What a handler asked by ending with its questions, answered.
pub(super) async fn replies(cx: &CallContext, asked: InputRequiredResult) -> Result<InputResponses, Error> {
    let requests = asked.input_requests.unwrap_or_default();
    let asks: Option<Vec<(&str, Ask)>> = requests
        .iter()
        .map(|(name, request)| {
            let request = match request.clone() {
                InputRequest::Elicitation(request) => ServerRequest::ElicitRequest(request),
                InputRequest::CreateMessage(request) => ServerRequest::CreateMessageRequest(request),
                InputRequest::ListRoots(request) => ServerRequest::ListRootsRequest(request),
                _ => return None,
            };
            Some((name.as_str(), ask(request)?))
        })
        .collect();
    let asks = asks.ok_or_else(|| Error::Internal { source: "the handler asks what no client is asked".into() })?;
    let replies = cx.ask(&asks).await?;
    let named = asks.iter().map(|(name, _)| (*name).to_owned()).zip(replies);
    named
        .map(|(name, reply)| {
            let unanswered = |error: ErrorData| Error::Internal { source: error.message.into_owned().into() };
            let value = serde_json::to_value(result(reply).map_err(unanswered)?);
            Ok((name, value.map_err(|error| Error::Internal { source: error.into() })?))
        })
        .collect()
}

fn ask(request: ServerRequest) -> Option<Ask> {
    match request {
        ServerRequest::ElicitRequest(request) => match request.params {
            ElicitRequestParams::FormElicitationParams { message, requested_schema, .. } => {
                Some(Ask::Person(Elicitation::form(message, requested_schema)))
            }
            _ => None,
        },
        ServerRequest::CreateMessageRequest(request) => Some(Ask::Model(Box::new(request.params))),
        ServerRequest::ListRootsRequest(_) => Some(Ask::Roots),
        _ => None,
    }
}

fn result(reply: Reply) -> Result<ClientResult, ErrorData> {
    let person = |action| ElicitResult::new(action);
    Ok(match reply {
        Reply::Person(Answer::Accepted(content)) => {
            ClientResult::ElicitResult(person(ElicitationAction::Accept).with_content(Value::Object(content)))
        }
        Reply::Person(Answer::Declined) => ClientResult::ElicitResult(person(ElicitationAction::Decline)),
        Reply::Person(Answer::Cancelled) => ClientResult::ElicitResult(person(ElicitationAction::Cancel)),
        Reply::Model(wrote) => ClientResult::CreateMessageResult(wrote),
        Reply::Roots(roots) => ClientResult::ListRootsResult(ListRootsResult::new(roots)),
        Reply::Nothing => return Err(ErrorData::new(ErrorCode::INTERNAL_ERROR, "the client did not answer", None)),
    })
}

fn capabilities(asks: Asks) -> ClientCapabilities {
    let mut client = ClientCapabilities::default();
    client.elicitation = asks.person().then(|| ElicitationCapability::new().with_form(Default::default()));
    client.sampling = asks.model().then(Default::default);
    client.roots = asks.roots().then(Default::default);
    client
}

struct Wire {
    relay: Relay,
    cx: CallContext,
    questions: mpsc::UnboundedSender<(RequestId, ServerRequest)>,
    answered: mpsc::Receiver<RxJsonRpcMessage<RoleServer>>,
}

impl Transport<RoleServer> for Wire {
    type Error = Infallible;

    fn send(
        &mut self,
        message: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = Result<(), Infallible>> + Send + 'static {
        match message {
            JsonRpcMessage::Notification(said) => match said.notification {
                ServerNotification::LoggingMessageNotification(said) => {
                    let said = said.params;
                    self.cx.log(level_of(said.level), said.logger.as_deref().unwrap_or_default(), said.data);
                }
                other => self.relay.hear(other),
            },
            JsonRpcMessage::Request(asked) => drop(self.questions.send((asked.id, asked.request))),
            _ => {}
        }
        std::future::ready(Ok(()))
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        self.answered.recv().await
    }

    async fn close(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}
