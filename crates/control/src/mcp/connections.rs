//! What specs may use that is not their owner's own: named, with nothing of what opens it.

use serde::Deserialize;
use serde_json::{Value, json};

use super::tool::{Asked, Described, Done, Effect, Verbs, answer};

pub fn add(verbs: Verbs) -> Verbs {
    verbs.add(
        Described {
            name: "list_connections",
            title: "What specs may use",
            description: "What you were granted: connections that the operator shares (`{ use: name }` in a spec), and what \
                          else your specs may reach. A SQLite file of the server's own, public APIs and your own secrets need \
                          no grant. No secrets are shown.",
            effect: Effect::Looks,
            takes: (json!({}), &[]),
            gives: Some((
                json!({
                    "connections": { "type": "array", "items": { "type": "object", "properties": {
                        "use": { "type": "string" },
                        "type": { "type": "string" },
                        "readOnly": { "type": "boolean" },
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
struct Nothing {}

async fn list(Asked { factory, caller, .. }: Asked, Nothing {}: Nothing) -> Done {
    let shared = factory.granted_connections(&caller).await?;
    let grants = factory.grants(&caller).await?;
    let others = grants.iter().filter(|grant| grant.kind != "shared-connection");
    let secrets = factory.secrets(&caller).await?;
    let secrets: Vec<&str> = secrets.iter().filter(|it| it.subject.is_empty()).map(|it| it.name.as_str()).collect();
    let connections = shared.iter().map(|it| json!({ "use": it.name, "type": it.kind, "readOnly": it.read_only }));
    answer(&json!({
        "connections": connections.collect::<Vec<Value>>(),
        "grants": others.map(|it| json!({ "kind": it.kind, "value": it.value })).collect::<Vec<Value>>(),
        "secrets": secrets,
    }))
}
