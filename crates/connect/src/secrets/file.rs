//! The secrets of principals and tenants in one JSON file, which nobody but its owner may read:
//!
//! `{"principals": {"alice": {"CRM_TOKEN": "…"}}, "tenants": {"acme": {"DATABASE_URL": "…"}}}`
//!
//! It is read again when it changes. A file that can't be trusted or understood then gives no secrets at all; what is said
//! about it never holds what is in it.

use std::{
    collections::BTreeMap,
    fmt, fs,
    io::{self, Read as _},
    marker::PhantomData,
    os::unix::fs::MetadataExt as _,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor},
};
use zeroize::Zeroizing;

use super::{Secret, SecretError, Secrets, Subject, check_name};

const LARGEST: u64 = 16 << 20;
/// A file that is younger may change again without looking changed.
const SETTLED: Duration = Duration::from_secs(2);

/// Adds the stores of principals and tenants to the secrets of the owner.
#[derive(Debug, Clone)]
pub struct SecretsFile {
    owner: Arc<dyn Secrets>,
    file: Arc<File>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretsFileError {
    #[error("can't read `{path}`: {why}")]
    Unreadable { path: String, why: String },
    #[error("`{path}` can be read by others; take their rights away: `chmod 600 {path}`")]
    Open { path: String },
    #[error("`{path}` is larger than {LARGEST} bytes")]
    Large { path: String },
    #[error(
        "`{path}` is not understood at line {line}, column {column}; expected JSON such as \
         {{\"principals\": {{\"alice\": {{\"CRM_TOKEN\": \"…\"}}}}, \"tenants\": {{}}}}, with every name once"
    )]
    Content { path: String, line: usize, column: usize },
}

#[derive(Debug)]
struct File {
    path: PathBuf,
    last: Mutex<Option<(Stamp, Arc<Stores>)>>,
}

/// What shows that a file is another one, or has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// One principal's or tenant's.
#[derive(Debug)]
struct StoreOf {
    file: Arc<File>,
    subject: Subject,
}

#[derive(Debug, Default)]
struct Stores {
    principals: Unique<Unique<Text>>,
    tenants: Unique<Unique<Text>>,
}

// === impl SecretsFile ===

impl SecretsFile {
    /// Reads the file once, so that a mistake in it shows now.
    pub fn open(path: impl Into<PathBuf>, owner: Arc<dyn Secrets>) -> Result<Self, SecretsFileError> {
        let file = Arc::new(File { path: path.into(), last: Mutex::new(None) });
        file.stores()?;
        Ok(Self { owner, file })
    }
}

impl Secrets for SecretsFile {
    fn get(&self, name: &str) -> Result<Secret, SecretError> {
        self.owner.get(name)
    }

    fn of(&self, subject: &Subject) -> Result<Arc<dyn Secrets>, SecretError> {
        Ok(Arc::new(StoreOf { file: Arc::clone(&self.file), subject: subject.clone() }))
    }
}

impl Secrets for StoreOf {
    fn get(&self, name: &str) -> Result<Secret, SecretError> {
        check_name(name)?;
        let stores =
            self.file.stores().map_err(|source| SecretError::File { subject: self.subject.clone(), source })?;
        let store = match &self.subject {
            Subject::Principal(id) => stores.principals.0.get(id),
            Subject::Tenant(id) => stores.tenants.0.get(id),
        };
        let found = store.and_then(|store| store.0.get(name)).map(|text| text.0.clone());
        found.ok_or_else(|| SecretError::missing(name, Some(&self.subject)))
    }
}

// === impl File ===

impl File {
    fn stores(&self) -> Result<Arc<Stores>, SecretsFileError> {
        let path = || self.path.display().to_string();
        let unreadable = |error: io::Error| SecretsFileError::Unreadable { path: path(), why: error.to_string() };
        let file = fs::File::open(&self.path).map_err(unreadable)?;
        let metadata = file.metadata().map_err(unreadable)?;
        if !metadata.is_file() {
            return Err(SecretsFileError::Unreadable { path: path(), why: "it is no file".to_owned() });
        }
        if metadata.mode() & 0o077 != 0 {
            return Err(SecretsFileError::Open { path: path() });
        }
        let stamp = Stamp::of(&metadata);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, stores)) = &*last
            && *known == stamp
        {
            return Ok(Arc::clone(stores));
        }
        *last = None;
        let mut text = Zeroizing::new(Vec::new());
        file.take(LARGEST + 1).read_to_end(&mut text).map_err(unreadable)?;
        if text.len() as u64 > LARGEST {
            return Err(SecretsFileError::Large { path: path() });
        }
        // The parser's own words may quote the file.
        let stores: Stores = serde_json::from_slice(&text).map_err(|error| SecretsFileError::Content {
            path: path(),
            line: error.line(),
            column: error.column(),
        })?;
        let stores = Arc::new(stores);
        let age = metadata.modified().ok().and_then(|at| SystemTime::now().duration_since(at).ok());
        if age.is_some_and(|age| age > SETTLED) {
            *last = Some((stamp, Arc::clone(&stores)));
        }
        Ok(stores)
    }
}

impl Stamp {
    fn of(metadata: &fs::Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// A mapping in which every key stands once.
struct Unique<T>(BTreeMap<String, T>);

/// A secret's value: not empty, without NUL.
struct Text(Secret);

impl<T> Default for Unique<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T> fmt::Debug for Unique<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} entries", self.0.len())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Unique<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
            type Value = BTreeMap<String, T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut entries = BTreeMap::new();
                while let Some((key, value)) = map.next_entry::<String, T>()? {
                    if key.is_empty() || entries.insert(key, value).is_some() {
                        return Err(M::Error::custom("empty, or there twice"));
                    }
                }
                Ok(entries)
            }
        }

        deserializer.deserialize_map(Entries(PhantomData)).map(Self)
    }
}

impl<'de> Deserialize<'de> for Stores {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut written = Unique::<Unique<Unique<Text>>>::deserialize(deserializer)?.0;
        let mut take = |key: &str| written.remove(key).unwrap_or_default();
        let stores = Self { principals: take("principals"), tenants: take("tenants") };
        if written.is_empty() { Ok(stores) } else { Err(D::Error::custom("an unknown key")) }
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Secret::new(String::deserialize(deserializer)?);
        if text.expose().is_empty() || text.expose().contains('\0') {
            return Err(D::Error::custom("empty, or with a NUL"));
        }
        Ok(Self(text))
    }
}

#[cfg(test)]
mod tests;
