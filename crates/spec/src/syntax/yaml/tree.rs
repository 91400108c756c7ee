//! The items of a document become its tree: aliases are copied, scalars resolved, keys checked.

use super::{Item, Kind, Refused, scalar};
use crate::{
    Code,
    syntax::{
        Entry, Findings, Node, NodeValue, Places, Span, Trail,
        keys::{Keys, Room},
        limits,
    },
};

/// Whether nothing is written there.
pub(super) fn is_empty(item: &Item) -> bool {
    matches!(&item.kind, Kind::Scalar { text, plain: true } if text.is_empty())
}

fn is_merge_key(item: &Item) -> bool {
    matches!(&item.kind, Kind::Scalar { text, plain: true } if &**text == "<<")
}

/// The tree of all items; the first is the root.
pub(super) fn build(
    items: &[Item],
    tags: &[Refused],
    places: &Places<'_>,
    merges: bool,
    findings: &mut Findings,
) -> Node {
    let mut builder = Builder { items, tags, places, merges, findings, room: Room::default(), copied: 0, full: false };
    builder.node(0, 1, None, &Trail::Root)
}

struct Builder<'a, 'f> {
    items: &'a [Item],
    /// Those that are not reported yet.
    tags: &'a [Refused],
    places: &'a Places<'a>,
    /// Merge keys are applied, and not refused.
    merges: bool,
    findings: &'f mut Findings,
    room: Room,
    /// Nodes that aliases made.
    copied: usize,
    /// An alias went over a limit; from here on none is followed.
    full: bool,
}

impl Builder<'_, '_> {
    /// `alias` is where the outermost alias stands that this node is a copy for: problems in copies are told only once, at
    /// their origin, and what is wrong with the copying is told at the alias.
    fn node(&mut self, at: usize, depth: usize, alias: Option<Span>, trail: &Trail<'_>) -> Node {
        let item = &self.items[at];
        let span = self.places.span(item.start, item.end);
        if let Some(alias) = alias {
            self.copied += 1;
            let message = if self.copied > limits::ALIAS_NODES {
                Some(format!("aliases copy more than {} values", limits::ALIAS_NODES))
            } else if depth > limits::DEPTH {
                Some(format!("nested deeper than {} levels through an alias", limits::DEPTH))
            } else {
                None
            };
            if let Some(message) = message.filter(|_| !self.full) {
                self.full = true;
                self.findings.add(Code::SyntaxLimits, alias, message).map(|found| found.at(trail.path()));
            }
            if self.full {
                return Node { span, value: NodeValue::Null };
            }
        }
        if alias.is_none() {
            self.refuse_tags(at, trail);
        }
        let value = match &item.kind {
            Kind::Scalar { text, plain: true } => self.plain(text, span, alias, trail),
            Kind::Scalar { text, plain: false } => NodeValue::String(text.clone()),
            Kind::Sequence { until } => self.sequence(at + 1, *until, depth, alias, trail),
            Kind::Mapping { until } => self.mapping(at + 1, *until, depth, alias, trail),
            Kind::Alias { to: Some(to) } if !self.full => {
                let copy = self.node(*to, depth, alias.or(Some(span)), trail);
                return Node { span, value: copy.value };
            }
            Kind::Alias { .. } => NodeValue::Null,
        };
        Node { span, value }
    }

    /// Of this item, and of those before it that were passed over.
    fn refuse_tags(&mut self, at: usize, trail: &Trail<'_>) {
        while let Some((tag, rest)) = self.tags.split_first().filter(|(tag, _)| tag.item <= at) {
            self.tags = rest;
            let name = self.places.text(tag.start, tag.end);
            let message = if name.len() > 64 { "a tag".to_owned() } else { format!("the tag `{name}`") };
            let found = self.findings.add(Code::SyntaxTag, self.places.span(tag.start, tag.end), message);
            let help = "a spec has no tags; leave it out, and quote the value if it is text";
            found.map(|found| found.at(trail.path()).helped(help));
        }
    }

    fn sequence(
        &mut self,
        from: usize,
        until: usize,
        depth: usize,
        alias: Option<Span>,
        trail: &Trail<'_>,
    ) -> NodeValue {
        let mut items = Vec::new();
        let mut at = from;
        while at < until && !(alias.is_some() && self.full) {
            items.push(self.node(at, depth + 1, alias, &trail.index(items.len())));
            at = self.behind(at);
        }
        NodeValue::Sequence(items)
    }

