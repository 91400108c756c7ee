//! `mcp-factory serve FILE`: Streamable HTTP at `/mcp`, until SIGINT or SIGTERM.

use std::{process::ExitCode, sync::Arc};

use anyhow::Context as _;
use mcp_factory_connect::secrets::{Environment, Secrets as _};
use mcp_factory_spec::{
    Spec,
    model::{Auth, Variable},
};
use mcp_serve::{ApiKeys, Authenticator, BearerTokens, KeyList, Limits, Live, NoAuthentication, http};

use crate::{approvals, args, exit, key, oauth, reload::Reloader, signals};

pub fn run(args: &args::Serve) -> anyhow::Result<ExitCode> {
    let (reloader, spec, engine) = Reloader::start(&args.spec, args.allow_stubs, !args.no_reload)?;
    if !spec.transport.http {
        tracing::warn!("the spec's `transport` has no `http`; it is served over HTTP because you asked for it");
    }
    let authenticator = authenticator(&spec)?;
    let approvals = approvals::of_this_program();
    let public = args.public_url.as_deref().map(approvals::public_url).transpose()?;
    let mut config = http::Config {
        allowed_hosts: args.allow_hosts.clone(),
        allowed_origins: args.allow_origins.clone(),
        limits: limits(&spec),
        routes: approvals.routes(),
        state_key: key::states()?,
        ..http::Config::default()
    };
    config.check(args.listen, &*authenticator)?;
    if args.oauth {
        oauth::needs_keys(&*authenticator)?;
    }
    super::runtime()?.block_on(async move {
        let (shutdown, hangups) = (signals::shutdown()?, signals::Hangups::listen()?);
        let listener = tokio::net::TcpListener::bind(args.listen).await.map_err(|error| taken(args, error))?;
        let address = listener.local_addr()?;
        let base = public.unwrap_or_else(|| approvals::url_of(address));
        approvals::allow(&base, &mut config);
        let bridge = match args.oauth {
            true => Some(oauth::bridge(&spec, &base, &config.path, authenticator.clone())?),
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
        let live = Live::new(engine, before(authenticator), config);
        let follow = {
            let live = live.clone();
            reloader.follow(hangups, move |spec, engine| {
                Ok(live.replace(engine, before(self::authenticator(spec)?), &limits(spec))?)
            })
        };
        let following = tokio::spawn(follow);
        let summary = http::serve_live(live, listener, shutdown).await?;
        following.abort();
        tracing::info!(forced = summary.forced, took = ?summary.took, "stopped");
        Ok(ExitCode::SUCCESS)
    })
}

fn taken(args: &args::Serve, error: std::io::Error) -> anyhow::Error {
    let taken = error.kind() == std::io::ErrorKind::AddrInUse;
    let error = anyhow::Error::from(error).context(format!("can't listen on {}", args.listen));
    if !taken {
        return error;
    }
    exit::hinted(
        format!("{error:#}"),
        "stop what listens there, or pass another `--listen`, such as `--listen 127.0.0.1:0`",
    )
}

/// How the spec bounds its callers, as the serving library takes it.
pub fn limits(spec: &Spec) -> Limits {
    Limits {
        rate: spec.limits.rate_per_principal.at().map(mcp_factory_engine::rate),
        concurrency: spec.limits.concurrency.at().map(|calls| calls.get() as usize),
    }
}

/// What this build can't check it does not serve.
pub fn authenticator(spec: &Spec) -> anyhow::Result<Arc<dyn Authenticator>> {
    let (kind, variable) = match &spec.auth {
        Auth::None => return Ok(Arc::new(NoAuthentication::default())),
        Auth::ApiKey(keys) => ("api_key", &keys.env_var),
        Auth::Bearer(tokens) => ("bearer", &tokens.env_var),
        Auth::Jwt(_) => return Err(unsupported("jwt")),
        Auth::Oauth2(_) => return Err(unsupported("oauth2")),
    };
    let Some(variable) = variable else {
        return Err(exit::hinted(
            format!(
                "`auth.type: {kind}` without `envVar` needs keys that the factory issues, which this build can't yet"
            ),
            "name a variable that holds the keys: `envVar: MCP_KEYS`",
        ));
    };
    let keys = key_list(variable)?;
    Ok(match &spec.auth {
        Auth::ApiKey(auth) => {
            let header = auth.header.as_str().parse().context("`auth.header` is no header name")?;
            Arc::new(ApiKeys::new(header, keys))
        }
        _ => Arc::new(BearerTokens::new(keys)),
    })
}

fn key_list(variable: &Variable) -> anyhow::Result<KeyList> {
    let hint = format!("set it to `key1,key2` or to {{\"key\": \"principal\"}}, for example `export {variable}=...`");
    let secret = Environment.get(variable).map_err(|error| exit::hinted(error.to_string(), hint.clone()))?;
    KeyList::parse(secret.expose()).map_err(|error| exit::hinted(format!("`{variable}`: {error}"), hint))
}

fn unsupported(kind: &str) -> anyhow::Error {
    exit::hinted(
        format!("plan/not-supported: this build can't check `auth.type: {kind}`, so it does not serve"),
        "use `api_key` or `bearer` with `envVar`, or `none` on loopback",
    )
}
