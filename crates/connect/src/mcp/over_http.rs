//! Streamable HTTP: one POST for each message, answered as JSON or as a stream of events that holds the answer.

use ::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use bytes::{Bytes, BytesMut};
use serde_json::{Value, json};

use super::{Bounds, CURRENT, Era, Error, Message, Reply, reply_of};
use crate::http::{Answer, Client, Oversize, Request};

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");
/// Requests over HTTP don't share a connection that would need other numbers.
const ID: u64 = 1;

/// Where the server answers.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub client: Client,
    pub path: String,
    pub query: Option<String>,
}

impl Endpoint {
    /// What comes of it, and the session that it gives.
    pub async fn send(&self, message: &Message<'_>, era: &Era) -> Result<(Reply, Option<String>), Error> {
        let mut headers = headers(era);
        if *era == Era::Current {
            let named = message.params.get("name").and_then(Value::as_str);
            headers.insert(METHOD, value(message.method));
            headers.extend(named.map(|name| (NAME, value(name))));
        }
        let answer = self.post(message.json(ID, era), headers, message.bounds).await?;
        let session = answer.headers.get(SESSION).and_then(|session| session.to_str().ok()).map(str::to_owned);
        let status = answer.status;
        let in_session = matches!(era, Era::Older { session: Some(_), .. });
        if status.as_u16() == 404 && in_session {
            return Ok((Reply::Gone, None));
        }
        let is_stream = answer
            .headers
            .get(header::CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok())
            .is_some_and(|kind| kind.starts_with("text/event-stream"));
        let found = if is_stream {
            self.event(answer, message.bounds.max_bytes).await?
        } else {
            let response = answer.collect(message.bounds.max_bytes, Oversize::Refuse).await?;
            serde_json::from_slice::<Value>(&response.body).ok().filter(|said| said["jsonrpc"] == "2.0")
        };
        Ok(match found {
            Some(found) if found.get("result").is_some() || found.get("error").is_some() => (reply_of(found), session),
            _ if !status.is_success() => (Reply::Status(status.as_u16()), None),
            _ => {
                let what = "answers with what is no message of the protocol".to_owned();
                return Err(Error::Broken { server: self.client.name().to_owned(), what });
            }
        })
    }

    pub async fn notify(&self, method: &str, era: &Era, bounds: &Bounds) -> Result<(), Error> {
        let answer = self.post(json!({ "jsonrpc": "2.0", "method": method }), headers(era), bounds).await?;
        // Whatever it says of it.
        let _ = answer.collect(64 << 10, Oversize::Truncate).await;
        Ok(())
    }

    async fn post(&self, body: Value, mut headers: HeaderMap, bounds: &Bounds) -> Result<Answer, Error> {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        let request = Request {
            headers,
            body: Some(Bytes::from(body.to_string())),
            caller: bounds.caller.clone(),
            timeout: Some(bounds.timeout),
            whole_query: self.query.clone(),
            ..Request::new(Method::POST, &self.path)
        };
        Ok(self.client.open(request).await?)
    }

    /// The answer among the events. What else is told meanwhile, nobody asked for.
    async fn event(&self, mut answer: Answer, most: usize) -> Result<Option<Value>, Error> {
        let mut buffer = BytesMut::new();
        let mut read = 0;
        while let Some(chunk) = answer.chunk().await? {
            read += chunk.len();
            if read > most {
                let what = format!("answers with more than {most} bytes");
                return Err(Error::Broken { server: self.client.name().to_owned(), what });
            }
            // The end of an event may come in two pieces.
            let looked_at = buffer.len().saturating_sub(3);
            buffer.extend_from_slice(&chunk);
            while let Some(end) = end_of_event(&buffer, looked_at.min(buffer.len())) {
                let event = buffer.split_to(end);
                if let Some(found) = data_of(&event) {
                    return Ok(Some(found));
                }
            }
        }
        Ok(data_of(&buffer))
    }
}

/// Behind the empty line that ends an event.
fn end_of_event(buffer: &[u8], from: usize) -> Option<usize> {
    let ends = |at: usize| {
        [&b"\n\n"[..], b"\r\n\r\n", b"\n\r\n", b"\r\r"]
            .iter()
            .find(|end| buffer[at..].starts_with(end))
            .map(|end| at + end.len())
    };
    (from..buffer.len()).find_map(ends)
}

/// The answer that an event holds.
fn data_of(event: &[u8]) -> Option<Value> {
    let text = std::str::from_utf8(event).ok()?;
    let lines = text.lines().filter_map(|line| line.strip_prefix("data:"));
    let data: Vec<&str> = lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
    let message: Value = serde_json::from_str(&data.join("\n")).ok()?;
    let is_answer = message["id"] == ID && (message.get("result").is_some() || message.get("error").is_some());
    is_answer.then_some(message)
}

fn headers(era: &Era) -> HeaderMap {
    let mut headers = HeaderMap::new();
    match era {
        Era::Current => drop(headers.insert(VERSION, HeaderValue::from_static(CURRENT))),
        Era::Older { version, session, .. } => {
            if !version.is_empty() {
                headers.insert(VERSION, value(version));
            }
            if let Some(session) = session {
                headers.insert(SESSION, value(session));
            }
        }
    }
    headers
}

/// As a header may hold it.
fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_found_among_events() {
        let told = "event: message\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\"}\n\n";
        assert_eq!(end_of_event(told.as_bytes(), 0), Some(told.len()));
        assert_eq!(data_of(told.as_bytes()), None);
        for (answer, is_one) in [
            ("data: {\"jsonrpc\":\"2.0\",\"id\":1,\ndata: \"result\":{}}\n\n", true),
            ("id: 7\r\ndata:{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{}}\r\n\r\n", true),
            ("data: {\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{}}\n\n", false),
            ("data: {\n\n", false),
            (": ping\n\n", false),
        ] {
            assert_eq!(end_of_event(answer.as_bytes(), 0), Some(answer.len()), "{answer}");
            assert_eq!(data_of(answer.as_bytes()).is_some(), is_one, "{answer}");
        }
        assert_eq!(end_of_event(b"data: 1\n", 0), None);
    }
}
