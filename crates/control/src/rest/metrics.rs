//! What the factory counts, as Prometheus reads it. It names everybody's servers: only an admin's token reads it.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
};

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse as _, Response},
};
use mcp_factory::{
    Factory, Metrics, Owner,
    registry::{Calls, LATENCIES},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Control, Problem,
    access::Admitted,
    requests::{Counted, Requests, Route},
};

pub fn routes() -> OpenApiRouter<Control> {
    OpenApiRouter::new().routes(routes!(read))
}

/// What the factory counts, in the text format of Prometheus.
///
/// Calls by server and tool, how many failed and how long they took, since this process began; deployments by state; requests by route.
#[utoipa::path(
    get, path = "/metrics", security(("bearer" = ["admin"])),
    responses((status = 200, content((
        String = "text/plain", example = json!("mcp_factory_deployments{state=\"running\"} 3\n"),
    )))),
)]
async fn read(
    State(factory): State<Factory>,
    State(requests): State<Requests>,
    Admitted(caller): Admitted,
) -> Result<Response, Problem> {
    let metrics = factory.metrics(&caller).await?;
    let text = written(&metrics, &requests.all());
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response())
}

/// A value of a label.
struct Label<'a>(&'a str);

impl fmt::Display for Label<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '\\' => f.write_str(r"\\"),
            '"' => f.write_str(r#"\""#),
            '\n' => f.write_str(r"\n"),
            c => f.write_char(c),
        })
    }
}

fn written(metrics: &Metrics, requests: &BTreeMap<Route, Counted>) -> String {
    let mut text = String::new();
    begin(&mut text, "build_info", "gauge", "Which version this is.");
    line(&mut text, "build_info", &format!(r#"version="{}""#, env!("CARGO_PKG_VERSION")), 1.0);
    calls(&mut text, &metrics.calls);
    begin(&mut text, "deployments", "gauge", "Deployments that the registry knows, by state.");
    for (state, count) in &metrics.deployments {
        line(&mut text, "deployments", &format!(r#"state="{}""#, Label(state)), *count as f64);
    }
    begin(&mut text, "request_duration_seconds", "summary", "How long requests to the factory itself took.");
    for (Route { method, path, status }, Counted { requests, took }) in requests {
        let labels = format!(r#"method="{method}",route="{}",status="{status}""#, Label(path));
        line(&mut text, "request_duration_seconds_sum", &labels, took.as_secs_f64());
        line(&mut text, "request_duration_seconds_count", &labels, *requests as f64);
    }
    text
}

fn calls(text: &mut String, all: &[(Owner, Calls)]) {
    let mut tools: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    let mut servers: BTreeMap<String, ([u64; LATENCIES.len()], u64)> = BTreeMap::new();
    for (owner, Calls { server, tool, latency, calls, errors, micros, day: _ }) in all {
        let labels = format!(r#"owner="{owner}",server="{}""#, Label(server));
        let of_tool = tools.entry(format!(r#"{labels},tool="{}""#, Label(tool))).or_default();
        *of_tool = (of_tool.0 + calls, of_tool.1 + errors);
        let (classes, took) = servers.entry(labels).or_default();
        if let Some(class) = LATENCIES.iter().position(|end| end == latency) {
            classes[class] += calls;
        }
        *took += micros;
    }
    begin(text, "calls_total", "counter", "Calls of tools that were answered.");
    for (labels, (calls, _)) in &tools {
        line(text, "calls_total", labels, *calls as f64);
    }
    begin(text, "call_errors_total", "counter", "Calls of tools that failed.");
    for (labels, (_, errors)) in &tools {
        line(text, "call_errors_total", labels, *errors as f64);
    }
    begin(text, "call_duration_seconds", "histogram", "How long calls of a server's tools took.");
    for (labels, (classes, micros)) in &servers {
        let mut up_to = 0;
        for (end, calls) in LATENCIES.iter().zip(classes) {
            up_to += calls;
            let end = if *end == u32::MAX { "+Inf".to_owned() } else { (f64::from(*end) / 1_000.0).to_string() };
            line(text, "call_duration_seconds_bucket", &format!(r#"{labels},le="{end}""#), up_to as f64);
        }
        line(text, "call_duration_seconds_sum", labels, *micros as f64 / 1e6);
        line(text, "call_duration_seconds_count", labels, up_to as f64);
    }
}

fn begin(text: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(text, "# HELP mcp_factory_{name} {help}\n# TYPE mcp_factory_{name} {kind}");
}

fn line(text: &mut String, name: &str, labels: &str, value: f64) {
    let _ = writeln!(text, "mcp_factory_{name}{{{labels}}} {value}");
}
