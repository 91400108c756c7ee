//! JSON as it comes from an upstream, piece by piece: the selected part is found, shaped by `returns` and written, digit for
//! digit, while the rest is still on its way. An array that is long enough ends the reading.

mod writer;

use std::borrow::Cow;

use json_event_parser::{JsonEvent, LowLevelJsonParser};

use crate::{
    rows::{Caps, Rows},
    shape::Shape,
};
use writer::{Scalar, Writer};

/// Containers within each other, as `serde_json` has it.
const MAX_DEPTH: usize = 128;
/// One text or number that is read before it can be looked at.
const MAX_TOKEN: usize = 16 << 20;

/// What to look for in an answer.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    pub select: &'a Pointer,
    /// Where the upstream says what the next page is.
    pub next: Option<&'a Pointer>,
    pub shape: &'a Shape,
    pub caps: Caps,
    /// Items that the caller has already.
    pub skip: u64,
}

/// A JSON pointer, taken apart.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pointer(Vec<String>);

/// What was selected.
#[derive(Debug)]
pub enum Selected {
    Rows(Rows),
    /// An object, as JSON.
    Object(Vec<u8>),
    /// Anything else, as JSON.
    Scalar(Vec<u8>),
    /// The object that would hold it is there, and does not.
    Lacking,
}

/// Takes an answer in pieces.
#[derive(Debug)]
pub struct Selector<'a> {
    parser: Parser,
    rules: Rules<'a>,
    path: Vec<Step>,
    /// How deep the path has to be known.
    watched: usize,
    writer: Writer,
    state: State,
    next: Next,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Looking,
    /// In, or behind, the object that would hold it.
    Near,
    Writing,
    Selected,
}

/// A scalar beside the items, as text; `true` and `false` as those words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    Unseen,
    /// `null`, or nothing that can be told.
    Nothing,
    Text(String),
    Number(String),
    Boolean(bool),
}

/// Why no part of the answer can be handed on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("broken JSON: {0}")]
    Broken(String),
    #[error("nothing at `{0}`")]
    Missing(String),
    #[error(
        "more than {0} bytes, which is what this tool may answer (`limits.maxBytes`), and no array that could be cut"
    )]
    TooLarge(u64),
}

#[derive(Debug)]
enum Step {
    Key(String),
    /// `None` before the first element.
    Index(Option<usize>),
}

/// The parser and what it could not use yet.
struct Parser {
    parser: LowLevelJsonParser,
    pending: Vec<u8>,
    /// A long token is not looked at again before there is twice as much of it.
    enough: usize,
}

impl Pointer {
    #[must_use]
    pub fn parse(text: &str) -> Self {
        Self(text.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~")).collect())
    }

    fn is(&self, path: &[Step]) -> bool {
        self.0.len() == path.len() && self.passes(path)
    }

    /// Whether it leads to something right within the value at the path.
    fn is_in(&self, path: &[Step]) -> bool {
        self.0.len() == path.len() + 1 && self.passes(path)
    }

    fn passes(&self, path: &[Step]) -> bool {
        self.0.iter().zip(path).all(|(wanted, step)| match step {
            Step::Key(key) => key == wanted,
            Step::Index(index) => index.is_some_and(|index| index.to_string() == *wanted),
        })
    }
}

impl std::fmt::Display for Pointer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|step| write!(f, "/{}", step.replace('~', "~0").replace('/', "~1")))
    }
}

impl<'a> Selector<'a> {
    #[must_use]
    pub fn new(rules: Rules<'a>) -> Self {
        Self {
            parser: Parser {
                parser: LowLevelJsonParser::new().with_max_stack_size(MAX_DEPTH),
                pending: Vec::new(),
                enough: 0,
            },
            rules,
            path: Vec::new(),
            watched: rules.select.0.len().max(rules.next.map_or(0, |next| next.0.len())),
            writer: Writer::new(rules.shape.clone(), rules.caps, rules.skip),
            state: State::Looking,
            next: Next::Unseen,
        }
    }

    /// Takes the next piece; `true` if nothing more has to be read.
    pub fn feed(&mut self, piece: &[u8]) -> Result<bool, Fault> {
        self.parser.pending.extend_from_slice(piece);
        if self.parser.pending.len() < self.parser.enough {
            return Ok(false);
        }
        self.parse(false)
    }

