//! What is meant to run, and what came of it.

use std::{num::NonZeroU16, time::Duration};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
    routing::post,
};
use mcp_factory::{Commanded, Factory, deploy::Fault};
use semver::Version;
use serde::Deserialize;
use serde_json::json;

use super::shown;
use crate::{Control, Problem, access::Admitted, body::Sent};

pub fn routes() -> Router<Control> {
    Router::new()
        .route("/mcp/deploy/{name}", post(deploy))
        .route("/mcp/servers/{name}/start", post(start))
        .route("/mcp/servers/{name}/restart", post(restart))
        .route("/mcp/servers/{name}/stop", post(stop))
}

/// For a deployment to become healthy before it is answered that it is on its way.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    version: Option<Version>,
    target: Option<String>,
    /// Of a target with a port of its own.
    port: Option<NonZeroU16>,
    /// Of a target with pools of warm engines.
    pool: Option<String>,
}

async fn deploy(
    State(factory): State<Factory>,
    Admitted(caller): Admitted,
    Path(name): Path<String>,
    Sent(Wanted { version, target, port, pool }): Sent<Wanted>,
) -> Result<Response, Problem> {
    if let Some(target) = target.filter(|target| target != "local") {
        let target: String = target.chars().take(32).flat_map(char::escape_debug).collect();
        let detail = format!("this version can't deploy to `{target}`; it can to `local`");
        return Err(Problem::new(StatusCode::NOT_IMPLEMENTED, "no-target", detail));
    }
    if port.is_some() || pool.is_some() {
        let detail = "`local` takes no `port` and no `pool`: its servers answer where the factory listens";
        return Err(Problem::argument(detail));
    }
    answer(factory.deploy(&caller, &name, version.as_ref(), PATIENCE).await?)
}

async fn start(
    State(factory): State<Factory>,
    Admitted(caller): Admitted,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    answer(factory.start(&caller, &name, PATIENCE).await?)
}

async fn restart(
    State(factory): State<Factory>,
    Admitted(caller): Admitted,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    answer(factory.restart(&caller, &name, PATIENCE).await?)
}

async fn stop(
    State(factory): State<Factory>,
    Admitted(caller): Admitted,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    answer(factory.stop(&caller, &name).await?)
}

/// 200 when it is so, 202 when it is on its way, 422 when it does not become healthy.
fn answer(commanded: Commanded) -> Result<Response, Problem> {
    let Commanded { deployment, already, observed } = commanded;
    let status = match &observed {
        None if already.is_some() || deployment.desired == "stopped" => StatusCode::OK,
        None => StatusCode::ACCEPTED,
        Some(observed) => match &observed.outcome {
            Ok(_) => StatusCode::OK,
            Err(fault) => {
                let code = match fault {
                    Fault::Panicked | Fault::Release(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
                    _ => (StatusCode::UNPROCESSABLE_ENTITY, "unhealthy"),
                };
                let serving = observed.serving.as_ref().map(shown::serving);
                return Err(Problem::new(code.0, code.1, fault.to_string()).with("serving", json!(serving)));
            }
        },
    };
    let mut body = shown::deployment(&deployment, observed.as_ref());
    if let Some(already) = already {
        body["unchanged"] = already.into();
    }
    Ok((status, Json(body)).into_response())
}
