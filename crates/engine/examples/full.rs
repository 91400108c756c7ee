//! A spec with everything on: JWT, a server of its own for each principal, a rate limit, an audit log, metrics. `bench/run`
//! measures what that costs.
//!
//! `FULL_SECRET=... cargo run --release -p mcp-factory-engine --example full -- FILE ADDRESS:PORT AUDIT_FILE`

use std::{fs::File, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use mcp_factory_connect::{Policy, secrets::Environment};
use mcp_factory_engine::{CursorKey, Plan, Surroundings, Tasks};
use mcp_factory_spec::{Probe, Source, Spec};
use mcp_serve::{
    Algorithm, Approvals, FactoryError, InstanceOptions, Instances, Jwt, JwtConfig, Limits, Live, Rate, Server,
    TenantContext, http,
    middleware::{AuditLog, Metrics, Middleware, ObserveLayer, RateLimitLayer},
};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The plan reads what it needs, and says so when it is not there.
struct Everything;

impl Probe for Everything {
    fn is_file(&self, _: &str) -> bool {
        true
    }

    fn is_folder(&self, _: &str) -> bool {
        true
    }
}

fn spec(path: &str) -> Result<Spec, Failure> {
    let bytes = std::fs::read(path)?;
    let reading = mcp_factory_spec::read(&Source::new(path, &bytes), &Everything);
    reading.spec.ok_or_else(|| format!("{:?}", reading.diagnostics).into())
}

fn surroundings(folder: PathBuf) -> Surroundings {
    Surroundings {
        folder,
        secrets: Arc::new(Environment),
        policy: Policy::operator(),
        cursor_key: CursorKey::new(b"of this process"),
        fresh_seeds: None,
        changes: None,
        tasks: Tasks::in_memory(),
        approvals: Approvals::default(),
    }
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let [path, address, audit] = <[String; 3]>::try_from(std::env::args().skip(1).collect::<Vec<_>>())
        .map_err(|_| "usage: full FILE ADDRESS:PORT AUDIT_FILE")?;
    let secret = std::env::var("FULL_SECRET")?;
    let spec = Arc::new(spec(&path)?);
    let folder = std::env::current_dir()?;
    // A connection pool, validators and lists for each principal.
    let factory = move |_: TenantContext| {
        let (spec, folder) = (spec.clone(), folder.clone());
        async move {
            let plan = tokio::task::spawn_blocking(move || Plan::new(&spec, &surroundings(folder))).await;
            let unavailable = |source: Failure| FactoryError::Unavailable {
                source: source.into(),
                retry_after: Duration::from_secs(1),
            };
            let plan = plan.map_err(|error| unavailable(error.into()))?;
            let engine = plan.map_err(|problems| unavailable(format!("{problems:?}").into()))?.build();
            Ok::<Arc<dyn Server>, FactoryError>(Arc::new(engine))
        }
    };
    let jwt = JwtConfig::new("https://issuer.example.com", "bench", vec![Algorithm::Hs256]);
    let log = AuditLog::new(File::create(audit)?)?;
    let layers = (
        ObserveLayer::new((log.audit(), Metrics::default())),
        RateLimitLayer::new(Rate { calls: 1_000_000, per: Duration::from_secs(1) }),
    );
    let config =
        http::Config { middleware: Some(Middleware::new(layers)), limits: Limits::none(), ..http::Config::default() };
    let live = Live::of_many(
        Arc::new(Instances::new(factory, InstanceOptions::default())),
        Arc::new(Jwt::with_secret(jwt, secret.as_bytes())?),
        config,
    );
    let listener = tokio::net::TcpListener::bind(address.parse::<SocketAddr>()?).await?;
    http::serve_live(live, listener, async { drop(tokio::signal::ctrl_c().await) }).await?;
    log.flush()?;
    Ok(())
}
