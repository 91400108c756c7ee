//! Tools of all one's servers: found by what they do, and called by their names.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::tool::{Asked, Described, Done, Effect, Failure, Verbs, answer};
use crate::Problem;

const FOUND: usize = 10;
const MOST_FOUND: usize = 50;

pub fn add(verbs: Verbs) -> Verbs {
    verbs
        .add(
            Described {
                name: "search_tools",
                title: "Find tools",
                description: "Tools of your servers by what they do, the best first, each with its server and input schema. \
                              Call them with `call_tool`.",
                effect: Effect::Looks,
                takes: (
                    json!({
                        "query": { "type": "string", "description": "What it should do, in a few words" },
                        "limit": { "type": "integer", "minimum": 1, "maximum": MOST_FOUND, "default": FOUND },
                    }),
                    &["query"],
                ),
                gives: Some((
                    json!({ "tools": { "type": "array", "items": { "type": "object", "properties": {
                        "server": { "type": "string" },
                        "tool": { "type": "string" },
                        "title": { "anyOf": [{ "type": "string" }, { "type": "null" }] },
                        "description": { "type": "string" },
                        "inputSchema": { "type": "object" },
                    }}}}),
                    &["tools"],
                )),
            },
            search,
        )
        .add(
            Described {
                name: "call_tool",
                title: "Call a tool of a server",
                description: "Calls a tool of one of your servers that runs, a new one too, and gives its answer as it is.",
                effect: Effect::Anything,
                takes: (
                    json!({
                        "server": { "type": "string", "description": "The name of the server" },
                        "tool": { "type": "string", "description": "The name of the tool" },
                        "arguments": { "type": "object", "description": "As its input schema says" },
                    }),
                    &["server", "tool"],
                ),
                gives: None,
            },
            call,
        )
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    query: String,
    limit: Option<usize>,
}

async fn search(Asked { factory, caller, .. }: Asked, Wanted { query, limit }: Wanted) -> Done {
    let found = factory.search(&caller, &query, limit.unwrap_or(FOUND).min(MOST_FOUND)).await?;
    let shown = found.iter().map(|it| {
        let schema: Value = serde_json::from_str(&it.tool.schema).unwrap_or_default();
        json!({
            "server": it.server,
            "tool": it.tool.name,
            "title": it.tool.title,
            "description": it.tool.description,
            "inputSchema": schema,
        })
    });
    answer(&json!({ "tools": shown.collect::<Vec<_>>() }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    server: String,
    tool: String,
    arguments: Option<Map<String, Value>>,
}

async fn call(Asked { factory, caller, cx }: Asked, Call { server, tool, arguments }: Call) -> Done {
    let arguments = arguments.unwrap_or_default();
    let refused = match factory.invoke(&caller, &server, &tool, arguments, &cx).await? {
        Ok(answer) => return Ok(answer),
        Err(refused) => refused,
    };
    let (status, code) = match &refused {
        mcp_serve::Error::UnknownTool { .. } => (404, "not-found"),
        mcp_serve::Error::InvalidParams { .. } => (400, "invalid-argument"),
        mcp_serve::Error::InsufficientScope { .. } | mcp_serve::Error::AccessDenied => (403, "forbidden"),
        mcp_serve::Error::RateLimited { .. } | mcp_serve::Error::Busy => (429, "rate-limited"),
        // A question to the person, or what the log alone is told of.
        _ => return Err(Failure::Protocol(refused)),
    };
    let status = status.try_into().expect("these are statuses");
    Err(Problem::new(status, code, refused.to_string()).into())
}
