//! A document of somebody else's, with what lies beside it: read from the request, from this machine, or over the network.

use std::{
    collections::BTreeMap,
    fs,
    io::Read as _,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use mcp_factory_intake::openapi::Files;
use tokio::runtime::Handle;
use url::Url;

use super::{IntakeError, Reach};

/// Where a document is; what it refers to is found beside it.
#[derive(Debug, Clone)]
pub enum Document {
    /// Its text, and further files by their paths relative to it.
    Text { text: String, files: BTreeMap<String, String> },
    Url {
        url: Url,
        /// Also what it refers to is fetched.
        references: bool,
        /// Also at an address that is not on the public internet, where that is granted.
        private: bool,
    },
    /// A file of this machine, `-` for standard input. Files in its folder and below are its own; no others are read.
    File { path: PathBuf, references: bool },
}

/// A document that was read.
pub(super) struct Loaded {
    /// As messages call it. No query of a URL is in it: that may be a secret.
    pub name: String,
    pub bytes: Vec<u8>,
    pub files: Box<dyn Files + Send>,
}

/// Of one document, its further files together.
const MOST_BYTES: usize = 128 << 20;
/// How often something is fetched for one document.
const MOST_FETCHED: usize = 50;

impl Document {
    /// Of what REST and agents send: the text, or a URL.
    pub(super) fn of(
        text: Option<String>,
        files: BTreeMap<String, String>,
        url: Option<Url>,
        references: bool,
        private: bool,
    ) -> Result<Self, IntakeError> {
        match (text, url) {
            (Some(text), None) => Ok(Self::Text { text, files }),
            (None, Some(url)) => Ok(Self::Url { url, references, private }),
            _ => Err(IntakeError::Argument("it takes either `document`, the text, or `url`".to_owned())),
        }
    }

    /// Of what is typed: a file or a URL. Whoever types a URL means the place where it leads.
    #[must_use]
    pub fn typed(place: &str, references: bool) -> Self {
        match Url::parse(place) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => Self::Url { url, references, private: true },
            _ => Self::File { path: place.into(), references },
        }
    }

    pub(super) async fn load(self, reach: &Reach) -> Result<Loaded, IntakeError> {
        match self {
            Self::Text { text, files } => {
                let files = Box::new(Given(files));
                Ok(Loaded { name: "the document".to_owned(), bytes: text.into_bytes(), files })
            }
            Self::Url { url, references, private } => {
                let name = shown(&url);
                let bytes = reach.fetch(&url, private).await?;
                let files: Box<dyn Files + Send> = match references {
                    true => Box::new(Fetched::new(reach, Some(url), private)),
                    false => Box::new(Given::default()),
                };
                Ok(Loaded { name, bytes, files })
            }
            Self::File { path, references } => {
                reach.here()?;
                let name = path.display().to_string();
                let most = reach.largest() as u64;
                let read = tokio::task::spawn_blocking(move || read(&path, most)).await?;
                let (bytes, folder) =
                    read.map_err(|error| IntakeError::Unreadable { of: format!("`{name}`"), why: error.to_string() })?;
                let fetched = references.then(|| Fetched::new(reach, None, true));
                let left = AtomicUsize::new(MOST_BYTES);
                Ok(Loaded { name, bytes, files: Box::new(Below { folder, left, fetched }) })
            }
        }
    }
}

pub(super) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    let _ = url.set_username("").and_then(|()| url.set_password(None));
    url.to_string()
}

/// One byte more than the most is enough to refuse it.
fn read(path: &Path, most: u64) -> std::io::Result<(Vec<u8>, Option<PathBuf>)> {
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        std::io::stdin().lock().take(most + 1).read_to_end(&mut bytes)?;
        return Ok((bytes, None));
    }
    fs::File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    Ok((bytes, fs::canonicalize(path)?.parent().map(Path::to_owned)))
}

/// Files that came with the document.
#[derive(Debug, Default)]
struct Given(BTreeMap<String, String>);

impl Files for Given {
    fn read(&self, path: &str) -> Option<Vec<u8>> {
        self.0.get(path).map(|text| text.clone().into_bytes())
    }
}

/// Files in the document's own folder and below it. Others are never read, whatever the document says.
struct Below {
    folder: Option<PathBuf>,
    left: AtomicUsize,
    fetched: Option<Fetched>,
}

impl Files for Below {
    fn read(&self, path: &str) -> Option<Vec<u8>> {
        if path.contains("://") {
            return self.fetched.as_ref()?.read(path);
        }
        let folder = self.folder.as_ref()?;
        let real = fs::canonicalize(folder.join(path)).ok().filter(|real| real.starts_with(folder))?;
        let (left, mut bytes) = (self.left.load(Ordering::Relaxed), Vec::new());
        // A pipe or a device would never end.
        let file = fs::File::open(real).ok().filter(|file| file.metadata().is_ok_and(|it| it.is_file()))?;
        file.take(left as u64 + 1).read_to_end(&mut bytes).ok()?;
        self.left.store(left.checked_sub(bytes.len())?, Ordering::Relaxed);
        Some(bytes)
    }
}

/// What is fetched for a document while it is read, which is where waiting is fine.
struct Fetched {
    reach: Reach,
    runtime: Handle,
    base: Option<Url>,
    private: bool,
    /// Requests and bytes.
    left: Mutex<(usize, usize)>,
}

impl Fetched {
    fn new(reach: &Reach, base: Option<Url>, private: bool) -> Self {
        let left = Mutex::new((MOST_FETCHED, MOST_BYTES));
        Self { reach: reach.clone(), runtime: Handle::current(), base, private, left }
    }
}

impl Files for Fetched {
    fn read(&self, path: &str) -> Option<Vec<u8>> {
        let url = match &self.base {
            Some(base) => base.join(path),
            None => Url::parse(path),
        };
        let url = url.ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        left.0 = left.0.checked_sub(1)?;
        let bytes = self.runtime.block_on(self.reach.fetch(&url, self.private)).ok()?;
        left.1 = left.1.checked_sub(bytes.len())?;
        Some(bytes)
    }
}
