//! `mcp-factory up`: the factory, with its API and every server that is deployed at one listener, until SIGINT or SIGTERM.
//!
//! In this order it ends: not ready, not found any more, no new connections, streams and sessions, running calls (each with a
//! deadline), servers, what was counted is written down, the lock.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    os::unix::fs::MetadataExt as _,
    path::Path,
    pin::pin,
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use axum::{
    body::{Body, HttpBody as _},
    extract::{Request, State},
    middleware::{self, Next},
    response::Response,
};
use futures_util::StreamExt as _;
use mcp_factory::{Factory, deploy::LocalOptions};
use mcp_factory_control::{Control, Readiness};
use mcp_serve::{
    IpNet,
    http::{self, Host, HostConfig},
};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::serve::taken;
use crate::{
    api, approvals,
    args::{Output, up::Up},
    demo::{self, Demo},
    exit, output, program, progress,
    running::{Lock, Presence, Running},
    signals, start,
    telemetry::Telemetry,
};

const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
/// For what is written last.
const LAST: Duration = Duration::from_secs(5);
/// For servers that were deployed to be healthy again before the factory says that it is ready: it serves them as they come.
const RECOVERY: Duration = Duration::from_secs(20);

pub fn run(args: &Up) -> anyhow::Result<ExitCode> {
    if args.detach {
        return detach(args);
    }
    if args.background {
        // The terminal of whoever started it may go. Where it leads a session already, that is so.
        let _ = rustix::process::setsid();
    }
    let public = args.public_url.as_deref().map(approvals::public_url).transpose()?;
    let data = api::data_folder(&args.place.reach())?;
    let lock = Lock::take(&data).with_context(|| format!("can't lock the data folder `{}`", data.display()))?;
    let Some(lock) = lock else { return Err(runs_already(&data)?) };
    check_rights(&data)?;
    let lock = Arc::new(lock);
    let runtime = super::runtime()?;
    let outcome = runtime.block_on(serve(args, public, lock.clone()));
    // What blocks a thread still can't be cancelled, and is not waited for without end.
    runtime.shutdown_timeout(LAST);
    drop(lock);
    outcome
}

/// Whoever can put files there could put another secret or registry there.
fn check_rights(data: &Path) -> anyhow::Result<()> {
    let mode = data.metadata().with_context(|| format!("can't look at `{}`", data.display()))?.mode() & 0o777;
    let shown = data.display();
    if mode & 0o002 != 0 {
        let message = format!("everybody on this machine can write into the data folder `{shown}` (mode {mode:o})");
        return Err(exit::hinted(message, format!("chmod 700 {shown}")));
    }
    if mode & 0o077 != 0 {
        tracing::warn!("others may look into the data folder `{shown}` (mode {mode:o}); `chmod 700 {shown}`");
    }
    Ok(())
}

/// Tells which one.
fn runs_already(data: &Path) -> anyhow::Result<anyhow::Error> {
    let (who, hint) = match Presence::on(data)? {
        Presence::Ready(running) => {
            let Running { pid, version, started, .. } = &running;
            let who = format!("pid {pid}, at {}, version {version}, since {started}", shown(&running.url()));
            (who, "use that one, or end it with `mcp-factory down`")
        }
        Presence::Between { pid: Some(pid) } => (format!("pid {pid}, which starts or ends"), "try again in a moment"),
        _ => ("which starts or ends".to_owned(), "try again in a moment"),
    };
    Ok(exit::hinted(format!("a factory runs on `{}` already: {who}", data.display()), hint))
}

