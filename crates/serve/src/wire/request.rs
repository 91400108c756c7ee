//! Reads one JSON-RPC message. Everything is borrowed from the body; arguments stay text until a tool is called.

use std::{borrow::Cow, fmt, marker::PhantomData, ops::Deref};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};
use serde_json::value::RawValue;

/// What a client can send.
#[expect(
    clippy::large_enum_variant,
    reason = "read once and never stored; a box would be an allocation for each request"
)]
#[derive(Debug)]
pub enum Message<'a> {
    Request(Request<'a>),
    Notification {
        method: Cow<'a, str>,
    },
    /// An answer to a request of ours.
    Response,
}

/// A request, as far as it is read before anybody answers it.
#[derive(Debug)]
pub struct Request<'a> {
    /// A JSON string or number, sent back as it came.
    pub id: &'a RawValue,
    pub method: Cow<'a, str>,
    pub params: Params<'a>,
}

/// The union of what the served methods take.
#[derive(Debug, Default, Deserialize)]
pub struct Params<'a> {
    #[serde(borrow)]
    pub name: Option<Text<'a>>,
    #[serde(borrow)]
    pub uri: Option<Text<'a>>,
    #[serde(borrow)]
    pub cursor: Option<Text<'a>>,
    #[serde(borrow)]
    pub arguments: Option<&'a RawValue>,
    #[serde(borrow)]
    pub notifications: Option<&'a RawValue>,
    #[serde(borrow, rename = "requestState")]
    pub request_state: Option<Text<'a>>,
    #[serde(borrow, rename = "ref")]
    pub reference: Option<&'a RawValue>,
    #[serde(borrow)]
    pub argument: Option<&'a RawValue>,
    /// Of `completion/complete`: what is filled in already.
    #[serde(borrow)]
    pub context: Option<&'a RawValue>,
    #[serde(borrow, rename = "taskId")]
    pub task_id: Option<Text<'a>>,
    #[serde(borrow, rename = "inputResponses")]
    pub input_responses: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "_meta", deserialize_with = "some_object")]
    pub meta: Option<Meta<'a>>,
}

/// The `_meta` of a request.
#[derive(Debug, Default, Deserialize)]
pub struct Meta<'a> {
    #[serde(borrow, rename = "io.modelcontextprotocol/protocolVersion")]
    pub protocol_version: Option<Text<'a>>,
    #[serde(borrow, rename = "io.modelcontextprotocol/clientCapabilities")]
    pub client_capabilities: Option<&'a RawValue>,
    /// A JSON string or number, sent back as it came.
    #[serde(borrow, default, rename = "progressToken", deserialize_with = "token")]
    pub progress_token: Option<&'a RawValue>,
    #[serde(borrow, rename = "io.modelcontextprotocol/logLevel")]
    pub log_level: Option<Text<'a>>,
    /// Of W3C Trace Context.
    #[serde(borrow)]
    pub traceparent: Option<Text<'a>>,
    #[serde(borrow)]
    pub tracestate: Option<Text<'a>>,
}

