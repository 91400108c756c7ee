//! The table of codes, each with a line of a document that gets it.

use std::fmt::Write as _;

use mcp_factory_spec::{Code, Severity, read};

use super::{
    documents::{self, Document},
    flow::code,
};

/// What is too large to be shown in a line, and what nobody should see in a file of the tree.
const NOT_SHOWN: [Code; 2] = [Code::SyntaxLimits, Code::Secret];

pub fn write(out: &mut String, missing: &mut Vec<String>) {
    let documents = documents::load();
    let levels = [
        (Severity::Error, "Errors: no server is made."),
        (Severity::Blocker, "Blockers: a server is made and can be looked at, not deployed."),
        (Severity::Warning, "Warnings."),
    ];
    for (severity, about) in levels {
        let _ = writeln!(out, "{about}\n\n| code | what it means | for example | is told |\n|---|---|---|---|");
        for each in Code::ALL.iter().filter(|code| code.severity() == severity) {
            let shown = shown(*each, &documents);
            if shown.is_none() && !NOT_SHOWN.contains(each) {
                missing.push(format!("a document that gets `{each}`"));
            }
            let (line, message) = shown.unwrap_or_default();
            let line = if line.is_empty() || NOT_SHOWN.contains(each) { String::new() } else { code(&line) };
            let _ = writeln!(out, "| `{each}` | {} | {line} | {} |", each.meaning(), message.replace('|', "\\|"));
        }
        out.push('\n');
    }
}

/// The shortest line of all that get the code, and what is said about it.
fn shown(code: Code, documents: &[Document]) -> Option<(String, String)> {
    let mut best: Option<(usize, String, String)> = None;
    for document in documents.iter().filter(|document| document.labels.iter().any(|label| label.code == code.as_str()))
    {
        let reading = read(&document.source(), &documents::folder());
        let text = String::from_utf8_lossy(&document.bytes);
        for found in reading.diagnostics.iter().filter(|found| found.code == code) {
            let line = text.lines().nth(found.span.start.line as usize - 1).unwrap_or_default();
            let line = line.split(" # !").next().unwrap_or_default().trim().trim_start_matches("- ").trim();
            let secret = documents::SECRETS.iter().any(|secret| line.contains(secret));
            let (line, extra) = if secret { (String::new(), 1_000) } else { (line.to_owned(), 0) };
            let odd = found.message.contains('\n') || line.contains(['\t', '\u{feff}']) || line.len() < 6;
            // Those are whole servers with one mistake each, and change seldom.
            let elsewhere = if document.name.starts_with("mistakes/") { 0 } else { 100 };
            let length = line.len() + extra + elsewhere + if odd || line.len() > 100 { 10_000 } else { 0 };
            if best.as_ref().is_none_or(|(shortest, ..)| length < *shortest) {
                best = Some((length, line, found.message.clone()));
            }
        }
    }
    best.map(|(_, line, message)| (line, message))
}