fn detach(args: &Up) -> anyhow::Result<ExitCode> {
    let mut options: Vec<String> = Vec::new();
    if args.demo {
        options.push("--demo".to_owned());
    }
    let lists = [
        ("--listen", args.listen.iter().map(ToString::to_string).collect()),
        ("--public-url", args.public_url.iter().cloned().collect()),
        ("--allow-host", args.allow_hosts.clone()),
        ("--allow-origin", args.allow_origins.clone()),
        ("--proxy", args.proxies.iter().map(ToString::to_string).collect::<Vec<_>>()),
    ];
    for (name, values) in lists {
        options.extend(values.into_iter().map(|value| format!("{name}={value}")));
    }
    let start::Started { running, now, said } = start::in_background(&args.place.reach(), &options)?;
    if !now && args.demo {
        let hint = "end it with `mcp-factory down`, or pass a folder of its own: `--data DIR`";
        return Err(exit::hinted(
            format!("the demo starts a factory, and one runs already (pid {})", running.pid),
            hint,
        ));
    }
    let mut shown_to_programs = if now { said } else { ready(&running, &running.url()) };
    if !now {
        shown_to_programs["unchanged"] = "it runs already".into();
    }
    output::print(args.output, &shown_to_programs, |said| {
        let what = if now { "runs in the background" } else { "runs already" };
        let (pid, url) = (running.pid, said["api"].as_str().unwrap_or_default());
        let end = program::line("down");
        let mut text = format!("the factory {what} at {url} (pid {pid}); `{end}` ends it\n");
        for word in ["endpoint", "key"] {
            if let Some(value) = said[word].as_str() {
                text.push_str(&format!("{word}: {value}\n"));
            }
        }
        if let (Some(endpoint), Some(key)) = (said["endpoint"].as_str(), said["key"].as_str()) {
            text.push_str(&format!("call it:\n  {}\n", demo::first_call(endpoint, key)));
        }
        text
    })?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(args: &Up, public: Option<Url>, lock: Arc<Lock>) -> anyhow::Result<ExitCode> {
    let stop = CancellationToken::new();
    let (shutdown, mut hangups) = (signals::shutdown()?, signals::Hangups::listen()?);
    tokio::spawn({
        let stop = stop.clone();
        async move {
            shutdown.await;
            stop.cancel();
        }
    });
    tokio::spawn(async move {
        loop {
            hangups.next().await;
            tracing::info!("SIGHUP changes nothing: a factory has no file to read again");
        }
    });
    let telemetry = Telemetry::start()?;
    let listener = listen(args).await?;
    let address = listener.local_addr()?;
    let base = public.unwrap_or_else(|| approvals::url_of(address));
    if !address.ip().to_canonical().is_loopback() && base.scheme() != "https" {
        tracing::warn!(
            "what others send to {} is not encrypted, tokens neither; put a proxy that speaks TLS in front, and say where as `--public-url`",
            shown(&base)
        );
    }
    let reach = args.place.reach();
    let factory = tokio::select! {
        opened = api::open_factory(&reach) => opened?,
        () = stop.cancelled() => return Ok(ExitCode::SUCCESS),
    };
    let readiness = Readiness::default();
    let host = host(args, &factory, &readiness, &base, &stop)?;
    let ending = {
        let (stop, readiness, lock) = (stop.clone(), readiness.clone(), lock.clone());
        async move {
            stop.cancelled().await;
            readiness.set(false);
            // Nobody is sent here any more.
            if let Err(error) = lock.withdraw() {
                tracing::warn!(%error, "the file that says where the factory is can't be removed");
            }
        }
    };
    let mut serving = pin!(host.serve(listener, ending));
    let begin = async {
        let begun = factory.host(host.clone(), telemetry.hear_all(LocalOptions::new(base.clone()))).await?;
        let settled = tokio::time::timeout(RECOVERY, factory.settled());
        if progress::tell("starting what is deployed", settled).await.is_err() {
            tracing::warn!(patience = ?RECOVERY, "not every server is healthy yet; they are served as they come");
        }
        let demo = match args.demo {
            true => Some(progress::tell("deploying the example, and trying it", demo::make(&factory, &base)).await?),
            false => None,
        };
        if stop.is_cancelled() {
            return Ok(());
        }
        readiness.set(true);
        let running = lock.announce(approvals::reached(address)).context("can't say where the factory is reached")?;
        say_ready(args, &running, &base, factory.data(), (begun, demo))
    };
    // The listener comes first: what is mounted is checked against where it listens.
    let outcome = tokio::select! {
        biased;
        served = &mut serving => served.map(Some).map_err(Into::into),
        begun = begin => begun.map(|()| None),
    };
    let outcome = match outcome {
        Ok(None) => serving.await.map(Some).map_err(anyhow::Error::from),
        outcome => outcome,
    };
    factory.unhost().await;
    telemetry.end().await;
    if let Some(http::Summary { forced, took, .. }) = outcome? {
        tracing::info!(forced, ?took, "stopped");
    }
    Ok(ExitCode::SUCCESS)
}

/// A newcomer's port may be somebody else's.
async fn listen(args: &Up) -> anyhow::Result<TcpListener> {
    let wanted = args.listen.unwrap_or(LISTEN);
    match TcpListener::bind(wanted).await {
        Err(error) if args.demo && args.listen.is_none() && error.kind() == std::io::ErrorKind::AddrInUse => {
            tracing::warn!("{wanted} is taken; a free port is used");
            let free = SocketAddr::new(wanted.ip(), 0);
            TcpListener::bind(free).await.map_err(|error| taken(free, error))
        }
        bound => bound.map_err(|error| taken(wanted, error)),
    }
}

fn host(
    args: &Up,
    factory: &Factory,
    readiness: &Readiness,
    base: &Url,
    stop: &CancellationToken,
) -> anyhow::Result<Host> {
    let approvals = approvals::of_this_program();
    approvals.serve_at(base.clone());
    let (mut allowed_hosts, mut allowed_origins) = (args.allow_hosts.clone(), args.allow_origins.clone());
    approvals::allow(base, &mut allowed_hosts, &mut allowed_origins);
    let control = Control::new(factory.clone(), readiness.clone());
    let followed = middleware::from_fn_with_state(stop.clone(), end_followers);
    let routes = control.clone().routes().layer(followed).merge(approvals.routes());
    let host = Host::new(HostConfig {
        allowed_hosts,
        allowed_origins,
        proxies: args.proxies.iter().copied().chain(IpNet::loopback()).collect(),
        routes,
        ..HostConfig::default()
    })?;
    control.mount(&host)?;
    Ok(host)
}

/// Whoever follows a log or events does so without end: that comes with the end of the factory, and not when it has lost its
/// patience with them.
async fn end_followers(State(stop): State<CancellationToken>, request: Request, next: Next) -> Response {
    let is_of_the_api = request.uri().path().starts_with("/mcp/");
    let response = next.run(request).await;
    let is_whole = response.body().size_hint().exact().is_some();
    if !is_of_the_api || is_whole {
        return response;
    }
    response.map(|body| Body::from_stream(body.into_data_stream().take_until(stop.cancelled_owned())))
}

fn say_ready(
    args: &Up,
    running: &Running,
    base: &Url,
    data: &Path,
    (begun, demo): (usize, Option<Demo>),
) -> anyhow::Result<()> {
    // Who reads what is printed is told once.
    if args.background || args.output != Output::Text {
        tracing::info!(pid = running.pid, servers = begun, "the factory is ready at {}", shown(base));
    }
    if let Some(demo) = demo {
        return output::print(args.output, &demo.json(shown(base)), |_| demo.text(shown(base)));
    }
    output::print(args.output, &ready(running, base), |_| {
        let (version, data) = (&running.version, data.display());
        format!("MCP Factory {version} is ready at {}\ndata: {data} ({begun} deployed)\n", shown(base))
    })
}

fn ready(running: &Running, base: &Url) -> serde_json::Value {
    json!({ "api": shown(base), "pid": running.pid, "version": running.version })
}

/// Paths are appended to it.
fn shown(url: &Url) -> &str {
    url.as_str().trim_end_matches('/')
}
