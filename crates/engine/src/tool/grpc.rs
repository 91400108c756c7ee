//! `grpc`: one call of a method. Its message is JSON here, filled in by the arguments, and so is what comes back; a stream of
//! answers is a list, cut at the caps.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use mcp_factory_connect::grpc::{Call, Client, Cut, Reply, is_reserved};
use mcp_factory_spec::{
    model::{self, GrpcCall},
    template::{Json, Text},
};
use mcp_serve::{CallContext, ToolResult};
use serde_json::{Map, Value, json};

use super::http::body;
use crate::{
    answer,
    per::Connected,
    plan::{Builder, Fault},
    shape::Shape,
    values::Values,
};

/// Of an answer, where the spec sets no limit.
const MOST_BYTES: u64 = 64 << 20;

#[derive(Debug)]
pub struct GrpcTool {
    server: Connected<Client>,
    /// `package.Service/Method`.
    method: String,
    message: Option<Json>,
    metadata: Vec<(HeaderName, Text)>,
    shape: Shape,
    max_messages: u64,
    max_bytes: usize,
}

impl GrpcTool {
    pub fn of_tool(tool: &model::Tool, call: &GrpcCall, builder: &mut Builder<'_>) -> Result<Self, Fault> {
        let metadata = call.metadata.iter().map(|(name, value)| {
            let name = HeaderName::try_from(name.as_str()).map_err(|error| error.to_string())?;
            if is_reserved(&name) {
                return Err(format!("the metadata `{name}` is set by gRPC itself"));
            }
            Ok((name, Text::parse(value).map_err(|problem| problem.to_string())?))
        });
        let server = builder.grpc(tool.connection.as_ref().map(|name| name.as_str()))?;
        if let Connected::Shared { connection, .. } = &server
            && connection.has(&call.method) == Some(false)
        {
            return Err(format!("the descriptors of `{}` have no method `{}`", server.name(), call.method).into());
        }
        let bytes = tool.limits.max_bytes.at().map_or(MOST_BYTES, |size| model::Size::bytes(size).min(MOST_BYTES));
        Ok(Self {
            server,
            method: call.method.clone(),
            message: call.message.as_ref().map(|message| body::json(message)).transpose()?,
            metadata: metadata.collect::<Result<_, String>>()?,
            shape: tool.returns.as_ref().map_or(Shape::ANY, |schema| Shape::compile(schema.as_value())),
            max_messages: tool.limits.max_rows.at().map_or(u64::MAX, std::num::NonZeroU64::get),
            max_bytes: usize::try_from(bytes).unwrap_or(usize::MAX),
        })
    }

    pub async fn call(
        &self,
        cx: &CallContext,
        arguments: &Map<String, Value>,
        timeout: Option<Duration>,
    ) -> ToolResult {
        self.run(cx, arguments, timeout).await.unwrap_or_else(ToolResult::error)
    }

    async fn run(
        &self,
        cx: &CallContext,
        arguments: &Map<String, Value>,
        timeout: Option<Duration>,
    ) -> Result<ToolResult, String> {
        let values = Values { arguments, cx };
        let message = self.message.as_ref().and_then(|message| message.render(|name| values.get(name)));
        let call = Call {
            method: &self.method,
            message: message.unwrap_or_else(|| json!({})),
            metadata: self.metadata(&values)?,
            caller: Some(&cx.principal.id),
            timeout: super::upstream_time(timeout),
            max_bytes: self.max_bytes,
            max_messages: self.max_messages,
        };
        let client = self.server.of(cx).await?;
        let reply = client.call(call).await.map_err(|error| error.to_string())?;
        Ok(match reply {
            Reply::One(message) => answer::value(self.shape.apply(message)),
            Reply::Many { messages, cut } => self.items(messages, cut),
        })
    }

    fn items(&self, messages: Vec<Value>, cut: Option<Cut>) -> ToolResult {
        let rows = messages.len();
        let mut object = json!({ "items": self.shape.apply(Value::Array(messages)) });
        if let Some(cut) = cut {
            let limit = match cut {
                Cut::Messages => json!({ "reason": "rows", "limit": self.max_messages }),
                Cut::Bytes => json!({ "reason": "bytes", "limit": self.max_bytes }),
                Cut::Time => json!({ "reason": "timeout" }),
            };
            object["truncated"] = limit;
            object["truncated"]["rows"] = rows.into();
            let message = match cut {
                Cut::Time => format!("only the {rows} messages that came in time are here: the stream goes on"),
                _ => format!("only the first {rows} messages of the stream are here: that is the limit"),
            };
            object["truncated"]["message"] = message.into();
        }
        answer::value(object)
    }

    fn metadata(&self, values: &Values<'_>) -> Result<HeaderMap, String> {
        let mut headers = HeaderMap::new();
        for (name, text) in &self.metadata {
            let wrong = |problem: &dyn std::fmt::Display| format!("the metadata `{name}`: {problem}");
            if let Some(value) = text.header(|name| values.get(name)).map_err(|problem| wrong(&problem))? {
                headers.append(name.clone(), HeaderValue::try_from(value).map_err(|problem| wrong(&problem))?);
            }
        }
        Ok(headers)
    }
}
