//! Asking the client of a call in the middle of it: its person, its model or its folders.
//!
//! A session is asked at once, and the call waits. A request of 2026-07-28 stands alone: it ends with the question, and the
//! client sends it again with the answer. So a tool runs from its beginning once for each question: it asks before it does
//! anything that lasts.

mod ask;
mod ended;
mod rounds;
mod session;

use std::{collections::BTreeMap, fmt, sync::Arc};

use rmcp::model::{
    ElicitRequest, ElicitRequestParams, ElicitResult, ElicitationAction, ElicitationCapability, ElicitationSchema,
    InputRequiredResult,
};
use serde_json::{Map, Value};

use crate::{CallContext, Error};

pub(crate) use ask::Asks;
pub use ask::{Ask, Reply};
pub(crate) use ended::{Ended, Made};
pub(crate) use rounds::{OwnedSubject, Round, Rounds};
pub use rounds::{StateKey, Subject};
pub(crate) use session::{Session, Waiting};

/// A question, and the form in which it is answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Elicitation {
    pub message: String,
    pub schema: ElicitationSchema,
    /// What else an answer is good for only. The client does not see it.
    pub about: String,
    /// See [`Elicitation::unbound`].
    pub unbound: bool,
}

impl Elicitation {
    /// Yes or no.
    #[must_use]
    pub fn question(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            schema: ElicitationSchema::new(BTreeMap::new()),
            about: String::new(),
            unbound: false,
        }
    }

    #[must_use]
    pub fn about(self, about: impl Into<String>) -> Self {
        Self { about: about.into(), ..self }
    }

    /// A form that is filled in.
    #[must_use]
    pub fn form(message: impl Into<String>, schema: ElicitationSchema) -> Self {
        Self { schema, ..Self::question(message) }
    }

    /// For what harms nobody: a client of 2026-07-28 may answer before it was asked. Never for a yes to something.
    #[must_use]
    pub fn unbound(self) -> Self {
        Self { unbound: true, ..self }
    }

    fn params(&self) -> ElicitRequestParams {
        ElicitRequestParams::FormElicitationParams {
            meta: None,
            message: self.message.clone(),
            requested_schema: self.schema.clone(),
        }
    }

    fn request(&self) -> ElicitRequest {
        ElicitRequest::new(self.params())
    }
}

/// What a person said.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// Yes, with what was filled in; a client may send anything.
    Accepted(Map<String, Value>),
    /// No.
    Declined,
    /// Neither: the question was closed, or nobody answered in time.
    Cancelled,
}

impl Answer {
    fn of(result: ElicitResult) -> Self {
        match (result.action, result.content) {
            (ElicitationAction::Accept, Some(Value::Object(content))) => Self::Accepted(content),
            (ElicitationAction::Accept, _) => Self::Accepted(Map::new()),
            (ElicitationAction::Decline, _) => Self::Declined,
            (_, _) => Self::Cancelled,
        }
    }
}

/// How the person behind this call can be asked, if at all.
#[derive(Clone, Default)]
pub(crate) struct Input(Option<Arc<(Asks, Way)>>);

enum Way {
    Session(Session),
    Rounds(Round),
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0.as_deref() {
            None => "Input(none)",
            Some((_, Way::Session(_))) => "Input(session)",
            Some((_, Way::Rounds(_))) => "Input(rounds)",
        })
    }
}

impl Input {
    pub(crate) fn session(asks: Asks, session: Session) -> Self {
        Self(Some(Arc::new((asks, Way::Session(session)))))
    }

    fn rounds(asks: Asks, round: Round) -> Self {
        Self(Some(Arc::new((asks, Way::Rounds(round)))))
    }
}

/// Whether a client that declared this can show a form. Nothing named means forms.
pub(crate) fn shows_forms(declared: Option<&ElicitationCapability>) -> bool {
    declared.is_some_and(|elicitation| elicitation.form.is_some() || elicitation.url.is_none())
}

