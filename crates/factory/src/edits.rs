//! Edits: what somebody works on is served in place of the version that runs, without being registered. It is called
//! `1.2.0+dev.<hash>`, goes when the server is started again, and is kept by raising its version and creating it. A bad edit
//! changes nothing, and the server's log says why.

use std::{path::PathBuf, time::Instant};

use mcp_factory_spec::{Severity, Verdict};
use semver::{BuildMetadata, Version};

use crate::{
    Caller, Error, Factory,
    deploy::{Fault, Release},
    registry::Role,
    spec::{Submission, Validation, digest},
};

/// What serves since an edit.
#[derive(Debug)]
pub struct Edited {
    pub server: String,
    /// The registered one where the text is its text.
    pub version: Version,
    pub registered: bool,
    /// Beside the spec, which it was made of.
    pub files: Vec<PathBuf>,
    pub took: std::time::Duration,
}

/// Why an edit changes nothing.
#[derive(Debug)]
pub enum NotEdited {
    Refused(Error),
    Fault(Fault),
}

impl<E: Into<Error>> From<E> for NotEdited {
    fn from(error: E) -> Self {
        Self::Refused(error.into())
    }
}

/// The version that a text runs as which is not the text of that version: it says which edit it is.
#[must_use]
pub fn edited_version(version: &Version, digest: &str) -> Version {
    let edit = &digest[..digest.len().min(8)];
    let own = version.build.as_str();
    let build = if own.is_empty() { format!("dev.{edit}") } else { format!("{own}.dev.{edit}") };
    Version { build: BuildMetadata::new(&build).expect("hexadecimal digits are build metadata"), ..version.clone() }
}

impl Factory {
    /// Serves this text in place of what runs of the server, as soon as it answers.
    pub async fn try_edit(&self, caller: &Caller, name: &str, submission: Submission) -> Result<Edited, NotEdited> {
        let began = Instant::now();
        if let Err(error) = caller.needs(Role::Developer) {
            return Err(self.refused(caller, "servers.edit", name, error).await.into());
        }
        let details = self.get(caller, name).await?;
        let in_place = submission.folder.is_some();
        let valid = self.validate(caller, submission).await?;
        let Validation { spec, verdict, diagnostics, folder, .. } = valid;
        let why = diagnostics.iter().find(|it| it.code.severity() >= Severity::Blocker);
        let refused = |error: Error, why: String| {
            self.say_of_edit(caller, name, &why);
            NotEdited::Refused(error)
        };
        let Some(mut spec) = spec.filter(|_| verdict < Verdict::Blocker) else {
            let first = why.map(|it| format!(": {} (line {})", it.message, it.span.start.line)).unwrap_or_default();
            return Err(refused(Error::Invalid { diagnostics }, format!("an edit changes nothing{first}")));
        };
        if spec.name.as_str() != name {
            let error = Error::argument("the edit", format!("is of `{}`, which is another server", spec.name));
            let why = error.to_string();
            return Err(refused(error, why));
        }
        let text = digest(spec.canonical().to_string().as_bytes());
        let registered = self.versions(caller, name).await?;
        let registered = registered.iter().any(|it| it.version == spec.version && it.digest == text);
        if !registered {
            spec.version = edited_version(&spec.version, &text);
        }
        let version = spec.version.clone();
        let own = if in_place { Some(folder) } else { details.version.folder };
        let release = self.release_of(caller.owner(), name, spec, own).await?;
        let release = Release { proven: true, ..release };
        let Some(hosting) = self.hosting_of(caller, name) else { return Err(NotEdited::Fault(Fault::NotRunning)) };
        let files = hosting.local.try_edit(name, release).await.map_err(NotEdited::Fault)?;
        // Nobody waits for that before they see what they saved.
        self.change(caller, Role::Developer, "servers.edit", name, |_, _| Ok(())).await?;
        let files = files.into_keys().collect();
        Ok(Edited { server: name.to_owned(), version, registered, files, took: began.elapsed() })
    }

    fn say_of_edit(&self, caller: &Caller, name: &str, why: &str) {
        if let Some(ring) = self.hosting_of(caller, name).and_then(|hosting| hosting.local.logs(name)) {
            ring.say(crate::deploy::logs::Level::Error, "edit", why);
        }
    }
}
