//! Who did what, and how often tools were called.

use axum::{Json, Router, extract::State, routing::get};
use mcp_factory::{
    Factory,
    registry::{AuditEntry, Calls, Page},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::shown;
use crate::{Control, Problem, access::Admitted, body::Asked};

pub fn routes() -> Router<Control> {
    Router::new().route("/mcp/audit", get(audit)).route("/mcp/usage", get(usage))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Listing {
    after: Option<String>,
    limit: Option<u32>,
}

async fn audit(
    State(factory): State<Factory>,
    Admitted(caller): Admitted,
    Asked(Listing { after, limit }): Asked<Listing>,
) -> Result<Json<Value>, Problem> {
    let page = Page { after: after.unwrap_or_default(), limit: limit.unwrap_or(Page::default().limit) };
    let entries = factory.audit(&caller, &page).await?;
    let shown = entries.entries.iter().map(|AuditEntry { at, actor, token, verb, subject, outcome, .. }| {
        let (at, actor) = (shown::timestamp(*at), actor.as_str());
        json!({ "at": at, "actor": actor, "token": token, "verb": verb, "subject": subject, "outcome": outcome })
    });
    Ok(Json(json!({ "audit": shown.collect::<Vec<_>>(), "next": entries.next })))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    server: Option<String>,
    /// So many days, with today. Default 30.
    days: Option<u16>,
}

async fn usage(
    State(factory): State<Factory>,
    Admitted(caller): Admitted,
    Asked(Wanted { server, days }): Asked<Wanted>,
) -> Result<Json<Value>, Problem> {
    let since = factory.registry().now().day() + 1 - i64::from(days.unwrap_or(30));
    let counted = factory.usage(&caller, server.as_deref(), since).await?;
    let shown = counted.iter().map(|Calls { server, tool, day, latency, calls, errors, micros }| {
        // The last class has no end.
        let within_ms = (*latency != u32::MAX).then_some(latency);
        let took_ms = *micros as f64 / 1_000.0;
        json!({
            "server": server, "tool": tool, "day": shown::day(*day), "withinMs": within_ms,
            "calls": calls, "errors": errors, "tookMs": took_ms,
        })
    });
    Ok(Json(json!({ "usage": shown.collect::<Vec<_>>() })))
}
