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
    time::Duration,
};

use mcp_factory_intake::openapi::Files;
use tokio::{runtime::Handle, time::Instant};
use url::Url;

use super::{IntakeError, Reach, is_private};

/// Where a document is; what it refers to is found beside it.
#[derive(Debug, Clone)]
pub enum Document {
    /// Its text, and further files by their paths relative to it.
    Text { text: String, files: BTreeMap<String, String>, references: bool, private: Private },
    Url {
        url: Url,
        /// Also what it refers to is fetched.
        references: bool,
        private: Private,
    },
    /// A file of this machine, `-` for standard input. Files in its folder and below are its own; no others are read.
    File { path: PathBuf, references: bool },
}

/// What may be at an address that is not on the public internet, where that is granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Private {
    Nothing,
    /// The host that was named; nothing that it leads to.
    Host,
    /// It, and what it leads to.
    All,
}

/// A document that was read.
pub(super) struct Loaded {
    /// As messages call it. No query of a URL is in it: that may be a secret.
    pub name: String,
    pub bytes: Vec<u8>,
    pub files: Box<dyn Files + Send>,
}

/// All further files of a document together are at most so many times what a document may be.
const TIMES_LARGEST: usize = 2;
/// How often something is fetched for one document, and for how long in all.
const MOST_FETCHED: usize = 50;
const PATIENCE: Duration = Duration::from_secs(60);

impl Document {
    /// Of what REST and agents send: the text, or a URL.
    pub(super) fn of(
        text: Option<String>,
        files: BTreeMap<String, String>,
        url: Option<Url>,
        references: bool,
        private: bool,
    ) -> Result<Self, IntakeError> {
        let private = if private { Private::All } else { Private::Nothing };
        match (text, url) {
            (Some(text), None) => Ok(Self::Text { text, files, references, private }),
            (None, Some(url)) => Ok(Self::Url { url, references, private }),
            _ => Err(IntakeError::Argument("it takes either `document`, the text, or `url`".to_owned())),
        }
    }

    /// Of what is typed: a file or a URL. Whoever types a URL means the place where it leads; what a place on the internet leads to
    /// from there is nothing they meant.
    #[must_use]
    pub fn typed(place: &str) -> Self {
        let references = false;
        match Url::parse(place) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => {
                let private = if is_private(&url) { Private::All } else { Private::Host };
                Self::Url { url, references, private }
            }
            _ => Self::File { path: place.into(), references },
        }
    }

    /// What it refers to by URL is fetched, or is not.
    pub(super) fn with_references(mut self, fetched: bool) -> Self {
        let (Self::Text { references, .. } | Self::Url { references, .. } | Self::File { references, .. }) = &mut self;
        *references = fetched;
        self
    }

    pub(super) async fn load(self, reach: &Reach) -> Result<Loaded, IntakeError> {
        match self {
            Self::Text { text, files, references, private } => {
                let fetched = references.then(|| Fetched::new(reach, None, private));
                let files = Box::new(Given { files, fetched });
                Ok(Loaded { name: "the document".to_owned(), bytes: text.into_bytes(), files })
            }
            Self::Url { url, references, private } => {
                let name = shown(&url);
                let bytes = reach.fetch(&url, private).await?;
                let fetched = references.then(|| Fetched::new(reach, Some(url), private));
                Ok(Loaded { name, bytes, files: Box::new(Beyond(fetched)) })
            }
            Self::File { path, references } => {
                reach.here()?;
                let name = path.display().to_string();
                if let Some((scheme, _)) = name.split_once("://").filter(|_| !path.exists()) {
                    return Err(no_scheme(&name, scheme));
                }
                let most = reach.largest() as u64;
                let read = tokio::task::spawn_blocking(move || read(&path, most)).await?;
                let (bytes, folder) =
                    read.map_err(|error| IntakeError::Unreadable { of: format!("`{name}`"), why: error.to_string() })?;
                let fetched = references.then(|| Fetched::new(reach, None, Private::All));
                let left = AtomicUsize::new(TIMES_LARGEST * reach.largest());
                Ok(Loaded { name, bytes, files: Box::new(Below { folder, left, fetched }) })
            }
        }
    }
}

/// Of a URL that nothing is fetched from.
pub(super) fn no_scheme(url: &str, scheme: &str) -> IntakeError {
    let why = format!("`{scheme}` URLs are not fetched: give one of `http` or `https`, or a file");
    IntakeError::Unreadable { of: format!("`{url}`"), why }
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
    let mut file = fs::File::open(path)?;
    (&mut file).take(most + 1).read_to_end(&mut bytes)?;
    // A pipe lies in no folder: nothing is beside what comes out of one.
    let folder = match file.metadata()?.is_file() {
        true => fs::canonicalize(path)?.parent().map(Path::to_owned),
        false => None,
    };
    Ok((bytes, folder))
}

