//! What a list of tools costs the model that reads it, in tokens. Where callers find tools instead of listing them, this is why.

use std::{io, thread};

use mcp_factory_engine::listed;
use mcp_factory_intake::{Finding, Level, Proposal};
use mcp_factory_spec::{
    Spec,
    model::{Mode, Schema, Tool},
};
use mcp_serve::toolsets;
use tiktoken::CoreBpe;

/// What is listed in two ways, as tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Tokens {
    all: usize,
    /// Whether it was counted to the last tool.
    exactly: bool,
    proposed: usize,
}

/// About so much is counted, spread evenly over the tools; counting more would take longer than the import.
const COUNTED: usize = 256 << 10;
/// A document of so many bytes has so many operations that their tokens will be counted.
const LARGE: usize = 1 << 20;
/// Models count differently by some percent; this is the smallest vocabulary of those that are public.
const VOCABULARY: &str = "cl100k_base";

/// What texts are counted by. Reading it takes some milliseconds and megabytes, and it is asked for seldom: it is not kept.
pub(super) struct Vocabulary(Option<thread::JoinHandle<CoreBpe>>);

impl Vocabulary {
    /// For what is made of so many bytes: read while that is made, where it will be asked for.
    pub fn ahead(bytes: usize) -> Self {
        let reading = || thread::Builder::new().spawn(tiktoken::encoding::cl100k_base).ok();
        Self((bytes >= LARGE).then(reading).flatten())
    }

    fn read(self) -> CoreBpe {
        let ahead = self.0.and_then(|reading| reading.join().ok());
        ahead.unwrap_or_else(tiktoken::encoding::cl100k_base)
    }
}

/// Tells it of a proposal whose tools are not listed at once.
pub(super) fn tell(proposal: &mut Proposal, vocabulary: Vocabulary) {
    if proposal.spec.exposure.mode != Mode::Dynamic {
        return;
    }
    let Tokens { all, exactly, proposed } = Tokens::of(&proposal.spec, &vocabulary.read());
    let tools = proposal.spec.tools.len();
    let toolsets = proposal.spec.toolsets.len();
    let about = if exactly { "" } else { "about " };
    let message = format!(
        "{tools} tools listed at once take a model {about}{} tokens ({VOCABULARY}) before it is asked anything; `search_tools` and \
         its like, which find and call them, take {}",
        grouped(all),
        grouped(proposed)
    );
    let hint = format!(
        "callers find tools with `search_tools`, or turn on one of {toolsets} toolsets; `exposure: {{ mode: static }}` lists all"
    );
    let told = Finding { level: Level::Note, place: String::new(), position: None, message, hint: Some(hint) };
    proposal.findings.insert(0, told);
}

impl Tokens {
    fn of(spec: &Spec, vocabulary: &CoreBpe) -> Self {
        let count = |text: &[u8]| vocabulary.count(std::str::from_utf8(text).unwrap_or_default());
        let bytes: usize = spec.tools.iter().map(length).sum();
        let step = bytes.div_ceil(COUNTED).max(1);
        let (mut read, mut tokens, mut text) = (0, 0, Vec::new());
        for tool in spec.tools.iter().step_by(step) {
            text.clear();
            serde_json::to_writer(&mut text, &listed(tool)).expect("it is written to memory");
            read += length(tool);
            tokens += count(&text);
        }
        let all = if step == 1 { tokens } else { rounded(tokens as u128 * bytes as u128 / read.max(1) as u128) };
        let proposed = serde_json::to_vec(toolsets::found_by_search()).expect("it is written to memory");
        Self { all, exactly: step == 1, proposed: count(&proposed) }
    }
}

/// About how long a tool is in a list: most of it are its schemas.
fn length(tool: &Tool) -> usize {
    let mut bytes = Bytes(tool.name.as_str().len() + tool.description.len());
    let returns = tool.returns.as_ref().map(Schema::as_value);
    serde_json::to_writer(&mut bytes, &(tool.parameters.schema(), returns)).expect("it is only counted");
    bytes.0
}

/// How many were written.
struct Bytes(usize);

impl io::Write for Bytes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// To thousands: the rest would look more certain than it is.
fn rounded(tokens: u128) -> usize {
    usize::try_from((tokens + 500) / 1000 * 1000).unwrap_or(usize::MAX)
}

/// `1,234,567`
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use mcp_factory_intake::openapi::{NoFiles, Options, import};

    use super::*;

    fn proposal(operations: usize, about: &str) -> Proposal {
        let paths: String = (0..operations)
            .map(|n| {
                format!("  /things{n}: {{ get: {{ tags: [t{}], summary: {about} {n}, responses: {{}} }} }}\n", n % 3)
            })
            .collect();
        let document = format!(
            "openapi: 3.0.0\ninfo: {{ title: Things, version: '1' }}\nservers: [{{ url: https://a.example }}]\npaths:\n{paths}"
        );
        import("api.yaml", document.as_bytes(), &NoFiles, &Options::default()).expect("a spec")
    }

    #[test]
    fn what_a_list_costs_is_told_where_it_is_not_made() {
        let mut few = proposal(60, "Gets a thing");
        tell(&mut few, Vocabulary::ahead(0));
        assert!(few.findings.is_empty(), "{:?}", few.findings);

        let mut many = proposal(61, "Gets a thing");
        tell(&mut many, Vocabulary::ahead(LARGE));
        let told = &many.findings[0];
        assert!(told.message.starts_with("61 tools listed at once take a model 2,"), "{told}");
        assert!(told.to_string().contains("or turn on one of 3 toolsets"), "{told}");
        let vocabulary = Vocabulary::ahead(0).read();
        let Tokens { all, exactly, proposed } = Tokens::of(&many.spec, &vocabulary);
        assert!(exactly && proposed < 1_000 && all > 2 * proposed, "{all} {proposed}");
    }

    /// What is not counted to the last is near what would be.
    #[test]
    fn a_long_list_is_counted_in_parts() {
        let about = "Gets a thing of many words ".repeat(12);
        let many = proposal(2_000, &about).spec;
        let vocabulary = Vocabulary::ahead(0).read();
        let counted = Tokens::of(&many, &vocabulary);
        assert!(!counted.exactly);
        let count = |tool: &Tool| vocabulary.count(&serde_json::to_string(&listed(tool)).unwrap());
        let exactly: usize = many.tools.iter().map(count).sum();
        let off = counted.all.abs_diff(exactly) as f64 / exactly as f64;
        assert!(off < 0.02, "{} instead of {exactly}", counted.all);
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }
}
