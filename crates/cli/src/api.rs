//! How commands ask the factory: always by its REST API, and by this client. The factory is the one that `--api` names, else the
//! one that runs on the data folder, else this process is one as long as the command lasts, and is asked without a socket.
//!
//! So a command has one way through the code, and what it may is decided where everybody's requests are.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use axum::{
    Router,
    body::{Body, Bytes},
    http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, header},
};
use http_body_util::{BodyExt as _, Limited};
use mcp_factory::{Config, Factory, Secret};
use mcp_factory_connect::{command::Launcher, tls};
use mcp_factory_control::{Control, Readiness};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tower_service::Service as _;
use url::Url;
use zeroize::Zeroizing;

use crate::{
    approvals,
    args::{Output, factory::Reach},
    exit, key, output, program, progress,
    running::Running,
    start,
};

/// The factory that this command is about.
#[derive(Debug)]
pub struct Api {
    way: Way,
    token: HeaderValue,
    output: Output,
}

#[derive(Debug)]
enum Way {
    Network {
        client: reqwest::Client,
        base: Url,
        is_here: bool,
    },
    /// Where the registry is this machine's own, nothing runs of it now.
    Here {
        routes: Router,
        factory: Factory,
        is_down: bool,
    },
}

/// Of a server that is meant to run while no factory does.
pub const DOWN: &str = "down";

const TOKEN: &str = "MCP_FACTORY_TOKEN";
/// Of an answer that is read whole.
const MOST: usize = 64 << 20;
const CONNECT: Duration = Duration::from_secs(10);
/// What stands for itself in a path or a query.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

impl Api {
    pub async fn open(reach: &Reach, output: Output) -> anyhow::Result<Self> {
        if let Some(url) = &reach.api {
            return Self::remote(url, output);
        }
        let data = data_folder(reach)?;
        match Running::find(&data).with_context(|| format!("can't look into `{}`", data.display()))? {
            Some(running) => Self::running(reach, &running.checked()?, output),
            None => {
                let factory = open_factory(reach).await?;
                let routes = Control::new(factory.clone(), Readiness::default()).routes();
                Ok(Self {
                    token: local_token(&factory)?,
                    way: Way::Here { routes, factory, is_down: reach.registry.is_none() },
                    output,
                })
            }
        }
    }

    /// The one that runs on the data folder.
    pub fn running(reach: &Reach, running: &Running, output: Output) -> anyhow::Result<Self> {
        let file = data_folder(reach)?.join("token");
        let token = std::fs::read_to_string(&file).with_context(|| format!("can't read `{}`", file.display()))?;
        let base = approvals::url_of(running.address);
        Ok(Self { way: network(base, true)?, token: bearer(&Zeroizing::new(token))?, output })
    }

    fn remote(url: &str, output: Output) -> anyhow::Result<Self> {
        let hint = "write scheme and name, as in `https://factory.example.com`";
        let base = Url::parse(url).map_err(|_| exit::usage("`--api` is no URL", hint))?;
        let has_credentials = !base.username().is_empty() || base.password().is_some();
        if !matches!(base.scheme(), "http" | "https") || base.host().is_none() || has_credentials {
            return Err(exit::usage("`--api` is no `https` URL, or holds a password", hint));
        }
        if base.scheme() == "http" && !is_loopback(&base) {
            return Err(exit::usage(
                "`--api` is not encrypted, and not on this machine; the token would be readable on the way",
                "use an `https` URL, or forward a port of this machine to the factory, as with `ssh -L`",
            ));
        }
        let token = std::env::var(TOKEN).map(Zeroizing::new).map_err(|_| {
            exit::usage(
                format!("there is no `{TOKEN}`, which a factory at a URL asks for"),
                "set `MCP_FACTORY_TOKEN`; `mcp-factory tokens issue NAME`, where the factory runs, makes one",
            )
        })?;
        Ok(Self { way: network(base, false)?, token: bearer(&token)?, output })
    }

    /// Programs get the problem as it was answered; what it means is told on standard error.
    pub fn refused(&self, problem: &Value) -> anyhow::Result<anyhow::Error> {
        if self.output != Output::Text {
            output::print(self.output, problem, |_| String::new())?;
        }
        Ok(exit::refused(problem))
    }

