//! Servers of what is there already.

use mcp_factory::intake::Intake;
use serde_json::{Value, json};
use utoipa::PartialSchema as _;

use super::tool::{Asked, Described, Done, Effect, Verbs, answer};
use crate::rest::intake::{Import, Imported, problem};

pub fn add(verbs: Verbs) -> Verbs {
    verbs.add(
        Described {
            name: "import_server",
            title: "Make a server of what is there",
            description: "Makes a server, or with `dryRun` only its spec, of something that is there already, such as an \
                          OpenAPI document: by its text, or a URL that the factory fetches. `findings` say what was left out.",
            effect: Effect::Changes,
            takes: (
                json!({
                    "from": schema(),
                    "name": { "type": "string", "description": "What the server is called; left out: what the thing is called" },
                    "dryRun": { "type": "boolean", "description": "Give the spec, and make no server" },
                    "update": { "type": "boolean", "description": "The server `name` was imported before: what people changed stays" },
                    "forgetOptions": { "type": "boolean", "description": "With `update`: don't choose as at the last import where nothing is chosen now" },
                    "prefer": { "type": "string", "enum": ["ours", "theirs"], "description": "Whose counts where people and the new import changed the same" },
                }),
                &["from"],
            ),
            gives: Some((
                json!({
                    "spec": { "type": "string", "description": "With `dryRun`: the spec, as YAML" },
                    "findings": { "type": "array", "items": { "type": "object" } },
                    "update": { "type": "object", "description": "With `update`: `changes`, `breaking` and `conflicts`" },
                    "outcome": { "type": "string", "enum": ["created", "updated", "unchanged"] },
                    "version": { "type": "string", "description": "The version that has this text" },
                    "server": { "type": "object" },
                    "diagnostics": { "type": "array", "items": { "type": "object" } },
                    "problems": { "type": "array", "items": { "type": "object" } },
                    "secrets": { "type": "array", "items": { "type": "object" }, "description": "What it needs of your secrets, and whether they are set" },
                }),
                &["findings"],
            )),
        },
        import,
    )
}

/// What can be imported, as the REST API says it.
fn schema() -> Value {
    serde_json::to_value(Intake::schema()).expect("a schema is JSON")
}

async fn import(Asked { factory, caller, .. }: Asked, import: Import) -> Done {
    let imported = factory.import(&caller, import.into()).await.map_err(problem)?;
    answer(&Imported::of(&imported))
}
