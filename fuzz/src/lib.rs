//! What must hold for whatever bytes somebody sends.

pub mod http;

use mcp_factory_intake::{Finding, Level, Proposal};
use mcp_factory_spec::{
    Diagnostic, Format, NoFiles, Node, NodeValue, Source, Span, Verdict, read, render, secrets,
    syntax::{self, limits},
};

/// Reads a document, holds everything that is promised of its tree and its diagnostics, and gives the tree.
pub fn syntax(bytes: &[u8], format: Format) -> Option<Node> {
    let (root, found) = syntax::read(bytes, format);
    assert!(root.is_some() || !found.is_empty(), "neither a tree nor a diagnostic");
    assert!(found.len() <= limits::DIAGNOSTICS);
    if let Some(root) = &root {
        let text = std::str::from_utf8(bytes).expect("only text has a tree");
        node(text, root, 0);
        diagnostics(bytes, &secrets::check(bytes, root));
    }
    diagnostics(bytes, &found);
    root
}

/// What somebody else's document became is a spec, or it is said why there is none.
pub fn proposal(made: Result<Proposal, Vec<Finding>>) {
    let is_error = |finding: &Finding| finding.level == Level::Error;
    let Proposal { spec, verdict, findings, text } = match made {
        Ok(made) => made,
        Err(findings) => return assert!(findings.iter().any(is_error), "nothing is said: {findings:?}"),
    };
    assert!(verdict < Verdict::Error && !findings.iter().any(is_error), "{findings:?}");
    let written = text.map(|text| (text, Format::Yaml));
    for (text, format) in written.into_iter().chain([(spec.canonical().to_string(), Format::Json)]) {
        let again = read(&Source { name: "fuzz", bytes: text.as_bytes(), format }, &NoFiles);
        let again = again.spec.unwrap_or_else(|| panic!("it is no server: {:?}\n{text}", again.diagnostics));
        assert_eq!(again.canonical(), spec.canonical(), "it is another server");
    }
}

/// Every place is in the text, and the renderings say all of it.
pub fn diagnostics(bytes: &[u8], found: &[Diagnostic]) {
    for diagnostic in found {
        place(bytes, diagnostic.span);
        if let Some(fix) = &diagnostic.fix {
            place(bytes, fix.span);
        }
    }
    let people = render::human("fuzz", bytes, found, render::Style { colour: false });
    assert_eq!(people.is_empty(), found.is_empty());
    let programs = render::json("fuzz", bytes, found);
    assert_eq!(programs["verdict"], Verdict::of(found).to_string());
}

fn place(bytes: &[u8], span: Span) {
    let (start, end) = (span.start.offset as usize, span.end.offset as usize);
    assert!(start <= end && end <= bytes.len(), "{span:?}");
    let before = &bytes[..start];
    let line = before
        .iter()
        .enumerate()
        .filter(|(at, byte)| **byte == b'\n' || **byte == b'\r' && bytes.get(at + 1) != Some(&b'\n'));
    assert_eq!(span.start.line as usize, line.count() + 1, "{span:?}");
}

fn node(text: &str, node: &Node, depth: usize) {
    assert!(depth <= limits::DEPTH);
    assert!(text.get(node.span.start.offset as usize..node.span.end.offset as usize).is_some(), "{:?}", node.span);
    let within = |span: Span| {
        let apart = span.start.offset < node.span.start.offset || span.end.offset > node.span.end.offset;
        // What an alias copied stands elsewhere.
        assert!(!apart || text.contains('*'), "{span:?} is not in {:?}", node.span);
    };
    match &node.value {
        NodeValue::Sequence(items) => {
            for item in items {
                within(item.span);
                self::node(text, item, depth + 1);
            }
        }
        NodeValue::Mapping(entries) => {
            for entry in entries {
                within(entry.key_span);
                within(entry.value.span);
                self::node(text, &entry.value, depth + 1);
            }
        }
        _ => {}
    }
}
