//! RFC 8259, strict: no comments, no trailing commas, no `NaN`, no lone surrogates, every key once.

use std::sync::Arc;

use super::{
    Entry, Findings, Node, NodeValue, Places, Trail,
    keys::{Keys, Room},
    limits, number,
    texts::Texts,
};
use crate::Code;

pub(super) fn read(text: &str, places: &Places<'_>, findings: &mut Findings) -> Option<Node> {
    let at = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let mut reader = Reader {
        text,
        bytes: text.as_bytes(),
        at,
        nodes: 0,
        texts: Texts::default(),
        room: Room::default(),
        places,
        findings,
    };
    reader.space();
    if reader.at == text.len() {
        let span = places.span(reader.at, reader.at);
        reader.findings.add(Code::Type, span, "expected a mapping, found an empty document");
        return None;
    }
    let read = reader.value(1, &Trail::Root).and_then(|root| {
        reader.space();
        if reader.at == text.len() { Ok(root) } else { Err(reader.wrong("expected the end of the document")) }
    });
    match read {
        Ok(root) => Some(root),
        Err(Wrong { code, start, end, message, help }) => {
            let diagnostic = findings.add(code, places.span(start, end), message);
            if let (Some(diagnostic), Some(help)) = (diagnostic, help) {
                diagnostic.helped(help);
            }
            None
        }
    }
}

/// What ends the reading.
struct Wrong {
    code: Code,
    start: usize,
    end: usize,
    message: String,
    help: Option<&'static str>,
}

struct Reader<'a, 'f> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    nodes: usize,
    texts: Texts<'a>,
    room: Room,
    places: &'a Places<'a>,
    findings: &'f mut Findings,
}

