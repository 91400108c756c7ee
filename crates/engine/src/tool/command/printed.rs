//! What a program printed becomes an answer, as `returns` says: text, bytes, one JSON value, or a list with a line for each
//! item. What was cut, and what is not text, is said.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use mcp_factory_connect::command::Captured;
use mcp_factory_spec::model;
use mcp_serve::ToolResult;
use serde_json::{Map, Value, json};

use crate::{
    answer,
    shape::{Shape, ShapeContent},
};

#[derive(Debug)]
pub struct Reading {
    form: Form,
    shape: Shape,
    max_rows: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Text,
    Base64,
    Json,
    /// A JSON array, or lines: each an item.
    Items,
}

impl Reading {
    pub fn of(returns: Option<&Value>, limits: &model::ToolLimits) -> Self {
        let shape = returns.map_or(Shape::ANY, Shape::compile);
        let encoding = returns.and_then(|returns| returns.get("contentEncoding"));
        let listed = matches!(shape.content, ShapeContent::Items(_));
        let form = if encoding.is_some_and(|word| word == "base64") {
            Form::Base64
        } else if shape.types.array && !shape.types.string && !shape.types.object || listed {
            Form::Items
        } else if shape.types.string && shape.content == ShapeContent::Free {
            Form::Text
        } else {
            Form::Json
        };
        Self { form, shape, max_rows: limits.max_rows.at().map(std::num::NonZeroU64::get) }
    }

    /// Or what is wrong with it, to stand behind the name of the program.
    pub fn read(&self, printed: &Captured, limit: usize) -> Result<ToolResult, String> {
        let cut = printed.is_cut();
        if cut && matches!(self.form, Form::Base64 | Form::Json) {
            return Err(format!("printed {} bytes, more than this tool may answer ({limit})", printed.total));
        }
        if self.form == Form::Base64 {
            return Ok(answer::value(Value::String(STANDARD.encode(&printed.bytes))));
        }
        let (text, replaced) = decode(&printed.bytes, cut);
        let mut truncated = cut.then(|| {
            let message =
                format!("only the beginning is here: {} bytes were printed, the limit is {limit}", printed.total);
            json!({ "reason": "bytes", "limit": limit, "message": message })
        });
        let (name, value) = match self.form {
            Form::Text => {
                let line = text.strip_suffix('\n').filter(|_| !cut);
                let text = line.map_or(&*text, |line| line.strip_suffix('\r').unwrap_or(line));
                ("value", Value::String(text.to_owned()))
            }
            Form::Items => ("items", Value::Array(self.items(&text, cut, &mut truncated)?)),
            _ => {
                let value = serde_json::from_str(&text).map_err(|error| format!("printed no JSON: {error}"))?;
                return Ok(answer::value(self.shape.apply(value)));
            }
        };
        let mut object = Map::from_iter([(name.to_owned(), value)]);
        object.extend(truncated.map(|notice| ("truncated".to_owned(), notice)));
        if replaced {
            object.insert("notice".to_owned(), "bytes that are no UTF-8 text are shown as U+FFFD".into());
        }
        Ok(answer::value(Value::Object(object)))
    }

    fn items(&self, text: &str, cut: bool, truncated: &mut Option<Value>) -> Result<Vec<Value>, String> {
        let whole = if text.trim_start().starts_with('[') { serde_json::from_str(text).ok() } else { None };
        let mut items = match whole {
            Some(Value::Array(items)) => items,
            _ => self.lines(text, cut)?,
        };
        let most = self.max_rows.and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX);
        if items.len() > most {
            let message = format!("only the first {most} of {} items are here: that is the limit", items.len());
            *truncated = Some(json!({ "reason": "rows", "limit": most, "rows": most, "message": message }));
            items.truncate(most);
        }
        let Value::Array(items) = self.shape.apply(Value::Array(items)) else { return Ok(Vec::new()) };
        Ok(items)
    }

    /// A line that was cut is no item.
    fn lines(&self, text: &str, cut: bool) -> Result<Vec<Value>, String> {
        let texts = match &self.shape.content {
            ShapeContent::Items(item) => item.types.string && item.content == ShapeContent::Free,
            _ => true,
        };
        let complete = if cut { text.rfind('\n').map_or("", |end| &text[..end]) } else { text };
        let lines = complete.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let item = |(number, line): (usize, &str)| {
            if texts {
                return Ok(Value::String(line.to_owned()));
            }
            serde_json::from_str(line).map_err(|error| format!("printed no JSON in line {}: {error}", number + 1))
        };
        lines.map(item).collect()
    }
}