    /// At the end of the answer.
    pub fn finish(mut self) -> Result<(Selected, Next), Fault> {
        if !self.is_done() {
            self.parse(true)?;
        }
        match self.state {
            State::Looking => Err(Fault::Missing(self.rules.select.to_string())),
            State::Near => Ok((Selected::Lacking, self.next)),
            State::Writing | State::Selected => Ok((self.writer.finish()?, self.next)),
        }
    }

    fn is_done(&self) -> bool {
        let known = self.rules.next.is_none() || self.next != Next::Unseen;
        self.writer.is_cut() || (self.state == State::Selected && known && !self.rules.select.0.is_empty())
    }

    fn parse(&mut self, ending: bool) -> Result<bool, Fault> {
        // Apart from `self`, so that an event may borrow from it.
        let pending = std::mem::take(&mut self.parser.pending);
        let mut rest = pending.as_slice();
        while !self.is_done() {
            let result = self.parser.parser.parse_next(rest, ending);
            let Some(event) = result.event else {
                rest = &rest[result.consumed_bytes..];
                break;
            };
            let event = event.map_err(|error| Fault::Broken(error.to_string()))?;
            let read = result.consumed_bytes;
            if event == JsonEvent::Eof {
                break;
            }
            take(&mut self.path, self.watched, &mut self.writer, &mut self.state, &mut self.next, &self.rules, event)?;
            rest = &rest[read..];
        }
        let left = rest.to_vec();
        if left.len() > MAX_TOKEN {
            return Err(Fault::Broken(format!("a text of more than {MAX_TOKEN} bytes")));
        }
        self.parser.enough = left.len() * 2;
        self.parser.pending = left;
        Ok(self.is_done())
    }
}

fn take(
    path: &mut Vec<Step>,
    watched: usize,
    writer: &mut Writer,
    state: &mut State,
    next: &mut Next,
    rules: &Rules<'_>,
    event: JsonEvent<'_>,
) -> Result<(), Fault> {
    let scalar = match event {
        JsonEvent::ObjectKey(key) => {
            if *state == State::Writing {
                writer.key(&key);
            }
            if path.len() <= watched
                && let Some(Step::Key(last)) = path.last_mut()
            {
                *last = key.into_owned();
            }
            return Ok(());
        }
        JsonEvent::StartObject | JsonEvent::StartArray => {
            begin(path, state, rules);
            let object = event == JsonEvent::StartObject;
            if object && *state == State::Looking && rules.select.is_in(path) {
                *state = State::Near;
            }
            path.push(if object { Step::Key(String::new()) } else { Step::Index(None) });
            if *state == State::Writing {
                writer.open(object)?;
            }
            return Ok(());
        }
        JsonEvent::EndObject | JsonEvent::EndArray => {
            path.pop();
            if *state == State::Writing && writer.close()? {
                *state = State::Selected;
            }
            return Ok(());
        }
        JsonEvent::String(text) => Scalar::Text(text),
        JsonEvent::Number(digits) => Scalar::Number(digits),
        JsonEvent::Boolean(value) => Scalar::Boolean(value),
        JsonEvent::Null => Scalar::Null,
        JsonEvent::Eof => return Ok(()),
    };
    begin(path, state, rules);
    if *next == Next::Unseen && rules.next.is_some_and(|pointer| pointer.is(path)) {
        *next = match &scalar {
            Scalar::Text(text) => Next::Text(text.to_string()),
            Scalar::Number(digits) => Next::Number(digits.to_string()),
            Scalar::Boolean(value) => Next::Boolean(*value),
            Scalar::Null => Next::Nothing,
        };
    }
    if *state == State::Writing && writer.scalar(scalar)? {
        *state = State::Selected;
    }
    Ok(())
}

/// A value begins: it may be the selected one.
fn begin(path: &mut [Step], state: &mut State, rules: &Rules<'_>) {
    if let Some(Step::Index(index)) = path.last_mut() {
        *index = Some(index.map_or(0, |index| index + 1));
    }
    if matches!(state, State::Looking | State::Near) && rules.select.is(path) {
        *state = State::Writing;
    }
}

impl std::fmt::Debug for Parser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parser").field("pending", &self.pending.len()).finish_non_exhaustive()
    }
}

/// A number or text, as the parser hands it over.
pub(super) type Lexeme<'a> = Cow<'a, str>;

#[cfg(test)]
mod tests;
