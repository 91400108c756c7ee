//! What commands print: for people as text and tables, for programs as JSON or YAML. Colours only where a terminal shows them.

use std::{fmt::Write as _, sync::LazyLock};

use serde_json::Value;

use crate::{args::Output, program::Hint, terminal};

/// `text` is what people are shown of it.
pub fn print(output: Output, value: &Value, text: impl FnOnce(&Value) -> String) -> anyhow::Result<()> {
    crate::command::print(&of(output, value, text))
}

/// What would be printed.
pub fn of(output: Output, value: &Value, text: impl FnOnce(&Value) -> String) -> String {
    match output {
        Output::Text => text(value),
        Output::Json => format!("{value}\n"),
        Output::Yaml => yaml(value),
    }
}

/// Columns as wide as they need to be. What is in the cells may be somebody else's words: nothing in it moves the cursor.
#[derive(Debug)]
pub struct Table {
    head: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

/// Of a cell; what is longer is cut.
const WIDEST: usize = 60;
/// What is in these is typed again, in the next command: it is never cut.
const TYPED: [&str; 6] = ["NAME", "SERVER", "TOOL", "VERSION", "KIND", "VALUE"];

impl Table {
    pub fn new(head: &[&'static str]) -> Self {
        Self { head: head.to_vec(), rows: Vec::new() }
    }

    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let whole = self.head.iter().map(|name| TYPED.contains(name)).chain(std::iter::repeat(false));
        let cells = cells.into_iter().zip(whole);
        self.rows.push(cells.map(|(cell, whole)| if whole { plain(&cell) } else { short(&cell) }).collect());
    }

    /// `otherwise` is said where there is no row.
    pub fn shown(&self, otherwise: &'static str) -> String {
        self.shown_in(terminal::width(&std::io::stdout()), otherwise)
    }

    /// As wide as the terminal, where it is one.
    fn shown_in(&self, room: Option<usize>, otherwise: &'static str) -> String {
        if self.rows.is_empty() {
            return format!("{}\n", Hint::from(otherwise));
        }
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
            cells.chain([self.head[column].len()]).max().unwrap_or(0)
        };
        let mut widths: Vec<usize> = (0..self.head.len()).map(width).collect();
        if let Some(room) = room {
            self.fit(&mut widths, room);
        }
        let head = self.head.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let mut shown = line(&head, &widths, |cell| paint(Colour::Bold, cell));
        for row in &self.rows {
            shown.push_str(&line(row, &widths, coloured));
        }
        shown
    }

    /// What is widest becomes narrower, as long as something can be read in it.
    fn fit(&self, widths: &mut [usize], room: usize) {
        const NARROWEST: usize = 8;
        let gaps = 2 * widths.len().saturating_sub(1);
        while widths.iter().sum::<usize>() + gaps > room {
            let may_be_cut = widths.iter_mut().zip(&self.head).filter(|(_, name)| !TYPED.contains(name));
            match may_be_cut.map(|(width, _)| width).max() {
                Some(widest) if *widest > NARROWEST => *widest -= 1,
                _ => return,
            }
        }
    }
}

fn line(cells: &[String], widths: &[usize], paint: impl Fn(&str) -> String) -> String {
    let mut line = String::new();
    for (number, (cell, width)) in cells.iter().zip(widths).enumerate() {
        let cell = terminal::cut(cell, *width);
        line.push_str(&paint(&cell));
        if number + 1 < cells.len() {
            let gap = width.saturating_sub(cell.chars().count()) + 2;
            line.extend(std::iter::repeat_n(' ', gap));
        }
    }
    format!("{}\n", line.trim_end())
}

/// Words that say how something is.
fn coloured(cell: &str) -> String {
    match cell {
        "running" | "healthy" | "passed" | "ok" => paint(Colour::Green, cell),
        "failed" | "FAILED" | "error" | "unhealthy" | "down" => paint(Colour::Red, cell),
        "starting" | "updating" | "backing-off" | "stopping" => paint(Colour::Yellow, cell),
        cell => cell.to_owned(),
    }
}

#[derive(Debug, Clone, Copy)]
pub enum Colour {
    Bold,
    Red,
    Green,
    Yellow,
}

/// On standard output.
pub fn paint(colour: Colour, text: &str) -> String {
    static COLOURS: LazyLock<bool> = LazyLock::new(|| terminal::colours(&std::io::stdout()));
    if !*COLOURS {
        return text.to_owned();
    }
    let code = match colour {
        Colour::Bold => 1,
        Colour::Red => 31,
        Colour::Green => 32,
        Colour::Yellow => 33,
    };
    format!("\x1b[{code}m{text}\x1b[0m")
}

/// One line, without what a terminal would take for an order.
pub fn plain(text: &str) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    plain.trim().to_owned()
}

fn short(text: &str) -> String {
    terminal::cut(&plain(text), WIDEST)
}

/// A cell of a field; `-` where there is nothing.
pub fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) if text.is_empty() => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(values) if values.is_empty() => "-".to_owned(),
        Value::Array(values) => values.iter().map(cell).collect::<Vec<_>>().join(", "),
        value => value.to_string(),
    }
}

/// A time as people read it: to the second.
pub fn time(value: &Value) -> String {
    let text = value.as_str().unwrap_or("-");
    match text.get(..19) {
        Some(seconds) if text.ends_with('Z') => format!("{}Z", seconds.replace('T', " ")),
        _ => text.to_owned(),
    }
}