impl CallContext {
    /// The rounds of one call have one id.
    pub(crate) fn bring(&mut self, asks: Asks, round: Round) {
        self.call_id = round.call();
        self.input = Input::rounds(asks, round);
    }

    /// What the client said that it can be asked.
    pub(crate) fn asks(&self) -> Asks {
        self.input.0.as_ref().map(|input| input.0).unwrap_or_default()
    }

    /// Whether the client said that it can ask its person.
    #[must_use]
    pub fn can_elicit(&self) -> bool {
        self.input.0.as_ref().is_some_and(|input| input.0.person())
    }

    /// Whether the client said that it can answer this.
    #[must_use]
    pub fn can_ask(&self, ask: &Ask) -> bool {
        self.input.0.as_ref().is_some_and(|input| input.0.allow(ask))
    }

    /// Asks the person. `name` tells one question of a call from another.
    ///
    /// For a request that stands alone this ends the call at first, with an error to be passed on as it is; sent again with
    /// the answer, the call comes here again and gets it. An answer counts once, for the same caller, tool, arguments and
    /// question.
    pub async fn elicit(&self, name: &str, question: &Elicitation) -> Result<Answer, Error> {
        match self.ask_one(name, Ask::Person(question.clone())).await? {
            Reply::Person(answer) => Ok(answer),
            _ => Ok(Answer::Cancelled),
        }
    }

    /// The same for one thing to ask, whatever it is.
    pub async fn ask_one(&self, name: &str, ask: Ask) -> Result<Reply, Error> {
        let mut replies = self.ask(&[(name, ask)]).await?;
        Ok(replies.pop().unwrap_or(Reply::Nothing))
    }

    /// Asks for several things at once, each by its name. The replies come in the same order. What the client did not
    /// declare ends the call with [`Error::MissingCapability`].
    pub async fn ask(&self, asks: &[(&str, Ask)]) -> Result<Vec<Reply>, Error> {
        if let Some((_, ask)) = asks.iter().find(|(_, ask)| !self.can_ask(ask)) {
            return Err(ask.missing());
        }
        match self.input.0.as_deref() {
            None => Ok(Vec::new()),
            Some((_, Way::Session(session))) => {
                let mut replies = Vec::with_capacity(asks.len());
                for (_, ask) in asks {
                    replies.push(session.ask(ask).await?);
                }
                Ok(replies)
            }
            Some((_, Way::Rounds(round))) => round.ask(asks),
        }
    }
}

/// What a part of the server ended with.
pub(crate) enum Settled<T> {
    Done(T),
    /// A question.
    Asks(Box<InputRequiredResult>),
}

/// Tells a question from an error.
pub(crate) fn settle<T>(outcome: Result<T, Error>) -> Result<Settled<T>, Error> {
    match outcome {
        Ok(done) => Ok(Settled::Done(done)),
        Err(Error::InputRequired(asked)) => Ok(Settled::Asks(asked)),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_forms_are_shown_and_only_by_who_shows_them() {
        for (declared, shows) in [
            (json!({}), true),
            (json!({ "form": {} }), true),
            (json!({ "form": {}, "url": {} }), true),
            (json!({ "url": {} }), false),
        ] {
            let declared: ElicitationCapability = serde_json::from_value(declared).unwrap();
            assert_eq!(shows_forms(Some(&declared)), shows, "{declared:?}");
        }
        assert!(!shows_forms(None));
    }

    #[test]
    fn nothing_but_accept_is_a_yes() {
        for (said, answer) in [
            (json!({ "action": "accept", "content": { "a": 1 } }), Some(true)),
            (json!({ "action": "accept" }), Some(true)),
            (json!({ "action": "decline" }), Some(false)),
            (json!({ "action": "cancel" }), Some(false)),
            (json!({ "action": "ACCEPT" }), None),
            (json!({ "content": {} }), None),
            (json!(true), None),
        ] {
            let read = serde_json::from_value::<ElicitResult>(said.clone()).ok().map(Answer::of);
            assert_eq!(read.map(|read| matches!(read, Answer::Accepted(_))), answer, "{said}");
        }
    }
}
