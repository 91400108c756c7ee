//! Servers: tried, made, listed, looked at, removed.

use axum::http::StatusCode;
use mcp_factory::{
    Error, Files, Submission, Validation,
    language::{Diagnostic, Verdict, diagnostic::Code},
    registry::{Filter, Page},
};
use mcp_serve::{Answer, Elicitation};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::tool::{Asked, Described, Done, Effect, Failure, Verbs, answer};
use crate::{
    Problem,
    rest::{servers::Created, shown},
};

/// Tools that are shown with a server; the others are found.
const MOST_OFFERS: usize = 100;
/// Rounds of repairs.
const MOST_REPAIRS: usize = 8;

pub fn add(verbs: Verbs) -> Verbs {
    let spec = json!({ "type": "string", "description": "The spec: one document, YAML or JSON, as text" });
    let files = json!({
        "type": "object",
        "additionalProperties": { "type": "string" },
        "description": "Files that the spec names, such as a seed: their texts by their names, without folders",
    });
    let server = || json!({ "type": "string", "description": "Its name" });
    let diagnostics =
        || json!({ "type": "array", "items": { "type": "object" }, "description": "What the language says" });
    let problems = || {
        let what = "What this factory can't run, and what was not granted to you";
        json!({ "type": "array", "items": { "type": "object" }, "description": what })
    };
    let secrets = || {
        let what = "What it needs of your secrets, and whether they are set: a person sets them, with \
                    `mcp-factory secrets set NAME` or `PUT /mcp/secrets/NAME`";
        json!({ "type": "array", "items": { "type": "object" }, "description": what })
    };
    verbs
        .add(
            Described {
                name: "validate_server",
                title: "Check a spec",
                description: "Says everything that is wrong with a spec, with places and help, and gives it back with the safe \
                              repairs made. Keeps nothing.",
                effect: Effect::Looks,
                takes: (json!({ "spec": spec.clone(), "files": files.clone() }), &["spec"]),
                gives: Some((
                    json!({
                        "verdict": { "type": "string" },
                        "deployable": { "type": "boolean", "description": "Whether it could be created and deployed as it is" },
                        "diagnostics": diagnostics(),
                        "problems": problems(),
                        "fixed": {
                            "type": "object",
                            "description": "The spec with each safe repair made, and what is found of that",
                            "properties": {
                                "spec": { "type": "string" },
                                "verdict": { "type": "string" },
                                "deployable": { "type": "boolean" },
                            },
                        },
                    }),
                    &["verdict", "deployable", "diagnostics", "problems"],
                )),
            },
            validate,
        )
        .add(
            Described {
                name: "create_server",
                title: "Create a server",
                description: "Keeps a spec as a version of the server that it names. The same spec again changes nothing; a \
                              changed one needs a higher `version`. What runs changes with `deploy_server` only.",
                effect: Effect::Changes,
                takes: (json!({ "spec": spec, "files": files }), &["spec"]),
                gives: Some((
                    json!({
                        "outcome": { "type": "string", "enum": ["created", "updated", "unchanged"] },
                        "version": { "type": "string", "description": "The version that has this text" },
                        "server": { "type": "object" },
                        "diagnostics": diagnostics(),
                        "problems": problems(),
                        "secrets": secrets(),
                    }),
                    &["outcome", "version", "server", "diagnostics", "problems", "secrets"],
                )),
            },
            create,
        )
        .add(
            Described {
                name: "list_servers",
                title: "List servers",
                description: "Your servers by name, with what is deployed of them.",
                effect: Effect::Looks,
                takes: (
                    json!({
                        "after": { "type": "string", "description": "`next` of the page before" },
                        "limit": { "type": "integer", "minimum": 1, "maximum": 500 },
                        "tag": { "type": "string", "description": "Only with this tag" },
                        "name": { "type": "string", "description": "Only with this in their name" },
                        "state": { "type": "string", "description": "Only in this state, such as `running`" },
                    }),
                    &[],
                ),
                gives: Some((
                    json!({
                        "servers": { "type": "array", "items": { "type": "object" } },
                        "next": { "anyOf": [{ "type": "string" }, { "type": "null" }], "description": "Another page follows: its `after`" },
                    }),
                    &["servers", "next"],
                )),
            },
            list,
        )
        .add(
            Described {
                name: "get_server",
                title: "Look at a server",
                description: "Everything about a server: its tools with their input schemas, its state and endpoint, what it \
                              needs and who needs it.",
                effect: Effect::Looks,
                takes: (json!({ "server": server() }), &["server"]),
                gives: Some((
                    json!({
                        "name": { "type": "string" },
                        "latest": { "type": "string" },
                        "secrets": secrets(),
                        "offers": { "type": "array", "items": { "type": "object" }, "description": "Its tools" },
                        "deployment": { "anyOf": [{ "type": "object" }, { "type": "null" }] },
                    }),
                    &["name", "latest", "secrets", "offers", "deployment"],
                )),
            },
            get,
        )
        .add(
            Described {
                name: "remove_server",
                title: "Remove a server",
                description: "Ends a server and deletes all of its versions, its data folder and what was counted. It can't \
                              be undone, so a person is asked; where your client can't ask, ask them yourself and say so with \
                              `confirm`.",
                effect: Effect::Destroys,
                takes: (
                    json!({
                        "server": server(),
                        "confirm": { "type": "string", "description": "The name once more: a person said yes to it" },
                        "force": { "type": "boolean", "description": "Also where other servers need it" },
                    }),
                    &["server"],
                ),
                gives: Some((json!({ "removed": { "type": "string" } }), &["removed"])),
            },
            remove,
        )
}

