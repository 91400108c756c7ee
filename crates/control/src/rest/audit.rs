//! Who did what.

use axum::{Json, extract::State};
use mcp_factory::{Factory, registry::AuditEntry};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::shown;
use crate::{
    Control, Problem,
    access::Admitted,
    paging::{Listed, Paging},
};

pub fn routes() -> OpenApiRouter<Control> {
    OpenApiRouter::new().routes(routes!(list))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Listing {
    /// Everybody's, for an admin.
    #[serde(default)]
    all: bool,
}

#[derive(Debug, Serialize, ToSchema)]
struct Audit {
    /// The newest first.
    audit: Vec<Entry>,
    /// `after` of the next page, where there is one.
    next: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Entry {
    at: String,
    /// Whose the subject is.
    owner: String,
    /// Who did it.
    actor: String,
    /// The public id of the token that was used.
    token: Option<String>,
    #[schema(example = "servers.create")]
    verb: String,
    /// What it was done to.
    subject: String,
    /// `done`, or why it was refused.
    outcome: String,
}

/// What was done with one's things, and what was refused.
#[utoipa::path(
    get, path = "/mcp/audit", params(Paging, Listing), security(("bearer" = ["viewer"])),
    responses((status = 200, body = Audit)),
)]
async fn list(
    State(factory): State<Factory>,
    Admitted(caller): Admitted,
    Listed(paging, Listing { all }): Listed<Listing>,
) -> Result<Json<Audit>, Problem> {
    let page = paging.page();
    let entries = if all { factory.audit_of_all(&caller, &page).await? } else { factory.audit(&caller, &page).await? };
    let shown = entries.entries.into_iter().map(|it| {
        let AuditEntry { owner, at, actor, token, verb, subject, outcome, .. } = it;
        let (at, owner, actor) = (shown::timestamp(at), owner.to_string(), actor.to_string());
        Entry { at, owner, actor, token, verb, subject, outcome }
    });
    Ok(Json(Audit { audit: shown.collect(), next: entries.next }))
}
