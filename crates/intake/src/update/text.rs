//! A merged spec in the words of the file that people have. The canonical form of what they have says what of their text is theirs
//! alone (comments, order, spelling); that is carried over to the canonical form of what comes.

use mcp_factory_spec::{Source, Spec, read};

use super::Anything;

/// With `false`: it could not be carried over, and this is the canonical form.
pub fn write(ours: &Spec, text: &str, merged: &Spec) -> (String, bool) {
    if merged == ours {
        return (text.to_owned(), true);
    }
    let (before, after) = (ours.canonical_yaml(), merged.canonical_yaml());
    let carried = diffy::merge(&before, text, &after).ok().filter(|carried| {
        let reading = read(&Source::new("carried.yaml", carried.as_bytes()), &Anything);
        reading.spec.is_some_and(|it| it == *merged)
    });
    match carried {
        Some(carried) => (carried, true),
        None => (after, false),
    }
}