/// A text; a mapping is taken as well, since models like to send one.
#[derive(Deserialize)]
#[serde(untagged, expecting = "`spec` is a text: one YAML or JSON document")]
enum Text {
    Text(String),
    Mapping(Map<String, Value>),
}

impl Text {
    fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Mapping(mapping) => Value::Object(mapping).to_string(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sent {
    spec: Text,
    files: Option<Files>,
}

async fn validate(Asked { factory, caller, .. }: Asked, Sent { spec, files }: Sent) -> Done {
    let (text, files) = (spec.into_text(), files.unwrap_or_default());
    let judged = async |text: &str| {
        let submission = Submission { files: files.clone(), ..Submission::new(text) };
        factory.validate(&caller, submission).await
    };
    let found = judged(&text).await?;
    let mut shown = json!({
        "verdict": found.verdict.to_string(),
        "deployable": is_deployable(&found),
        "diagnostics": diagnostics(&text, &found.diagnostics),
        "problems": shown::problems(&found.problems),
    });
    let mut mended: Option<(String, Validation)> = None;
    // A repair may uncover what has to be repaired next.
    for _ in 0..MOST_REPAIRS {
        let (so_far, known) = mended.as_ref().map_or((&text, &found), |(text, found)| (text, found));
        let Some(fixed) = fixed(so_far, &known.diagnostics) else { break };
        let found = judged(&fixed).await?;
        mended = Some((fixed, found));
    }
    if let Some((text, found)) = mended {
        let (verdict, deployable) = (found.verdict.to_string(), is_deployable(&found));
        shown["fixed"] = json!({ "spec": text, "verdict": verdict, "deployable": deployable });
    }
    answer(&shown)
}

fn is_deployable(found: &Validation) -> bool {
    found.verdict <= Verdict::Warning && found.problems.is_empty()
}

async fn create(Asked { factory, caller, .. }: Asked, Sent { spec, files }: Sent) -> Done {
    let text = spec.into_text();
    let submission = Submission { files: files.unwrap_or_default(), ..Submission::new(text.as_str()) };
    let created = match factory.create(&caller, submission, None).await {
        Err(Error::Invalid { diagnostics: found }) => {
            let shown = diagnostics(&text, &found);
            return Err(Problem::from(Error::Invalid { diagnostics: found }).with("diagnostics", shown).into());
        }
        created => created?,
    };
    answer(&Created::of(&created, text.as_bytes()))
}

fn diagnostics(text: &str, found: &[Diagnostic]) -> Value {
    shown::diagnostics(text.as_bytes(), found)
}

/// The text with all repairs that are safe to make unasked. A secret that is in it is not said again.
fn fixed(text: &str, found: &[Diagnostic]) -> Option<String> {
    if found.iter().any(|it| it.code == Code::Secret) {
        return None;
    }
    let mut fixes: Vec<_> = found.iter().filter_map(|it| it.fix.as_ref()).collect();
    // From the end, so that places stay what they are.
    fixes.sort_by_key(|fix| std::cmp::Reverse(fix.span.start.offset));
    let (mut fixed, mut until) = (text.to_owned(), text.len());
    for fix in &fixes {
        let (start, end) = (fix.span.start.offset as usize, fix.span.end.offset as usize);
        if start <= end && end <= until && fixed.is_char_boundary(start) && fixed.is_char_boundary(end) {
            fixed.replace_range(start..end, &fix.replacement);
            until = start;
        }
    }
    (fixed != text).then_some(fixed)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    after: Option<String>,
    limit: Option<u32>,
    tag: Option<String>,
    name: Option<String>,
    state: Option<String>,
}

async fn list(Asked { factory, caller, .. }: Asked, Listed { after, limit, tag, name, state }: Listed) -> Done {
    let page = Page { after: after.unwrap_or_default(), limit: limit.unwrap_or(Page::default().limit) };
    let servers = factory.list(&caller, &Filter { tag, name, state }, &page).await?;
    let entries: Vec<_> = servers.entries.iter().map(shown::server).collect();
    answer(&json!({ "servers": entries, "next": servers.next }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    server: String,
}

/// With what its callers can do.
#[derive(Serialize)]
struct Looked {
    #[serde(flatten)]
    details: shown::ServerDetails,
    offers: Vec<Value>,
}

async fn get(Asked { factory, caller, .. }: Asked, Named { server }: Named) -> Done {
    let details = factory.get(&caller, &server).await?;
    let observed = factory.observed(&caller, &server);
    let secrets = factory.needed_secrets(&caller, &server, &details.server.latest).await?;
    let spec = factory.spec(&caller, &server, None).await?;
    let offers = spec.tools.iter().take(MOST_OFFERS).map(|tool| {
        json!({
            "tool": tool.name.as_str(),
            "title": tool.title,
            "description": tool.description,
            "inputSchema": tool.input_schema(),
        })
    });
    answer(&Looked { details: shown::details(&details, observed.as_ref(), &secrets), offers: offers.collect() })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Removed {
    server: String,
    confirm: Option<String>,
    force: Option<bool>,
}

async fn remove(Asked { factory, caller, cx }: Asked, Removed { server, confirm, force }: Removed) -> Done {
    // Nobody is asked about what is not there.
    factory.get(&caller, &server).await?;
    if cx.can_elicit() {
        let message =
            format!("Remove the server `{server}` with all of its versions and its data? It can't be undone.");
        let question = Elicitation::question(message).about(format!("remove {server}"));
        let said = cx.elicit("confirm", &question).await.map_err(Failure::Protocol)?;
        if !matches!(said, Answer::Accepted(_)) {
            let detail =
                format!("a person was asked and did not agree: `{server}` is still there; don't try again on your own");
            return Err(Problem::new(StatusCode::CONFLICT, "declined", detail).into());
        }
    } else if confirm.as_deref() != Some(&server) {
        let detail = format!("nothing was removed: `confirm` has to be `{server}`, when a person said yes to that");
        return Err(Problem::new(StatusCode::CONFLICT, "not-confirmed", detail).into());
    }
    factory.remove(&caller, &server, force.unwrap_or(false)).await?;
    answer(&json!({ "removed": server }))
}
