//! A mapping while it is read: which fields are known, which were taken, and what is left over.

use super::{Field, Reader};
use crate::{Code, Node, NodeValue, Span, path::Path, syntax::Entry};

pub(crate) struct Fields<'n> {
    entries: &'n [Entry],
    taken: Vec<bool>,
    known: Vec<&'static str>,
    at: Path,
    span: Span,
    /// Nothing can be said about the fields, because what decides them is unusable.
    open_ended: bool,
}

impl<'n> Fields<'n> {
    pub(crate) fn open(node: &'n Node, at: &Path, reader: &mut Reader) -> Option<Self> {
        let NodeValue::Mapping(entries) = &node.value else {
            reader.wrong_type(node, at, "a mapping");
            return None;
        };
        Some(Self {
            entries,
            taken: vec![false; entries.len()],
            known: Vec::new(),
            at: at.clone(),
            span: node.span,
            open_ended: false,
        })
    }

    pub(crate) fn at(&self) -> &Path {
        &self.at
    }

    pub(crate) fn span(&self) -> Span {
        self.span
    }

    /// The value of a field, in whichever of the two spellings it stands.
    pub(crate) fn take(&mut self, reader: &mut Reader, key: &'static str) -> Option<(&'n Node, Path)> {
        self.known.push(key);
        let mut found: Option<&'n Entry> = None;
        for (entry, taken) in self.entries.iter().zip(&mut self.taken) {
            if *taken || !spells(&entry.key, key) {
                continue;
            }
            *taken = true;
            if let Some(first) = found {
                let message = format!("`{}` and `{}` are the same field", first.key, entry.key);
                let help = Some(format!("keep `{}`", camel_case(key)));
                reader.report(Code::DuplicateKey, entry.key_span, &self.at.key(&entry.key), message, help);
            } else {
                found = Some(entry);
            }
        }
        found.map(|entry| (&entry.value, self.at.key(&entry.key)))
    }

    /// Like [`Self::take`], where the value looks right; otherwise the field is left for somebody else.
    pub(crate) fn take_if(
        &mut self,
        reader: &mut Reader,
        key: &'static str,
        right: impl Fn(&Node) -> bool,
    ) -> Option<(&'n Node, Path)> {
        let value = self.entries.iter().find(|entry| spells(&entry.key, key)).map(|entry| &entry.value);
        value.is_some_and(right).then(|| self.take(reader, key)).flatten()
    }

    /// Whether any of these is there.
    pub(crate) fn has_any(&self, keys: &[&str]) -> bool {
        self.entries.iter().any(|entry| keys.iter().any(|key| spells(&entry.key, key)))
    }

    pub(crate) fn read<T: Field>(
        &mut self,
        reader: &mut Reader,
        key: &'static str,
        missing: Code,
        default: Option<fn() -> T>,
    ) -> Option<T> {
        match self.take(reader, key) {
            Some((node, at)) => {
                T::read(node, &at, reader).or_else(|| default.map(|default| default())).or_else(T::stand_in)
            }
            None => default.map(|default| default()).or_else(T::absent).or_else(|| {
                self.missing(reader, key, missing);
                T::stand_in()
            }),
        }
    }

    pub(crate) fn missing(&self, reader: &mut Reader, key: &str, code: Code) {
        let key = camel_case(key);
        reader.report(code, self.span, &self.at, format!("`{key}` is missing"), None);
    }

    /// The word that decides what the other fields are.
    pub(crate) fn tag(
        &mut self,
        reader: &mut Reader,
        key: &'static str,
        words: &'static [&'static str],
    ) -> Option<&'static str> {
        let word = match self.take(reader, key) {
            Some((node, at)) => reader.word(node, &at, words),
            None => {
                let help = Some(format!("`{key}` is one of {}", super::list(words)));
                reader.report(Code::Missing, self.span, &self.at, format!("`{key}` is missing"), help);
                None
            }
        };
        self.open_ended |= word.is_none();
        word
    }

    /// Reports what is left over.
    pub(crate) fn close(self, reader: &mut Reader) {
        if self.open_ended || self.taken.iter().all(|taken| *taken) {
            return;
        }
        let known: Vec<String> = self.known.iter().map(|key| camel_case(key)).collect();
        let is_there = |key: &&str| self.entries.iter().any(|entry| spells(&entry.key, key));
        let missing: Vec<String> = self.known.iter().filter(|key| !is_there(key)).map(|key| camel_case(key)).collect();
        for (entry, _) in self.entries.iter().zip(&self.taken).filter(|(_, taken)| !**taken) {
            reader.unknown_field(entry, &self.at.key(&entry.key), &known, &missing);
        }
    }
}

/// Whether `key` is the field, in camelCase or in snake_case.
pub(crate) fn spells(key: &str, field: &str) -> bool {
    key == field || (field.contains('_') && is_camel_case(key, field))
}

/// Whether `key` is what [`camel_case`] makes of the field: asked for each field of each element, so nothing is allocated.
fn is_camel_case(key: &str, field: &str) -> bool {
    let mut key = key.chars();
    let mut upper = false;
    for character in field.chars() {
        if character == '_' {
            upper = true;
            continue;
        }
        let expected = if upper { character.to_ascii_uppercase() } else { character };
        if key.next() != Some(expected) {
            return false;
        }
        upper = false;
    }
    key.next().is_none()
}

pub(crate) fn camel_case(field: &str) -> String {
    let mut camel = String::with_capacity(field.len());
    let mut upper = false;
    for character in field.chars() {
        match character {
            '_' => upper = true,
            _ if upper => {
                camel.extend(character.to_uppercase());
                upper = false;
            }
            _ => camel.push(character),
        }
    }
    camel
}
