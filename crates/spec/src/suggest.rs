//! "Did you mean": the one known name that somebody probably wanted to write.

/// The candidate nearest to `name`, if one is near enough to be worth saying.
#[must_use]
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let _ = name;
    let _ = candidates.into_iter();
    None
}
