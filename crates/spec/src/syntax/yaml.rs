//! YAML 1.2, core schema: the events of `saphyr-parser` become a flat list of items, and that list a tree.
//!
//! Two steps, so that an alias can be built from the items of its anchor again, node for node against a budget, and so that
//! a text that breaks off still gives up what stands before the break. Tags and several documents are refused, and merge keys where
//! nobody asks for them.

mod input;
mod scalar;
mod tree;

use std::{cell::Cell, rc::Rc, sync::Arc};

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Tag};

use self::input::Rationed;
use super::{Findings, Node, Places, limits};
use crate::Code;

/// What stands in the document, in its order, with byte offsets.
#[derive(Debug)]
struct Item {
    start: usize,
    end: usize,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// `plain` stands without quotes, so it may be a number or a word of the core schema.
    Scalar {
        text: Arc<str>,
        plain: bool,
    },
    /// Its children are the items up to `until`.
    Sequence {
        until: usize,
    },
    Mapping {
        until: usize,
    },
    /// To the item of that index; `None` if that is not whole yet.
    Alias {
        to: Option<usize>,
    },
}

/// A tag, and the item that it is on.
#[derive(Debug)]
struct Refused {
    item: usize,
    start: usize,
    end: usize,
}

pub(super) fn read(text: &str, places: &Places<'_>, merges: bool, findings: &mut Findings) -> Option<Node> {
    let mark = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    if let Some(at) = text.bytes().position(|byte| byte.is_ascii_control() && !matches!(byte, b'\t' | b'\n' | b'\r')) {
        findings.add(Code::SyntaxYaml, places.span(at, at + 1), "a control character in the document");
        return None;
    }
    let consumed = Rc::new(Cell::new(0));
    let mut collector = Collector {
        text,
        places,
        findings,
        mark: usize::from(mark > 0),
        items: Vec::new(),
        open: Vec::new(),
        anchors: Vec::new(),
        tags: Vec::new(),
        documents: 0,
    };
    let whole = collector.collect(Parser::new(Rationed::new(&text[mark..], Rc::clone(&consumed))), &consumed);
    let Collector { items, tags, .. } = collector;
    if items.is_empty() || items.len() == 1 && tree::is_empty(&items[0]) {
        if whole {
            findings.add(Code::Type, places.span(0, 0), "expected a mapping, found an empty document");
        }
        return None;
    }
    let root = tree::build(&items, &tags, places, merges, findings);
    whole.then_some(root)
}

struct Collector<'a, 'f> {
    text: &'a str,
    places: &'a Places<'a>,
    findings: &'f mut Findings,
    /// Characters of the byte order mark, which the parser does not see.
    mark: usize,
    items: Vec<Item>,
    /// The collections that have not ended.
    open: Vec<usize>,
    /// The item that each anchor is on, by the parser's number.
    anchors: Vec<Option<usize>>,
    tags: Vec<Refused>,
    documents: usize,
}

impl Collector<'_, '_> {
    /// Whether the text could be read to its end.
    fn collect(&mut self, parser: Parser<'_, Rationed<'_>>, consumed: &Cell<usize>) -> bool {
        let mut whole = true;
        let ration = input::ration(self.text.len());
        for event in parser {
            if consumed.replace(0) > ration {
                let at = self.open.first().map_or(0, |open| self.items[*open].start);
                let span = self.places.span(at, at);
                self.findings
                    .add(Code::SyntaxLimits, span, "a flow collection, or a scalar, with too many parts")
                    .map(|diagnostic| diagnostic.helped("write it over several lines without brackets, or as JSON"));
                whole = false;
                break;
            }
            let taken = match event {
                Ok((event, span)) => {
                    let (start, end) = (self.offset(span.start.index()), self.offset(span.end.index()));
                    self.take(event, start, end.max(start))
                }
                Err(error) => {
                    self.broken(&error);
                    false
                }
            };
            if !taken {
                whole = false;
                break;
            }
        }
        while let Some(open) = self.open.pop() {
            self.close(open, 0);
        }
        whole
    }

