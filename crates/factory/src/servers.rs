//! Servers: made of specs, found, listed, removed.

use mcp_factory_engine::Problem;
use mcp_factory_spec::{Diagnostic, Verdict, model::ServerName};
use semver::Version;
use serde_json::{Value, json};

use crate::{
    Caller, Error, Expected, Factory, NeededSecret, Owner,
    factory::make_folder,
    files,
    registry::{
        Answered, Dependency, DependencyKind, Deployment, Filter, Import, NewVersion, Page, Paged, Role, Server,
        Transaction, VersionInfo,
    },
    spec::{Submission, Validation, digest, version_of},
};

/// Versions of one server.
const MOST_VERSIONS: u32 = 1_000;
const LONGEST_KEY: usize = 255;

/// What came of a submission.
#[derive(Debug)]
pub struct Created {
    pub outcome: Outcome,
    /// The version that has the text; another one may be the latest.
    pub version: Version,
    pub server: Server,
    /// Warnings, and what keeps it from being deployed.
    pub diagnostics: Vec<Diagnostic>,
    /// What this build can't run, and what its owner was not granted: it is said again when it is deployed.
    pub problems: Vec<Problem>,
    /// What it needs of its owner's secrets.
    pub secrets: Vec<NeededSecret>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Created,
    /// The server was there; this version is new, and the latest.
    Updated,
    /// This version is there, with this text.
    Unchanged,
}

/// Everything about one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Details {
    pub server: Server,
    /// The latest.
    pub version: VersionInfo,
    pub dependencies: Vec<Dependency>,
    /// Servers that can't do without it.
    pub dependents: Vec<String>,
    pub deployment: Option<Deployment>,
    /// What was imported last for it, and what was chosen of that.
    pub origin: Option<Value>,
}

impl Factory {
    /// Reads, checks and plans a spec, and keeps it as a version of its server. The same text a second time changes nothing and says
    /// so. With an idempotency key, the same request is answered as it was the first time.
    pub async fn create(
        &self,
        caller: &Caller,
        submission: Submission,
        idempotency_key: Option<&str>,
    ) -> Result<Created, Error> {
        self.create_of(caller, submission, idempotency_key, None).await
    }

    /// With what it was imported as.
    pub(crate) async fn create_of(
        &self,
        caller: &Caller,
        submission: Submission,
        idempotency_key: Option<&str>,
        imported: Option<Import>,
    ) -> Result<Created, Error> {
        let key = idempotency_key.map(|key| (key.to_owned(), digest_of(&submission)));
        let (in_place, files) = (submission.folder.is_some(), submission.files.clone());
        let valid = match self.validate(caller, submission).await {
            Ok(valid) => valid,
            Err(error) if error.is_refusal() => return Err(self.refused(caller, "servers.create", "", error).await),
            Err(error) => return Err(error),
        };
        let Validation { spec, verdict, diagnostics, problems, folder } = valid;
        let (Some(spec), false) = (spec, verdict == Verdict::Error) else {
            return Err(self.refused(caller, "servers.create", "", Error::Invalid { diagnostics }).await);
        };
        if key.as_ref().is_some_and(|(key, _)| key.is_empty() || key.len() > LONGEST_KEY) {
            return Err(Error::argument("an idempotency key", "has 1 to 255 bytes"));
        }
        let (name, version) = (spec.name.clone(), spec.version.clone());
        let new = version_of(&spec, &diagnostics, in_place.then(|| folder.clone()), self.public_url());
        let stored = move |transaction: &mut Transaction<'_>, owner: &Owner| {
            if let Some((key, digest)) = &key
                && let Some(known) = transaction.answered(owner, key)?
            {
                return again(transaction, owner, &known, digest);
            }
            let outcome = store(transaction, owner, &spec.name, &new)?;
            if let Some(imported) = &imported {
                transaction.keep_import(owner, &spec.name, &new.version, imported)?;
            }
            if let Some((key, digest)) = &key {
                let answer = json!({ "outcome": outcome.as_str(), "server": spec.name.as_str() }).to_string();
                transaction.keep_answer(owner, key, &Answered { digest: digest.clone(), answer })?;
            }
            let server = transaction.server(owner, &spec.name)?.ok_or_else(|| Error::no_server(&spec.name))?;
            Ok((outcome, server))
        };
        let (outcome, server) = self.change(caller, Role::Developer, "servers.create", &name, stored).await?;
        if outcome == Outcome::Created {
            // Whatever a removal left that broke off: this is another server.
            self.revoke_keys_of(caller.owner(), &name).await?;
        }
        if !in_place {
            let folder = make_folder(folder).await?;
            if !files.is_empty() {
                tokio::task::spawn_blocking(move || files::keep(&folder, &files)).await??;
            }
        }
        self.note_denied(caller, "servers.create", &name, &problems).await?;
        let secrets = self.needed_secrets(caller, &name, &version).await?;
        Ok(Created { outcome, version, server, diagnostics, problems, secrets })
    }

    pub async fn get(&self, caller: &Caller, name: &str) -> Result<Details, Error> {
        let name = name.to_owned();
        self.look(caller, move |transaction, owner| details(transaction, owner, &name)).await
    }

    /// In the order of their names.
    pub async fn list(&self, caller: &Caller, filter: &Filter, page: &Page) -> Result<Paged<Server>, Error> {
        let (filter, page) = (filter.clone(), page.clone());
        self.look(caller, move |transaction, owner| Ok(transaction.servers(owner, &filter, &page)?)).await
    }

    /// With its versions, what runs of it, what was counted and the files in its own folder. Refused while another server needs it, unless forced.
    pub async fn remove(&self, caller: &Caller, name: &str, force: bool) -> Result<(), Error> {
        let wanted = name.to_owned();
        self.change(caller, Role::Developer, "servers.remove", name, move |transaction, owner| {
            transaction.server(owner, &wanted)?.ok_or_else(|| Error::no_server(&wanted))?;
            let servers = transaction.dependents(owner, &itself(&wanted))?;
            if !servers.is_empty() && !force {
                return Err(Error::Needed { name: wanted.clone(), servers });
            }
            transaction.remove_server(owner, &wanted)?;
            Ok(())
        })
        .await?;
        self.end_of(caller.owner(), name).await;
        self.revoke_keys_of(caller.owner(), name).await?;
        self.remove_folder(caller.owner(), name).await
    }

    /// The one of the factory's own: what another factory made is its business.
    pub(crate) async fn remove_folder(&self, owner: &Owner, name: &str) -> Result<(), Error> {
        let Some(name) = ServerName::new(name) else { return Ok(()) };
        let folder = self.folder_of(owner, &name);
        match tokio::fs::remove_dir_all(&folder).await {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::Folder { path: folder.display().to_string(), source })
            }
            _ => Ok(()),
        }
    }
}

