//! Files that come with a spec: the seed of a database, a text. They lie in the private folder of the server, and like its
//! versions they never change: another text goes under another name.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use mcp_factory_spec::Probe;

use crate::Error;

/// By their names, which are no paths.
pub type Files = BTreeMap<String, String>;

const MOST: usize = 32;
const LONGEST_NAME: usize = 100;

/// What a spec finds beside it: what came with it, and what was there.
pub(crate) struct Beside<'a>(pub &'a Files, pub &'a dyn Probe);

impl Probe for Beside<'_> {
    fn is_file(&self, path: &str) -> bool {
        self.0.contains_key(path.strip_prefix("./").unwrap_or(path)) || self.1.is_file(path)
    }

    fn is_folder(&self, path: &str) -> bool {
        self.1.is_folder(path)
    }
}

/// Together in bytes.
pub(crate) fn size(files: &Files) -> usize {
    files.values().map(String::len).sum()
}

pub(crate) fn check(files: &Files) -> Result<(), Error> {
    if files.len() > MOST {
        return Err(Error::argument("`files`", format!("has at most {MOST} files")));
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    for name in files.keys() {
        if name.is_empty() || name.len() > LONGEST_NAME || name.starts_with('.') || !name.bytes().all(plain) {
            let why = format!("has 1 to {LONGEST_NAME} letters, digits, `-`, `_` and `.`, and begins with no dot");
            return Err(Error::argument("the name of a file", why));
        }
    }
    Ok(())
}

/// Whether each is new here, or there with the same text.
pub(crate) fn agree(folder: &Path, files: &Files) -> Result<(), Error> {
    files.iter().try_for_each(|(name, text)| same(folder, name, text).map(drop))
}

/// Keeps them. Each is whole when it appears, and none takes another's place.
pub(crate) fn keep(folder: &Path, files: &Files) -> Result<(), Error> {
    for (name, text) in files {
        if same(folder, name, text)? {
            continue;
        }
        let file = folder.join(name);
        let draft = folder.join(format!(".{name}.{}", std::process::id()));
        let failed = |source| Error::Folder { path: file.display().to_string(), source };
        write(&draft, text).map_err(failed)?;
        let linked = fs::hard_link(&draft, &file);
        fs::remove_file(&draft).map_err(failed)?;
        match linked {
            // Somebody was quicker.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => drop(same(folder, name, text)?),
            linked => linked.map_err(failed)?,
        }
    }
    Ok(())
}

fn write(draft: &PathBuf, text: &str) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// `false` where there is none.
fn same(folder: &Path, name: &str, text: &str) -> Result<bool, Error> {
    let file = folder.join(name);
    let taken = || Error::FileTaken { file: name.to_owned() };
    match fs::symlink_metadata(&file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(Error::Folder { path: file.display().to_string(), source }),
        Ok(known) if !known.is_file() || known.len() != text.len() as u64 => Err(taken()),
        Ok(_) => match fs::read(&file) {
            Ok(known) if known == text.as_bytes() => Ok(true),
            Ok(_) => Err(taken()),
            Err(source) => Err(Error::Folder { path: file.display().to_string(), source }),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(name: &str, text: &str) -> Files {
        Files::from([(name.to_owned(), text.to_owned())])
    }

    #[test]
    fn a_file_stays_in_its_folder() {
        for name in ["seed.sql", "a", "A-1_b.txt"] {
            assert!(check(&files(name, "")).is_ok(), "{name}");
        }
        for name in ["", ".", "..", ".hidden", "a/b", "../a", "/etc/passwd", "a\\b", "a\0", "ä", &"a".repeat(101)] {
            assert!(check(&files(name, "")).is_err(), "{name:?}");
        }
        assert!(check(&(0..33).map(|number| (format!("f{number}"), String::new())).collect()).is_err());
    }

    #[test]
    fn a_file_that_is_kept_never_changes() {
        let folder = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            keep(folder.path(), &files("seed.sql", "one")).unwrap();
        }
        for other in ["two", "three"] {
            assert_eq!(keep(folder.path(), &files("seed.sql", other)).unwrap_err().code(), "file-taken");
            assert_eq!(agree(folder.path(), &files("seed.sql", other)).unwrap_err().code(), "file-taken");
        }
        assert_eq!(fs::read_to_string(folder.path().join("seed.sql")).unwrap(), "one");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "and no draft is left");
        std::os::unix::fs::symlink("/etc/hostname", folder.path().join("link")).unwrap();
        assert_eq!(keep(folder.path(), &files("link", "x")).unwrap_err().code(), "file-taken");
    }
}
