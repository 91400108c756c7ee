//! `http`: one request to an upstream, its parts encoded by where they stand, and what comes back.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use mcp_factory_connect::http::{Oversize, Request, Response};
use mcp_factory_spec::{
    model::{self, BodyType, HttpRequest},
    template::{Json, Text},
};
use mcp_serve::{CallContext, ToolResult};
use serde_json::{Map, Value};

use crate::{answer, plan::Upstream, shape::Shape, values::Values};

/// How much of an upstream's complaint the model is shown, in characters.
const SHOWN: usize = 2000;

#[derive(Debug)]
pub struct HttpTool {
    upstream: Upstream,
    method: Method,
    path: Text,
    query: Vec<(String, Json)>,
    headers: Vec<(HeaderName, Text)>,
    accept: Option<HeaderValue>,
    body: Option<(BodyType, Json)>,
    select: Option<String>,
    shape: Shape,
    max_bytes: usize,
}

impl HttpTool {
    pub fn compile(
        request: &HttpRequest,
        returns: Option<&model::Schema>,
        limits: &model::ToolLimits,
        upstream: Upstream,
    ) -> Result<Self, String> {
        let text = |text: &str| Text::parse(text).map_err(|problem| problem.to_string());
        let json = |value: &Value| Json::parse(value).map_err(|problem| problem.to_string());
        let query = request.query.iter().map(|(name, value)| Ok((name.clone(), json(value)?)));
        let headers = request.headers.iter().map(|(name, value)| {
            let name = HeaderName::try_from(name.as_str()).map_err(|error| error.to_string())?;
            Ok((name, text(value)?))
        });
        let accept = request.accept.as_deref().map(HeaderValue::try_from).transpose();
        Ok(Self {
            upstream,
            method: Method::try_from(request.method.as_str()).map_err(|error| error.to_string())?,
            path: text(&request.path)?,
            query: query.collect::<Result<_, String>>()?,
            headers: headers.collect::<Result<_, String>>()?,
            accept: accept.map_err(|_| "`accept` is no header value".to_owned())?,
            body: request.body.as_ref().map(|body| Ok::<_, String>((request.body_type, json(body)?))).transpose()?,
            select: request.select.as_ref().map(|pointer| pointer.as_str().to_owned()),
            shape: returns.map_or(Shape::ANY, |schema| Shape::compile(schema.as_value())),
            max_bytes: limits
                .max_bytes
                .at()
                .map_or(usize::MAX, |size| usize::try_from(size.bytes()).unwrap_or(usize::MAX)),
        })
    }

    /// Whether the method only looks.
    #[must_use]
    pub fn is_safe(&self) -> bool {
        self.method.is_safe()
    }

    pub async fn call(
        &self,
        cx: &CallContext,
        arguments: &Map<String, Value>,
        timeout: Option<Duration>,
    ) -> ToolResult {
        let request = match self.request(&Values { arguments, cx }, timeout) {
            Ok(request) => request,
            Err(message) => return ToolResult::error(message),
        };
        let client = match self.upstream.client.of(cx).await {
            Ok(client) => client,
            Err(message) => return ToolResult::error(message),
        };
        match client.send(request).await {
            Ok(response) => self.answer(&response),
            Err(error) => ToolResult::error(error.to_string()),
        }
    }

