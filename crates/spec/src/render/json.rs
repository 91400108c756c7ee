//! Diagnostics for programs: the line that `validate --output json` prints per document.

use serde::Serialize;
use serde_json::Value;

use super::{Secrecy, Verdict, in_order};
use crate::{Diagnostic, Fix};

#[derive(Serialize)]
struct Line<'a> {
    verdict: String,
    diagnostics: Vec<Row<'a>>,
}

#[derive(Serialize)]
struct Row<'a> {
    severity: String,
    code: &'static str,
    message: String,
    file: &'a str,
    line: u32,
    column: u32,
    path: String,
    help: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<Replacement>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Replacement {
    line: u32,
    column: u32,
    end_line: u32,
    end_column: u32,
    replacement: String,
}

/// `{"verdict": ..., "diagnostics": [...]}`: all diagnostics of one document, by place.
#[must_use]
pub fn json(file: &str, text: &[u8], diagnostics: &[Diagnostic]) -> Value {
    let ordered = in_order(diagnostics);
    let secrecy = Secrecy::of(text, &ordered);
    let line = Line {
        verdict: Verdict::of(diagnostics).to_string(),
        diagnostics: ordered.into_iter().map(|diagnostic| row(file, diagnostic, &secrecy)).collect(),
    };
    serde_json::to_value(line).expect("plain data")
}

fn row<'a>(file: &'a str, diagnostic: &Diagnostic, secrecy: &Secrecy<'_>) -> Row<'a> {
    Row {
        severity: diagnostic.code.severity().to_string(),
        code: diagnostic.code.as_str(),
        message: secrecy.hide(&diagnostic.message),
        file,
        line: diagnostic.span.start.line.max(1),
        column: diagnostic.span.start.column.max(1),
        path: secrecy.hide(&diagnostic.path.to_string()),
        help: diagnostic.help.as_deref().map(|help| secrecy.hide(help)),
        fix: diagnostic.fix.as_ref().map(|fix| replacement(fix, secrecy)),
    }
}

fn replacement(fix: &Fix, secrecy: &Secrecy<'_>) -> Replacement {
    let Fix { span, replacement } = fix;
    Replacement {
        line: span.start.line,
        column: span.start.column,
        end_line: span.end.line,
        end_column: span.end.column,
        replacement: secrecy.hide(replacement),
    }
}
