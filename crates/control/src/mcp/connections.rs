//! What specs may use that is not their owner's own: named, with nothing of what opens it.

use mcp_factory::TableShown;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::tool::{Asked, Described, Done, Effect, Verbs, answer};

pub fn add(verbs: Verbs) -> Verbs {
    verbs.add(
        Described {
            name: "list_connections",
            title: "What specs may use",
            description: "What you were granted: connections that the operator shares (`{ use: name }` in a spec), with the \
                          tables and columns of databases, and what else your specs may reach. A SQLite file of the server's \
                          own, public APIs and your own secrets need no grant. No secrets are shown.",
            effect: Effect::Looks,
            takes: (
                json!({ "connection": { "type": "string", "description": "Only this one, with more of its tables" } }),
                &[],
            ),
            gives: Some((
                json!({
                    "connections": { "type": "array", "items": { "type": "object", "properties": {
                        "use": { "type": "string" },
                        "type": { "type": "string" },
                        "readOnly": { "type": "boolean" },
                        "tables": {
                            "type": "object",
                            "description": "Columns by table, each `name type`, `*` behind those that a row is found by",
                            "additionalProperties": { "type": "array", "items": { "type": "string" } },
                        },
                        "more": { "type": "integer", "description": "Tables that are not shown" },
                    }}},
                    "grants": { "type": "array", "items": { "type": "object" } },
                    "secrets": { "type": "array", "items": { "type": "string" }, "description": "Names for `envVar`" },
                }),
                &["connections", "grants", "secrets"],
            )),
        },
        list,
    )
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    connection: Option<String>,
}

/// Tables of one connection among others, and of all of them: an agent reads every word.
const MOST_EACH: usize = 20;
const MOST: usize = 60;

async fn list(Asked { factory, caller, .. }: Asked, Wanted { connection }: Wanted) -> Done {
    let shared = match &connection {
        None => factory.granted_schemas(&caller).await?,
        Some(name) => {
            let known = factory.granted_connections(&caller).await?.into_iter().find(|it| it.name == *name);
            let schema = factory.granted_schema(&caller, name).await?;
            known.into_iter().map(|known| (known, schema.clone())).collect()
        }
    };
    let grants = factory.grants(&caller).await?;
    let others = grants.iter().filter(|grant| grant.kind != "shared-connection");
    let secrets = factory.secrets(&caller).await?;
    let secrets: Vec<&str> = secrets.iter().filter(|it| it.subject.is_empty()).map(|it| it.name.as_str()).collect();
    let mut left = if connection.is_some() { usize::MAX } else { MOST };
    let connections = shared.iter().map(|(it, schema)| {
        let mut shown = json!({ "use": it.name, "type": it.kind, "readOnly": it.read_only });
        if let Some(schema) = schema {
            let most = if connection.is_some() { usize::MAX } else { MOST_EACH.min(left) };
            let tables: Map<String, Value> = schema.tables.iter().take(most).map(columns).collect();
            left -= tables.len();
            shown["more"] = (schema.more + schema.tables.len() - tables.len()).into();
            shown["tables"] = tables.into();
        }
        shown
    });
    answer(&json!({
        "connections": connections.collect::<Vec<Value>>(),
        "grants": others.map(|it| json!({ "kind": it.kind, "value": it.value })).collect::<Vec<Value>>(),
        "secrets": secrets,
    }))
}

/// In few words.
fn columns(table: &TableShown) -> (String, Value) {
    let shown = table.columns.iter().map(|it| {
        let (null, key) = (if it.nullable { " null" } else { "" }, if it.is_key { " *" } else { "" });
        format!("{} {}{null}{key}", it.name, it.kind)
    });
    let more = (table.more > 0).then(|| format!("({} more columns)", table.more));
    (table.name.clone(), shown.chain(more).collect())
}
