//! A spec that is saved takes the place of the one that is served; a bad edit changes nothing and says why.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use mcp_factory_engine::{Engine, Files};
use mcp_factory_spec::Spec;
use mcp_serve::Changes;

use crate::{
    args,
    load::{self, Loaded, Options, Seeds},
    signals::Hangups,
    watch::Watch,
};

/// What is served now.
pub struct Reloader {
    args: args::Spec,
    allow_stubs: bool,
    changes: Changes,
    started: Started,
    engine: Arc<Engine>,
    files: Files,
    digest: [u8; 32],
    watch: Option<Watch>,
}

/// The version that a person gave. An edit under the same version says which edit it is.
#[derive(Clone)]
struct Started {
    version: semver::Version,
    digest: [u8; 32],
}

impl Reloader {
    /// Loads the spec for the first time, and watches it from before that on.
    pub fn start(args: &args::Spec, allow_stubs: bool, follow: bool) -> anyhow::Result<(Self, Arc<Spec>, Arc<Engine>)> {
        let changes = Changes::new();
        // What comes from standard input is not saved again.
        let watch = (follow && args.file != Path::new("-")).then(|| watch(&args.file)).flatten();
        let options = Options { changes: Some(changes.clone()), ..Options::new(allow_stubs, Seeds::Real) };
        let mut findings = String::new();
        let loaded = load::load(args, options, &mut findings, |_, _| {});
        eprint!("{findings}");
        let Loaded { spec, engine, files, digest } = loaded?;
        let engine = Arc::new(engine);
        let started = Started { version: spec.version.clone(), digest };
        let reloader =
            Self { args: args.clone(), allow_stubs, changes, started, engine: engine.clone(), files, digest, watch };
        Ok((reloader, spec, engine))
    }

    /// Serves what is saved from now on, through `replace`, until it is dropped. SIGHUP does the same by hand.
    pub async fn follow(mut self, mut hangups: Hangups, replace: impl Fn(&Spec, Arc<Engine>) -> anyhow::Result<()>) {
        self.point(false);
        let mut bad_edit = None;
        loop {
            let by_hand = tokio::select! {
                () = saved(self.watch.as_ref()) => false,
                () = hangups.next() => true,
            };
            let began = Instant::now();
            let (outcome, findings) = self.load().await;
            let outcome = match outcome {
                // A save without an edit, or one that undoes a bad one.
                Ok(loaded) if !by_hand && self.is_same(&loaded) => Ok(()),
                Ok(loaded) => {
                    eprint!("{findings}");
                    self.take(loaded, &replace, began)
                }
                Err(error) => Err(error),
            };
            match outcome {
                Ok(()) => bad_edit = None,
                Err(error) => {
                    // One save is often told of more than once.
                    let bad = format!("{findings}{error:#}");
                    if by_hand || bad_edit.as_ref() != Some(&bad) {
                        eprint!("{findings}");
                        refused(&error);
                        bad_edit = Some(bad);
                    }
                }
            }
            self.point(bad_edit.is_some());
        }
    }

    async fn load(&self) -> (anyhow::Result<Loaded>, String) {
        let options = Options {
            changes: Some(self.changes.clone()),
            otherwise: "the server goes on with what it had",
            ..Options::new(self.allow_stubs, Seeds::Real)
        };
        let (args, started) = (self.args.clone(), self.started.clone());
        let load = move || {
            let mut findings = String::new();
            let loaded = load::load(&args, options, &mut findings, |spec, digest| started.tell(spec, digest));
            (loaded, findings)
        };
        tokio::task::spawn_blocking(load).await.unwrap_or_else(|error| (Err(error.into()), String::new()))
    }

    fn take(
        &mut self,
        loaded: Loaded,
        replace: impl Fn(&Spec, Arc<Engine>) -> anyhow::Result<()>,
        began: Instant,
    ) -> anyhow::Result<()> {
        let Loaded { spec, engine, files, digest } = loaded;
        let engine = Arc::new(engine);
        replace(&spec, engine.clone())?;
        for change in engine.changes_since(&self.engine) {
            self.changes.notify(change);
        }
        (self.engine, self.files, self.digest) = (engine, files, digest);
        let took_ms = began.elapsed().as_secs_f64() * 1000.0;
        tracing::info!(version = %spec.version, tools = spec.tools.len(), took_ms, "reloaded");
        Ok(())
    }

    fn is_same(&self, loaded: &Loaded) -> bool {
        loaded.digest == self.digest && loaded.files == self.files
    }

    /// While an edit is bad, any file of these folders may be the one that is missing.
    fn point(&mut self, whole_folders: bool) {
        let Some(watch) = &mut self.watch else { return };
        let files = std::iter::once(&self.args.file).chain(self.files.keys()).map(PathBuf::as_path);
        if let Err(error) = watch.follow(files, whole_folders) {
            tracing::warn!(%error, "can't watch every file of the spec; SIGHUP reloads it");
        }
    }
}

impl Started {
    fn tell(&self, spec: &mut Spec, digest: &[u8; 32]) {
        if spec.version != self.version || *digest == self.digest {
            return;
        }
        let edit: String = digest[..4].iter().map(|byte| format!("{byte:02x}")).collect();
        spec.version = mcp_factory::edited_version(&spec.version, &edit);
    }
}

fn refused(error: &anyhow::Error) {
    let hint = crate::exit::hint(error).map(ToString::to_string);
    tracing::error!(error = format!("{error:#}"), hint, "not reloaded; the server goes on with what it had");
}

fn watch(file: &Path) -> Option<Watch> {
    let watch = Watch::new().and_then(|mut watch| {
        watch.follow([file], false)?;
        Ok(watch)
    });
    watch.inspect_err(|error| tracing::warn!(%error, "can't watch the spec; SIGHUP reloads it")).ok()
}

async fn saved(watch: Option<&Watch>) {
    match watch {
        Some(watch) => watch.saved().await,
        None => std::future::pending().await,
    }
}
