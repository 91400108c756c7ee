//! A merged spec in the words of the file that people have. The canonical form of what they have says what of their text is theirs
//! alone (comments, order, spelling); that is carried over to the canonical form of what comes, where the two don't touch the same
//! lines.

use diffy::{DiffOptions, Hunk, HunkRange};
use mcp_factory_spec::{AllFiles, Source, Spec, read};

/// With `false`: something could not be carried over, or nothing.
pub fn write(ours: &Spec, text: &str, merged: &Spec) -> (String, bool) {
    if merged == ours {
        return (text.to_owned(), true);
    }
    let (before, after) = (ours.canonical_yaml(), merged.canonical_yaml());
    let (carried, whole) = carry(&before, text, &after);
    let reading = read(&Source::new("carried.yaml", carried.as_bytes()), &AllFiles);
    if reading.spec.is_some_and(|it| it == *merged) { (carried, whole) } else { (after, false) }
}

/// Lines of the old text, and what stands in their place.
struct Edit<'t> {
    start: usize,
    length: usize,
    lines: Vec<&'t str>,
}

impl Edit<'_> {
    fn end(&self) -> usize {
        self.start + self.length
    }

    fn touches(&self, other: &Self) -> bool {
        self.start < other.end() && other.start < self.end()
    }
}

/// Edits side by side are no conflict here, other than where texts are merged that nobody reads again.
fn carry(before: &str, text: &str, after: &str) -> (String, bool) {
    let (theirs, incoming) = (edits(before, text), edits(before, after));
    let count = theirs.len();
    let kept: Vec<Edit<'_>> = theirs.into_iter().filter(|it| !incoming.iter().any(|new| new.touches(it))).collect();
    let whole = kept.len() == count;
    let mut all: Vec<(bool, Edit<'_>)> = kept.into_iter().map(|it| (false, it)).collect();
    all.extend(incoming.into_iter().map(|it| (true, it)));
    // What is put in at a place stands before what takes that place.
    all.sort_by_key(|(incoming, it)| (it.start, it.length > 0, *incoming));
    let old: Vec<&str> = before.split_inclusive('\n').collect();
    let (mut carried, mut at) = (String::with_capacity(after.len() + text.len() / 4), 0);
    for (_, edit) in all {
        old[at.min(edit.start)..edit.start].iter().for_each(|line| carried.push_str(line));
        edit.lines.iter().for_each(|line| carried.push_str(line));
        at = edit.end().max(at);
    }
    old[at..].iter().for_each(|line| carried.push_str(line));
    (carried, whole)
}

fn edits<'t>(before: &str, after: &'t str) -> Vec<Edit<'t>> {
    let new: Vec<&str> = after.split_inclusive('\n').collect();
    let patch = DiffOptions::new().set_context_len(0).create_patch(before, after);
    // An empty range is counted from the line before it, others from their first.
    let first = |range: HunkRange| if range.is_empty() { range.start() } else { range.start() - 1 };
    let edit = |hunk: &Hunk<'_, str>| {
        let (old, now) = (hunk.old_range(), hunk.new_range());
        let lines = new.iter().skip(first(now)).take(now.len()).copied().collect();
        Edit { start: first(old), length: old.len(), lines }
    };
    patch.hunks().iter().map(edit).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines() -> impl Strategy<Value = String> {
        proptest::collection::vec("[a-c]\n", 0..8).prop_map(|lines| lines.concat())
    }

    proptest! {
        #[test]
        fn what_one_side_did_is_what_comes_of_it(before in lines(), after in lines()) {
            prop_assert_eq!(carry(&before, &before, &after), (after.clone(), true));
            prop_assert_eq!(carry(&before, &after, &before), (after, true));
        }
    }

    #[test]
    fn comments_stay_beside_lines_that_change() {
        let before = "name: a\ntitle: b\ntools:\n  - x\n";
        let text = "# ours\nname: a\ntitle: b # kept\ntools:\n  # of tools\n  - x\n";
        let after = "name: a\nversion: 2\ntitle: b\ntools:\n  - x\n  - y\n";
        let carried = "# ours\nname: a\nversion: 2\ntitle: b # kept\ntools:\n  # of tools\n  - x\n  - y\n";
        assert_eq!(carry(before, text, after), (carried.to_owned(), true));
        assert!(!carry("a: 1\n", "a: 1 # one\n", "a: 2\n").1);
    }
}
