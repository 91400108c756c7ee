//! A merged spec in the words of the file that people have. The canonical form of what they have says what of their text is theirs
//! alone (comments, order, spelling); that is carried over to the canonical form of what comes, where the two don't touch the same
//! lines.

use std::borrow::Cow;

use diffy::{DiffOptions, Hunk, HunkRange};
use mcp_factory_spec::{AllFiles, Source, Spec, read};

/// With `false`: not all comments could be carried over.
pub fn write(ours: &Spec, text: &str, merged: &Spec) -> (String, bool) {
    if merged == ours {
        return (text.to_owned(), true);
    }
    let (before, after) = (ours.canonical_yaml(), merged.canonical_yaml());
    let (carried, whole) = carry(&before, text, &after);
    let reading = read(&Source::new("carried.yaml", carried.as_bytes()), &AllFiles);
    if reading.spec.is_some_and(|it| it == *merged) {
        (carried, whole)
    } else {
        (after, !text.lines().any(may_have_comment))
    }
}

/// It may stand in a text as well.
fn may_have_comment(line: &str) -> bool {
    is_apart(line) && !line.trim().is_empty() || line.contains(" #")
}

/// A line of nothing but a comment, or of nothing.
fn is_apart(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#')
}

/// What stands behind a value.
fn comment_behind(line: &str) -> Option<&str> {
    let is_outside = |at: usize| ['"', '\''].iter().all(|quote| line[..at].matches(*quote).count() % 2 == 0);
    line.match_indices(" #").map(|(at, _)| at).find(|at| is_outside(*at)).map(|at| line[at..].trim_end())
}

/// Lines of the old text, and what stands in their place.
struct Edit<'t> {
    start: usize,
    length: usize,
    lines: Vec<Cow<'t, str>>,
}

impl Edit<'_> {
    fn end(&self) -> usize {
        self.start + self.length
    }

    /// Of the line that it takes the place of, if it is one for one.
    fn take_comment(&mut self, of: &Self) -> bool {
        let ([line], [old]) = (&mut self.lines[..], &of.lines[..]) else { return false };
        let (true, Some(comment)) = ((self.start, self.length) == (of.start, of.length), comment_behind(old)) else {
            return false;
        };
        *line = format!("{}{comment}\n", line.trim_end()).into();
        true
    }

    fn touches(&self, other: &Self) -> bool {
        self.start < other.end() && other.start < self.end()
    }
}

/// Edits side by side are no conflict here, other than where texts are merged that nobody reads again.
fn carry(before: &str, text: &str, after: &str) -> (String, bool) {
    let (theirs, mut incoming) = (edits(before, text), edits(before, after));
    let (mut kept, mut whole) = (Vec::new(), true);
    for it in theirs {
        match incoming.iter_mut().find(|new| new.touches(&it)) {
            None => kept.push(it),
            Some(new) => whole &= new.take_comment(&it) || !it.lines.iter().any(|line| may_have_comment(line)),
        }
    }
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
    let edits = |hunk: &Hunk<'_, str>| {
        let (old, now) = (hunk.old_range(), hunk.new_range());
        let lines = new.iter().skip(first(now)).take(now.len()).copied().collect();
        line_by_line(first(old), old.len(), lines)
    };
    patch.hunks().iter().flat_map(edits).collect()
}

/// Where lines have others in their place one for one, what touches one of them leaves its neighbours, and comments between them.
fn line_by_line(start: usize, length: usize, lines: Vec<&str>) -> Vec<Edit<'_>> {
    if lines.iter().filter(|line| !is_apart(line)).count() != length {
        return vec![Edit { start, length, lines: lines.into_iter().map(Cow::from).collect() }];
    }
    let mut at = start;
    let edit = |line| {
        let length = usize::from(!is_apart(line));
        at += length;
        Edit { start: at - length, length, lines: vec![line.into()] }
    };
    lines.into_iter().map(edit).collect()
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
        assert_eq!(carry("a: 1\n", "a: 1 # one\n", "a: 2\n"), ("a: 2 # one\n".to_owned(), true));
        assert!(!carry("a: 1\nb: 1\n", "b: 1 # one\n", "a: 2\nb: 2\n").1);
    }

    #[test]
    fn comments_around_a_line_in_another_spelling_stay_when_it_changes() {
        let before = "name: a\nversion: \"0.5.0\"\ntitle: b\n";
        let text = "name: a\n# before\nversion: 0.5.0 # ours\n# after\ntitle: b\n";
        let after = "name: a\nversion: \"0.5.1\"\ntitle: c\n";
        let carried = "name: a\n# before\nversion: \"0.5.1\" # ours\n# after\ntitle: c\n";
        assert_eq!(carry(before, text, after), (carried.to_owned(), true));
        let spelled = "name: a\nversion: 0.5.0\ntitle: b\n";
        assert_eq!(carry(before, spelled, after), (after.to_owned(), true));
    }
}
