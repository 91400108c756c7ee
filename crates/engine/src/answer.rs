//! What a tool gives back, as SPEC has it on the wire: rows and arrays under `items`, an object as itself, a scalar under
//! `value`, a statement without rows as `rowsAffected`.

use mcp_serve::ToolResult;
use serde_json::{Value, json, value::RawValue};

use crate::{
    json::write_string,
    rows::{Caps, Cut, Rows},
};

/// What a `single` tool answers when there is none.
pub const NO_SUCH_ROW: &str = "there is no such row";
/// And when there are several.
pub const SEVERAL_ROWS: &str = "there is more than one such row, and this tool answers one: narrow the arguments";

/// Rows of a statement, with the cursor of the next page and a notice of what was cut.
#[must_use]
pub fn items(rows: Rows, caps: &Caps, next_cursor: Option<&str>) -> ToolResult {
    let mut json = Vec::with_capacity(rows.json.len() + 64);
    json.extend_from_slice(b"{\"items\":[");
    json.extend_from_slice(&rows.json);
    json.push(b']');
    if let Some(cursor) = next_cursor {
        json.extend_from_slice(b",\"nextCursor\":");
        write_string(&mut json, cursor);
    }
    if let Some(notice) = notice(&rows, caps, next_cursor.is_some()) {
        json.extend_from_slice(b",\"truncated\":");
        json.extend_from_slice(notice.to_string().as_bytes());
    }
    json.push(b'}');
    ToolResult::json(raw(json))
}

/// The one row of a `single` tool.
#[must_use]
pub fn single(rows: Rows, caps: &Caps) -> ToolResult {
    match (rows.count, rows.cut) {
        (_, Some(Cut::Bytes)) => ToolResult::error(format!(
            "the row is larger than this tool may answer ({} bytes)",
            caps.max_bytes.unwrap_or_default()
        )),
        (0, _) => ToolResult::error(NO_SUCH_ROW),
        (1, None) => ToolResult::json(raw(rows.json)),
        _ => ToolResult::error(SEVERAL_ROWS),
    }
}

#[must_use]
pub fn rows_affected(count: u64) -> ToolResult {
    ToolResult::json(raw(format!("{{\"rowsAffected\":{count}}}").into_bytes()))
}

/// An object that was written as JSON.
#[must_use]
pub fn object(json: Vec<u8>) -> ToolResult {
    ToolResult::json(raw(json))
}

/// JSON that is neither an object nor rows.
#[must_use]
pub fn scalar(json: &[u8]) -> ToolResult {
    ToolResult::json(raw([b"{\"value\":", json, b"}"].concat()))
}

/// Text, and of how many bytes it is the first, if it was cut.
#[must_use]
pub fn text(text: String, cut: Option<u64>) -> ToolResult {
    let mut answer = json!({ "value": text });
    if let Some(limit) = cut {
        let message = format!("only the first {limit} bytes are here, which is the limit");
        answer["truncated"] = json!({ "reason": "bytes", "limit": limit, "message": message });
    }
    value(answer)
}

/// A value that is not made of rows.
#[must_use]
pub fn value(value: Value) -> ToolResult {
    let object = match value {
        Value::Array(items) => json!({ "items": items }),
        Value::Object(object) => Value::Object(object),
        scalar => json!({ "value": scalar }),
    };
    ToolResult::json(serde_json::value::to_raw_value(&object).expect("a JSON value can be written"))
}

