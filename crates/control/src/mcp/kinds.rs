//! How each kind of tool is written: a few words and one whole spec, short enough to be read before each use.

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::tool::{Asked, Described, Done, Effect, Verbs, answer};
use crate::Problem;

/// One kind, as an agent reads it.
#[derive(Debug)]
struct Kind {
    name: &'static str,
    /// In one line.
    what: &'static str,
    more: &'static str,
    example: &'static str,
    /// Whether servers with it can be deployed by this version.
    runs: bool,
}

macro_rules! kind {
    ($name:literal, $runs:literal, $what:literal, $more:literal) => {
        Kind {
            name: $name,
            what: $what,
            more: $more,
            runs: $runs,
            example: include_str!(concat!("kinds/", $name, ".yaml")),
        }
    };
}

const KINDS: &[Kind] = &[
    kind!(
        "sql",
        true,
        "One SQL statement on SQLite, PostgreSQL or MySQL",
        "`:name` binds an argument and is never spliced in; `[[ ... ]]` is left out where its argument is. Rows come as \
         `{\"items\": [...]}`; `single: true` gives the one row; `paginate` in place of LIMIT. A SQLite `path` is a file of the \
         server's own and needs no grant; `seed` is a file of SQL that fills it once: hand it over in `files` of \
         `create_server`. Other databases: `envVar: NAME` of a secret, or `{ use: name }` of `list_connections`. Examples of \
         tools that only read are run before it serves."
    ),
    kind!(
        "http",
        true,
        "One request to an HTTP API",
        "`{name}` in path, query, headers and body is encoded for its place; an argument that is left out takes its query \
         parameter away. `select` is a JSON pointer to what matters; `returns` drops the fields that it does not list; \
         `paginate` follows pages. `body` with `method: POST`. Credentials are secrets, by name. Private networks need a grant."
    ),
    kind!(
        "static",
        true,
        "An answer that is always the same",
        "`text`, `json`, or a file of the server as `image` or `audio` with its `mimeType`."
    ),
    kind!(
        "steps",
        true,
        "Other tools of the server, one after the other",
        "`{name.field}` is a part of the answer of the step that has `as: name`. `return` is the result; without one, the last \
         answer is. Each step is held to its own tool's rules."
    ),
    kind!(
        "command",
        true,
        "A program, started without a shell",
        "Each element of `argv` stays one argument. It needs the grant `command`; without it use another kind."
    ),
    kind!(
        "mcp",
        true,
        "A tool of another MCP server",
        "The tool's arguments are checked by `inputSchema` and handed on. At a `url`, or a program in `argv`, which needs the grant \
         `command`. `import_server` writes such a spec of what a server lists."
    ),
    kind!(
        "graphql",
        true,
        "A GraphQL query",
        "The query has no placeholders: arguments are `variables`; one that is left out is left out there, too. `select` is a JSON \
         pointer into its `data`. `import_server` writes such a spec of what an endpoint says of itself."
    ),
    kind!(
        "mongo",
        false,
        "An operation on a MongoDB collection",
        "`find`, `aggregate`, `insert`, `update` or `delete`."
    ),
    kind!("redis", false, "A Redis command", "Each element is one argument."),
    kind!(
        "grpc",
        true,
        "One call of a gRPC method",
        "`message` is the request in the JSON of Protocol Buffers; an argument that is left out takes its field away. The server \
         is asked what its methods take (reflection), or the connection has a file of `descriptors`. A stream of answers comes \
         as `{\"items\": [...]}`, cut at `maxRows`. Credentials are secrets, by name. Private networks need a grant."
    ),
    kind!("file", false, "An operation on a file or object", "`read`, `list`, `write`, `delete` or `stat`."),
    kind!("message", false, "A message to people", "By `smtp`, `slack` or `sms`."),
    kind!("embed", false, "A vector made of a text", "By a model behind an HTTP API."),
    kind!("vector", false, "An operation on a store of vectors", "`search`, `upsert` or `delete`."),
    kind!("wasm", false, "A function of a WebAssembly component", "What it may import is listed; all else is denied."),
];

pub fn add(verbs: Verbs) -> Verbs {
    let names: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
    verbs.add(
        Described {
            name: "describe_kind",
            title: "How a kind of tool is written",
            description: "What a kind of tool does and one whole spec with it, to start from. Without `kind`, the kinds there are.",
            effect: Effect::Looks,
            takes: (json!({ "kind": { "type": "string", "enum": names } }), &[]),
            gives: Some((
                json!({
                    "kinds": { "type": "array", "items": { "type": "object" } },
                    "kind": { "type": "string" },
                    "runs": { "type": "boolean", "description": "Whether this factory can deploy it" },
                    "description": { "type": "string" },
                    "example": { "type": "string", "description": "A whole spec" },
                }),
                &[],
            )),
        },
        describe,
    )
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    kind: Option<String>,
}

async fn describe(_: Asked, Wanted { kind }: Wanted) -> Done {
    let Some(wanted) = kind else {
        let kinds = KINDS.iter().map(|kind| json!({ "kind": kind.name, "what": kind.what, "runs": kind.runs }));
        return answer(&json!({ "kinds": kinds.collect::<Vec<_>>() }));
    };
    match KINDS.iter().find(|kind| kind.name == wanted) {
        Some(kind) => answer(&kind.shown()),
        None => {
            let names: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
            let detail = format!("there is no such kind of tool; there are {}", names.join(", "));
            Err(Problem::new(StatusCode::NOT_FOUND, "not-found", detail).into())
        }
    }
}

impl Kind {
    fn shown(&self) -> Value {
        let cannot = if self.runs { "" } else { " This factory can keep such a server, and not deploy it yet." };
        json!({
            "kind": self.name,
            "runs": self.runs,
            "description": format!("{}. {}{cannot}", self.what, self.more),
            "example": self.example,
        })
    }
}

#[cfg(test)]
mod tests {
    use mcp_factory::language::{self, AllFiles, Format, Source, Verdict};

    use super::*;

    #[test]
    fn each_example_is_a_valid_spec_with_a_tool_of_its_kind() {
        for Kind { name, example, .. } in KINDS {
            let source = Source { name, bytes: example.as_bytes(), format: Format::Yaml };
            let reading = language::read(&source, &AllFiles);
            assert_eq!(reading.verdict, Verdict::Valid, "{name}: {:?}", reading.diagnostics);
            let kinds = reading.spec.into_iter().flat_map(|spec| spec.tools).filter_map(|tool| tool.kind);
            assert!(kinds.into_iter().any(|kind| kind.key() == *name), "{name}");
        }
    }

    #[test]
    fn every_kind_of_the_language_is_described() {
        let schema = language::language_schema().to_string();
        for word in ["sql", "mongo", "redis", "http", "graphql", "grpc", "file", "message", "embed", "vector"] {
            assert!(schema.contains(&format!("\"{word}\"")) && KINDS.iter().any(|kind| kind.name == word), "{word}");
        }
        for word in ["command", "wasm", "mcp", "static", "steps"] {
            assert!(schema.contains(&format!("\"{word}\"")) && KINDS.iter().any(|kind| kind.name == word), "{word}");
        }
    }

    /// Issue 5 §4: at most 600 tokens. No tokenizer that is in use makes more of English and YAML than one for three bytes.
    #[test]
    fn each_description_is_short() {
        for kind in KINDS {
            let shown = kind.shown();
            let bytes = shown["description"].as_str().unwrap().len() + shown["example"].as_str().unwrap().len();
            assert!(bytes <= 3 * 600, "{}: {bytes} bytes", kind.name);
        }
    }
}
