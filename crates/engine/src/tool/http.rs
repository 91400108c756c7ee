//! `http`: one request to an upstream, its parts encoded by where they stand, and what comes back.

pub(super) mod body;
mod download;
mod media;
mod multipart;
mod paging;
mod select;
mod style;

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use mcp_factory_connect::http::Request;
use mcp_factory_spec::{
    model::{self, HttpRequest},
    template::{Json, Text},
};
use mcp_serve::{CallContext, ToolResult};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::{Map, Value};

use crate::{
    cursor::{BadCursor, CursorKey},
    plan::{Builder, Fault, Upstream},
    rows::Caps,
    shape::{Shape, ShapeContent},
    values::Values,
};
use body::Body;
use paging::{Pages, Position};
use select::Pointer;
use style::Styles;

/// RFC 6265: what is no cookie octet.
const NO_COOKIE: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b',').add(b';').add(b'\\').add(b'%');

#[derive(Debug)]
pub struct HttpTool {
    name: Arc<str>,
    upstream: Upstream,
    method: Method,
    path: Text,
    query: Vec<(String, Json)>,
    styles: Styles,
    headers: Vec<(HeaderName, Text)>,
    cookies: Vec<(String, Text)>,
    accept: Option<HeaderValue>,
    body: Option<Body>,
    select: Pointer,
    pages: Option<Pages>,
    /// The spec says that the answer is JSON, whatever it calls itself.
    json: bool,
    shape: Shape,
    caps: Caps,
    cursor_key: CursorKey,
}

/// What differs between a tool and a resource.
struct Settings<'a> {
    name: &'a str,
    connection: Option<&'a str>,
    properties: Map<String, Value>,
    returns: Option<&'a Value>,
    limits: &'a model::ToolLimits,
    paginate: Option<&'a model::Paginate>,
}

impl HttpTool {
    pub fn of_tool(tool: &model::Tool, request: &HttpRequest, builder: &mut Builder<'_>) -> Result<Self, Fault> {
        let schema = tool.input_schema();
        let settings = Settings {
            name: tool.name.as_str(),
            connection: tool.connection.as_ref().map(|name| name.as_str()),
            properties: schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default(),
            returns: tool.returns.as_ref().map(model::Schema::as_value),
            limits: &tool.limits,
            paginate: tool.paginate.as_ref(),
        };
        Self::compile(request, settings, builder)
    }

    pub fn of_resource(
        uri: &str,
        connection: Option<&str>,
        request: &HttpRequest,
        builder: &mut Builder<'_>,
    ) -> Result<Self, Fault> {
        let limits = model::ToolLimits::default();
        let settings =
            Settings { name: uri, connection, properties: Map::new(), returns: None, limits: &limits, paginate: None };
        Self::compile(request, settings, builder)
    }

    fn compile(request: &HttpRequest, settings: Settings<'_>, builder: &mut Builder<'_>) -> Result<Self, Fault> {
        let text = |text: &str| Text::parse(text).map_err(|problem| problem.to_string());
        let query = request.query.iter().map(|(name, value)| Ok((name.clone(), body::json(value)?)));
        let headers = request.headers.iter().map(|(name, value)| {
            let name = HeaderName::try_from(name.as_str()).map_err(|error| error.to_string())?;
            Ok((name, text(value)?))
        });
        let cookies = request.cookies.iter().map(|(name, value)| Ok((name.as_str().to_owned(), text(value)?)));
        let accept = request.accept.as_deref().map(HeaderValue::try_from).transpose();
        let styles = Styles::compile(&request.styles);
        let body = |body: &model::ValueTemplate| Body::compile(request.body_type, body, &settings.properties, &styles);
        let pages = settings.paginate.map(Pages::compile).transpose()?;
        let items = settings.paginate.and_then(|paginate| paginate.items_pointer.as_ref());
        let select = items.or(request.select.as_ref()).map(|pointer| Pointer::parse(pointer.as_str()));
        let shape = match settings.returns {
            Some(returns) if pages.is_some() => {
                let row = Shape::of_rows(Some(returns));
                Shape { types: Shape::ANY.types, content: ShapeContent::Items(Arc::new(row)) }
            }
            Some(returns) => Shape::compile(returns),
            None => Shape::ANY,
        };
        Ok(Self {
            name: Arc::from(settings.name),
            method: Method::try_from(request.method.as_str()).map_err(|error| error.to_string())?,
            path: text(&request.path)?,
            query: query.collect::<Result<_, String>>()?,
            headers: headers.collect::<Result<_, String>>()?,
            cookies: cookies.collect::<Result<_, String>>()?,
            accept: accept.map_err(|_| "`accept` is no header value".to_owned())?,
            body: request.body.as_ref().map(body).transpose()?,
            styles,
            json: select.is_some() || pages.is_some() || settings.returns.is_some_and(|schema| !is_text(schema)),
            select: select.unwrap_or_default(),
            pages,
            shape,
            caps: Caps {
                max_rows: settings.limits.max_rows.at().map(std::num::NonZeroU64::get),
                max_bytes: settings.limits.max_bytes.at().map(model::Size::bytes),
                page_size: None,
            },
            upstream: builder.connections.upstream(settings.connection)?,
            cursor_key: builder.cursor_key.clone(),
        })
    }

