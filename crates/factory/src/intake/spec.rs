//! A spec that another program made of what is there, such as the command line, which has the files. It is taken as it is, and
//! remembered as what was imported.

use mcp_factory_intake::{Finding, Level, Proposal};
use mcp_factory_spec::{AllFiles, Severity};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{IntakeError, Proposed};
use crate::Submission;

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MadeSpec {
    /// The text, YAML or JSON.
    pub text: String,
}

impl MadeSpec {
    pub(super) async fn propose(self) -> Result<Proposed, IntakeError> {
        let read = tokio::task::spawn_blocking(move || Submission::new(self.text).read(&AllFiles)).await?;
        let of = "the spec".to_owned();
        let Some(spec) = read.spec else {
            let errors = read.diagnostics.into_iter().filter(|it| it.code.severity() == Severity::Error);
            let findings = errors.map(|it| Finding {
                level: Level::Error,
                place: it.path.to_string(),
                position: Some(it.span.start),
                message: it.message,
                hint: it.help,
            });
            return Err(IntakeError::Nothing { of, findings: findings.collect() });
        };
        let text = spec.canonical_yaml();
        // What is to be told of it was told where it was made.
        Ok(Proposed { of, proposal: Proposal { spec, verdict: read.verdict, findings: Vec::new() }, text })
    }
}