/// Files that came with the document.
struct Given {
    files: BTreeMap<String, String>,
    fetched: Option<Fetched>,
}

impl Files for Given {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        match self.files.get(path) {
            Some(text) => Ok(text.clone().into_bytes()),
            None if path.contains("://") => fetch(self.fetched.as_ref(), path),
            None => Err("it is not among the `files` that came with the document".to_owned()),
        }
    }
}

/// Files in the document's own folder and below it. Others are never read, whatever the document says.
struct Below {
    folder: Option<PathBuf>,
    left: AtomicUsize,
    fetched: Option<Fetched>,
}

impl Files for Below {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        if path.contains("://") {
            return fetch(self.fetched.as_ref(), path);
        }
        let there = || {
            let folder = self.folder.as_ref()?;
            let real = fs::canonicalize(folder.join(path)).ok().filter(|real| real.starts_with(folder))?;
            // A pipe or a device would never end.
            fs::File::open(real).ok().filter(|file| file.metadata().is_ok_and(|it| it.is_file()))
        };
        let file = there().ok_or("there is no such file in the document's folder or below it")?;
        let (left, mut bytes) = (self.left.load(Ordering::Relaxed), Vec::new());
        file.take(left as u64 + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
        self.left.store(left.checked_sub(bytes.len()).ok_or(TOO_LARGE)?, Ordering::Relaxed);
        Ok(bytes)
    }
}

/// Beside a document on the network everything else is there, too.
struct Beyond(Option<Fetched>);

impl Files for Beyond {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        fetch(self.0.as_ref(), path)
    }
}

const TOO_LARGE: &str = "what the document refers to is too large together";

fn fetch(fetched: Option<&Fetched>, path: &str) -> Result<Vec<u8>, String> {
    match fetched {
        Some(fetched) => fetched.fetch(path),
        None => Err("what a document refers to is fetched where that is asked for: `--fetch-references`".to_owned()),
    }
}

/// What is fetched for a document while it is read, which is where waiting is fine.
struct Fetched {
    reach: Reach,
    runtime: Handle,
    base: Option<Url>,
    private: Private,
    until: Instant,
    /// Requests and bytes.
    left: Mutex<(usize, usize)>,
}

impl Fetched {
    fn new(reach: &Reach, base: Option<Url>, private: Private) -> Self {
        let left = Mutex::new((MOST_FETCHED, TIMES_LARGEST * reach.largest()));
        Self { reach: reach.clone(), runtime: Handle::current(), base, private, until: Instant::now() + PATIENCE, left }
    }

    fn fetch(&self, path: &str) -> Result<Vec<u8>, String> {
        let url = match &self.base {
            Some(base) => base.join(path),
            None => Url::parse(path),
        };
        let url =
            url.ok().filter(|url| matches!(url.scheme(), "http" | "https")).ok_or("it is no URL of http or https")?;
        let private = match self.private {
            Private::Host if self.base.as_ref().is_none_or(|base| base.host() != url.host()) => Private::Nothing,
            private => private,
        };
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        left.0 = left.0.checked_sub(1).ok_or_else(|| format!("at most {MOST_FETCHED} are fetched"))?;
        let fetched = self.runtime.block_on(tokio::time::timeout_at(self.until, self.reach.fetch(&url, private)));
        let late = |_| format!("what the document refers to was not all there within {} s", PATIENCE.as_secs());
        let bytes = fetched.map_err(late)?.map_err(|error| match error {
            IntakeError::Unreadable { why, .. } => why,
            error => error.to_string(),
        })?;
        left.1 = left.1.checked_sub(bytes.len()).ok_or(TOO_LARGE)?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that says nothing: what is waited for ends, and so does all that would be asked after it.
    #[tokio::test(flavor = "multi_thread")]
    async fn what_a_document_refers_to_is_there_in_time_or_not_at_all() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let base = format!("http://{}/doc.yaml", listener.local_addr().expect("it listens"));
        let fetched = Fetched::new(&Reach::operator(), Url::parse(&base).ok(), Private::All);
        let patience = fetched.until - Instant::now();
        assert!(patience <= Duration::from_secs(60) && patience > Duration::from_secs(50), "{patience:?}");
        let fetched = Fetched { until: Instant::now() + Duration::from_millis(100), ..fetched };
        let failed = tokio::task::spawn_blocking(move || {
            let begun = Instant::now();
            (["a.yaml", "b.yaml"].map(|path| fetched.fetch(path)), begun.elapsed())
        });
        let (failed, took) = failed.await.expect("it ends");
        let late = "what the document refers to was not all there within 60 s";
        assert_eq!(failed, [Err(late.to_owned()), Err(late.to_owned())]);
        assert!(took < Duration::from_secs(30), "{took:?}");
    }
}
