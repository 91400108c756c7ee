//! Tells that a file was saved, as soon as it is whole: when it is closed or takes another's place. The folder is watched,
//! because most editors save by renaming.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use notify::{
    Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _,
    event::{AccessKind, AccessMode, ModifyKind},
};
use tokio::sync::Notify;

pub struct Watch {
    watcher: RecommendedWatcher,
    folders: HashSet<PathBuf>,
    wanted: Arc<Mutex<Wanted>>,
    saved: Arc<Notify>,
}

#[derive(Default)]
struct Wanted {
    files: HashSet<PathBuf>,
    /// Every file of their folders.
    whole_folders: bool,
}

impl Watch {
    pub fn new() -> notify::Result<Self> {
        let wanted = Arc::<Mutex<Wanted>>::default();
        let saved = Arc::<Notify>::default();
        let (asked, tell) = (wanted.clone(), saved.clone());
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            // What could not be followed may have been a save.
            let asked = asked.lock().unwrap_or_else(PoisonError::into_inner);
            if event.map_or(true, |event| asked.concerns(&event)) {
                tell.notify_one();
            }
        })?;
        Ok(Self { watcher, folders: HashSet::new(), wanted, saved })
    }

    /// From now on these files are watched, and no others. One that was not watched before counts as saved: it may have
    /// been while nobody looked.
    pub fn follow<'a>(&mut self, files: impl IntoIterator<Item = &'a Path>, whole_folders: bool) -> notify::Result<()> {
        let mut wanted = HashSet::new();
        for file in files {
            // The link and what it leads to.
            let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            if let (Ok(folder), Some(name)) = (folder.canonicalize(), file.file_name()) {
                wanted.insert(folder.join(name));
            }
            wanted.extend(file.canonicalize());
        }
        let folders: HashSet<PathBuf> = wanted.iter().filter_map(|file| file.parent()).map(Path::to_owned).collect();
        for folder in self.folders.difference(&folders) {
            // It may be gone.
            let _ = self.watcher.unwatch(folder);
        }
        for folder in folders.difference(&self.folders) {
            self.watcher.watch(folder, RecursiveMode::NonRecursive)?;
        }
        self.folders = folders;
        let mut asked = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        if !wanted.is_subset(&asked.files) {
            self.saved.notify_one();
        }
        *asked = Wanted { files: wanted, whole_folders };
        drop(asked);
        Ok(())
    }

    /// Until one of them was saved since this was last asked.
    pub async fn saved(&self) {
        self.saved.notified().await;
    }
}

impl Wanted {
    fn concerns(&self, event: &Event) -> bool {
        let whole = match event.kind {
            EventKind::Access(AccessKind::Close(AccessMode::Write))
            | EventKind::Create(_)
            | EventKind::Remove(_)
            | EventKind::Modify(ModifyKind::Name(_) | ModifyKind::Metadata(_)) => true,
            // Elsewhere than on Linux nobody tells when a file is closed.
            EventKind::Modify(_) => !cfg!(target_os = "linux"),
            _ => false,
        };
        event.need_rescan() || whole && (self.whole_folders || event.paths.iter().any(|path| self.has(path)))
    }

    fn has(&self, path: &Path) -> bool {
        // Volumes of Kubernetes swap a link named `..data` beside the file.
        let is_swap = || path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".."));
        self.files.contains(path) || is_swap()
    }
}
