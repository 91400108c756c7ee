//! OpenTelemetry: a span and a duration for each tool call, sent by OTLP (HTTP, protobuf) to where the usual variables of the
//! environment say. A caller's trace is continued, and requests to upstreams go on with it.
//!
//! Nothing of arguments, answers and callers is in it. Where nobody asked for it, there is no [`Telemetry`], and calls have no
//! layer of it.

mod call;
mod send;

use std::{sync::Arc, time::Duration};

use opentelemetry::{
    KeyValue,
    metrics::{Histogram, MeterProvider as _},
    trace::TracerProvider as _,
};
use opentelemetry_otlp::{
    ExporterBuildError, MetricExporter, Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _,
};
use opentelemetry_sdk::{
    Resource,
    metrics::SdkMeterProvider,
    trace::{SdkTracer, SdkTracerProvider},
};

pub use call::TraceLayer;
use send::Sender;

/// Clones share one.
#[derive(Debug, Clone)]
pub struct Telemetry(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    traces: Option<SdkTracerProvider>,
    metrics: Option<SdkMeterProvider>,
    tracer: Option<SdkTracer>,
    duration: Option<Histogram<f64>>,
}

/// Why nothing can be sent.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    #[error("`{name}` is `{value}`; this build speaks `http/protobuf` alone")]
    Protocol { name: &'static str, value: String },
    #[error("what the environment says of OpenTelemetry can't be used")]
    Exporter(#[from] ExporterBuildError),
    #[error("an HTTP client can't be made")]
    Client(#[from] reqwest::Error),
}

/// Boundaries in seconds, as the conventions for MCP have them.
const BOUNDARIES: [f64; 14] = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0];
const SCOPE: &str = "mcp-factory";
/// For what is left to be sent when the program ends.
const PATIENCE: Duration = Duration::from_secs(5);

impl Telemetry {
    /// What `OTEL_*` of the environment ask for, if anything: no endpoint, no telemetry. To be called on the runtime that sends.
    pub fn from_environment() -> Result<Option<Self>, TelemetryError> {
        let said = |name: &'static str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
        let is = |name, wanted: &str| said(name).is_some_and(|value| value.trim().eq_ignore_ascii_case(wanted));
        let asked = |exporter: &'static str, endpoint: &'static str| {
            (said("OTEL_EXPORTER_OTLP_ENDPOINT").is_some() || said(endpoint).is_some()) && !is(exporter, "none")
        };
        let traces = asked("OTEL_TRACES_EXPORTER", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
        let metrics = asked("OTEL_METRICS_EXPORTER", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT");
        if is("OTEL_SDK_DISABLED", "true") || !(traces || metrics) {
            return Ok(None);
        }
        let protocols = [
            "OTEL_EXPORTER_OTLP_PROTOCOL",
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
            "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL",
        ];
        for name in protocols {
            if let Some(value) = said(name).filter(|value| value.trim() != "http/protobuf") {
                return Err(TelemetryError::Protocol { name, value });
            }
        }
        let sender = Sender::new()?;
        let named = said("OTEL_SERVICE_NAME").is_some()
            || said("OTEL_RESOURCE_ATTRIBUTES").is_some_and(|it| it.contains("service.name="));
        let resource = Resource::builder().with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
        let resource = if named { resource } else { resource.with_service_name("mcp-factory") }.build();
        let traces = match traces {
            false => None,
            true => {
                let exporter = SpanExporter::builder().with_http().with_http_client(sender.clone());
                let exporter = exporter.with_protocol(Protocol::HttpBinary).build()?;
                let provider = SdkTracerProvider::builder().with_batch_exporter(exporter);
                Some(provider.with_resource(resource.clone()).build())
            }
        };
        let metrics = match metrics {
            false => None,
            true => {
                let exporter = MetricExporter::builder().with_http().with_http_client(sender);
                let exporter = exporter.with_protocol(Protocol::HttpBinary).build()?;
                Some(SdkMeterProvider::builder().with_periodic_exporter(exporter).with_resource(resource).build())
            }
        };
        let tracer = traces.as_ref().map(|provider| provider.tracer(SCOPE));
        let duration = metrics.as_ref().map(|provider| {
            let meter = provider.meter(SCOPE);
            let histogram = meter.f64_histogram("mcp.server.operation.duration");
            let histogram = histogram.with_unit("s").with_description("How long calls of tools take");
            histogram.with_boundaries(BOUNDARIES.to_vec()).build()
        });
        Ok(Some(Self(Arc::new(Inner { traces, metrics, tracer, duration }))))
    }

    /// Around the calls of one server: the outermost layer.
    #[must_use]
    pub fn layer(&self, server: &str) -> TraceLayer {
        TraceLayer::new(self.clone(), server)
    }

    /// What was seen so far is sent. It blocks no thread of the runtime.
    pub async fn flush(&self) {
        self.quietly(|it| {
            let traces = it.traces.as_ref().map(SdkTracerProvider::force_flush);
            let metrics = it.metrics.as_ref().map(SdkMeterProvider::force_flush);
            traces.into_iter().chain(metrics).collect()
        })
        .await;
    }

    /// What is left is sent, for no longer than five seconds.
    pub async fn shutdown(&self) {
        self.quietly(|it| {
            let traces = it.traces.as_ref().map(SdkTracerProvider::shutdown);
            let metrics = it.metrics.as_ref().map(SdkMeterProvider::shutdown);
            traces.into_iter().chain(metrics).collect()
        })
        .await;
    }

    async fn quietly(
        &self,
        work: impl FnOnce(&Inner) -> Vec<opentelemetry_sdk::error::OTelSdkResult> + Send + 'static,
    ) {
        let inner = self.0.clone();
        let done = tokio::task::spawn_blocking(move || work(&inner));
        match tokio::time::timeout(PATIENCE, done).await {
            Ok(Ok(outcomes)) => {
                for error in outcomes.into_iter().filter_map(Result::err) {
                    tracing::warn!(error = &error as &dyn std::error::Error, "telemetry could not be sent");
                }
            }
            Ok(Err(_)) | Err(_) => tracing::warn!("telemetry could not be sent in time"),
        }
    }
}
