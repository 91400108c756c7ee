//! What must hold between the parts of a spec, once each part could be read.

/// Answers for the file system, so that nothing here touches it. Paths are relative to the folder of the spec.
pub trait Probe {
    fn is_file(&self, path: &str) -> bool;
    fn is_folder(&self, path: &str) -> bool;
}