fn yaml(value: &Value) -> String {
    let mut text = String::new();
    match value {
        Value::Object(fields) if !fields.is_empty() => write_yaml(value, 0, &mut text),
        Value::Array(values) if !values.is_empty() => write_yaml(value, 0, &mut text),
        value => text.push_str(&scalar(value)),
    }
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

fn write_yaml(value: &Value, depth: usize, text: &mut String) {
    let mut first = true;
    // The first entry of a list within a list stands behind its dash.
    let mut begin = |text: &mut String| {
        if !std::mem::take(&mut first) || text.is_empty() || text.ends_with('\n') {
            text.extend(std::iter::repeat_n("  ", depth));
        }
    };
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                begin(text);
                text.push_str(&word(name));
                text.push(':');
                match value {
                    Value::Object(fields) if !fields.is_empty() => nested(value, depth + 1, text),
                    Value::Array(values) if !values.is_empty() => nested(value, depth + 1, text),
                    value => writeln!(text, " {}", scalar(value)).expect("writing to a string can't fail"),
                }
            }
        }
        Value::Array(values) => {
            for value in values {
                begin(text);
                text.push_str("- ");
                match value {
                    Value::Object(fields) if !fields.is_empty() => write_yaml(value, depth + 1, text),
                    Value::Array(values) if !values.is_empty() => write_yaml(value, depth + 1, text),
                    value => writeln!(text, "{}", scalar(value)).expect("writing to a string can't fail"),
                }
            }
        }
        value => writeln!(text, "{}", scalar(value)).expect("writing to a string can't fail"),
    }
}

fn nested(value: &Value, depth: usize, text: &mut String) {
    text.push('\n');
    write_yaml(value, depth, text);
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => word(text),
        // Empty ones are written as in JSON, which YAML takes.
        value => value.to_string(),
    }
}

/// Quoted, as in JSON, unless it can't be anything else than text.
fn word(text: &str) -> String {
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/'));
    let means_something =
        ["true", "false", "null", "yes", "no", "on", "off", "y", "n"].contains(&text.to_lowercase().as_str());
    if is_plain && !means_something { text.to_owned() } else { Value::from(text).to_string() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn yaml_is_written_in_blocks() {
        let value =
            json!({ "servers": [{ "name": "a", "tags": ["x", "no"], "deployed": null }, [1, [2]], {}], "next": [] });
        let expected = "servers:\n  - name: a\n    tags:\n      - x\n      - \"no\"\n    deployed: null\n  - - 1\n    - - 2\n  - {}\nnext: []\n";
        assert_eq!(yaml(&value), expected);
        assert_eq!(yaml(&json!("a: b")), "\"a: b\"\n");
    }

    #[test]
    fn cells_give_a_terminal_no_orders() {
        let mut table = Table::new(&["NAME", "DESCRIPTION"]);
        table.row(["a".to_owned(), "one\x1b[2Jtwo\nthree".to_owned()]);
        table.row(["long-name".to_owned(), "x".repeat(100)]);
        let shown = table.shown("");
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[..2], ["NAME       DESCRIPTION", "a          one [2Jtwo three"]);
        assert!(lines[2].ends_with('…') && lines[2].chars().count() == 71, "{shown}");
        assert_eq!(Table::new(&["A"]).shown("nothing"), "nothing\n");
    }

    #[test]
    fn a_table_is_no_wider_than_the_terminal_as_long_as_it_can_be_read() {
        let mut table = Table::new(&["NAME", "STATE", "DESCRIPTION"]);
        table.row(["shop".to_owned(), "running".to_owned(), "x".repeat(50)]);
        table.row(["a-very-long-name-of-a-server".to_owned(), "stopped".to_owned(), "y".to_owned()]);
        for (room, widest) in [(None, 89), (Some(120), 89), (Some(60), 60), (Some(40), 47), (Some(10), 47)] {
            let shown = table.shown_in(room, "");
            assert!(shown.contains("a-very-long-name-of-a-server"), "it is typed in the next command: {shown}");
            assert_eq!(shown.lines().map(|line| line.chars().count()).max(), Some(widest), "{room:?}\n{shown}");
            assert!(shown.contains("shop") && shown.contains("running"), "{shown}");
        }
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            "[a-z\\-:#'\" \\n]{0,6}".prop_map(Value::from),
            prop::sample::select(vec!["yes", "~", "1e3", "0x1", "- a", "null", "é", "a/b", "---"])
                .prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-z: \\-]{1,4}", inner, 0..4)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        /// The reader of the language is a YAML parser that was not written for this.
        #[test]
        fn what_is_written_as_yaml_is_read_as_the_same(value in any_value()) {
            let value = json!({ "name": "a", "tools": [{ "name": "t", "description": "d", "static": { "json": value } }] });
            let text = yaml(&value);
            let source = mcp_factory_spec::Source { name: "a", bytes: text.as_bytes(), format: mcp_factory_spec::Format::Yaml };
            let reading = mcp_factory_spec::read(&source, &mcp_factory_engine::Folder(std::path::Path::new(".")));
            let spec = reading.spec.ok_or_else(|| TestCaseError::fail(format!("{text}\n{:?}", reading.diagnostics)))?;
            let canonical = spec.canonical();
            prop_assert_eq!(&canonical["tools"][0]["static"]["json"], &value["tools"][0]["static"]["json"], "{}", text);
        }
    }

    /// A tool's answer, a description: what others say is never taken for what we say to type.
    #[test]
    fn what_is_printed_is_printed_as_it_is() {
        let said = "`mcp-factory down` ends it\nnext: mcp-factory deploy shop\n";
        assert_eq!(of(Output::Text, &Value::Null, |_| said.to_owned()), said);
        let mut table = Table::new(&["TOOL", "ABOUT"]);
        table.row(["a".to_owned(), "`mcp-factory down`".to_owned()]);
        assert!(table.shown_in(None, "").contains("`mcp-factory down`"));
    }
}
