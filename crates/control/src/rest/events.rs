//! What happens to one's things, told as it happens.

use std::{collections::VecDeque, convert::Infallible, time::Duration};

use axum::{
    extract::State,
    http::HeaderMap,
    response::{
        IntoResponse as _, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::stream::unfold;
use mcp_factory::{
    Caller, Factory,
    events::{self, Told},
};
use serde_json::json;
use tokio::time::{Interval, MissedTickBehavior};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::shown;
use crate::{
    Control, Problem,
    access::{Admitted, Standing},
};

pub fn routes() -> OpenApiRouter<Control> {
    OpenApiRouter::new().routes(routes!(follow))
}

/// What happened in another process is told within this time.
const LOOK: Duration = Duration::from_millis(500);

struct Follower {
    factory: Factory,
    caller: Caller,
    told: Told,
    waiting: VecDeque<(Told, events::Event)>,
    looks: Interval,
}

/// What happens to one's servers and other things, as server-sent events from now on.
///
/// An event is named by the verb that was called (`servers.create`), or `deployment` when one is in another state. Whoever sends the id of
/// the last event that came, in `Last-Event-ID`, misses nothing but states of a deployment that are over.
#[utoipa::path(
    get, path = "/mcp/events", security(("bearer" = ["viewer"])),
    params(("last-event-id" = Option<String>, Header, description = "Of the last event that came.")),
    responses((status = 200, content((
        String = "text/event-stream", example = json!("event: servers.create\ndata: {\"subject\":\"shop\"}\n\n"),
    )))),
)]
async fn follow(
    State(factory): State<Factory>,
    Admitted(caller): Admitted,
    standing: Standing,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let told = match headers.get("last-event-id").map(|id| id.to_str().unwrap_or("?")) {
        None | Some("") => factory.events_from_now(),
        Some(id) => id.parse().map_err(|error| Problem::argument(format!("`Last-Event-ID`: {error}")))?,
    };
    let mut looks = tokio::time::interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let follower = Follower { factory, caller, told, waiting: VecDeque::new(), looks };
    let events = unfold(follower, async |mut follower| {
        let event = follower.next().await?;
        Some((Ok::<_, Infallible>(event), follower))
    });
    Ok(Sse::new(standing.hold(events)?).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))).into_response())
}

impl Follower {
    /// None when it can't go on; whoever listens comes back with the last id.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((told, event)) = self.waiting.pop_front() {
                self.told = told;
                return Some(shown(&self.told, &event));
            }
            self.looks.tick().await;
            self.waiting = match self.factory.events(&self.caller, &self.told).await {
                Ok(events) => events.into(),
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "events can't be read");
                    return None;
                }
            };
        }
    }
}

fn shown(told: &Told, event: &events::Event) -> Event {
    let (name, data) = match event {
        events::Event::Deed(deed) => (
            deed.verb.as_str(),
            json!({
                "at": shown::timestamp(deed.at), "actor": deed.actor.as_str(), "verb": deed.verb, "subject": deed.subject,
                "outcome": deed.outcome,
            }),
        ),
        events::Event::Deployment(deployment) => ("deployment", json!(shown::deployment(deployment, None))),
    };
    Event::default().id(told.to_string()).event(name).data(data.to_string())
}