/// A string, borrowed unless it holds escapes. (`Option<Cow<str>>` would always be owned.)
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// Why a body is no message. Each has its JSON-RPC code.
#[derive(Debug, thiserror::Error)]
pub enum ParseError {
    #[error("the body is not JSON: {0}")]
    Syntax(#[source] serde_json::Error),
    #[error("the body is not UTF-8")]
    Encoding,
    #[error("batches are not served; send one message per request")]
    Batch,
    #[error("not a JSON-RPC 2.0 message: {0}")]
    Message(&'static str),
    #[error("not a JSON-RPC 2.0 message")]
    Shape(#[source] serde_json::Error),
    #[error("malformed params: {source}")]
    Params { id: Box<RawValue>, source: serde_json::Error },
}

impl ParseError {
    #[must_use]
    pub fn code(&self) -> i32 {
        match self {
            Self::Syntax(_) | Self::Encoding => -32700,
            Self::Batch | Self::Message(_) | Self::Shape(_) => -32600,
            Self::Params { .. } => -32602,
        }
    }

    #[must_use]
    pub fn id(&self) -> Option<&RawValue> {
        match self {
            Self::Params { id, .. } => Some(id),
            _ => None,
        }
    }
}

#[derive(Deserialize)]
struct Envelope<'a, P> {
    #[serde(borrow)]
    jsonrpc: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<Text<'a>>,
    params: Option<P>,
    #[serde(borrow, default, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    error: Option<&'a RawValue>,
}

/// Reads one message. Never panics, never recurses on what the client sent.
pub fn parse_request(body: &[u8]) -> Result<Message<'_>, ParseError> {
    let text = std::str::from_utf8(body).map_err(|_| ParseError::Encoding)?;
    let text = text.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']);
    if text.starts_with('[') {
        // Only a batch if it is JSON at all.
        serde_json::from_str::<serde::de::IgnoredAny>(text).map_err(ParseError::Syntax)?;
        return Err(ParseError::Batch);
    }
    // In one go where all is well. What is not is read once more, part by part, to say what it is.
    if let Ok(envelope) = serde_json::from_str::<Envelope<'_, Object<Params<'_>>>>(text) {
        return message(envelope, |_, Object(params)| Ok(params));
    }
    let envelope: Envelope<'_, &RawValue> = serde_json::from_str(text).map_err(|error| {
        use serde_json::error::Category;
        match error.classify() {
            Category::Data => ParseError::Shape(error),
            Category::Syntax | Category::Eof | Category::Io => ParseError::Syntax(error),
        }
    })?;
    message(envelope, |id, params| {
        let params: Result<Object<Params<'_>>, _> = serde_json::from_str(params.get());
        params.map(|Object(params)| params).map_err(|source| ParseError::Params { id: id.to_owned(), source })
    })
}

fn message<'a, P>(
    envelope: Envelope<'a, P>,
    read: impl FnOnce(&'a RawValue, P) -> Result<Params<'a>, ParseError>,
) -> Result<Message<'a>, ParseError> {
    if envelope.jsonrpc.as_deref() != Some("2.0") {
        return Err(ParseError::Message("`jsonrpc` must be \"2.0\""));
    }
    let Some(Text(method)) = envelope.method else {
        let error = envelope.error.filter(|error| error.get() != "null");
        if envelope.id.is_some() && (envelope.result.is_some() != error.is_some()) {
            return Ok(Message::Response);
        }
        return Err(ParseError::Message("`method` is missing"));
    };
    // It could be read in two ways.
    if envelope.result.is_some() || envelope.error.is_some() {
        return Err(ParseError::Message("a message with a `method` has neither `result` nor `error`"));
    }
    let Some(id) = envelope.id else {
        return Ok(Message::Notification { method });
    };
    if !can_be_sent_back(id) {
        return Err(ParseError::Message("`id` must be a string or a number"));
    }
    let params = envelope.params.map_or_else(|| Ok(Params::default()), |params| read(id, params))?;
    Ok(Message::Request(Request { id, method, params }))
}

/// A number, or a string that everybody can read: JSON's grammar has escapes of half characters (`\ud83d`).
fn can_be_sent_back(value: &RawValue) -> bool {
    let text = value.get();
    match text.as_bytes().first() {
        Some(b'"') => !text.contains('\\') || serde_json::from_str::<String>(text).is_ok(),
        first => matches!(first, Some(b'-' | b'0'..=b'9')),
    }
}

fn token<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    let token = Option::<&RawValue>::deserialize(deserializer)?;
    if token.is_some_and(|token| !can_be_sent_back(token)) {
        return Err(serde::de::Error::custom("`progressToken` must be a string or a number"));
    }
    Ok(token)
}

/// `null` counts as present.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

fn some_object<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Ok(Option::<Object<T>>::deserialize(deserializer)?.map(|object| object.0))
}

/// Refuses an array where a struct is meant; derived structs take both.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }

        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

/// How deeply arrays and objects are nested in valid JSON.
pub(crate) fn depth(json: &str) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in json.bytes() {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests;
