//! A server that was imported meets a newer import. What was imported last is kept beside the version that came of it.

use std::{collections::HashSet, path::PathBuf};

use mcp_factory_intake::update::{self, Prefer};
use mcp_factory_spec::Spec;
use serde_json::Value;

use super::{Finding, Imported, IntakeError, Proposed};
use crate::{
    Caller, Details, Error, Factory, Owner, Submission,
    registry::{self, Import, Transaction},
    spec::read_again,
};

/// A server as it is, and what was imported last.
pub(super) struct Last {
    details: Details,
    import: Import,
}

impl Last {
    /// Where it was, unless it is said that its files are elsewhere now.
    pub(super) fn moved_to(mut self, folder: Option<PathBuf>) -> Self {
        self.details.version.folder = folder.or(self.details.version.folder);
        self
    }

    pub(super) fn origin(&self) -> Option<&Value> {
        self.import.origin.as_ref()
    }
}

impl Factory {
    pub(super) async fn last_import(&self, caller: &Caller, name: &str) -> Result<Last, Error> {
        let details = self.get(caller, name).await?;
        let (server, latest) = (name.to_owned(), details.server.latest.clone());
        let look =
            move |transaction: &mut Transaction<'_>, owner: &Owner| Ok(transaction.imported(owner, &server, &latest)?);
        let import = self.look(caller, look).await?;
        let import = import.ok_or_else(|| Error::NotImported { server: details.server.name.clone() })?;
        Ok(Last { details, import })
    }

    pub(super) async fn update_of(
        &self,
        caller: &Caller,
        Last { details, import: Import { spec: last, origin: before } }: Last,
        proposed: Proposed,
        origin: Option<Value>,
        prefer: Option<Prefer>,
        dry_run: bool,
    ) -> Result<Imported, Error> {
        let name = &details.server.name;
        let ours = self.spec(caller, name, Some(&details.server.latest)).await?;
        // After a rollback what comes next may have a number that is there already.
        let versions: HashSet<_> = self.versions(caller, name).await?.into_iter().map(|it| it.version).collect();
        let theirs = proposed.proposal.spec.clone();
        let merged = tokio::task::spawn_blocking(move || {
            let base: Spec = read_again(&last).ok_or(registry::Error::Content)?;
            Ok::<_, Error>(update::update(&base, &ours, &theirs, prefer, |it| versions.contains(it)))
        });
        let of = proposed.of;
        let update = merged.await??.map_err(|why| IntakeError::apart(why, name.as_str(), of))?;
        let imported = update.imported.as_ref().unwrap_or(&proposed.proposal.spec).canonical().to_string();
        let spec = update.spec.canonical_yaml();
        let mut findings: Vec<Finding> = proposed.proposal.findings;
        findings.extend(update.findings.iter().cloned());
        if dry_run {
            return Ok(Imported { spec, findings, update: Some(update), created: None });
        }
        if !update.is_settled() {
            return Err(Error::Intake(IntakeError::Conflicts(Box::new(update))));
        }
        let submission = Submission { folder: details.version.folder, ..Submission::new(spec.as_str()) };
        let import = Import { spec: imported, origin: origin.or(before) };
        let created = self.create_of(caller, submission, None, Some(import)).await?;
        Ok(Imported { spec, findings, update: Some(update), created: Some(created) })
    }
}
