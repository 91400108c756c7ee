//! How this program is called by whoever reads what it says, and by programs that start it.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

const NAME: &str = "mcp-factory";

/// As it can be typed here: its name, where the shell finds it by that, else its path.
pub fn name() -> String {
    let Ok(this) = std::env::current_exe() else { return NAME.to_owned() };
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_found = std::env::split_paths(&path)
        .map(|folder| folder.join(NAME))
        .find(|file| file.is_file())
        .is_some_and(|file| file.canonicalize().ok() == this.canonicalize().ok());
    if is_found {
        return NAME.to_owned();
    }
    let this = without_triple(&this).unwrap_or(this);
    let here = std::env::current_dir().ok();
    let shown = here.as_deref().and_then(|here| below(here, &this)).unwrap_or(this);
    let shown = shown.display().to_string();
    if shown.contains(' ') { format!("'{shown}'") } else { shown }
}

/// `target/release` is linked to what cargo builds for a target that is named, and is what a reader knows.
fn without_triple(this: &Path) -> Option<PathBuf> {
    let profile = this.parent()?;
    let link = profile.parent()?.parent()?.join(profile.file_name()?).join(NAME);
    (link.canonicalize().ok()? == this.canonicalize().ok()?).then_some(link)
}

/// Where it lies, for programs that start it in a folder of their own choice.
pub fn path() -> anyhow::Result<PathBuf> {
    std::env::current_exe().context("can't find this program")
}

/// With a `/` in it, so that a shell takes it for a path.
fn below(here: &Path, file: &Path) -> Option<PathBuf> {
    let below = file.strip_prefix(here).ok()?;
    Some(if below.components().count() > 1 { below.to_owned() } else { Path::new(".").join(below) })
}
