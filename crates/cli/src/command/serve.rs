//! `mcp-factory serve FILE`: Streamable HTTP at `/mcp`, until SIGINT or SIGTERM.

use std::{
    net::SocketAddr,
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
};

use mcp_factory_connect::{Policy, secrets::Environment};
use mcp_factory_engine::{
    authentication::{self, Premises},
    limits,
};
use mcp_factory_spec::{
    Spec,
    model::{Access, Auth},
};
use mcp_serve::{Authenticator, IpNet, Live, http};
use url::Url;

use crate::{approvals, args, exit, key, oauth, reload::Reloader, signals, telemetry::Telemetry};

pub fn run(args: &args::Serve) -> anyhow::Result<ExitCode> {
    let (reloader, spec, engine) = Reloader::start(&args.spec, args.allow_stubs, !args.no_reload)?;
    if !spec.transport.http {
        tracing::warn!("the spec's `transport` has no `http`; it is served over HTTP because you asked for it");
    }
    if args.oauth {
        oauth::check(&spec)?;
    }
    // Told before anything is opened; whom tokens are for may not be known before it listens.
    let public = args.public_url.as_deref().map(approvals::public_url).transpose()?;
    let provisional = public.clone().unwrap_or_else(|| approvals::url_of(args.listen));
    let authenticator = authenticator(&spec, Some(&provisional))?;
    let approvals = approvals::of_this_program();
    let mut config = http::Config {
        allowed_hosts: args.allow_hosts.clone(),
        allowed_origins: args.allow_origins.clone(),
        proxies: args.proxies.iter().copied().chain(IpNet::loopback()).collect(),
        limits: limits(&spec),
        routes: approvals.routes(),
        state_key: key::states()?,
        ..http::Config::default()
    };
    config.check(args.listen, &*authenticator)?;
    super::runtime()?.block_on(async move {
        let telemetry = Telemetry::start()?;
        let (shutdown, hangups) = (signals::shutdown()?, signals::Hangups::listen()?);
        let listener = tokio::net::TcpListener::bind(args.listen).await.map_err(|error| taken(args.listen, error))?;
        let address = listener.local_addr()?;
        let base = public.unwrap_or_else(|| approvals::url_of(address));
        approvals::allow(&base, &mut config.allowed_hosts, &mut config.allowed_origins);
        let callers = Callers::new(&spec, base.clone())?;
        let bridge = match args.oauth {
            true => Some(oauth::bridge(&spec, &base, &config.path, callers.of(&spec)?)?),
            false => None,
        };
        if let Some(bridge) = &bridge {
            config.routes = std::mem::take(&mut config.routes).merge(bridge.routes());
        }
        approvals.serve_at(base);
        tracing::info!(server = %spec.name, version = %spec.version, tools = spec.tools.len(), "serving at http://{address}/mcp");
        let before = move |keys: Arc<dyn Authenticator>| match &bridge {
            Some(bridge) => Arc::new(bridge.before(keys)),
            None => keys,
        };
        telemetry.hear(&mut config, spec.name.as_str());
        let states = config.state_key.clone();
        let live = Live::new(engine.exposed(&states), before(callers.of(&spec)?), config);
        let follow = {
            let live = live.clone();
            let oauth = args.oauth;
            reloader.follow(hangups, move |spec, engine| {
                if oauth {
                    oauth::check(spec)?;
                }
                Ok(live.replace(engine.exposed(&states), before(callers.of(spec)?), &limits(spec))?)
            })
        };
        let following = tokio::spawn(follow);
        let summary = http::serve_live(live, listener, shutdown).await?;
        following.abort();
        telemetry.end().await;
        tracing::info!(forced = summary.forced, took = ?summary.took, "stopped");
        Ok(ExitCode::SUCCESS)
    })
}

/// Why it can't be listened on.
pub fn taken(listen: SocketAddr, error: std::io::Error) -> anyhow::Error {
    let taken = error.kind() == std::io::ErrorKind::AddrInUse;
    let error = anyhow::Error::from(error).context(format!("can't listen on {listen}"));
    if !taken {
        return error;
    }
    exit::hinted(
        format!("{error:#}"),
        "stop what listens there, or pass another `--listen`, such as `--listen 127.0.0.1:0`",
    )
}

/// What this build can't check it does not serve. `base` is where the server is reached.
pub fn authenticator(spec: &Spec, base: Option<&Url>) -> anyhow::Result<Arc<dyn Authenticator>> {
    let resource = base.map(|base| {
        let mut url = base.clone();
        url.set_path(&format!("{}{}", base.path().trim_end_matches('/'), http::Config::default().path));
        url
    });
    let premises = Premises { resource, secrets: Arc::new(Environment), policy: Policy::operator(), issued: None };
    authentication::authenticator(spec, &premises).map_err(|error| exit::hinted(error.to_string(), error.hint()))
}

/// Who may call, over the time of the program. Tokens that were verified and keys of an issuer stay when the spec is saved.
struct Callers {
    base: Url,
    known: Mutex<Option<Known>>,
}

struct Known {
    auth: Auth,
    scopes: Vec<String>,
    access: Access,
    authenticator: Arc<dyn Authenticator>,
}

impl Callers {
    fn new(spec: &Spec, base: Url) -> anyhow::Result<Self> {
        let callers = Self { base, known: Mutex::default() };
        callers.of(spec)?;
        Ok(callers)
    }

    fn of(&self, spec: &Spec) -> anyhow::Result<Arc<dyn Authenticator>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let scopes = authentication::scopes(spec);
        // Lists of keys are read anew: that is how they change.
        let asks_issuer = matches!(spec.auth, Auth::Jwt(_) | Auth::Oauth2(_));
        if let Some(known) = known
            .as_ref()
            .filter(|known| known.auth == spec.auth && known.scopes == scopes && known.access == spec.access)
            && asks_issuer
        {
            return Ok(known.authenticator.clone());
        }
        let authenticator = authenticator(spec, Some(&self.base))?;
        *known = Some(Known {
            auth: spec.auth.clone(),
            scopes,
            access: spec.access.clone(),
            authenticator: authenticator.clone(),
        });
        Ok(authenticator)
    }
}
