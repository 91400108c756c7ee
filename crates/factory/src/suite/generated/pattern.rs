//! Texts that match a pattern.

use fastrand::Rng;
use regex_syntax::{
    ParserBuilder,
    hir::{Class, Hir, HirKind},
};

/// Repetitions without an end have this many more than they need, at most.
const MORE: u32 = 6;
const LONGEST: usize = 4096;

/// A text that the pattern finds something in; `None` for patterns of other dialects. `most` is how often what may be repeated
/// is, where that is not bounded by the pattern.
pub fn matching(pattern: &str, rng: &mut Rng, most: Option<u32>) -> Option<String> {
    // Digits and words are those of JSON Schema's dialect.
    let hir = ParserBuilder::new().nest_limit(64).build().parse(pattern).ok()?;
    let mut text = String::new();
    write(&hir, &mut text, rng, most).then_some(text)
}

fn write(hir: &Hir, text: &mut String, rng: &mut Rng, most: Option<u32>) -> bool {
    if text.len() > LONGEST {
        return false;
    }
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => true,
        HirKind::Literal(literal) => std::str::from_utf8(&literal.0).map(|literal| text.push_str(literal)).is_ok(),
        HirKind::Class(Class::Unicode(class)) => {
            let ranges: Vec<(u32, u32)> =
                class.ranges().iter().map(|range| (u32::from(range.start()), u32::from(range.end()))).collect();
            character(&ranges, rng).map(|character| text.push(character)).is_some()
        }
        HirKind::Class(Class::Bytes(class)) => {
            let ranges: Vec<(u32, u32)> =
                class.ranges().iter().map(|range| (range.start().into(), range.end().into())).collect();
            character(&ranges, rng).filter(char::is_ascii).map(|character| text.push(character)).is_some()
        }
        HirKind::Repetition(repetition) => {
            let least = repetition.min;
            let bound = repetition.max.unwrap_or_else(|| least.saturating_add(most.unwrap_or(MORE)));
            let bound = bound.min(least.saturating_add(most.unwrap_or(MORE))).max(least);
            (0..rng.u32(least..=bound)).all(|_| write(&repetition.sub, text, rng, most))
        }
        HirKind::Capture(capture) => write(&capture.sub, text, rng, most),
        HirKind::Concat(parts) => parts.iter().all(|part| write(part, text, rng, most)),
        HirKind::Alternation(parts) => write(&parts[rng.usize(..parts.len())], text, rng, most),
    }
}

/// A letter or digit where the class has some, else what is easily read, else anything.
fn character(ranges: &[(u32, u32)], rng: &mut Rng) -> Option<char> {
    let within = |(first, last): (u32, u32)| {
        let pieces = ranges.iter().map(move |(start, end)| ((*start).max(first), (*end).min(last)));
        pieces.filter(|(start, end)| start <= end).collect::<Vec<_>>()
    };
    let word: Vec<(u32, u32)> =
        [('a', 'z'), ('A', 'Z'), ('0', '9')].into_iter().flat_map(|(a, z)| within((a.into(), z.into()))).collect();
    let pieces = [word, within((' '.into(), '~'.into())), within((0xa1, 0x10_ffff))];
    let pieces = pieces.iter().find(|pieces| !pieces.is_empty())?;
    let (start, end) = pieces[rng.usize(..pieces.len())];
    char::from_u32(rng.u32(start..=end)).or(char::from_u32(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_match_the_patterns_of_ordinary_specs() {
        let patterns = [
            "^[A-Z]{3}-[0-9]{3}$",
            r"^\d{4}-\d{2}-\d{2}$",
            "abc",
            "^(a|bc)+$",
            r"^[^\s@]+@[^\s@]+\.[a-z]{2,}$",
            r"^\w+$",
            "^.{3,5}$",
            "^$",
            r"^https?://[a-z.]+(/[^\s]*)?$",
        ];
        let mut rng = Rng::with_seed(1);
        for pattern in patterns {
            let schema = serde_json::json!({ "pattern": pattern });
            let validator = mcp_factory_spec::json_schema::compile(&schema).unwrap();
            for _ in 0..50 {
                let text = matching(pattern, &mut rng, None).unwrap();
                assert!(validator.is_valid(&text.as_str().into()), "{pattern}: {text:?}");
            }
        }
        assert_eq!(matching("^(?!a)b$", &mut rng, None), None, "another dialect");
    }
}
