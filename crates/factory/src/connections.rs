//! Connections that the operator shares: defined once, with secrets in the operator's store, and granted to owners by name. A
//! spec says `use: shop_db`, and learns nothing of what that is.
//!
//! What a spec says with `use` is put together with the definition when it is planned, and judged as a whole: whose rows a
//! statement may see is the definition's to say. Secrets and policy of such a connection are the operator's own, and no more
//! of the policy than the connection needs.

use std::sync::Arc;

use mcp_factory_connect::{Grant, Policy};
use mcp_factory_engine::{Problem, Shared, SharedGround};
use mcp_factory_spec::{
    AllFiles, Format, Reading, Severity, Source, Spec,
    model::{ConnectionKind, OutboundAuth},
};
use serde_json::{Value, json};

use crate::{
    Caller, Change, Error, Factory, Owner, Submission,
    registry::{MOST_SHARED, Role, SharedRow, Transaction},
};

/// A shared connection, as it may be shown to those who may use it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantedConnection {
    pub name: String,
    /// The word of its type.
    pub kind: String,
    pub read_only: bool,
}

impl GrantedConnection {
    pub(crate) fn of(row: SharedRow) -> Self {
        let definition: Value = serde_json::from_str(&row.definition).unwrap_or_default();
        Self { name: row.name, kind: row.kind, read_only: definition["readOnly"] == true }
    }
}

/// A spec with what its `use:` stands for.
pub(crate) struct Resolved {
    /// `None` where it can't be put together: `problems` say why.
    pub spec: Option<Spec>,
    pub shared: Shared,
    pub problems: Vec<Problem>,
}

const WHAT: &str = "a shared connection";

