//! `create --openapi`: an OpenAPI document becomes a spec, which is shown, written, or made a server of.

use std::{
    fs,
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::Context as _;
use mcp_factory_connect::tls;
use mcp_factory_intake::{
    Level,
    openapi::{self, Files, MANY, Options},
};
use url::Url;

use crate::{args::servers::Create, command, exit, output::plain, progress};

/// Larger ones are refused when they are read.
const LARGEST: u64 = (64 << 20) + 1;
const PATIENCE: Duration = Duration::from_secs(60);
/// How many findings are told one by one.
const TOLD: usize = 40;

/// The spec in its canonical form. What was found is told on standard error.
pub fn import(document: &str, args: &Create) -> anyhow::Result<String> {
    let url = Url::parse(document).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let (bytes, files): (Vec<u8>, Box<dyn Files>) = match &url {
        Some(url) => (fetch(url)?, Box::new(openapi::NoFiles)),
        None => read(Path::new(document))?,
    };
    let chosen = &args.chosen;
    let options = Options {
        name: args.name.clone(),
        base: chosen.base_url.clone().or_else(|| url.clone()),
        tags: chosen.tag.clone(),
        paths: chosen.path.clone(),
        methods: chosen.method.clone(),
        operations: chosen.operation.clone(),
    };
    let called = shown(document, url.as_ref());
    let imported = openapi::import(&called, &bytes, &*files, &options);
    let findings = match &imported {
        Ok(proposal) => &proposal.findings,
        Err(findings) => findings,
    };
    for finding in findings.iter().take(TOLD) {
        eprintln!("{}", plain(&finding.to_string()));
    }
    if findings.len() > TOLD {
        eprintln!("and {} more", findings.len() - TOLD);
    }
    let proposal = imported.map_err(|_| {
        let hint =
            "mend what is listed above, or choose other operations with `--tag`, `--path`, `--method`, `--operation`";
        exit::hinted(format!("no spec can be made of {called}"), hint)
    })?;
    let tools = proposal.spec.tools.len();
    let left_out = proposal.findings.iter().filter(|it| it.level == Level::LeftOut).count();
    let tools_word = if tools == 1 { "tool" } else { "tools" };
    let left_out = if left_out == 0 { String::new() } else { format!(", {left_out} left out as listed above") };
    eprintln!("{tools} {tools_word} of {called}{left_out}");
    if tools > MANY {
        eprintln!(
            "that is more than a model reads at once: callers find them with `search_tools`, and turn toolsets on, one for each \
             tag; `exposure: {{ mode: static }}` lists all"
        );
    }
    Ok(proposal.spec.canonical_yaml())
}

pub fn print(text: &str) -> anyhow::Result<ExitCode> {
    std::io::stdout().lock().write_all(text.as_bytes()).context("can't write the spec")?;
    Ok(ExitCode::SUCCESS)
}

/// What the document is called. What may be a secret in a URL is not shown.
fn shown(document: &str, url: Option<&Url>) -> String {
    let Some(mut url) = url.cloned() else { return document.to_owned() };
    url.set_query(None);
    url.set_fragment(None);
    let _ = url.set_username("").and_then(|()| url.set_password(None));
    url.to_string()
}

/// Nothing that is there is written over.
pub fn write(text: &str, out: &Path) -> anyhow::Result<ExitCode> {
    let made = fs::File::create_new(out).and_then(|mut file| file.write_all(text.as_bytes()));
    made.map_err(|error| {
        let is_there = error.kind() == std::io::ErrorKind::AlreadyExists;
        let error = anyhow::Error::from(error).context(format!("can't write `{}`", out.display()));
        if is_there { exit::with_hint(error, "remove it, or choose another name") } else { error }
    })?;
    eprintln!("written to `{}`; next: mcp-factory test {0}", out.display());
    Ok(ExitCode::SUCCESS)
}

fn read(file: &Path) -> anyhow::Result<(Vec<u8>, Box<dyn Files>)> {
    let unreadable = || format!("can't read `{}`", file.display());
    let mut bytes = Vec::new();
    if file == Path::new("-") {
        std::io::stdin().lock().take(LARGEST).read_to_end(&mut bytes).context("can't read standard input")?;
        return Ok((bytes, Box::new(openapi::NoFiles)));
    }
    fs::File::open(file).and_then(|from| from.take(LARGEST).read_to_end(&mut bytes)).with_context(unreadable)?;
    let folder = fs::canonicalize(file).with_context(unreadable)?.parent().map(Path::to_owned).unwrap_or_default();
    Ok((bytes, Box::new(Below(folder))))
}

/// Files in the document's own folder and below it. Others are never read, whatever the document says.
struct Below(PathBuf);

impl Files for Below {
    fn read(&self, path: &str) -> Option<Vec<u8>> {
        let real = fs::canonicalize(self.0.join(path)).ok().filter(|real| real.starts_with(&self.0))?;
        let mut bytes = Vec::new();
        fs::File::open(real).ok()?.take(LARGEST).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }
}

fn fetch(url: &Url) -> anyhow::Result<Vec<u8>> {
    let shown = shown(url.as_str(), Some(url));
    command::runtime()?.block_on(progress::tell(&format!("fetching `{shown}`"), async {
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured((*tls::verified()).clone())
            .redirect(reqwest::redirect::Policy::limited(5))
            .timeout(PATIENCE)
            .build()?;
        let failed = || format!("can't fetch `{shown}`");
        let answer = client.get(url.clone()).send().await.and_then(reqwest::Response::error_for_status);
        let mut answer = answer.map_err(reqwest::Error::without_url).with_context(failed)?;
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(reqwest::Error::without_url).with_context(failed)? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() as u64 > LARGEST {
                break;
            }
        }
        Ok(bytes)
    }))
}