    pub fn output(&self) -> Output {
        self.output
    }

    /// Whether it sees the files of this machine.
    pub fn is_here(&self) -> bool {
        match &self.way {
            Way::Network { is_here, .. } => *is_here,
            Way::Here { .. } => true,
        }
    }

    /// In what state a deployment is. What was written down last may have ended with its factory.
    pub fn state_of(&self, deployment: &Value) -> String {
        let state = output::cell(&deployment["state"]);
        match &self.way {
            Way::Here { is_down: true, .. } if !matches!(state.as_str(), "-" | "stopped" | "failed") => DOWN.to_owned(),
            _ => state,
        }
    }

    pub fn get(&self, path: &[&str]) -> Ask<'_> {
        self.ask(Method::GET, path)
    }

    pub fn post(&self, path: &[&str]) -> Ask<'_> {
        self.ask(Method::POST, path)
    }

    pub fn put(&self, path: &[&str]) -> Ask<'_> {
        self.ask(Method::PUT, path)
    }

    pub fn delete(&self, path: &[&str]) -> Ask<'_> {
        self.ask(Method::DELETE, path)
    }

    /// A message to an MCP endpoint of the factory, and its answer as it comes.
    pub async fn mcp(
        &self,
        path: &[&str],
        method: Method,
        headers: HeaderMap,
        body: String,
    ) -> anyhow::Result<Response<Body>> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/{}", path.join("/")))
            .header(header::AUTHORIZATION, &self.token)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json, text/event-stream")
            .body(Body::from(body))?;
        request.headers_mut().extend(headers);
        self.respond(request).await
    }

    /// Each part is encoded: a name leads nowhere else.
    pub fn ask(&self, method: Method, path: &[&str]) -> Ask<'_> {
        let unusable = path.iter().find(|part| matches!(**part, "" | "." | "..")).map(|part| (*part).to_owned());
        let encoded = path.iter().map(|part| format!("/{}", utf8_percent_encode(part, ENCODED))).collect();
        Ask {
            api: self,
            method,
            path: encoded,
            unusable,
            query: Vec::new(),
            headers: Vec::new(),
            body: Vec::new(),
            doing: String::new(),
        }
    }

    async fn respond(&self, request: Request<Body>) -> anyhow::Result<Response<Body>> {
        match &self.way {
            Way::Here { routes, .. } => Ok(routes.clone().call(request).await.unwrap_or_else(|never| match never {})),
            Way::Network { client, base, is_here } => {
                let (head, body) = request.into_parts();
                let body = body.collect().await?.to_bytes();
                let query = head.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
                let path = format!("{}{}{query}", base.path().trim_end_matches('/'), head.uri.path());
                let url = base.join(&path)?;
                let asked = client.request(head.method, url).headers(head.headers).body(body).send().await;
                let answer = asked.map_err(|error| {
                    let refused = error.is_connect();
                    let error =
                        anyhow::Error::from(error.without_url()).context(format!("can't ask the factory at {base}"));
                    match (refused, is_here) {
                        (true, true) => exit::with_hint(error, "it may just have ended; try again"),
                        (true, false) => exit::with_hint(error, "look whether `--api` is right and the factory runs"),
                        _ => error,
                    }
                })?;
                Ok(Response::from(answer).map(Body::new))
            }
        }
    }

    /// What was counted is kept. To be called when a command is done.
    pub async fn close(self) -> anyhow::Result<()> {
        match self.way {
            Way::Here { factory, .. } => Ok(factory.flush().await?),
            Way::Network { .. } => Ok(()),
        }
    }
}

/// Does a command's work with the factory.
pub fn with(
    reach: &Reach,
    output: Output,
    work: impl AsyncFnOnce(&Api) -> anyhow::Result<std::process::ExitCode>,
) -> anyhow::Result<std::process::ExitCode> {
    crate::command::runtime()?.block_on(async {
        let api = Api::open(reach, output).await?;
        let done = work(&api).await;
        api.close().await?;
        done
    })
}

