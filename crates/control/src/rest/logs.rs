//! What a server said: as text, as JSON lines, or followed as events.

use std::{
    convert::Infallible,
    time::{Duration, SystemTime},
};

use axum::{
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, header},
    response::{
        IntoResponse as _, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::stream::{self, StreamExt as _, unfold};
use mcp_factory::{
    Factory,
    deploy::{
        LogRing,
        logs::{self, Line},
    },
};
use serde::Deserialize;
use serde_json::json;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Control, Problem,
    access::{Admitted, Standing},
    body::Asked,
};

const NDJSON: &str = "application/x-ndjson";
const TEXT: &str = "text/plain; charset=utf-8";

pub fn routes() -> OpenApiRouter<Control> {
    OpenApiRouter::new().routes(routes!(read))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Wanted {
    /// So many of the last lines.
    tail: Option<usize>,
    /// A time of RFC 3339, or so long ago: `15m`.
    #[param(example = "15m")]
    since: Option<String>,
    /// Also what comes from now on, as events.
    #[serde(default)]
    follow: bool,
}

/// What a server said lately: as text, as JSON lines, or followed as events.
#[utoipa::path(
    get, path = "/mcp/servers/{name}/logs", params(Wanted), security(("bearer" = ["viewer"])),
    responses((status = 200, content(
        (String = "text/plain", example = json!("2026-01-31T12:00:00.000Z info hello for anonymous: ok in 1 ms\n")),
        (String = "application/x-ndjson"), (String = "text/event-stream"),
    ))),
)]
async fn read(
    State(factory): State<Factory>,
    Admitted(caller): Admitted,
    Path(name): Path<String>,
    Asked(Wanted { tail, since, follow }): Asked<Wanted>,
    standing: Standing,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let since = since.map(|text| time(&text, SystemTime::now())).transpose()?;
    // A server that never ran has said nothing.
    let ring = factory.logs(&caller, &name).await?.unwrap_or_default();
    let asked = logs::Asked { tail, since };
    let accepts = |kind: &str| {
        let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
        accept.is_some_and(|accept| accept.contains(kind))
    };
    if follow || accepts("text/event-stream") {
        return Ok(if accepts("text/event-stream") {
            followed(&ring, asked, standing)?
        } else if accepts("json") {
            streamed(
                &ring,
                asked,
                NDJSON,
                |line| line.to_json().to_string(),
                |missed| json!({ "missed": missed }).to_string(),
                standing,
            )?
        } else if accepts("text/plain") {
            streamed(&ring, asked, TEXT, Line::to_string, |missed| format!("({missed} lines were missed)"), standing)?
        } else {
            followed(&ring, asked, standing)?
        });
    }
    let lines = ring.read(asked);
    if accepts("json") {
        let lines: String = lines.iter().map(|line| format!("{}\n", line.to_json())).collect();
        return Ok(([(header::CONTENT_TYPE, NDJSON)], lines).into_response());
    }
    let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
    Ok(([(header::CONTENT_TYPE, TEXT)], lines).into_response())
}

/// Each line is an event, with its number as id; what was missed is told in between.
fn followed(ring: &LogRing, asked: logs::Asked, standing: Standing) -> Result<Response, Problem> {
    let news = unfold(ring.follow(asked), async |mut follower| Some((follower.next().await?, follower)));
    let events = news.flat_map(|news| {
        let missed = (news.missed > 0)
            .then(|| Event::default().event("missed").data(json!({ "lines": news.missed }).to_string()));
        let lines = news
            .lines
            .into_iter()
            .map(|line: Line| Event::default().id(line.number.to_string()).data(line.to_json().to_string()));
        stream::iter(missed.into_iter().chain(lines).map(Ok::<_, Infallible>))
    });
    let keep_alive = KeepAlive::new().interval(Duration::from_secs(15));
    Ok(Sse::new(standing.hold(events)?).keep_alive(keep_alive).into_response())
}

/// Lines as they come, without a frame.
fn streamed(
    ring: &LogRing,
    asked: logs::Asked,
    kind: &'static str,
    shown: fn(&Line) -> String,
    missed: fn(u64) -> String,
    standing: Standing,
) -> Result<Response, Problem> {
    let news = unfold(ring.follow(asked), async |mut follower| Some((follower.next().await?, follower)));
    let chunks = news.map(move |news| {
        let gap = (news.missed > 0).then(|| missed(news.missed));
        let lines = gap.into_iter().chain(news.lines.iter().map(shown));
        Ok::<_, Infallible>(lines.map(|line| format!("{line}\n")).collect::<String>())
    });
    Ok(([(header::CONTENT_TYPE, kind)], Body::from_stream(standing.hold(chunks)?)).into_response())
}

pub(crate) fn time(text: &str, now: SystemTime) -> Result<SystemTime, Problem> {
    let wrong =
        || Problem::argument("`since` is a time as in `2026-01-31T12:00:00Z`, or so long ago: `15m`, `2h`, `1d`");
    if let Ok(time) = chrono::DateTime::parse_from_rfc3339(text) {
        return Ok(time.into());
    }
    let (number, unit) = text.split_at(text.floor_char_boundary(text.len().saturating_sub(1)));
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return Err(wrong()),
    };
    let ago = Duration::from_secs(number.checked_mul(seconds).ok_or_else(wrong)?);
    now.checked_sub(ago).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_a_time_or_a_while_ago() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        for (text, ago) in [("15m", 900), ("2h", 7_200), ("1d", 86_400), ("30s", 30), ("1970-01-12T13:46:30Z", 10)] {
            assert_eq!(time(text, now).ok(), Some(now - Duration::from_secs(ago)), "{text}");
        }
        for text in ["", "m", "15", "15w", "-1m", "é", "99999999999999999999d", "18446744073709551615d", "yesterday"] {
            assert!(time(text, now).is_err(), "{text}");
        }
    }
}
