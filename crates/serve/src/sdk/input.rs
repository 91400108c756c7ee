//! How the person behind a request that came by the SDK can be asked.

use rmcp::{
    RoleServer,
    model::{InputRequiredResult, InputResponses, JsonObject},
    service::RequestContext,
};

use super::Adapter;
use crate::{
    CallContext, Error,
    input::{Asks, Input, OwnedSubject, Round, Session, Settled, settle},
    live::Serving,
};

/// Put into a request over HTTP whose client reads no events, and so no questions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WithoutEvents;

/// What a request brings from the rounds before.
pub(super) struct Brought {
    pub(super) state: Option<String>,
    pub(super) responses: Option<InputResponses>,
}

impl Adapter {
    pub(super) fn bring_input(
        &self,
        serving: &Serving,
        cx: &RequestContext<RoleServer>,
        call: &mut CallContext,
        (method, name, arguments): (&'static str, &str, Option<&JsonObject>),
        brought: Brought,
    ) -> Result<(), Error> {
        let asks = cx.client_capabilities().map(|declared| Asks::of(&declared)).unwrap_or_default();
        if !asks.any() {
            return Ok(());
        }
        let live = &self.shared.live;
        let is_modern =
            cx.protocol_version().is_some_and(|version| version >= rmcp::model::ProtocolVersion::V_2026_07_28);
        if !is_modern {
            let head = cx.extensions.get::<http::request::Parts>();
            if head.is_some_and(|head| head.extensions.get::<WithoutEvents>().is_some()) {
                return Ok(());
            }
            call.input = Input::session(
                asks,
                Session::new(cx.peer.clone(), call.principal.clone(), live.waiting(), serving.front().gate.clone()),
            );
            return Ok(());
        }
        let arguments = arguments.map(|arguments| serde_json::to_string(arguments).expect("arguments are JSON"));
        let subject = OwnedSubject {
            server: serving.server.implementation().name.clone(),
            method,
            name: name.to_owned(),
            principal: call.principal.clone(),
            arguments: arguments.unwrap_or_else(|| "{}".to_owned()).into(),
        };
        let responses = brought.responses.unwrap_or_default();
        let round = Round::new(live.rounds(), subject, call.call_id, brought.state.as_deref(), &responses)?;
        call.bring(asks, round);
        Ok(())
    }
}

/// A question is no error.
pub(super) async fn settled<T>(work: impl Future<Output = Result<T, Error>>) -> Result<Settled<T>, Error> {
    settle(work.await)
}

pub(super) fn asks(serving: &Serving, asked: InputRequiredResult) -> InputRequiredResult {
    asked.with_meta(serving.meta.clone())
}
