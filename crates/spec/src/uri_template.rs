//! The addresses of resource templates: the part of RFC 6570 that can be read backwards.
//!
//! `{name}` stands for one or more characters other than `/`, `?` and `#`, `{+name}` for any. A URI that could be read in two
//! ways matches nothing, since the wrong reading might name a row of somebody else; time is linear in the URI for each part.
//! Values are handed out decoded and may hold anything: they are for binding, never for splicing.

use std::{fmt, ops::Range};

mod parse;

/// How long a template, and a URI that is held against one, may be.
const LONGEST: usize = 8_192;
const MOST_NAMES: usize = 32;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UriTemplate {
    text: Box<str>,
    parts: Vec<Part>,
}

/// Why something is not a template, and where in it (in bytes).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Problem {
    pub offset: usize,
    pub message: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(Box<str>),
    Name { name: Box<str>, reserved: bool },
}

impl UriTemplate {
    /// Reads a template; what is refused is said with its place.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        Ok(Self { text: text.into(), parts: parse::parts(text)? })
    }

    /// The names that stand in it, each once.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Name { name, .. } => Some(&**name),
            Part::Literal(_) => None,
        })
    }

    /// The values of the names, if `uri` has exactly one reading.
    #[must_use]
    pub fn matches(&self, uri: &str) -> Option<Vec<(String, String)>> {
        if uri.len() > LONGEST {
            return None;
        }
        let units = units(uri).ok()?;
        let ways = self.ways(uri, &units);
        if ways[0][0] != Ways::One {
            return None;
        }
        let byte = |unit: usize| units.get(unit).map_or(uri.len(), |unit| unit.start);
        let mut values = Vec::new();
        let mut start = 0;
        for (part, ways_behind) in self.parts.iter().zip(&ways[1..]) {
            match part {
                Part::Literal(literal) => start += length(literal),
                Part::Name { name, .. } => {
                    let end = (start + 1..=units.len()).find(|end| ways_behind[*end] != Ways::None)?;
                    values.push((name.to_string(), decode(&uri[byte(start)..byte(end)])?));
                    start = end;
                }
            }
        }
        Some(values)
    }

    /// For every part and every unit of the URI: how many ways there are to read the rest from there.
    fn ways(&self, uri: &str, units: &[Range<usize>]) -> Vec<Vec<Ways>> {
        let end = units.len();
        let mut behind = vec![Ways::None; end + 1];
        behind[end] = Ways::One;
        let mut all = vec![behind];
        for part in self.parts.iter().rev() {
            let behind = all.last().expect("begins with one");
            let mut here = vec![Ways::None; end + 1];
            for at in (0..end).rev() {
                here[at] = match part {
                    Part::Literal(literal) => match uri[units[at].start..].starts_with(&**literal) {
                        true => behind[at + length(literal)],
                        false => Ways::None,
                    },
                    Part::Name { reserved, .. } => match &uri[units[at].clone()] {
                        "/" | "?" | "#" if !reserved => Ways::None,
                        _ => behind[at + 1].or(here[at + 1]),
                    },
                };
            }
            all.push(here);
        }
        all.reverse();
        all
    }
}

impl fmt::Display for UriTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ways {
    None,
    One,
    Several,
}

impl Ways {
    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::None, ways) | (ways, Self::None) => ways,
            _ => Self::Several,
        }
    }
}

/// The characters of a URI, `%2F` being one: nothing begins or ends within it. Fails with the place of a stray `%`.
fn units(uri: &str) -> Result<Vec<Range<usize>>, usize> {
    let mut units = Vec::new();
    let mut start = 0;
    while let Some(character) = uri[start..].chars().next() {
        let end = match character {
            '%' => {
                let digits = uri.as_bytes().get(start + 1..start + 3);
                if !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
                    return Err(start);
                }
                start + 3
            }
            _ => start + character.len_utf8(),
        };
        units.push(start..end);
        start = end;
    }
    Ok(units)
}

/// How many units a literal has: its escapes are whole and the rest of it is ASCII.
fn length(literal: &str) -> usize {
    literal.len() - 2 * literal.bytes().filter(|byte| *byte == b'%').count()
}

/// What a percent-encoded text says, if that is text.
pub(crate) fn decode(value: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(value.len());
    for unit in units(value).ok()? {
        match value[unit.clone()].strip_prefix('%') {
            Some(digits) => bytes.push(u8::from_str_radix(digits, 16).ok()?),
            None => bytes.extend_from_slice(value[unit].as_bytes()),
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests;
