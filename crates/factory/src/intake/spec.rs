//! A spec that is there already: made by another program of what is there, such as the command line, which has the files, or
//! written by people, who leave the implementation of tools to be inferred. It is remembered as what was imported, unless it comes
//! with that.

use std::path::PathBuf;

use mcp_factory_engine::Shared;
use mcp_factory_intake::{Finding, Level, Proposal};
use mcp_factory_spec::{AllFiles, Severity, Spec};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    IntakeError, Proposed, Reach,
    infer::{self, Completed, Outcome},
};
use crate::{Error, Factory, Owner, Submission, connections::Resolved};

#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MadeSpec {
    /// The text, YAML or JSON.
    pub text: String,
    /// Tools without an implementation get one from the live databases of its connections, where that is certain. `findings` say
    /// why, or why not.
    #[serde(default)]
    pub infer: bool,
    /// What it was made of, and what was chosen of that, as `origin` of a server says it.
    #[schema(value_type = Option<Object>, example = json!({ "openapi": { "tags": ["pets"] } }))]
    pub origin: Option<Value>,
    /// The spec as it was imported, where people edited it since: a newer import is told from what they changed by it.
    pub imported: Option<String>,
    /// Where the spec's files are on the factory's own machine: the operator's to name.
    #[schema(value_type = Option<String>)]
    pub folder: Option<PathBuf>,
    /// With what its `use:` stands for, where it has any.
    #[serde(skip)]
    pub(super) resolved: Option<Box<Standing>>,
}

/// A spec with the definitions of shared connections, and what they stand on.
#[derive(Debug, Clone)]
pub(super) struct Standing {
    spec: Spec,
    shared: Shared,
}

impl MadeSpec {
    pub(super) async fn propose(self, name: Option<String>, reach: &Reach) -> Result<Proposed, IntakeError> {
        let Self { mut text, infer, resolved, origin, .. } = self;
        origin.as_ref().map_or(Ok(()), super::origin::check)?;
        let of = "the spec";
        // Of a spec that was only made elsewhere, what is to be told was told there.
        let Proposal { mut spec, mut verdict, mut findings, .. } = read(of, text.clone()).await?;
        if let Some(name) = name.filter(|name| *name != *spec.name) {
            let message = format!("the spec is called `{}`, not `{name}`: say the name in it", &*spec.name);
            return Err(IntakeError::Argument(message));
        }
        if infer {
            let (standing, shared) = match resolved {
                Some(standing) => (standing.spec, standing.shared),
                None => (spec.clone(), Shared::new()),
            };
            let Completed { spec: completed, tools } = infer::complete_on(&standing, reach, None, &shared).await?;
            let mut canonical = completed.canonical();
            // What an operator shares is not the spec's to hold.
            if let Some(connections) = spec.canonical().get_mut("connections") {
                canonical["connections"] = connections.take();
            }
            Proposal { spec, verdict, .. } = read(of, canonical.to_string()).await?;
            findings = tools.iter().map(|outcome| finding(outcome, &spec)).collect();
            text = spec.canonical_yaml();
        }
        Ok(Proposed { of: of.to_owned(), proposal: Proposal { spec, verdict, findings, text: None }, text })
    }

    /// What it was imported as, canonical, where people edited it since.
    pub(super) async fn imported(&mut self) -> Result<Option<String>, IntakeError> {
        let Some(text) = self.imported.take() else { return Ok(None) };
        let read = read("the spec that was imported", text).await?;
        Ok(Some(read.spec.canonical().to_string()))
    }
}

fn finding(outcome: &Outcome, spec: &Spec) -> Finding {
    let position = spec.tools.iter().position(|tool| *tool.name == outcome.tool).unwrap_or_default();
    let (level, message) = match &outcome.found {
        Ok(written) => (Level::Note, format!("{}: {} ({})", outcome.tool, written.reason, written.tried)),
        Err(why) => (Level::LeftOut, format!("{}: nothing was written: {why}", outcome.tool)),
    };
    Finding { level, place: format!("/tools/{position}"), position: None, message, hint: None }
}

impl Factory {
    /// What the spec's `use:` stands for, where something is to be asked of it.
    pub(super) async fn find_standing(&self, owner: &Owner, made: &mut MadeSpec) -> Result<(), Error> {
        if !made.infer {
            return Ok(());
        }
        let text = made.text.clone();
        let read = tokio::task::spawn_blocking(move || Submission::new(text).read(&AllFiles).spec).await?;
        // One with errors is told of where it is read.
        let Some(spec) = read else { return Ok(()) };
        // Refused as everywhere, before anything is put together.
        for shared in spec.connections.iter().filter(|it| it.kind.is_none()) {
            self.granted(owner, shared.name.as_str()).await?;
        }
        match self.resolve(owner, &spec).await? {
            Some(Resolved { spec: Some(spec), shared, .. }) => {
                made.resolved = Some(Box::new(Standing { spec, shared }))
            }
            Some(Resolved { problems, .. }) => return Err(Error::Unplanned(problems.into())),
            None => {}
        }
        Ok(())
    }
}

async fn read(of: &str, text: String) -> Result<Proposal, IntakeError> {
    let read = tokio::task::spawn_blocking(move || Submission::new(text).read(&AllFiles)).await?;
    let Some(spec) = read.spec else {
        let errors = read.diagnostics.into_iter().filter(|it| it.code.severity() == Severity::Error);
        let findings = errors.map(|it| Finding {
            level: Level::Error,
            place: it.path.to_string(),
            position: Some(it.span.start),
            message: it.message,
            hint: it.help,
        });
        return Err(IntakeError::Nothing { of: of.to_owned(), findings: findings.collect() });
    };
    Ok(Proposal { spec, verdict: read.verdict, findings: Vec::new(), text: None })
}