    fn request(&self, values: &Values<'_>, timeout: Option<Duration>) -> Result<Request, String> {
        let get = |name: &str| values.get(name);
        let mut request = Request::new(self.method.clone(), self.path.path(get).map_err(|error| error.to_string())?);
        for (name, value) in &self.query {
            match value.render(get) {
                None | Some(Value::Null) => {}
                Some(Value::Array(items)) => {
                    request
                        .query
                        .extend(items.iter().filter(|item| !item.is_null()).map(|item| (name.clone(), plain(item))));
                }
                Some(value) => request.query.push((name.clone(), plain(&value))),
            }
        }
        request.headers = self.header_map(values)?;
        if let Some((body_type, body)) = &self.body {
            let body = body.render(get).unwrap_or(Value::Null);
            let (media_type, bytes) = encode(*body_type, &body)?;
            request.headers.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static(media_type));
            request.body = Some(bytes.into());
        }
        request.caller = Some(values.cx.principal.id.clone());
        request.timeout = timeout;
        request.max_bytes = self.max_bytes;
        // Half a JSON document says nothing.
        request.oversize = Oversize::Refuse;
        Ok(request)
    }

    fn header_map(&self, values: &Values<'_>) -> Result<HeaderMap, String> {
        let mut headers = HeaderMap::new();
        for (name, text) in &self.upstream.headers {
            // What says who calls is never just left out.
            let value = text.header(|name| values.get(name)).map_err(|problem| problem.to_string())?;
            let value = value.ok_or_else(|| self.unknown_caller(name))?;
            let value =
                HeaderValue::try_from(value).map_err(|_| format!("the header `{name}` can't hold that value"))?;
            headers.insert(name.clone(), value);
        }
        let mut own = HeaderMap::new();
        for (name, text) in &self.headers {
            if let Some(value) =
                text.header(|name| values.get(name)).map_err(|problem| format!("the header `{name}`: {problem}"))?
            {
                let value =
                    HeaderValue::try_from(value).map_err(|_| format!("the header `{name}` can't hold that value"))?;
                own.append(name.clone(), value);
            }
        }
        headers.extend(own);
        if let Some(accept) = &self.accept {
            headers.insert(header::ACCEPT, accept.clone());
        } else {
            headers.entry(header::ACCEPT).or_insert(HeaderValue::from_static("application/json, text/*;q=0.9"));
        }
        Ok(headers)
    }

    fn unknown_caller(&self, header: &HeaderName) -> String {
        let upstream = self.upstream.client.name();
        format!(
            "the connection `{upstream}` tells who calls in its header `{header}`, and the caller has nothing for it"
        )
    }

    fn answer(&self, response: &Response) -> ToolResult {
        let status = response.status;
        if !status.is_success() {
            let said = String::from_utf8_lossy(&response.body);
            let said: String = said.trim().chars().take(SHOWN).collect();
            let what = format!("the upstream `{}` answered {status}", self.upstream.client.name());
            return ToolResult::error(if said.is_empty() { what } else { format!("{what}: {said}") });
        }
        if response.body.is_empty() {
            return answer::value(serde_json::json!({ "status": status.as_u16() }));
        }
        let media_type =
            response.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        match serde_json::from_slice::<Value>(&response.body) {
            Ok(value) => self.selected(value),
            Err(error) if is_json(media_type) => ToolResult::error(format!(
                "the upstream `{}` answered broken JSON: {error}",
                self.upstream.client.name()
            )),
            Err(_) => match std::str::from_utf8(&response.body) {
                Ok(_) if self.select.is_some() => ToolResult::error(format!(
                    "the upstream `{}` answered no JSON to select from ({media_type})",
                    self.upstream.client.name()
                )),
                Ok(text) => answer::value(Value::String(text.to_owned())),
                Err(_) => ToolResult::error(format!(
                    "the upstream `{}` answered a binary body ({media_type}), which this build can't hand on yet",
                    self.upstream.client.name()
                )),
            },
        }
    }

    fn selected(&self, mut value: Value) -> ToolResult {
        if let Some(pointer) = &self.select {
            let Some(part) = value.pointer_mut(pointer) else {
                return ToolResult::error(format!(
                    "the answer of the upstream `{}` has nothing at `{pointer}`",
                    self.upstream.client.name()
                ));
            };
            value = part.take();
        }
        answer::value(self.shape.apply(value))
    }
}

/// A value as text, without quotes around what is text.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn encode(body_type: BodyType, body: &Value) -> Result<(&'static str, Vec<u8>), String> {
    match body_type {
        BodyType::Json => Ok(("application/json", serde_json::to_vec(body).expect("a JSON value can be written"))),
        BodyType::Text => Ok(("text/plain; charset=utf-8", plain(body).into_bytes())),
        BodyType::Form => {
            let Value::Object(fields) = body else { return Err("a form body must be an object".to_owned()) };
            let mut form = url::form_urlencoded::Serializer::new(String::new());
            for (name, value) in fields {
                match value {
                    Value::Array(items) => {
                        for item in items {
                            form.append_pair(name, &plain(item));
                        }
                    }
                    value => {
                        form.append_pair(name, &plain(value));
                    }
                }
            }
            Ok(("application/x-www-form-urlencoded", form.finish().into_bytes()))
        }
        BodyType::Multipart | BodyType::Binary => Err("this body can't be sent yet".to_owned()),
    }
}

fn is_json(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    essence == "application/json" || essence.ends_with("+json")
}
