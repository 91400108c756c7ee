//! How often tools were called, how many calls failed, and how long they took.

use axum::{Json, extract::State};
use mcp_factory::{
    Factory,
    registry::{Calls, Paged},
};
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
struct Wanted {
    /// Of this one only.
    #[param(example = "shop")]
    server: Option<String>,
    /// So many days, with today. Default 30.
    #[param(maximum = 65_535)]
    days: Option<u16>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Usage {
    usage: Vec<Counted>,
    /// `after` of the next page, where there is one.
    next: Option<String>,
}

/// Calls of one tool on one day that took about as long.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Counted {
    server: String,
    tool: String,
    #[schema(example = "2026-01-31")]
    day: Option<String>,
    /// They took no longer; `null` for the last class, which has no end.
    within_ms: Option<u32>,
    calls: u64,
    errors: u64,
    /// All together.
    took_ms: f64,
}

/// How often tools were called, by server, tool, day and how long it took.
#[utoipa::path(
    get, path = "/mcp/usage", params(Paging, Wanted), security(("bearer" = ["viewer"])),
    responses((status = 200, body = Usage)),
)]
async fn list(
    State(factory): State<Factory>,
    Admitted(caller): Admitted,
    Listed(paging, Wanted { server, days }): Listed<Wanted>,
) -> Result<Json<Usage>, Problem> {
    let since = factory.registry().now().day() + 1 - i64::from(days.unwrap_or(30));
    let counted = factory.usage(&caller, server.as_deref(), since).await?;
    let key = |it: &Calls| format!("{}/{}/{}/{}", it.server, it.day, it.latency, it.tool);
    let Paged { entries, next } = paging.behind(counted, key)?;
    let shown = entries.into_iter().map(|Calls { server, tool, day, latency, calls, errors, micros }| Counted {
        server,
        tool,
        day: shown::day(day),
        // The last class has no end.
        within_ms: (latency != u32::MAX).then_some(latency),
        calls,
        errors,
        took_ms: micros as f64 / 1_000.0,
    });
    Ok(Json(Usage { usage: shown.collect(), next }))
}