impl Factory {
    /// Defines it, or defines it anew: `text` is one entry of a spec's `connections`, with its `name`. What uses it takes it up when
    /// it is started again.
    pub async fn share_connection(&self, caller: &Caller, submission: &Submission) -> Result<(String, Change), Error> {
        let defined = match caller.operator() {
            Err(error) => Err(error),
            // The operator's own: nobody shares for somebody else.
            Ok(_) if caller.owner() != caller.actor() => Err(Error::argument(WHAT, "is shared by who defines it")),
            Ok(_) => define(submission),
        };
        let (name, kind, definition) = match defined {
            Ok(defined) => defined,
            Err(error) => return Err(self.refused(caller, "connections.share", "", error).await),
        };
        let operator = caller.operator()?;
        let wanted = name.clone();
        let work = move |transaction: &mut Transaction<'_>, owner: &Owner| {
            match transaction.shared_named(operator, &wanted)? {
                Some(known) if known.owner != *owner => return Err(Error::NameTaken { name: wanted.clone() }),
                Some(known) if known.definition == definition => return Ok(Change::Unchanged),
                Some(_) => {}
                None if transaction.shared(operator)?.len() >= MOST_SHARED as usize => {
                    return Err(Error::TooMany { what: "shared connections", most: MOST_SHARED });
                }
                None => {}
            }
            transaction.put_shared(owner, &wanted, kind, &definition)?;
            Ok(Change::Done)
        };
        let change = self.change(caller, Role::Admin, "connections.share", &name, work).await?;
        Ok((name, change))
    }

    /// All there are, for an admin.
    pub async fn shared_connections(&self, caller: &Caller) -> Result<Vec<SharedRow>, Error> {
        let operator = caller.operator()?;
        self.look(caller, move |transaction, _| Ok(transaction.shared(operator)?)).await
    }

    /// Those that the caller's specs may use: names and types, and nothing of where they lead.
    pub async fn granted_connections(&self, caller: &Caller) -> Result<Vec<GrantedConnection>, Error> {
        Ok(self.granted_rows(caller).await?.into_iter().map(GrantedConnection::of).collect())
    }

    pub(crate) async fn granted_rows(&self, caller: &Caller) -> Result<Vec<SharedRow>, Error> {
        caller.needs(Role::Viewer)?;
        let policy = self.policy_of(caller.owner()).await?;
        let rows: Vec<SharedRow> =
            self.registry().read(|it| it.shared(crate::Operator::acting())).await.map_err(Error::Registry)?;
        let is_granted = |row: &SharedRow| policy.grants(&Grant::SharedConnection(row.name.clone()));
        Ok(rows.into_iter().filter(is_granted).collect())
    }

    /// Refused while servers use it, unless forced. Those that run and use it are stopped.
    pub async fn unshare_connection(&self, caller: &Caller, name: &str, force: bool) -> Result<Change, Error> {
        let operator = match caller.operator() {
            Ok(operator) => operator,
            Err(error) => return Err(self.refused(caller, "connections.unshare", name, error).await),
        };
        let wanted = name.to_owned();
        let work = move |transaction: &mut Transaction<'_>, owner: &Owner| {
            let users = transaction.users_of_shared(operator, &wanted)?;
            if !users.is_empty() && !force && transaction.shared_named(operator, &wanted)?.is_some() {
                let servers = users.iter().map(|(owner, server)| format!("{owner}/{server}")).collect();
                return Err(Error::Needed { name: wanted.clone(), servers });
            }
            Ok((Change::of(transaction.remove_shared(owner, &wanted)?), users))
        };
        let (change, users) = self.change(caller, Role::Admin, "connections.unshare", name, work).await?;
        let mut owners: Vec<Owner> = users.into_iter().map(|(owner, _)| owner).collect();
        owners.dedup();
        for owner in owners {
            self.stop_what_lacks_grants(caller, &owner).await?;
        }
        Ok(change)
    }

    /// What `use:` stands for, for this owner; nothing where a spec has none.
    pub(crate) async fn resolve(&self, owner: &Owner, spec: &Spec) -> Result<Option<Resolved>, Error> {
        if spec.connections.iter().all(|connection| connection.kind.is_some()) {
            return Ok(None);
        }
        let policy = self.policy_of(owner).await?;
        let (mut shared, mut problems, mut scoped) = (Shared::new(), Vec::new(), Vec::new());
        let mut canonical = spec.canonical();
        for (position, connection) in spec.connections.iter().enumerate().filter(|(_, it)| it.kind.is_none()) {
            let (name, path) = (connection.name.to_string(), format!("connections[{position}].use"));
            if let Err(denied) = policy.check(Grant::SharedConnection(name.clone())) {
                // The same whether or not there is one of this name.
                problems.push(Problem { code: denied.grant.code(), path, message: denied.to_string() });
                continue;
            }
            let Some(row) = self.defined(&name).await? else {
                let message = format!("no operator shares a connection `{name}`");
                problems.push(Problem { code: "plan/unusable", path, message });
                continue;
            };
            let definition: Value =
                serde_json::from_str(&row.definition).map_err(|_| crate::registry::Error::Content)?;
            if !definition["scope"].is_null() || !definition["session"].is_null() {
                scoped.push(name.clone());
            }
            let ground = SharedGround {
                folder: self.data().join("shared"),
                secrets: Arc::new(self.secrets_of(&row.owner).await?),
                policy: needed(&definition),
            };
            canonical["connections"][position] = definition;
            shared.insert(name, ground);
        }
        if !problems.is_empty() {
            return Ok(Some(Resolved { spec: None, shared, problems }));
        }
        let text = canonical.to_string();
        let read = tokio::task::spawn_blocking(move || {
            let source = Source { name: "registry", bytes: text.as_bytes(), format: Format::Json };
            mcp_factory_spec::read(&source, &AllFiles)
        });
        let Reading { spec, diagnostics, .. } = read.await?;
        let wrong = diagnostics.iter().filter(|it| it.code.severity() == Severity::Error);
        problems.extend(wrong.map(|it| Problem {
            code: it.code.as_str(),
            path: it.path.to_string(),
            message: it.message.clone(),
        }));
        problems.extend(spec.iter().flat_map(|spec| exceptions(spec, &scoped)));
        Ok(Some(Resolved { spec: spec.filter(|_| problems.is_empty()), shared, problems }))
    }

    /// What a shared connection is and what it stands on, for an owner to whom it is granted.
    pub(crate) async fn granted(&self, owner: &Owner, name: &str) -> Result<(Value, SharedGround), Error> {
        // The same whether or not there is one of this name.
        let grant = Grant::SharedConnection(name.to_owned());
        self.policy_of(owner).await?.check(grant).map_err(crate::intake::IntakeError::from)?;
        let Some(row) = self.defined(name).await? else {
            return Err(Error::argument(WHAT, format!("`{name}` is shared by no operator")));
        };
        let definition = serde_json::from_str(&row.definition).map_err(|_| crate::registry::Error::Content)?;
        let ground = SharedGround {
            folder: self.data().join("shared"),
            secrets: Arc::new(self.secrets_of(&row.owner).await?),
            policy: needed(&definition),
        };
        Ok((definition, ground))
    }

    /// Of somebody who is an operator still.
    async fn defined(&self, name: &str) -> Result<Option<SharedRow>, Error> {
        let name = name.to_owned();
        self.registry()
            .read(move |transaction| {
                let Some(row) = transaction.shared_named(crate::Operator::acting(), &name)? else { return Ok(None) };
                let is_operator = transaction.user(&row.owner)?.is_some_and(|user| user.role == Role::Admin);
                Ok(Some(row).filter(|_| is_operator))
            })
            .await
    }

    /// What this owner runs with grants that they have no more is stopped.
    pub(crate) async fn stop_what_lacks_grants(&self, caller: &Caller, owner: &Owner) -> Result<(), Error> {
        let caller = caller.acting_for(owner.clone())?;
        let of = owner.clone();
        let running = self.registry().read(move |transaction| transaction.running(&of)).await;
        let running: Vec<(String, semver::Version)> = running.map_err(Error::Registry)?;
        for (server, version) in running {
            let planned = match self.release(owner, &server, &version).await {
                Ok(release) => {
                    let factory = self.clone();
                    let planned = tokio::task::spawn_blocking(move || {
                        let crate::deploy::Ground { folder, policy, secrets, shared, .. } = release.ground;
                        factory.plan(&release.spec, &folder, policy, secrets, &shared).err().unwrap_or_default()
                    });
                    planned.await?
                }
                Err(Error::Unplanned(problems)) => problems.to_vec(),
                Err(error) => return Err(error),
            };
            let lacks = planned.iter().any(|it| it.code.starts_with("policy/") || it.path.ends_with(".use"));
            if lacks {
                self.stop(&caller, &server).await?;
            }
        }
        Ok(())
    }
}

