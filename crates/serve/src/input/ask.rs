//! What a client can be asked: its person, its model, its folders.
#![expect(deprecated, reason = "2026-07-28 deprecates asking for a model or folders and keeps both for a year")]

use rmcp::model::{
    ClientCapabilities, ClientResult, CreateMessageRequest, CreateMessageRequestParams, CreateMessageResult,
    ElicitResult, InputRequest, ListRootsRequest, ListRootsResult, Root, ServerRequest,
};
use serde_json::{Value, json};

use super::{Answer, Elicitation, shows_forms};
use crate::Error;

/// One thing to ask for.
#[derive(Debug, Clone, PartialEq)]
pub enum Ask {
    Person(Elicitation),
    /// `sampling/createMessage`: the client's model is to write something.
    Model(Box<CreateMessageRequestParams>),
    /// `roots/list`: the folders that the client works in.
    Roots,
}

/// What came back.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    Person(Answer),
    Model(Box<CreateMessageResult>),
    Roots(Vec<Root>),
    /// The client said that it can, and then could not.
    Nothing,
}

/// What a client can be asked, as it declared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Asks {
    person: bool,
    model: bool,
    roots: bool,
}

impl Asks {
    pub(crate) fn of(declared: &ClientCapabilities) -> Self {
        Self {
            person: shows_forms(declared.elicitation.as_ref()),
            model: declared.sampling.is_some(),
            roots: declared.roots.is_some(),
        }
    }

    /// Whether the JSON of what was declared has to be read at all.
    pub(crate) fn may_be_in(declared: &str) -> bool {
        ["elicitation", "sampling", "roots"].iter().any(|name| declared.contains(name))
    }

    pub(crate) fn any(self) -> bool {
        self.person || self.model || self.roots
    }

    pub(crate) fn person(self) -> bool {
        self.person
    }

    pub(crate) fn model(self) -> bool {
        self.model
    }

    pub(crate) fn roots(self) -> bool {
        self.roots
    }

    pub(super) fn allow(self, ask: &Ask) -> bool {
        match ask {
            Ask::Person(_) => self.person,
            Ask::Model(_) => self.model,
            Ask::Roots => self.roots,
        }
    }
}

impl Ask {
    fn capability(&self) -> &'static str {
        match self {
            Self::Person(_) => "elicitation",
            Self::Model(_) => "sampling",
            Self::Roots => "roots",
        }
    }

    pub(super) fn missing(&self) -> Error {
        Error::MissingCapability { required: json!({ self.capability(): {} }) }
    }

    pub(super) fn in_round(&self) -> InputRequest {
        match self {
            Self::Person(question) => InputRequest::Elicitation(question.request()),
            Self::Model(params) => InputRequest::CreateMessage(CreateMessageRequest::new((**params).clone())),
            Self::Roots => InputRequest::ListRoots(ListRootsRequest::default()),
        }
    }

    pub(super) fn in_session(&self) -> ServerRequest {
        match self {
            Self::Person(question) => ServerRequest::ElicitRequest(question.request()),
            Self::Model(params) => ServerRequest::CreateMessageRequest(CreateMessageRequest::new((**params).clone())),
            Self::Roots => ServerRequest::ListRootsRequest(ListRootsRequest::default()),
        }
    }

    /// `None` for what is no answer to this.
    pub(super) fn of_session(&self, said: ClientResult) -> Option<Reply> {
        match (self, said) {
            (Self::Person(_), ClientResult::ElicitResult(said)) => Some(Reply::Person(Answer::of(said))),
            (Self::Model(_), ClientResult::CreateMessageResult(wrote)) => Some(Reply::Model(wrote)),
            (Self::Roots, ClientResult::ListRootsResult(list)) => Some(Reply::Roots(list.roots)),
            _ => None,
        }
    }

    /// For a client that could not, or not in time. Nobody said yes.
    pub(super) fn unanswered(&self) -> Reply {
        if matches!(self, Self::Person(_)) { Reply::Person(Answer::Cancelled) } else { Reply::Nothing }
    }

    /// `None` for what is no answer to this.
    pub(super) fn read(&self, answer: &Value) -> Option<Reply> {
        let answer = answer.clone();
        match self {
            Self::Person(_) => {
                serde_json::from_value::<ElicitResult>(answer).ok().map(|said| Reply::Person(Answer::of(said)))
            }
            Self::Model(_) => {
                let wrote = serde_json::from_value::<CreateMessageResult>(answer).ok()?;
                Some(Reply::Model(Box::new(wrote)))
            }
            Self::Roots => serde_json::from_value::<ListRootsResult>(answer).ok().map(|list| Reply::Roots(list.roots)),
        }
    }

    /// What an answer must have been given to, to count.
    pub(super) fn subject(&self) -> Value {
        match self {
            Self::Person(question) => json!([question.params(), question.about]),
            Self::Model(params) => json!(params),
            Self::Roots => Value::Null,
        }
    }

    /// Whether an answer counts without the state that went with the question.
    pub(super) fn is_unbound(&self) -> bool {
        matches!(self, Self::Person(question) if question.unbound)
    }
}
