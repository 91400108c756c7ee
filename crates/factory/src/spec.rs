//! A submitted text becomes a version: read, checked, planned. Nothing is kept here.

use std::path::{Path, PathBuf};

use mcp_factory_connect::{Grant, Policy};
use mcp_factory_engine::{Folder, Plan, Problem, Shared, Surroundings};
use mcp_factory_spec::{AllFiles, Diagnostic, Format, Probe, Reading, Severity, Source, Spec, Verdict, variables};
use ring::digest;
use serde_json::Value;
use url::{Host, Url};

use crate::{
    Caller, Error, Factory, Owner,
    connections::Resolved,
    files::{self, Beside, Files},
    registry::{Capabilities, Capability, Dependency, DependencyKind, NewVersion},
};

/// A spec as it comes in.
#[derive(Debug, Clone)]
pub struct Submission {
    /// As diagnostics name it.
    pub name: String,
    pub text: Vec<u8>,
    pub format: Format,
    /// Where its files are, on the operator's own machine. `None`: in the factory's folder for this server.
    pub folder: Option<PathBuf>,
    /// That come with it, where it has no folder of its own.
    pub files: Files,
}

/// What is found out about a spec without keeping it.
#[derive(Debug)]
pub struct Validation {
    /// There is one unless the verdict is an error.
    pub spec: Option<Spec>,
    pub verdict: Verdict,
    pub diagnostics: Vec<Diagnostic>,
    /// What this build can't run, and what this owner was not granted.
    pub problems: Vec<Problem>,
    pub folder: PathBuf,
}

impl Submission {
    /// Of a text whose format is seen in it.
    #[must_use]
    pub fn new(text: impl Into<Vec<u8>>) -> Self {
        let text = text.into();
        let format = if text.trim_ascii_start().starts_with(b"{") { Format::Json } else { Format::Yaml };
        Self { name: "spec".to_owned(), text, format, folder: None, files: Files::new() }
    }

    #[must_use]
    pub fn in_folder(self, folder: impl Into<PathBuf>) -> Self {
        Self { folder: Some(folder.into()), ..self }
    }

    pub(crate) fn read(&self, probe: &dyn Probe) -> Reading {
        mcp_factory_spec::read(&Source { name: &self.name, bytes: &self.text, format: self.format }, probe)
    }
}

impl Factory {
    /// Everything that can be found out about a spec; nothing is kept.
    pub async fn validate(&self, caller: &Caller, submission: Submission) -> Result<Validation, Error> {
        caller.needs(crate::registry::Role::Viewer)?;
        let owner = caller.owner().clone();
        let lookup = owner.clone();
        let user = self.registry().read(move |it| it.user(&lookup)).await?;
        let most = user.ok_or_else(|| crate::grants::no_user(&owner))?.limits.max_spec_bytes;
        let bytes = submission.text.len() + files::size(&submission.files);
        if bytes > most as usize {
            return Err(Error::TooLarge { bytes, most });
        }
        files::check(&submission.files)?;
        if submission.folder.is_some() {
            if !submission.files.is_empty() {
                return Err(Error::argument(
                    "`files`",
                    "go into the factory's folder, and this spec has one of its own",
                ));
            }
            // A folder of the machine is the operator's to name.
            caller.operator()?;
        }
        let policy = self.policy_of(&owner).await?;
        let secrets = self.secrets_of(&owner).await?;
        let (factory, of) = (self.clone(), owner.clone());
        let read = tokio::task::spawn_blocking(move || factory.read(&of, &submission));
        let (Reading { spec, diagnostics, verdict }, folder) = read.await??;
        let Some(spec) = spec else {
            return Ok(Validation { spec: None, verdict, diagnostics, problems: Vec::new(), folder });
        };
        let (whole, shared) = match self.resolve(&owner, &spec).await? {
            None => (None, Shared::new()),
            Some(Resolved { spec: Some(whole), shared, .. }) => (Some(whole), shared),
            Some(Resolved { problems, .. }) => {
                return Ok(Validation { spec: Some(spec), verdict, diagnostics, problems, folder });
            }
        };
        let factory = self.clone();
        let planned = tokio::task::spawn_blocking(move || {
            let planned = whole.as_ref().unwrap_or(&spec);
            let planned = factory.plan(planned, &folder, policy, std::sync::Arc::new(secrets), &shared);
            let problems = planned.err().unwrap_or_default();
            Validation { spec: Some(spec), verdict, diagnostics, problems, folder }
        });
        Ok(planned.await?)
    }

    fn read(&self, owner: &Owner, submission: &Submission) -> Result<(Reading, PathBuf), Error> {
        if let Some(folder) = &submission.folder {
            let folder = std::fs::canonicalize(folder)
                .map_err(|error| Error::argument("the spec's folder", format!("can't be opened: {error}")))?;
            return Ok((submission.read(&Folder(&folder)), folder));
        }
        let reading = submission.read(&AllFiles);
        let Some(spec) = &reading.spec else { return Ok((reading, PathBuf::new())) };
        let folder = self.folder_of(owner, &spec.name);
        files::agree(&folder, &submission.files)?;
        Ok((submission.read(&Beside(&submission.files, &Folder(&folder))), folder))
    }