    fn mapping(
        &mut self,
        from: usize,
        until: usize,
        depth: usize,
        alias: Option<Span>,
        trail: &Trail<'_>,
    ) -> NodeValue {
        let mut keys = Keys::new(&mut self.room);
        let mut merged = Vec::new();
        let mut at = from;
        while at < until && !(alias.is_some() && self.full) {
            let item = &self.items[at];
            let key_span = self.places.span(item.start, item.end);
            if alias.is_none() {
                self.refuse_tags(at, trail);
            }
            let is_merge = self.merges && is_merge_key(item);
            let key = if is_merge { None } else { self.key(item, key_span, alias.is_none(), trail) };
            at = self.behind(at);
            if at >= until {
                // Only where the text breaks off.
                break;
            }
            let value = match &key {
                Some(key) => self.node(at, depth + 1, alias, &trail.key(key)),
                None => self.node(at, depth + 1, alias, trail),
            };
            let value = self.placed(value, at, key_span);
            at = self.behind(at);
            if is_merge {
                merged.push(value);
                continue;
            }
            if let Some(key) = key {
                // In a copy, a key that is there twice was reported at its origin.
                let entry = Entry { key: key.into(), key_span, value };
                let mut told = Findings::default();
                keys.insert(entry, trail, if alias.is_some() { &mut told } else { self.findings });
            }
        }
        merged.into_iter().for_each(|value| self.merge(value, alias.is_none(), &mut keys, trail));
        NodeValue::Mapping(keys.into_entries(&mut self.room))
    }

    /// Adds what a merge key refers to: a mapping, or several of which an earlier one goes before. What is there already stays.
    fn merge(&mut self, value: Node, original: bool, keys: &mut Keys, trail: &Trail<'_>) {
        let Node { span, value } = value;
        match value {
            NodeValue::Mapping(entries) => entries.into_iter().for_each(|entry| keys.insert_missing(entry)),
            NodeValue::Sequence(items) if items.iter().all(|item| matches!(item.value, NodeValue::Mapping(_))) => {
                items.into_iter().for_each(|item| self.merge(item, original, keys, trail));
            }
            _ if original && !self.full => {
                let found = self.findings.add(Code::SyntaxYaml, span, "a merge key that refers to no mapping");
                found.map(|found| found.at(trail.path()).helped("it takes a mapping, or a list of them"));
            }
            _ => {}
        }
    }

    /// A value that is not written stands right behind its key.
    fn placed(&self, mut value: Node, at: usize, key: Span) -> Node {
        if is_empty(&self.items[at]) {
            value.span = Span { start: key.end, end: key.end };
        }
        value
    }

    /// The text of a key, if it is to be kept.
    fn key<'i>(&mut self, item: &'i Item, span: Span, original: bool, trail: &Trail<'_>) -> Option<&'i str> {
        let (text, plain) = match &item.kind {
            Kind::Scalar { text, plain } => (text, *plain),
            _ => {
                if original {
                    let found = self.findings.add(Code::SyntaxYaml, span, "a key that is not a plain name");
                    found.map(|found| found.at(trail.path()).helped("write it in quotes if it is text"));
                }
                return None;
            }
        };
        if !plain {
            return Some(text);
        }
        if &**text == "<<" {
            if original {
                let found = self.findings.add(Code::SyntaxYaml, span, "a merge key");
                found.map(|found| found.at(trail.path()).helped("write out what it would merge"));
            }
            return None;
        }
        if matches!(scalar::resolve(text), Ok(NodeValue::String(_))) {
            return Some(text);
        }
        if original && text.is_empty() {
            self.findings.add(Code::SyntaxYaml, span, "a value without a key").map(|found| found.at(trail.path()));
        } else if original {
            let message = format!("the key `{text}` is not text, as every key must be");
            let found = self.findings.add(Code::SyntaxYaml, span, message);
            found.map(|found| found.at(trail.key(text).path()).helped("quote it").fixed(span, format!("\"{text}\"")));
        }
        (!text.is_empty()).then_some(text)
    }

    fn plain(&mut self, text: &str, span: Span, alias: Option<Span>, trail: &Trail<'_>) -> NodeValue {
        let (code, message) = match scalar::resolve(text) {
            Ok(value) => return value,
            Err(scalar::Refused::NotFinite) => (Code::SyntaxYaml, format!("`{text}` is not a number that JSON has")),
            Err(scalar::Refused::TooLarge) => (Code::Range, "a number too large to be exact or near".to_owned()),
        };
        if alias.is_none() {
            let found = self.findings.add(code, span, message);
            found.map(|found| found.at(trail.path()).helped("quote it if it is text"));
        }
        NodeValue::Null
    }

    fn behind(&self, at: usize) -> usize {
        match self.items[at].kind {
            Kind::Sequence { until } | Kind::Mapping { until } => until,
            Kind::Scalar { .. } | Kind::Alias { .. } => at + 1,
        }
    }
}