    /// Whether the method only looks.
    #[must_use]
    pub fn is_safe(&self) -> bool {
        self.method.is_safe()
    }

    pub async fn call(&self, cx: &CallContext, arguments: Map<String, Value>, timeout: Option<Duration>) -> ToolResult {
        self.run(cx, arguments, timeout).await.unwrap_or_else(ToolResult::error)
    }

    async fn run(
        &self,
        cx: &CallContext,
        mut arguments: Map<String, Value>,
        timeout: Option<Duration>,
    ) -> Result<ToolResult, String> {
        let cursor = if self.pages.is_some() { arguments.shift_remove("cursor") } else { None };
        let position = match cursor.as_ref().and_then(Value::as_str) {
            Some(cursor) => self.position(cursor, cx, &arguments).map_err(|error| error.to_string())?,
            None => Position::default(),
        };
        let written = self.styles.join(&arguments)?;
        let mut request = self.request(&Values { arguments: &written, cx }, timeout)?;
        let first = request.query.clone();
        if let Some(pages) = &self.pages {
            pages.ask(&position, &mut request);
        }
        let path = request.path.clone();
        let client = self.upstream.client.of(cx).await?;
        let answer = client.open(request).await.map_err(|error| error.to_string())?;
        let page = download::Page { position: &position, first: &first, path: &path };
        let (content, next) = download::read(self, answer, &page, cx).await?;
        let next = next.map(|next| self.cursor(&next, cx, &arguments)).transpose()?;
        Ok(content.into_answer(self, next.as_deref()))
    }

    fn position(&self, cursor: &str, cx: &CallContext, arguments: &Map<String, Value>) -> Result<Position, BadCursor> {
        let state = self.cursor_key.open(cursor, &self.name, &cx.principal.id, arguments)?;
        serde_json::from_slice(&state).map_err(|_| BadCursor)
    }

    fn cursor(&self, next: &Position, cx: &CallContext, arguments: &Map<String, Value>) -> Result<String, String> {
        let state = serde_json::to_vec(next).expect("a position can be written");
        let cursor = self.cursor_key.seal(&state, &self.name, &cx.principal.id, arguments);
        cursor.ok_or_else(|| format!("the upstream `{}` names its next page by too long a text", self.upstream()))
    }

    fn request(&self, values: &Values<'_>, timeout: Option<Duration>) -> Result<Request, String> {
        let get = |name: &str| values.get(name);
        let mut request = Request::new(self.method.clone(), self.path.path(get).map_err(|error| error.to_string())?);
        for (name, template) in &self.query {
            let value = match template.render(get) {
                None | Some(Value::Null) => continue,
                Some(Value::Array(items)) => items.into_iter().filter(|item| !item.is_null()).collect(),
                Some(value) => value,
            };
            style::pairs(name, &value, self.styles.is_deep(template), &mut request.query);
        }
        request.headers = self.header_map(values)?;
        if let Some(body) = &self.body
            && let Some((media_type, bytes)) = body.encode(values)?
        {
            if body.types_itself() {
                request.headers.insert(header::CONTENT_TYPE, media_type);
            } else {
                request.headers.entry(header::CONTENT_TYPE).or_insert(media_type);
            }
            request.body = Some(bytes);
        }
        request.caller = Some(values.cx.principal.id.clone());
        request.timeout = Some(super::upstream_time(timeout));
        Ok(request)
    }

    fn header_map(&self, values: &Values<'_>) -> Result<HeaderMap, String> {
        let mut headers = self.upstream.headers_for(values)?;
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
        if let Some(cookies) = self.cookies(values)? {
            headers.insert(header::COOKIE, cookies);
        }
        if let Some(accept) = &self.accept {
            headers.insert(header::ACCEPT, accept.clone());
        } else {
            let any = if self.json { "application/json" } else { "application/json, text/*;q=0.9, */*;q=0.5" };
            headers.entry(header::ACCEPT).or_insert(HeaderValue::from_static(any));
        }
        Ok(headers)
    }

    /// In one header. What would end a cookie, or can't stand in one, is percent-encoded.
    fn cookies(&self, values: &Values<'_>) -> Result<Option<HeaderValue>, String> {
        let mut cookies = Vec::new();
        for (name, text) in &self.cookies {
            let value =
                text.header(|name| values.get(name)).map_err(|problem| format!("the cookie `{name}`: {problem}"))?;
            cookies.extend(value.map(|value| format!("{name}={}", utf8_percent_encode(&value, NO_COOKIE))));
        }
        let whole = || HeaderValue::try_from(cookies.join("; ")).map_err(|_| "the cookies can't be sent".to_owned());
        (!cookies.is_empty()).then(whole).transpose()
    }

    /// Its name in the spec.
    fn upstream(&self) -> &str {
        self.upstream.client.name()
    }
}

/// `returns` describes a text, or nothing in particular.
fn is_text(schema: &Value) -> bool {
    match schema.get("type") {
        Some(Value::String(one)) => one == "string",
        Some(Value::Array(many)) => many.iter().any(|one| one == "string"),
        _ => schema.get("properties").is_none() && schema.get("items").is_none(),
    }
}