/// The same, for what must go on when the command has ended: unless `goes_on` says that it need not.
pub fn with_running(
    reach: &Reach,
    output: Output,
    goes_on: bool,
    work: impl AsyncFnOnce(&Api) -> anyhow::Result<std::process::ExitCode>,
) -> anyhow::Result<std::process::ExitCode> {
    if goes_on && reach.api.is_none() {
        let started = start::ensure(reach)?;
        if started.now {
            let Running { pid, .. } = started.running;
            let url = started.running.url();
            let end = program::line("down");
            eprintln!("started the factory in the background (pid {pid}, at {url}); `{end}` ends it");
        }
    }
    with(reach, output, work)
}

/// One request, as it is put together.
#[derive(Debug)]
#[must_use = "nothing is asked before it is sent"]
pub struct Ask<'a> {
    api: &'a Api,
    method: Method,
    path: String,
    /// A part of the path that can't be one.
    unusable: Option<String>,
    query: Vec<String>,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Vec<u8>,
    doing: String,
}

impl Ask<'_> {
    /// Left out where there is no value.
    pub fn query(mut self, name: &str, value: Option<impl ToString>) -> Self {
        if let Some(value) = value {
            self.query.push(format!("{name}={}", utf8_percent_encode(&value.to_string(), ENCODED)));
        }
        self
    }

    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    pub fn json(self, body: &Value) -> Self {
        self.text("application/json", body.to_string())
    }

    pub fn text(mut self, kind: &'static str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.header(header::CONTENT_TYPE, HeaderValue::from_static(kind))
    }

    /// What somebody who waits for longer than half a second is told, as in "deploying `shop`".
    pub fn doing(mut self, what: impl Into<String>) -> Self {
        self.doing = what.into();
        self
    }

    /// The answer, read whole; `null` where there is none. A problem is an error, with its exit code and hint.
    pub async fn send(self) -> anyhow::Result<Value> {
        let api = self.api;
        self.answer().await?.or_else(|problem| Err(api.refused(&problem)?))
    }

    /// The same, for whoever looks into problems.
    pub async fn answer(self) -> anyhow::Result<Result<Value, Value>> {
        let doing = if self.doing.is_empty() { "asking the factory".to_owned() } else { self.doing.clone() };
        progress::tell(&doing, async {
            let answer = match self.open_any().await? {
                Ok(answer) => answer,
                Err(problem) => return Ok(Err(problem)),
            };
            let body = whole(answer).await?;
            if body.is_empty() {
                return Ok(Ok(Value::Null));
            }
            serde_json::from_slice(&body).map(Ok).context("the factory answered no JSON")
        })
        .await
    }

    /// All pages of a list, as one answer.
    pub async fn send_all(self, list: &str) -> anyhow::Result<Value> {
        let Self { api, method, path, unusable, query, headers, body, doing } = self;
        let mut all: Option<Value> = None;
        let mut after: Option<String> = None;
        loop {
            let page = Ask {
                api,
                method: method.clone(),
                path: path.clone(),
                unusable: unusable.clone(),
                query: query.clone(),
                headers: headers.clone(),
                body: body.clone(),
                doing: doing.clone(),
            };
            let mut answer = page.query("after", after.take()).send().await?;
            let next = answer.get_mut("next").map(Value::take).and_then(|next| next.as_str().map(str::to_owned));
            match (&mut all, answer.get_mut(list)) {
                (None, _) => all = Some(answer),
                (Some(all), Some(Value::Array(more))) => {
                    if let Some(entries) = all.get_mut(list).and_then(Value::as_array_mut) {
                        entries.append(more);
                    }
                }
                _ => {}
            }
            match next {
                Some(next) => after = Some(next),
                None => return Ok(all.unwrap_or_default()),
            }
        }
    }

    /// The answer as it comes.
    pub async fn open(self) -> anyhow::Result<Response<Body>> {
        let api = self.api;
        self.open_any().await?.or_else(|problem| Err(api.refused(&problem)?))
    }

    async fn open_any(self) -> anyhow::Result<Result<Response<Body>, Value>> {
        let Self { api, method, path, unusable, query, headers, body, .. } = self;
        if let Some(name) = unusable {
            return Err(exit::not_found(
                format!("`{name}` is no name"),
                "`mcp-factory list` shows the names there are",
            ));
        }
        let path = if query.is_empty() { path } else { format!("{path}?{}", query.join("&")) };
        let mut request = Request::builder().method(method).uri(path).header(header::AUTHORIZATION, &api.token);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let answer = api.respond(request.body(Body::from(body))?).await?;
        let status = answer.status();
        if status.is_success() {
            return Ok(Ok(answer));
        }
        let problem: Option<Value> = serde_json::from_slice(&whole(answer).await?).ok();
        match problem.filter(|problem| problem["code"].is_string()) {
            Some(problem) => Ok(Err(problem)),
            None => Err(exit::hinted(
                format!("the factory answered {status}, and not as a factory does"),
                "look whether `--api` is the URL of a factory",
            )),
        }
    }
}

