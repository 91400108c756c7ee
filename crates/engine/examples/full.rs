//! A spec with everything on: JWT, a server of its own for each principal, a rate limit, an audit log, metrics. `bench/run`
//! measures what that costs, and `bench/size` what many callers take: with a number of KEYS, they come by bearer tokens
//! `key-00000042-of-the-comparison` instead, and there is room for 10,000 servers and 1,000 sessions.
//!
//! `FULL_SECRET=... cargo run --release -p mcp-factory-engine --example full -- FILE ADDRESS:PORT AUDIT_FILE [KEYS]`

use std::{
    fs::File,
    hint::black_box,
    io::Write as _,
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use mcp_factory_connect::{Policy, secrets::Environment};
use mcp_factory_engine::{CursorKey, Plan, Surroundings, Tasks};
use mcp_factory_spec::{AllFiles, Source, Spec};
use mcp_serve::{
    Algorithm, Approvals, Authenticator, BearerTokens, FactoryError, InstanceOptions, Instances, Jwt, JwtConfig,
    Limits, Live, Rate, Server, TenantContext, http,
    middleware::{AuditLog, Metrics, Middleware, ObserveLayer, RateLimitLayer},
    tokens::{Token, TokenRegistry},
};
use serde_json::json;

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn spec(path: &str) -> Result<Spec, Failure> {
    let bytes = std::fs::read(path)?;
    let reading = mcp_factory_spec::read(&Source::new(path, &bytes), &AllFiles);
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

fn key(number: u32) -> String {
    format!("key-{number:08}-of-the-comparison")
}

/// So many keys, and a line that says how long looking one up takes.
fn keys(many: u32) -> Result<TokenRegistry, Failure> {
    let of = |many| {
        let keys = TokenRegistry::default();
        keys.add_all((0..many).map(|number| Token::new(key(number)).with_id(format!("user-{number:08}"))))?;
        Ok::<_, Failure>(keys)
    };
    let lookup_ns = |keys: &TokenRegistry, many: u32| {
        // In no order, as callers come.
        let sent: Vec<_> = (0..100_000_u32).map(|n| key(n.wrapping_mul(2_654_435_761) % many)).collect();
        let began = Instant::now();
        sent.iter().for_each(|key| drop(black_box(keys.find(key))));
        began.elapsed().as_nanos() / 100_000
    };
    let one = lookup_ns(&of(1)?, 1);
    let keys = of(many)?;
    let figures = json!({ "keys": many, "lookup_ns_of_one": one, "lookup_ns": lookup_ns(&keys, many) });
    writeln!(std::io::stdout(), "{figures}")?;
    Ok(keys)
}

/// By whoever is at the keyboard, or by whatever runs it. Heard from now on, not only when it is waited for.
fn stopped() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupted, mut terminated) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupted.recv() => {}
            _ = terminated.recv() => {}
        }
    })
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--listen");
    let (Some(path), Some(address), Some(audit), many) =
        (arguments.next(), arguments.next(), arguments.next(), arguments.next())
    else {
        return Err("usage: full FILE [--listen] ADDRESS:PORT AUDIT_FILE [KEYS]".into());
    };
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
    let authenticator: Arc<dyn Authenticator> = match &many {
        Some(many) => Arc::new(BearerTokens::new(keys(many.parse()?)?)),
        None => {
            let jwt = JwtConfig::new("https://issuer.example.com", "bench", vec![Algorithm::Hs256]);
            Arc::new(Jwt::with_secret(jwt, std::env::var("FULL_SECRET")?.as_bytes())?)
        }
    };
    let log = AuditLog::new(File::create(audit)?)?;
    let layers = (
        ObserveLayer::new((log.audit(), Metrics::default())),
        RateLimitLayer::new(Rate { calls: 1_000_000, per: Duration::from_secs(1) }),
    );
    let config = http::Config {
        middleware: Some(Middleware::new(layers)),
        limits: Limits::none(),
        max_connections: 4_096,
        max_sessions: 2_000,
        ..http::Config::default()
    };
    let options = InstanceOptions { max_instances: 10_000, ..InstanceOptions::default() };
    let instances = Instances::new(factory, options);
    let live = Live::of_many(Arc::new(instances.clone()), authenticator, config);
    let stopped = stopped()?;
    let listener = tokio::net::TcpListener::bind(address.parse::<SocketAddr>()?).await?;
    writeln!(std::io::stderr(), "listening on http://{}/mcp", listener.local_addr()?)?;
    http::serve_live(live, listener, stopped).await?;
    log.flush()?;
    if many.is_some() {
        let stats = instances.stats();
        let figures = json!({ "instances": stats.size, "builds": stats.builds, "evictions": stats.evictions });
        writeln!(std::io::stdout(), "{figures}")?;
    }
    Ok(())
}
