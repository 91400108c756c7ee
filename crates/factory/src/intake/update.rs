//! A server that was imported meets a newer import. What was imported last is kept beside the version that came of it.

use mcp_factory_intake::update::{self, Prefer};
use mcp_factory_spec::Spec;

use super::{Finding, Imported, IntakeError, Proposed};
use crate::{
    Caller, Error, Factory, Owner, Submission,
    registry::{self, Transaction},
    spec::read_again,
};

impl Factory {
    pub(super) async fn update_of(
        &self,
        caller: &Caller,
        name: &str,
        proposed: Proposed,
        prefer: Option<Prefer>,
        dry_run: bool,
    ) -> Result<Imported, Error> {
        let details = self.get(caller, name).await?;
        let ours = self.spec(caller, name, Some(&details.server.latest)).await?;
        let (server, latest) = (name.to_owned(), details.server.latest.clone());
        let look =
            move |transaction: &mut Transaction<'_>, owner: &Owner| Ok(transaction.imported(owner, &server, &latest)?);
        let base = self.look(caller, look).await?.ok_or_else(|| {
            Error::argument(
                "`update`",
                "is for servers that were imported, and this one was not; nobody knows what is edited",
            )
        })?;
        let theirs = proposed.proposal.spec.clone();
        let merged = tokio::task::spawn_blocking(move || {
            let base: Spec = read_again(&base).ok_or(registry::Error::Content)?;
            Ok::<_, Error>(update::update(&base, &ours, &theirs, prefer))
        });
        let of = proposed.of;
        let update = merged.await??.map_err(|findings| IntakeError::Nothing { of, findings })?;
        let imported = proposed.proposal.spec.canonical().to_string();
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
        let created = self.create_of(caller, submission, None, Some(imported)).await?;
        Ok(Imported { spec, findings, update: Some(update), created: Some(created) })
    }
}
