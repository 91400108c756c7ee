//! OpenTelemetry, where the environment asks for it and this build has it.

#[cfg(feature = "telemetry")]
use mcp_factory::telemetry;
use mcp_factory::{Caller, Factory, Standalone, deploy::LocalOptions};
use mcp_serve::{Live, http::Config};

/// What calls are told to. Without the feature, and where nobody asked, it is nothing.
#[derive(Debug, Clone, Default)]
pub struct Telemetry {
    #[cfg(feature = "telemetry")]
    sends: Option<telemetry::Telemetry>,
}

impl Telemetry {
    /// To be called on the runtime that serves.
    #[cfg(feature = "telemetry")]
    pub fn start() -> anyhow::Result<Self> {
        let sends = telemetry::Telemetry::from_environment()?;
        if sends.is_some() {
            tracing::info!("traces and metrics of calls are sent by OTLP");
        }
        Ok(Self { sends })
    }

    #[cfg(not(feature = "telemetry"))]
    pub fn start() -> anyhow::Result<Self> {
        Ok(Self::default())
    }

    /// Calls of the one server that this serves.
    pub fn hear(&self, config: &mut Config, server: &str) {
        #[cfg(feature = "telemetry")]
        if let Some(telemetry) = &self.sends {
            config.trace_context = true;
            config.middleware = Some(mcp_serve::middleware::Middleware::new(telemetry.layer(server)));
        }
        #[cfg(not(feature = "telemetry"))]
        let _ = (config, server);
    }

    /// Calls of a server of the factory, for one caller.
    pub fn live(&self, factory: &Factory, caller: &Caller, server: &Standalone) -> Live {
        #[cfg(feature = "telemetry")]
        if let Some(telemetry) = &self.sends {
            return factory.live_traced(caller, server, telemetry);
        }
        factory.live(caller, server)
    }

    /// Calls of all servers of a factory.
    pub fn hear_all(&self, options: LocalOptions) -> LocalOptions {
        #[cfg(feature = "telemetry")]
        let options = LocalOptions { telemetry: self.sends.clone(), ..options };
        options
    }

    /// What is left is sent.
    pub async fn end(self) {
        #[cfg(feature = "telemetry")]
        if let Some(telemetry) = self.sends {
            telemetry.shutdown().await;
        }
    }
}