/// The schema of what is on the wire, for `returns`. A truncated answer is still an answer of this shape.
#[must_use]
pub fn output_schema(returns: &Value, rows: bool, single: bool) -> Value {
    let array = rows || returns.get("type").and_then(Value::as_str) == Some("array");
    if single {
        return returns.get("items").filter(|_| array).unwrap_or(returns).clone();
    }
    if array {
        let items = match returns.get("items") {
            Some(items) => items.clone(),
            None if returns.get("type").and_then(Value::as_str) == Some("object") => returns.clone(),
            None => json!({}),
        };
        return json!({
            "type": "object",
            "properties": {
                "items": { "type": "array", "items": items },
                "nextCursor": { "type": "string", "description": "Pass it as `cursor` to get the next page." },
                "truncated": { "type": "object", "description": "What was cut from this answer, and why." }
            },
            "required": ["items"]
        });
    }
    if returns.get("type").and_then(Value::as_str) == Some("object") {
        return returns.clone();
    }
    json!({ "type": "object", "properties": { "value": returns }, "required": ["value"] })
}

fn notice(rows: &Rows, caps: &Caps, more: bool) -> Option<Value> {
    if let Some(why) = &rows.dead_end {
        let message = format!("no page follows these {} rows: {why}", rows.count);
        return Some(json!({ "reason": "link", "rows": rows.count, "message": message }));
    }
    let (reason, limit) = match rows.cut? {
        Cut::Page => return None,
        Cut::Rows => ("rows", caps.max_rows?),
        Cut::Bytes => ("bytes", caps.max_bytes?),
    };
    let next = if more { "pass `nextCursor` for the rest" } else { "narrow the arguments to see the rest" };
    let message = format!("only the first {} rows are here: the limit is {limit} {reason}; {next}", rows.count);
    Some(json!({ "reason": reason, "limit": limit, "rows": rows.count, "message": message }))
}

fn raw(json: Vec<u8>) -> Box<RawValue> {
    let json = String::from_utf8(json).expect("the parts are UTF-8");
    RawValue::from_string(json).expect("the parts are JSON")
}

#[cfg(test)]
mod tests {
    use mcp_serve::Content;

    use super::*;

    const CAPS: Caps = Caps { max_rows: Some(1000), max_bytes: Some(20), page_size: Some(2) };

    fn text(result: &ToolResult) -> String {
        match &result.content {
            Content::Json(json) => json.get().to_owned(),
            other => format!("{other:?}"),
        }
    }

    fn rows(count: u64, cut: Option<Cut>) -> Rows {
        let row = "{\"a\":1}";
        Rows { json: vec![row; count as usize].join(",").into_bytes(), count, cut, dead_end: None }
    }

    #[test]
    fn rows_stand_under_items_and_a_page_names_the_next() {
        assert_eq!(text(&items(rows(2, None), &CAPS, None)), r#"{"items":[{"a":1},{"a":1}]}"#);
        let page = text(&items(rows(1, Some(Cut::Page)), &CAPS, Some("abc")));
        assert_eq!(page, r#"{"items":[{"a":1}],"nextCursor":"abc"}"#);
    }

    #[test]
    fn a_cut_answer_says_what_was_cut() {
        let answer: Value = serde_json::from_str(&text(&items(rows(2, Some(Cut::Bytes)), &CAPS, None))).unwrap();
        assert_eq!(answer["truncated"]["reason"], "bytes");
        assert_eq!(answer["truncated"]["limit"], 20);
        assert_eq!(answer["truncated"]["rows"], 2);
    }

    #[test]
    fn a_single_row_is_itself_and_anything_else_is_an_error() {
        assert_eq!(text(&single(rows(1, None), &CAPS)), r#"{"a":1}"#);
        for (count, cut) in [(0, None), (2, None), (1, Some(Cut::Rows)), (0, Some(Cut::Bytes))] {
            assert!(single(rows(count, cut), &CAPS).is_error, "{count} {cut:?}");
        }
    }

    #[test]
    fn other_values_are_always_an_object_on_the_wire() {
        assert_eq!(text(&value(json!([1]))), r#"{"items":[1]}"#);
        assert_eq!(text(&value(json!({ "a": 1 }))), r#"{"a":1}"#);
        assert_eq!(text(&value(json!("x"))), r#"{"value":"x"}"#);
        assert_eq!(text(&rows_affected(3)), r#"{"rowsAffected":3}"#);
    }
}