/// `scope: none` is for whoever answers for the rows.
fn exceptions(spec: &Spec, scoped: &[String]) -> Vec<Problem> {
    let tools = spec.tools.iter().enumerate().filter(|(_, tool)| tool.scope.is_some());
    let exceptions = tools.filter_map(|(position, tool)| {
        let name = tool.connection.as_ref()?.to_string();
        scoped.contains(&name).then(|| Problem {
            message: format!("whose rows of `{name}` a tool sees is for the operator to say, who shares it"),
            code: Grant::SharedConnection(name).code(),
            path: format!("tools[{position}].scope"),
        })
    });
    exceptions.collect()
}

/// No more of what an operator may than this one connection needs.
pub(crate) fn needed(definition: &Value) -> Policy {
    let policy = Policy::none();
    match definition["type"].as_str() {
        Some("sqlite") => match definition["path"].as_str() {
            Some(path) => policy.with(Grant::Path(path.into())),
            None => policy,
        },
        Some("http") if definition["allowPrivateNetwork"] != true => policy,
        _ => policy.with(Grant::PrivateNetworks),
    }
}

/// Name, type and canonical text of what is submitted.
fn define(submission: &Submission) -> Result<(String, &'static str, String), Error> {
    let wrong = |why: String| Error::argument(WHAT, why);
    let text = std::str::from_utf8(&submission.text).map_err(|_| wrong("is UTF-8 text".to_owned()))?;
    let rest = json!({
        "name": "shared", "version": "1.0.0",
        "tools": [{ "name": "none", "description": "none", "static": { "text": "none" } }],
    });
    let whole = match submission.format {
        Format::Json => {
            let definition: Value = serde_json::from_str(text)
                .map_err(|error| wrong(format!("is no JSON at line {}, column {}", error.line(), error.column())))?;
            let mut whole = rest;
            whole["connections"] = json!([definition]);
            whole.to_string()
        }
        Format::Yaml => {
            let mut whole = format!("name: shared\nversion: 1.0.0\ntools: {}\nconnections:\n  -\n", rest["tools"]);
            for line in text.lines() {
                whole.push_str(&format!("    {line}\n"));
            }
            whole
        }
    };
    let source = Source { name: "connection", bytes: whole.as_bytes(), format: submission.format };
    let read = mcp_factory_spec::read(&source, &AllFiles);
    let errors: Vec<String> = read
        .diagnostics
        .iter()
        .filter(|it| it.code.severity() != Severity::Warning)
        .map(|it| format!("{} ({})", it.message, it.code))
        .collect();
    let spec = match read.spec {
        Some(spec) if errors.is_empty() => spec,
        _ => return Err(wrong(format!("is one entry of `connections` in a spec: {}", errors.join("; ")))),
    };
    let [connection] = spec.connections.as_slice() else {
        return Err(wrong("is one entry of `connections` in a spec".to_owned()));
    };
    if connection.per.is_some() {
        // Whoever owns a server says who its callers are: they would name whose secret they like.
        return Err(wrong(
            "has no `per`: who calls is for owners of servers to say, and not for its operator".to_owned(),
        ));
    }
    let kind = match &connection.kind {
        None => return Err(wrong("says itself what it is, and not `use`".to_owned())),
        Some(ConnectionKind::Sqlite(file)) => {
            if file.seed.is_some() || !file.path.as_ref().is_some_and(|path| path.starts_with('/')) {
                return Err(wrong("of type `sqlite` has an absolute `path`, and no `seed`".to_owned()));
            }
            "sqlite"
        }
        Some(ConnectionKind::Http(api)) if api.auth.iter().any(|auth| matches!(auth, OutboundAuth::Principal(_))) => {
            return Err(wrong("has a credential of its own, and not each caller's".to_owned()));
        }
        Some(kind @ (ConnectionKind::Http(_) | ConnectionKind::Postgresql(_) | ConnectionKind::Mysql(_))) => {
            kind.word()
        }
        Some(kind) => return Err(wrong(format!("of type `{}` can't be shared by this build", kind.word()))),
    };
    let name = connection.name.to_string();
    Ok((name, kind, spec.canonical()["connections"][0].to_string()))
}
