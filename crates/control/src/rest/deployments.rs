//! What is meant to run, and what came of it.

use std::{num::NonZeroU16, time::Duration};

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use mcp_factory::{Commanded, Factory, deploy::Fault};
use semver::Version;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::shown;
use crate::{Control, Problem, body::Sent, conditions::Expecting};

pub fn routes() -> OpenApiRouter<Control> {
    OpenApiRouter::new().routes(routes!(deploy)).routes(routes!(start)).routes(routes!(restart)).routes(routes!(stop))
}

/// For a deployment to become healthy before it is answered that it is on its way.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Deploying {
    /// Left out: the latest.
    #[schema(value_type = Option<String>, example = "1.2.0")]
    version: Option<Version>,
    /// Where to. This version knows `local`.
    #[schema(example = "local")]
    target: Option<String>,
    /// Of a target with a port of its own.
    #[schema(value_type = Option<u16>, minimum = 1, maximum = 65_535, example = json!(null))]
    port: Option<NonZeroU16>,
    /// Of a target with pools of warm engines.
    #[schema(example = json!(null))]
    pool: Option<String>,
}

/// Deploys a version of a server, which replaces the one that runs once it is healthy.
#[utoipa::path(
    post, path = "/mcp/deploy/{name}", request_body = Deploying, security(("bearer" = ["developer"])),
    responses(
        (status = 200, body = shown::Deployment, description = "It runs"),
        (status = 202, body = shown::Deployment, description = "It is on its way"),
        (status = 409, description = "It is being ended"),
        (status = 422, description = "It does not become healthy, or has blockers; what ran before goes on"),
        (status = 501, description = "There is no such target here"),
    ),
)]
async fn deploy(
    State(factory): State<Factory>,
    Expecting(caller): Expecting,
    Path(name): Path<String>,
    Sent(Deploying { version, target, port, pool }): Sent<Deploying>,
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

/// Starts a server that was deployed before.
#[utoipa::path(
    post, path = "/mcp/servers/{name}/start", security(("bearer" = ["developer"])),
    responses(
        (status = 200, body = shown::Deployment, description = "It runs"),
        (status = 202, body = shown::Deployment, description = "It is on its way"),
        (status = 409, description = "It was never deployed, or is being ended"),
        (status = 422, description = "It does not become healthy"),
        (status = 501, description = "There is no such target here"),
    ),
)]
async fn start(
    State(factory): State<Factory>,
    Expecting(caller): Expecting,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    answer(factory.start(&caller, &name, PATIENCE).await?)
}

/// Starts a server again, with the version that it has.
#[utoipa::path(
    post, path = "/mcp/servers/{name}/restart", security(("bearer" = ["developer"])),
    responses(
        (status = 200, body = shown::Deployment, description = "It runs"),
        (status = 202, body = shown::Deployment, description = "It is on its way"),
        (status = 409, description = "It was never deployed, or is being ended"),
        (status = 422, description = "It does not become healthy"),
        (status = 501, description = "There is no such target here"),
    ),
)]
async fn restart(
    State(factory): State<Factory>,
    Expecting(caller): Expecting,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    answer(factory.restart(&caller, &name, PATIENCE).await?)
}

/// Stops a server. Harmless where it does not run.
#[utoipa::path(
    post, path = "/mcp/servers/{name}/stop", security(("bearer" = ["developer"])),
    responses(
        (status = 200, body = shown::Deployment, description = "It is stopped, or on its way"),
        (status = 409, description = "It was never deployed"),
        (status = 501, description = "There is no such target here"),
    ),
)]
async fn stop(
    State(factory): State<Factory>,
    Expecting(caller): Expecting,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    answer(factory.stop(&caller, &name).await?)
}

fn answer(commanded: Commanded) -> Result<Response, Problem> {
    settled(commanded).map(|(status, body)| (status, Json(body)).into_response())
}

/// 200 when it is so, 202 when it is on its way, 422 when it does not become healthy.
pub(crate) fn settled(commanded: Commanded) -> Result<(StatusCode, shown::Deployment), Problem> {
    let Commanded { deployment, already, observed, secrets } = commanded;
    let status = match &observed {
        None if already.is_some() || deployment.desired == "stopped" => StatusCode::OK,
        None => StatusCode::ACCEPTED,
        Some(observed) => match &observed.outcome {
            Ok(_) => StatusCode::OK,
            Err(fault) => {
                let code = match fault {
                    Fault::Stopped => (StatusCode::CONFLICT, "stopped"),
                    Fault::Panicked | Fault::Release(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
                    _ => (StatusCode::UNPROCESSABLE_ENTITY, "unhealthy"),
                };
                let serving = observed.serving.as_ref().map(shown::serving);
                return Err(Problem::new(code.0, code.1, fault.to_string()).with("serving", json!(serving)));
            }
        },
    };
    let mut body = shown::deployment(&deployment, observed.as_ref());
    body.secrets = shown::secrets(&secrets);
    if let Some(already) = already {
        body.unchanged = Some(already);
    }
    Ok((status, body))
}