/// Of all that is sent.
fn digest_of(submission: &Submission) -> String {
    if submission.files.is_empty() {
        return digest(&submission.text);
    }
    let files = serde_json::to_vec(&submission.files).expect("texts are JSON");
    digest(&[&submission.text[..], &files].concat())
}

impl Details {
    /// Another one after each change of what is written down of it. It says nothing else.
    #[must_use]
    pub fn tag(&self) -> String {
        // The text of a value is not the same in all versions of this program; then the tag is another one, and that is safe.
        digest(format!("{self:?}").as_bytes()).chars().take(32).collect()
    }
}

fn details(transaction: &mut Transaction<'_>, owner: &Owner, name: &str) -> Result<Details, Error> {
    let server = transaction.server(owner, name)?.ok_or_else(|| Error::no_server(name))?;
    let version = transaction.version(owner, name, &server.latest)?.ok_or_else(|| Error::no_server(name))?;
    Ok(Details {
        dependencies: transaction.dependencies(owner, name, &server.latest)?,
        dependents: transaction.dependents(owner, &itself(name))?,
        deployment: transaction.deployment(owner, name)?,
        origin: transaction.origin(owner, name, &server.latest)?,
        server,
        version,
    })
}

/// Whether a server is as a change of it expects.
pub(crate) fn check(
    transaction: &mut Transaction<'_>,
    owner: &Owner,
    name: &str,
    expected: &Expected,
) -> Result<(), Error> {
    let is_there = transaction.server(owner, name)?.is_some();
    let is_so = match expected {
        Expected::Nothing => !is_there,
        Expected::Any => is_there,
        Expected::Tags(tags) => is_there && tags.contains(&details(transaction, owner, name)?.tag()),
    };
    if is_so {
        Ok(())
    } else {
        Err(Error::Changed { name: name.chars().take(64).flat_map(char::escape_debug).collect() })
    }
}

fn itself(name: &str) -> Dependency {
    Dependency { kind: DependencyKind::Server, name: name.to_owned() }
}

fn store(transaction: &mut Transaction<'_>, owner: &Owner, name: &str, new: &NewVersion) -> Result<Outcome, Error> {
    let outcome = if transaction.server(owner, name)?.is_some() {
        if let Some(known) = transaction.version(owner, name, &new.version)? {
            if known.digest == new.digest {
                return Ok(Outcome::Unchanged);
            }
            return Err(Error::VersionExists { server: name.to_owned(), version: new.version.clone() });
        }
        if transaction.count_versions(owner, name)? >= MOST_VERSIONS {
            return Err(Error::TooMany { what: "versions of this server", most: MOST_VERSIONS });
        }
        Outcome::Updated
    } else {
        let most = transaction.user(owner)?.map_or(0, |user| user.limits.max_servers);
        if transaction.count_servers(owner)? >= most {
            return Err(Error::TooMany { what: "servers", most });
        }
        if !transaction.add_server(owner, name, &new.version)? {
            return Err(Error::NameTaken { name: name.to_owned() });
        }
        Outcome::Created
    };
    transaction.add_version(owner, name, new)?;
    transaction.set_latest(owner, name, &new.version)?;
    transaction.index(owner, name, &new.capabilities)?;
    Ok(outcome)
}

/// The answer to a request that came before.
fn again(
    transaction: &mut Transaction<'_>,
    owner: &Owner,
    known: &Answered,
    digest: &str,
) -> Result<(Outcome, Server), Error> {
    if known.digest != digest {
        return Err(Error::KeyReused);
    }
    let answer: Value = serde_json::from_str(&known.answer).map_err(|_| crate::registry::Error::Content)?;
    let outcome = match answer["outcome"].as_str() {
        Some("created") => Outcome::Created,
        Some("updated") => Outcome::Updated,
        _ => Outcome::Unchanged,
    };
    let name = answer["server"].as_str().unwrap_or_default();
    let server = transaction.server(owner, name)?.ok_or_else(|| Error::no_server(name))?;
    Ok((outcome, server))
}

impl Outcome {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Unchanged => "unchanged",
        }
    }
}
