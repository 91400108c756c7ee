//! Edits: what somebody works on, served in place of what runs.

use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
};
use mcp_factory::{Edited, Error, Factory, NotEdited, deploy::Fault};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    servers::{Place, Spec, YAML, example, submission},
    shown,
};
use crate::{
    Control, Problem,
    access::Admitted,
    body::{Asked, Whole},
};

pub fn routes() -> OpenApiRouter<Control> {
    OpenApiRouter::new().routes(routes!(edit))
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Edit {
    #[schema(example = "shop")]
    server: String,
    /// What serves now.
    #[schema(example = "1.2.0+dev.0a1b2c3d")]
    version: String,
    /// Whether that is a version of the registry.
    registered: bool,
    /// Beside the spec, which it was made of.
    files: Vec<String>,
    took_ms: f64,
}

/// Serves a text in place of what runs of the server, without registering it.
///
/// It runs as `1.2.0+dev.<hash>` until the server is started again. What is not right changes nothing, and the server's log says
/// so.
#[utoipa::path(
    post, path = "/mcp/servers/{name}/edit", params(Place), security(("bearer" = ["developer"])),
    request_body(content(
        (Spec = "application/json", example = json!(example())), (String = "application/yaml", example = json!(YAML)),
    )),
    responses(
        (status = 200, body = Edit),
        (status = 409, description = "It does not run, or a later edit came before"),
        (status = 422, description = "It does not become healthy; what ran before goes on"),
    ),
)]
async fn edit(
    State(factory): State<Factory>,
    Admitted(caller): Admitted,
    Path(name): Path<String>,
    Asked(place): Asked<Place>,
    headers: HeaderMap,
    Whole(text): Whole,
) -> Result<Json<Edit>, Problem> {
    let edited = factory.try_edit(&caller, &name, submission(&headers, place, &text)?).await;
    let Edited { server, version, registered, files, took } = edited.map_err(|error| refused(error, &text))?;
    let files = files.iter().map(|file| file.display().to_string()).collect();
    let took_ms = took.as_secs_f64() * 1_000.0;
    Ok(Json(Edit { server, version: version.to_string(), registered, files, took_ms }))
}

fn refused(error: NotEdited, text: &[u8]) -> Problem {
    match error {
        NotEdited::Refused(Error::Invalid { diagnostics }) => {
            let shown = shown::diagnostics(text, &diagnostics);
            let detail = "the edit has errors or blockers; the server goes on with what it had";
            Problem::new(StatusCode::BAD_REQUEST, "invalid-spec", detail).with("diagnostics", shown)
        }
        NotEdited::Refused(error) => error.into(),
        NotEdited::Fault(fault) => {
            let (status, code) = match &fault {
                Fault::NotRunning => (StatusCode::CONFLICT, "not-running"),
                Fault::Superseded => (StatusCode::CONFLICT, "superseded"),
                Fault::Panicked => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
                _ => (StatusCode::UNPROCESSABLE_ENTITY, "unhealthy"),
            };
            Problem::new(status, code, fault.to_string())
        }
    }
}