impl<'a> Reader<'a, '_> {
    fn value(&mut self, depth: usize, trail: &Trail<'_>) -> Result<Node, Wrong> {
        let start = self.at;
        self.nodes += 1;
        let most = limits::nodes(self.text.len());
        if self.nodes > most {
            return Err(self.limit(format!("more than {most} values, over the limit for a document of this size")));
        }
        let value = match self.peek() {
            Some(b'{') => self.object(depth, trail)?,
            Some(b'[') => self.array(depth, trail)?,
            Some(b'"') => NodeValue::String(self.string()?),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b'a'..=b'z' | b'A'..=b'Z') => self.word()?,
            _ => return Err(self.wrong("expected a value")),
        };
        Ok(Node { span: self.places.span(start, self.at), value })
    }

    fn object(&mut self, depth: usize, trail: &Trail<'_>) -> Result<NodeValue, Wrong> {
        self.open(depth)?;
        if self.closed(b'}') {
            return Ok(NodeValue::Mapping(Vec::new()));
        }
        let mut keys = Keys::new(&mut self.room);
        loop {
            let start = self.at;
            if self.peek() != Some(b'"') {
                return Err(self.wrong("expected a key in double quotes"));
            }
            let key = self.string()?;
            let key_span = self.places.span(start, self.at);
            self.space();
            if self.peek() != Some(b':') {
                return Err(self.wrong("expected `:` after the key"));
            }
            self.at += 1;
            self.space();
            let value = self.value(depth + 1, &trail.key(&key))?;
            keys.insert(Entry { key, key_span, value }, trail, self.findings);
            if self.ended(b'}', "expected `,` or `}`")? {
                return Ok(NodeValue::Mapping(keys.into_entries(&mut self.room)));
            }
        }
    }

    fn array(&mut self, depth: usize, trail: &Trail<'_>) -> Result<NodeValue, Wrong> {
        self.open(depth)?;
        let mut items = Vec::new();
        if self.closed(b']') {
            return Ok(NodeValue::Sequence(items));
        }
        loop {
            items.push(self.value(depth + 1, &trail.index(items.len()))?);
            if self.ended(b']', "expected `,` or `]`")? {
                items.shrink_to_fit();
                return Ok(NodeValue::Sequence(items));
            }
        }
    }

    fn open(&mut self, depth: usize) -> Result<(), Wrong> {
        if depth > limits::DEPTH {
            return Err(self.limit(format!("nested deeper than {} levels", limits::DEPTH)));
        }
        self.at += 1;
        self.space();
        Ok(())
    }

    fn closed(&mut self, close: u8) -> bool {
        let closed = self.peek() == Some(close);
        self.at += usize::from(closed);
        closed
    }

    /// After an element: whether the collection ends. If not, the next element begins here.
    fn ended(&mut self, close: u8, expected: &'static str) -> Result<bool, Wrong> {
        self.space();
        if self.closed(close) {
            return Ok(true);
        }
        if self.peek() != Some(b',') {
            return Err(self.wrong(expected));
        }
        let comma = self.at;
        self.at += 1;
        self.space();
        if self.peek() == Some(close) {
            let help = Some("leave out the last comma");
            let message = "a comma with nothing behind it".to_owned();
            return Err(Wrong { code: Code::SyntaxJson, start: comma, end: comma + 1, message, help });
        }
        Ok(false)
    }

    fn word(&mut self) -> Result<NodeValue, Wrong> {
        let rest = &self.text[self.at..];
        let end = rest.find(|letter: char| !letter.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let value = match &rest[..end] {
            "null" => NodeValue::Null,
            "true" => NodeValue::Bool(true),
            "false" => NodeValue::Bool(false),
            _ => return Err(self.wrong("expected a value")),
        };
        self.at += end;
        Ok(value)
    }

    fn number(&mut self) -> Result<NodeValue, Wrong> {
        let start = self.at;
        self.at += usize::from(self.peek() == Some(b'-'));
        if self.peek() == Some(b'0') {
            self.at += 1;
            if matches!(self.peek(), Some(b'0'..=b'9')) {
                return Err(self.wrong("a number with a leading zero"));
            }
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            self.digits()?;
        }
        let text = &self.text[start..self.at];
        let Some(number) = number::decimal(text) else {
            let message = "a number too large to be exact or near".to_owned();
            return Err(Wrong { code: Code::Range, start, end: self.at, message, help: None });
        };
        Ok(NodeValue::Number(number, text.into()))
    }

    fn digits(&mut self) -> Result<(), Wrong> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { Err(self.wrong("expected a digit")) } else { Ok(()) }
    }

    fn string(&mut self) -> Result<Arc<str>, Wrong> {
        let open = self.at;
        self.at += 1;
        let mut text = String::new();
        let mut run = self.at;
        let document: &'a str = self.text;
        loop {
            let rest = &self.bytes[self.at..];
            let end = memchr::memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
            // Most have none: looking at all without stopping is faster.
            if rest[..end].iter().fold(false, |met, byte| met | (*byte < 0x20)) {
                self.skip(|byte| byte >= 0x20);
            } else {
                self.at += end;
            }
            match self.peek() {
                Some(b'"') if run == open + 1 => {
                    self.at += 1;
                    return Ok(self.texts.shared(&document[run..self.at - 1]));
                }
                Some(b'"') => {
                    text.push_str(&document[run..self.at]);
                    self.at += 1;
                    return Ok(text.into());
                }
                Some(b'\\') => {
                    text.push_str(&document[run..self.at]);
                    text.push(self.escape()?);
                    run = self.at;
                }
                Some(..0x20) => {
                    let mut wrong = self.wrong("a control character in a string");
                    wrong.help = Some("write it as an escape, as `\\n` or `\\t`");
                    return Err(wrong);
                }
                Some(_) | None => {
                    self.at = open;
                    return Err(self.wrong("a string without its closing quote"));
                }
            }
        }
    }

    fn escape(&mut self) -> Result<char, Wrong> {
        let start = self.at;
        self.at += 2;
        Ok(match self.bytes.get(start + 1) {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode(start),
            _ => return Err(self.bad_escape(start, "an escape that JSON does not have")),
        })
    }

    /// `\uXXXX`, or two of them that are a surrogate pair.
    fn unicode(&mut self, start: usize) -> Result<char, Wrong> {
        let high = self.unit(start)?;
        let mut code = high;
        if (0xd800..0xdc00).contains(&high) && self.text.get(self.at..self.at + 2) == Some("\\u") {
            self.at += 2;
            let low = self.unit(start)?;
            if !(0xdc00..0xe000).contains(&low) {
                return Err(self.bad_escape(start, "half of a surrogate pair"));
            }
            code = 0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00);
        }
        char::from_u32(code).ok_or_else(|| self.bad_escape(start, "half of a surrogate pair"))
    }

    fn unit(&mut self, start: usize) -> Result<u32, Wrong> {
        let digits =
            self.text.get(self.at..self.at + 4).filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let unit = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        self.at += 4;
        unit.ok_or_else(|| self.bad_escape(start, "expected four hexadecimal digits"))
    }

    fn bad_escape(&self, start: usize, message: &str) -> Wrong {
        let end = self.text.ceil_char_boundary(self.at.min(self.text.len()));
        Wrong { code: Code::SyntaxJson, start, end, message: message.to_owned(), help: None }
    }

    fn space(&mut self) {
        self.skip(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
    }

    fn skip(&mut self, belongs: impl Fn(u8) -> bool) {
        let rest = &self.bytes[self.at..];
        self.at += rest.iter().position(|byte| !belongs(*byte)).unwrap_or(rest.len());
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn limit(&self, message: String) -> Wrong {
        Wrong { code: Code::SyntaxLimits, start: self.at, end: self.at + 1, message, help: None }
    }

    /// What stands here is not what had to be; the commonest slips get a hint.
    fn wrong(&self, message: &'static str) -> Wrong {
        let rest = &self.text[self.at..];
        let help = match rest.bytes().next() {
            Some(b'/' | b'#') => Some("JSON has no comments"),
            Some(b'\'') => Some("strings stand in double quotes"),
            _ if ["NaN", "Infinity", "-Infinity"].iter().any(|word| rest.starts_with(word)) => {
                Some("JSON has no such number")
            }
            _ => None,
        };
        let message = match rest.chars().next() {
            None => format!("{message}, found the end of the document"),
            Some(_) => message.to_owned(),
        };
        let end = self.at + rest.chars().next().map_or(0, char::len_utf8);
        Wrong { code: Code::SyntaxJson, start: self.at, end, message, help }
    }
}
