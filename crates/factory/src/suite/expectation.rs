//! What a test expects of an answer.

use mcp_factory_engine::{NO_SUCH_ROW, REFUSED, SEVERAL_ROWS};
use mcp_factory_spec::{difference, difference::short, json_schema, model};
use serde_json::Value;

use super::client::{Answer, CallError};

#[derive(Debug)]
pub enum Expectation {
    /// The result holds at least this.
    Subset(Value),
    Schema(Value),
    /// The call ran and failed.
    Failure,
    /// The call did not run: its arguments were refused.
    Refusal,
    /// The arguments were taken. Whatever came of it, but for failures that make sense.
    Answer(Failures),
}

/// Failures that are nobody's fault when arguments were made up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failures {
    /// There is no such row, or there are several.
    NoRow,
    Any,
}

impl From<&model::Expectation> for Expectation {
    fn from(expectation: &model::Expectation) -> Self {
        match expectation {
            model::Expectation::Subset(value) => Self::Subset(value.clone()),
            model::Expectation::Schema(schema) => Self::Schema(schema.as_value().clone()),
            model::Expectation::Failure => Self::Failure,
        }
    }
}

impl Expectation {
    /// Whether an answer that failed is as good as one that did not.
    pub fn is_lenient(&self) -> bool {
        matches!(self, Self::Answer(Failures::Any))
    }

    /// Says what differs, when something does.
    pub fn check(&self, answer: Result<Answer, CallError>) -> Result<(), String> {
        let answer = match (self, answer) {
            (Self::Refusal, Err(CallError::Protocol { code: -32602, .. })) => return Ok(()),
            (_, Err(error)) => return Err(error.to_string()),
            (_, Ok(answer)) => answer,
        };
        match self {
            Self::Failure if answer.is_error => Ok(()),
            Self::Refusal if refused(&answer) => Ok(()),
            Self::Answer(_) if refused(&answer) => Err(format!("arguments that fit the schema: {}", answer.text)),
            Self::Answer(failures) if !answer.is_error || *failures == Failures::Any => Ok(()),
            Self::Answer(_) if [NO_SUCH_ROW, SEVERAL_ROWS].contains(&answer.text.as_str()) => Ok(()),
            Self::Failure => Err(format!("expected an error, got {}", short(&answer.value()))),
            Self::Refusal => Err(format!("these arguments must be refused, got {}", short(&answer.value()))),
            _ if answer.is_error => Err(format!("the call failed: {}", answer.text)),
            Self::Answer(_) => Ok(()),
            Self::Subset(expected) => match difference::of(expected, &answer.value()) {
                None => Ok(()),
                Some(difference) => Err(difference),
            },
            Self::Schema(schema) => {
                let validator = json_schema::compile(schema).map_err(|error| error.to_string())?;
                validator.validate(&answer.value()).map_err(|error| format!("at `{}`: {error}", error.instance_path()))
            }
        }
    }
}

fn refused(answer: &Answer) -> bool {
    answer.is_error && answer.text.starts_with(REFUSED)
}