    /// Whether to go on.
    fn take(&mut self, event: Event<'_>, start: usize, end: usize) -> bool {
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return self.stop(Code::SyntaxYaml, start, end, "several documents in one file");
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                let start = self.properties(start, end, anchor, tag.as_deref());
                let plain = style == ScalarStyle::Plain;
                if plain && text.is_empty() {
                    // Nothing stands behind what stands before it, wherever the parser noticed.
                    let at = self.text[..start].trim_end().len();
                    self.extend(at, at);
                    return self.push(at, at, Kind::Scalar { text: text.into(), plain });
                }
                let end = self.end_of_scalar(start, end, style);
                return self.push(start, end, Kind::Scalar { text: text.into(), plain });
            }
            Event::SequenceStart(anchor, tag) => {
                let start = self.properties(start, end, anchor, tag.as_deref());
                return self.begin(start, end, Kind::Sequence { until: 0 });
            }
            Event::MappingStart(anchor, tag) => {
                let start = self.properties(start, end, anchor, tag.as_deref());
                return self.begin(start, end, Kind::Mapping { until: 0 });
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let open = self.open.pop().expect("the parser ends what it began");
                // Flow collections end with their bracket, block collections with their last child.
                let bracket = matches!(self.text.as_bytes().get(start), Some(b']' | b'}')) && end > start;
                self.close(open, if bracket { end } else { 0 });
            }
            Event::Alias(anchor) => {
                let to = self.anchors.get(anchor).copied().flatten();
                let to = to.filter(|to| !self.open.contains(to));
                if to.is_none() {
                    let span = self.places.span(start, end);
                    self.findings.add(Code::SyntaxYaml, span, "an alias inside of what it stands for");
                }
                return self.push(start, end, Kind::Alias { to });
            }
        }
        true
    }

    fn begin(&mut self, start: usize, end: usize, kind: Kind) -> bool {
        if self.open.len() >= limits::DEPTH {
            let message = format!("nested deeper than {} levels", limits::DEPTH);
            return self.stop(Code::SyntaxLimits, start, end, message);
        }
        let begun = self.push(start, end, kind);
        if begun {
            self.open.push(self.items.len() - 1);
        }
        begun
    }

    fn push(&mut self, start: usize, end: usize, kind: Kind) -> bool {
        let most = limits::nodes(self.text.len());
        if self.items.len() >= most {
            let message = format!("more than {most} values, over the limit for a document of this size");
            return self.stop(Code::SyntaxLimits, start, end, message);
        }
        self.items.push(Item { start, end: end.max(start), kind });
        self.extend(start, end);
        true
    }

    /// The innermost collection reaches at least from here to there. (Where a block sequence stands no deeper than its key, the
    /// parser begins it behind the dash.)
    fn extend(&mut self, start: usize, end: usize) {
        if let Some(open) = self.open.last() {
            let item = &mut self.items[*open];
            item.start = item.start.min(start);
            item.end = item.end.max(end);
        }
    }

    fn close(&mut self, open: usize, bracket: usize) {
        let count = self.items.len();
        let item = &mut self.items[open];
        item.end = item.end.max(bracket);
        if let Kind::Sequence { until } | Kind::Mapping { until } = &mut item.kind {
            *until = count;
        }
        let (start, end) = (item.start, item.end);
        self.extend(start, end);
    }

    /// Notes the anchor, refuses the tag, and gives where the value itself begins.
    fn properties(&mut self, start: usize, end: usize, anchor: usize, tag: Option<&Tag>) -> usize {
        if anchor > 0 {
            if self.anchors.len() <= anchor {
                self.anchors.resize(anchor + 1, None);
            }
            self.anchors[anchor] = Some(self.items.len());
        } else if tag.is_none() {
            return start;
        }
        let mut at = start;
        loop {
            let rest = &self.text[at..end.max(at)];
            let word = rest.find(char::is_whitespace).unwrap_or(rest.len());
            match rest.bytes().next() {
                Some(b'!') => self.tags.push(Refused { item: self.items.len(), start: at, end: at + word }),
                Some(b'&') => {}
                Some(b'#') => {
                    at += rest.find(['\n', '\r']).unwrap_or(rest.len());
                    at += self.text[at..end.max(at)].len() - self.text[at..end.max(at)].trim_start().len();
                    continue;
                }
                _ => return at,
            }
            at += word;
            at += self.text[at..end.max(at)].len() - self.text[at..end.max(at)].trim_start().len();
        }
    }

    /// The parser's end may lie behind the blanks and the comment that follow.
    fn end_of_scalar(&self, start: usize, end: usize, style: ScalarStyle) -> usize {
        let source = &self.text.as_bytes()[start..end.max(start)];
        let mut at = 1;
        match style {
            ScalarStyle::Plain => end,
            ScalarStyle::Literal | ScalarStyle::Folded => start + source.trim_ascii_end().len(),
            ScalarStyle::SingleQuoted => loop {
                match (source.get(at), source.get(at + 1)) {
                    (Some(b'\''), Some(b'\'')) => at += 2,
                    (Some(b'\''), _) => return start + at + 1,
                    (Some(_), _) => at += 1,
                    (None, _) => return end,
                }
            },
            ScalarStyle::DoubleQuoted => loop {
                match source.get(at) {
                    Some(b'\\') => at += 2,
                    Some(b'"') => return start + at + 1,
                    Some(_) => at += 1,
                    None => return end,
                }
            },
        }
    }

    fn stop(&mut self, code: Code, start: usize, end: usize, message: impl Into<String>) -> bool {
        self.findings.add(code, self.places.span(start, end), message);
        false
    }

    fn broken(&mut self, error: &ScanError) {
        let at = self.offset(error.marker().index());
        let character = self.text[at..].chars().next().filter(|character| !matches!(character, '\n' | '\r'));
        let span = self.places.span(at, at + character.map_or(0, char::len_utf8));
        let info = error.info();
        if info == "recursion limit exceeded" {
            let message = format!("nested deeper than {} levels", limits::DEPTH);
            self.findings.add(Code::SyntaxLimits, span, message);
            return;
        }
        let (message, help) = explain(info);
        if let (Some(diagnostic), Some(help)) = (self.findings.add(Code::SyntaxYaml, span, message), help) {
            diagnostic.helped(help);
        }
    }

    fn offset(&self, character: usize) -> usize {
        self.places.offset_of(character + self.mark)
    }
}

/// The parser's words for what people get wrong most, made plainer.
fn explain(info: &str) -> (String, Option<&'static str>) {
    let (message, help) = match info {
        "while parsing node, found unknown anchor" => {
            ("an alias to an anchor that is not there", Some("quote the text if it begins with a plain `*`"))
        }
        "mapping values are not allowed in this context" => {
            ("a `:` where no value can be", Some("quote text that has `: ` in it; check the indentation"))
        }
        "simple key expected" | "simple key expect ':'" => {
            ("a key without its `:`", Some("check the indentation, and that the key has `: ` behind it"))
        }
        "unclosed bracket '['" => ("a `[` without its `]`", None),
        "unclosed bracket '{'" => ("a `{` without its `}`", None),
        _ if info.contains("tab") => (info, Some("indent with spaces")),
        _ if info.contains("nicode") => {
            (info, Some("write the character itself; YAML has no surrogate escapes, as JSON has"))
        }
        _ => (
            info.split_once(", ").filter(|(start, _)| start.starts_with("while ")).map_or(info, |(_, rest)| rest),
            None,
        ),
    };
    (message.to_owned(), help)
}
