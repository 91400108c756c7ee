//! The factory's secret, which signs cursors and the questions that clients carry: `MCP_FACTORY_SECRET`, else a 0600 file in the data folder, made once.

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::OnceLock,
};

use anyhow::Context as _;
use mcp_factory::FactoryKey;
use mcp_factory_engine::CursorKey;
use mcp_serve::{BridgeKey, StateKey};

pub const VARIABLE: &str = "MCP_FACTORY_SECRET";
pub const SHORTEST: usize = 16;
pub const FILE: &str = "secret";

pub fn load() -> anyhow::Result<CursorKey> {
    Ok(CursorKey::new(&secret()?))
}

pub fn states() -> anyhow::Result<StateKey> {
    Ok(StateKey::new(&secret()?))
}

pub fn bridge() -> anyhow::Result<BridgeKey> {
    Ok(BridgeKey::new(&secret()?))
}

/// Where the file can't be made (a read-only machine) what was signed lives as long as the process.
fn secret() -> anyhow::Result<Vec<u8>> {
    static OF_PROCESS: OnceLock<Vec<u8>> = OnceLock::new();
    if let Some(secret) = OF_PROCESS.get() {
        return Ok(secret.clone());
    }
    let secret = find()?;
    Ok(OF_PROCESS.get_or_init(|| secret).clone())
}

/// Of the factory on a data folder. What it seals must open tomorrow: without the file there is no factory.
pub fn of_factory(data: &Path) -> anyhow::Result<FactoryKey> {
    let secret = match given()? {
        Some(secret) => secret,
        None => {
            read_or_make(data).with_context(|| format!("the factory's secret can't be kept in `{}`", data.display()))?
        }
    };
    Ok(FactoryKey::new(&secret)?)
}

fn given() -> anyhow::Result<Option<Vec<u8>>> {
    let Some(secret) = std::env::var_os(VARIABLE).map(std::ffi::OsString::into_encoded_bytes) else { return Ok(None) };
    if secret.len() < SHORTEST {
        return Err(crate::exit::hinted(
            format!("`{VARIABLE}` is shorter than {SHORTEST} characters"),
            format!("set it to a random text, for example `{VARIABLE}=$(head -c 32 /dev/urandom | base64)`"),
        ));
    }
    Ok(Some(secret))
}

fn find() -> anyhow::Result<Vec<u8>> {
    if let Some(secret) = given()? {
        return Ok(secret);
    }
    Ok(match data_folder().map(|folder| read_or_make(&folder)) {
        Some(Ok(secret)) => secret,
        Some(Err(error)) => {
            tracing::warn!(%error, "the secret can't be kept; cursors end with this process");
            random()?
        }
        None => random()?,
    })
}

/// Where this user's data is kept: `$XDG_DATA_HOME/mcp-factory`, else `~/.local/share/mcp-factory`.
pub fn data_folder() -> Option<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let data = absolute("XDG_DATA_HOME").or_else(|| Some(absolute("HOME")?.join(".local/share")))?;
    Some(data.join("mcp-factory"))
}

/// Two processes at once agree on one secret: it is written beside and linked into place, and a link never overwrites.
fn read_or_make(folder: &Path) -> std::io::Result<Vec<u8>> {
    let file = folder.join(FILE);
    match read(&file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        known => return known,
    }
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let draft = folder.join(format!("secret.{}", std::process::id()));
    fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?.write_all(&random()?)?;
    let linked = fs::hard_link(&draft, &file);
    fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => read(&file),
    }
}

fn read(file: &Path) -> std::io::Result<Vec<u8>> {
    let secret = fs::read(file)?;
    if secret.len() < SHORTEST {
        return Err(std::io::Error::other(format!("`{}` holds fewer than {SHORTEST} bytes", file.display())));
    }
    Ok(secret)
}

pub fn random() -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; 32];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_is_made_once_and_only_its_owner_can_read_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let first = read_or_make(folder.path()).unwrap();
        assert_eq!(read_or_make(folder.path()).unwrap(), first);
        let mode = fs::metadata(folder.path().join("secret")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left");
    }
}