    /// For this owner, on this machine. A server's own folder is open to it; everything else is as granted.
    pub(crate) fn plan(
        &self,
        spec: &Spec,
        folder: &Path,
        policy: Policy,
        secrets: std::sync::Arc<dyn mcp_factory_connect::Secrets>,
        shared: &Shared,
    ) -> Result<Plan, Vec<Problem>> {
        let surroundings = Surroundings {
            folder: folder.to_owned(),
            secrets,
            policy: policy.with(Grant::Path(folder.to_owned())),
            cursor_key: self.cursors(),
            fresh_seeds: None,
            changes: None,
            tasks: self.tasks(),
            approvals: self.approvals(),
        };
        Plan::with_shared(spec, &surroundings, shared)
    }
}

/// What is kept of a spec.
pub(crate) fn version_of(
    spec: &Spec,
    diagnostics: &[Diagnostic],
    folder: Option<PathBuf>,
    here: Option<&Url>,
) -> NewVersion {
    let canonical = spec.canonical();
    let text = canonical.to_string();
    let blockers = diagnostics.iter().filter(|it| it.code.severity() == Severity::Blocker).count();
    NewVersion {
        version: spec.version.clone(),
        digest: digest(text.as_bytes()),
        spec: text,
        title: spec.title.clone(),
        description: spec.description.clone(),
        auth: spec.auth.word().to_owned(),
        blockers: u32::try_from(blockers).unwrap_or(u32::MAX),
        folder,
        capabilities: capabilities_of(spec),
        dependencies: dependencies_of(&canonical, here),
    }
}

/// A spec as it was kept. It was checked then.
pub(crate) fn read_again(text: &str) -> Option<Spec> {
    mcp_factory_spec::reread(text.as_bytes())
}

pub(crate) fn capabilities_of(spec: &Spec) -> Capabilities {
    let tools = spec.tools.iter().map(|tool| Capability {
        name: tool.name.to_string(),
        title: tool.title.clone(),
        description: tool.description.clone(),
        schema: Value::Object(tool.input_schema()).to_string(),
    });
    Capabilities { tags: spec.tags.clone(), tools: tools.collect() }
}

/// Secrets, shared connections, and servers by their URLs where this factory is reached (`here`).
pub(crate) fn dependencies_of(canonical: &Value, here: Option<&Url>) -> Vec<Dependency> {
    let secret = |name| Dependency { kind: DependencyKind::Secret, name };
    let mut found: Vec<Dependency> = variables::of(canonical).into_iter().map(secret).collect();
    for connection in canonical.get("connections").and_then(Value::as_array).into_iter().flatten() {
        if let Some(name) = connection.get("use").and_then(Value::as_str) {
            found.push(Dependency { kind: DependencyKind::Connection, name: name.to_owned() });
        }
        let url = connection.get("url").and_then(Value::as_str).and_then(|url| Url::parse(url).ok());
        if let Some(name) = url.and_then(|url| hosted_here(&url, here)) {
            found.push(Dependency { kind: DependencyKind::Server, name });
        }
    }
    found.sort();
    found.dedup();
    found
}

/// The server of this factory that is at this URL. Where nothing is served now, as for a command, it will be on this machine.
fn hosted_here(url: &Url, here: Option<&Url>) -> Option<String> {
    let is_loopback = |url: &Url| match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    let is_at = |here: &Url| {
        (url.host() == here.host() || is_loopback(url) && is_loopback(here))
            && url.port_or_known_default() == here.port_or_known_default()
    };
    let is_here = here.map_or_else(|| is_loopback(url), is_at);
    let prefix = here.map_or("", |here| here.path().trim_end_matches('/'));
    let below = url.path().strip_prefix(prefix)?.strip_prefix("/servers/")?;
    let (name, path) = below.split_once('/')?;
    let is_mcp = path == "mcp" || path.starts_with("mcp/");
    (is_here && is_mcp).then(|| name.to_owned())
}

/// SHA-256, hexadecimal.
pub(crate) fn digest(bytes: &[u8]) -> String {
    digest::digest(&digest::SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_spec_needs_is_found_by_the_fields_that_name_it() {
        let spec = json!({
            "auth": { "type": "bearer", "envVar": "KEYS" },
            "connections": [
                { "name": "db", "type": "postgresql", "envVar": "DATABASE_URL" },
                { "name": "crm", "type": "http", "url": "https://x.example", "per": "principal", "auth": { "envVar": "CRM" } },
                { "use": "shared" },
                { "name": "other", "type": "mcp", "url": "http://localhost:1/servers/stock/mcp" },
                { "name": "away", "type": "mcp", "url": "http://example.com/mcp" },
                { "name": "elsewhere", "type": "mcp", "url": "https://example.com/servers/others/mcp" },
                { "name": "port", "type": "mcp", "url": "http://localhost:2/servers/others/mcp" },
                { "name": "set", "type": "mcp", "url": "http://127.0.0.1:1/servers/sets/mcp/reading" },
                { "name": "none", "type": "http", "url": "http://127.0.0.1:1/servers/sets/other" },
            ],
            "tools": [{ "name": "t", "description": "", "parameters": { "envVar": "NOT_THIS" }, "static": { "envVar": "NOR" } }],
        });
        let here = Url::parse("http://127.0.0.1:1").ok();
        let found: Vec<_> = dependencies_of(&spec, here.as_ref())
            .into_iter()
            .map(|it| format!("{} {}", it.kind.as_str(), it.name))
            .collect();
        assert_eq!(found, ["secret DATABASE_URL", "secret KEYS", "connection shared", "server sets", "server stock"]);
        let nowhere = dependencies_of(&spec, None).into_iter().filter(|it| it.kind == DependencyKind::Server);
        assert_eq!(nowhere.map(|it| it.name).collect::<Vec<_>>(), ["others", "sets", "stock"], "on this machine");
    }
}