async fn whole(answer: Response<Body>) -> anyhow::Result<Bytes> {
    let body = Limited::new(answer.into_body(), MOST).collect().await;
    Ok(body.map_err(|error| anyhow::anyhow!("the answer of the factory broke off: {error}"))?.to_bytes())
}

fn network(base: Url, is_here: bool) -> anyhow::Result<Way> {
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured((*tls::verified()).clone())
        .connect_timeout(CONNECT)
        // The token goes to whom it is meant for, and nowhere else.
        .redirect(reqwest::redirect::Policy::none());
    let client = if is_here || is_loopback(&base) { client.no_proxy() } else { client };
    Ok(Way::Network { client: client.build().context("can't make an HTTP client")?, base, is_here })
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

fn bearer(token: &str) -> anyhow::Result<HeaderValue> {
    let value = Zeroizing::new(format!("Bearer {}", token.trim()));
    let mut value = HeaderValue::from_str(&value)
        .map_err(|_| exit::usage(format!("`{TOKEN}` holds characters that no token has"), "copy it again"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn local_token(factory: &Factory) -> anyhow::Result<HeaderValue> {
    let file = factory.data().join("token");
    let token = std::fs::read_to_string(&file).with_context(|| format!("can't read `{}`", file.display()))?;
    bearer(&Zeroizing::new(token))
}

/// Where the factory keeps what is its own.
pub fn data_folder(reach: &Reach) -> anyhow::Result<PathBuf> {
    reach.data.clone().or_else(key::data_folder).ok_or_else(|| {
        exit::usage(
            "it is not known where your data is kept: there is neither `XDG_DATA_HOME` nor `HOME`",
            "pass `--data DIR`",
        )
    })
}

/// A folder that was used, and has no registry, belongs to one that is kept elsewhere: an empty one in its place would look as if
/// everything were lost.
pub fn registry_is_here(data: &Path) -> anyhow::Result<()> {
    let was_used = data.join("token").exists();
    if !was_used || data.join("registry.db").metadata().is_ok_and(|file| file.len() > 0) {
        return Ok(());
    }
    let shown = data.display();
    Err(exit::hinted(
        format!("the registry of the factory on `{shown}` is not in that folder"),
        format!(
            "where it is kept in a PostgreSQL, pass its URL as `--registry` or in `MCP_FACTORY_REGISTRY`; \
             to begin with an empty one, remove `{shown}/token`"
        ),
    ))
}

/// A factory in this process, on the data folder.
pub async fn open_factory(reach: &Reach) -> anyhow::Result<Factory> {
    let data = data_folder(reach)?;
    if reach.registry.is_none() {
        registry_is_here(&data)?;
    }
    let config = Config {
        registry: reach.registry.clone().map(Secret::new),
        key: key::of_factory(&data)?,
        data,
        approvals: approvals::of_this_program(),
        launcher: Some(Launcher::this_program()),
    };
    let opened = progress::tell("opening the registry", Factory::open(config)).await;
    opened.map_err(|error| {
        let (code, missing) = (error.code(), error.missing());
        exit::of_code(code, missing, anyhow::Error::from(error).context("can't open the factory"))
    })
}