/// As text, and whether something was replaced. A character at the cut that is not whole is left out.
fn decode(bytes: &[u8], cut: bool) -> (String, bool) {
    let whole = match std::str::from_utf8(bytes) {
        Ok(text) => return (text.to_owned(), false),
        Err(error) if cut && error.error_len().is_none() => return (lossy(&bytes[..error.valid_up_to()]), false),
        Err(_) => bytes,
    };
    (lossy(whole), true)
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use mcp_serve::Content;

    use super::*;

    fn read(returns: Value, printed: &[u8], total: u64) -> Result<Value, String> {
        let limits =
            model::ToolLimits { max_rows: model::Cap::At(3.try_into().unwrap()), ..model::ToolLimits::default() };
        let captured = Captured { bytes: printed.to_vec(), total };
        let reading = Reading::of(Some(&returns).filter(|returns| !returns.is_null()), &limits);
        reading.read(&captured, printed.len()).map(|result| match result.content {
            Content::Json(json) => serde_json::from_str(json.get()).unwrap(),
            other => panic!("{other:?}"),
        })
    }

    fn whole(returns: Value, printed: &str) -> Result<Value, String> {
        read(returns, printed.as_bytes(), printed.len() as u64)
    }

    #[test]
    fn without_a_word_of_the_spec_it_is_text_whatever_it_looks_like() {
        for returns in [Value::Null, json!({}), json!({ "type": "string" })] {
            assert_eq!(whole(returns.clone(), "42\n").unwrap(), json!({ "value": "42" }));
            assert_eq!(whole(returns, " a\r\n\n").unwrap(), json!({ "value": " a\r\n" }));
        }
    }

    #[test]
    fn json_is_read_where_the_spec_describes_some_and_is_shaped() {
        let object = json!({ "type": "object", "properties": { "id": { "type": "integer" } } });
        assert_eq!(whole(object.clone(), "{\"id\": 1, \"secret\": 2}\n").unwrap(), json!({ "id": 1 }));
        assert_eq!(whole(json!({ "type": "integer" }), "42\n").unwrap(), json!({ "value": 42 }));
        assert!(whole(object, "oops").unwrap_err().starts_with("printed no JSON"));
    }

    #[test]
    fn a_list_is_a_json_array_or_a_line_for_each_item() {
        let texts = json!({ "type": "array", "items": { "type": "string" } });
        assert_eq!(whole(texts.clone(), "a\n\n b \n").unwrap(), json!({ "items": ["a", " b "] }));
        assert_eq!(whole(texts.clone(), "[\"a\"]").unwrap(), json!({ "items": ["a"] }));
        assert_eq!(whole(texts.clone(), "[x]\n").unwrap(), json!({ "items": ["[x]"] }));
        assert_eq!(whole(texts.clone(), "").unwrap(), json!({ "items": [] }));
        let objects = json!({ "type": "array", "items": { "type": "object", "properties": { "id": {} } } });
        assert_eq!(whole(objects.clone(), "{\"id\":1}\n{\"id\":2,\"x\":3}\n").unwrap()["items"][1], json!({ "id": 2 }));
        assert!(whole(objects, "{}\noops\n").unwrap_err().contains("line 2"));
        let many = whole(texts, "a\nb\nc\nd\n").unwrap();
        assert_eq!((&many["items"], &many["truncated"]["reason"]), (&json!(["a", "b", "c"]), &json!("rows")));
    }

    #[test]
    fn what_was_cut_says_so_or_is_refused_where_a_part_says_nothing() {
        let cut = read(Value::Null, "aé".as_bytes().split_last().unwrap().1, 9).unwrap();
        assert_eq!((&cut["value"], &cut["truncated"]["reason"]), (&json!("a"), &json!("bytes")));
        assert_eq!(cut.get("notice"), None);
        let lines = read(json!({ "type": "array", "items": { "type": "string" } }), b"a\nb\nc", 9).unwrap();
        assert_eq!((&lines["items"], &lines["truncated"]["reason"]), (&json!(["a", "b"]), &json!("bytes")));
        for returns in [json!({ "type": "object" }), json!({ "type": "string", "contentEncoding": "base64" })] {
            assert!(read(returns, b"{\"a\":", 9).unwrap_err().contains("more than"));
        }
    }

    #[test]
    fn what_is_no_text_is_base64_where_the_spec_says_so_and_otherwise_told() {
        let bytes = b"a\xff\n";
        let encoded = read(json!({ "type": "string", "contentEncoding": "base64" }), bytes, 3).unwrap();
        assert_eq!(encoded, json!({ "value": "Yf8K" }));
        let replaced = read(Value::Null, bytes, 3).unwrap();
        assert_eq!(replaced["value"], "a\u{fffd}");
        assert!(replaced["notice"].as_str().unwrap().contains("U+FFFD"));
    }
}
