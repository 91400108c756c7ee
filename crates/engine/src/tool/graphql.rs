//! `graphql`: one query that is the spec's own, with variables that are arguments. Nothing is ever put into its text.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, header};
use mcp_factory_connect::http::Request;
use mcp_factory_spec::{
    model::{self, Graphql},
    template::Json,
};
use mcp_serve::{CallContext, ToolResult};
use serde_json::{Map, Value, json};

use crate::{
    answer,
    plan::{Builder, Fault, Upstream},
    shape::Shape,
    values::Values,
};

const LARGEST: usize = 64 << 20;
/// Errors that are told, and how much of each.
const TOLD: usize = 3;
const SHOWN: usize = 500;

#[derive(Debug)]
pub struct GraphqlTool {
    upstream: Upstream,
    query: String,
    variables: Vec<(String, Json)>,
    /// Into `data`.
    select: String,
    shape: Shape,
    max_bytes: usize,
    reads: bool,
}

impl GraphqlTool {
    pub fn compile(graphql: &Graphql, tool: &model::Tool, builder: &mut Builder<'_>) -> Result<Self, Fault> {
        let variables = graphql.variables.iter().map(|(name, value)| {
            let value = Json::parse(value).map_err(|problem| problem.to_string())?;
            Ok((name.clone(), value))
        });
        let max_bytes = tool.limits.max_bytes.at().map(|size| usize::try_from(size.bytes()).unwrap_or(LARGEST));
        Ok(Self {
            upstream: builder.connections.upstream(tool.connection.as_ref().map(|name| name.as_str()))?,
            query: graphql.query.to_string(),
            variables: variables.collect::<Result<_, String>>()?,
            select: graphql.select.as_ref().map_or_else(String::new, |select| select.as_str().to_owned()),
            shape: tool.returns.as_ref().map_or(Shape::ANY, |returns| Shape::compile(returns.as_value())),
            max_bytes: max_bytes.unwrap_or(LARGEST),
            reads: only_queries(&graphql.query),
        })
    }

    /// Whether it has no operation but queries.
    #[must_use]
    pub fn reads(&self) -> bool {
        self.reads
    }

    pub async fn call(&self, cx: &CallContext, arguments: Map<String, Value>, timeout: Option<Duration>) -> ToolResult {
        self.run(cx, &arguments, timeout).await.unwrap_or_else(ToolResult::error)
    }

    async fn run(
        &self,
        cx: &CallContext,
        arguments: &Map<String, Value>,
        timeout: Option<Duration>,
    ) -> Result<ToolResult, String> {
        let values = Values { arguments, cx };
        let mut variables = Map::new();
        for (name, template) in &self.variables {
            // What was left out is left out there, too, so that its default counts.
            variables.extend(template.render(|name| values.get(name)).map(|value| (name.clone(), value)));
        }
        let body = json!({ "query": self.query, "variables": variables });
        let mut request = Request {
            body: Some(Bytes::from(body.to_string())),
            caller: Some(cx.principal.id.clone()),
            timeout: Some(super::upstream_time(timeout)),
            headers: self.upstream.headers_for(&values)?,
            // At the URL itself.
            ..Request::new(Method::POST, "")
        };
        let accept = "application/graphql-response+json, application/json;q=0.9";
        request.headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
        request.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let client = self.upstream.client.of(cx).await?;
        let mut answer = client.open(request).await.map_err(|error| error.to_string())?;
        let (status, host) = (answer.status, answer.host());
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| error.to_string())? {
            if body.len() + chunk.len() > self.max_bytes {
                return Err(format!("the answer of `{host}` is larger than {} bytes", self.max_bytes));
            }
            body.extend_from_slice(&chunk);
        }
        let Ok(found) = serde_json::from_slice::<Value>(&body) else {
            return Err(format!("`{host}` answers {status}, and not as GraphQL does"));
        };
        if let Some(errors) = found["errors"].as_array().filter(|errors| !errors.is_empty()) {
            return Err(answer.redact(&told(&host, errors)));
        }
        if !status.is_success() {
            return Err(format!("`{host}` answers {status}"));
        }
        let Some(selected) = found.get("data").and_then(|data| data.pointer(&self.select)) else {
            return Err(format!("the answer of `{host}` has nothing at `{}` of its `data`", self.select));
        };
        Ok(answer::value(self.shape.apply(selected.clone())))
    }
}

fn told(host: &str, errors: &[Value]) -> String {
    let messages = errors.iter().take(TOLD).map(|error| {
        let message = error["message"].as_str().unwrap_or("no message");
        message.chars().take(SHOWN).collect::<String>()
    });
    format!("`{host}` refuses the query: {}", messages.collect::<Vec<_>>().join("; "))
}

/// Looks at the words outside of braces, parentheses, texts and comments.
fn only_queries(query: &str) -> bool {
    let mut depth = 0_i32;
    let mut rest = query;
    while let Some(c) = rest.chars().next() {
        match c {
            '#' => rest = rest.find('\n').map_or("", |end| &rest[end..]),
            '"' if rest.starts_with("\"\"\"") => {
                rest = rest[3..].find("\"\"\"").map_or("", |end| &rest[3 + end + 3..]);
            }
            '"' => {
                let mut escaped = false;
                let end = rest[1..].char_indices().find(|(_, c)| {
                    let ends = *c == '"' && !escaped;
                    escaped = *c == '\\' && !escaped;
                    ends
                });
                rest = end.map_or("", |(at, _)| &rest[at + 2..]);
            }
            '{' | '(' | '[' => (depth, rest) = (depth + 1, &rest[1..]),
            '}' | ')' | ']' => (depth, rest) = (depth - 1, &rest[1..]),
            c if c.is_ascii_alphabetic() || c == '_' => {
                let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
                let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
                if depth == 0 && matches!(&rest[..end], "mutation" | "subscription") {
                    return false;
                }
                rest = &rest[end..];
            }
            c => rest = &rest[c.len_utf8()..],
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_something_is_seen() {
        for (query, reads) in [
            ("{ shop { name } }", true),
            ("query mutationOf($a: ID!) { mutation(id: $a) { subscription } }", true),
            ("# mutation\nquery { a(text: \"\\\" mutation {\") }", true),
            ("fragment f on T { a } mutation { b }", false),
            ("subscription S { a }", false),
        ] {
            assert_eq!(only_queries(query), reads, "{query}");
        }
    }
}
