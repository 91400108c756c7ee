//! Which tools suit a few words: BM25 over name, title, description and the names and descriptions of parameters.
//!
//! Words are weighed by how rare they are among what the caller may see, so that no answer tells of anything else. Written
//! here because the crates for it weigh by the whole collection, and leave open which of two equals comes first.

use std::collections::HashMap;

use serde_json::Value;

use crate::model::Tool;

/// How much more often counts for less, and how much long texts are held back: the values everybody uses.
const K1: f64 = 1.2;
const B: f64 = 0.75;
/// A word of the name says more than one of a text.
const NAME_COUNTS: u32 = 3;
/// Levels of a schema that are read.
const DEEPEST: usize = 6;
/// Words of a query that are looked for.
const MOST_WORDS: usize = 64;

/// Tools that can be searched.
#[derive(Debug, Default)]
pub struct Documents(Vec<Document>);

#[derive(Debug, Default)]
struct Document {
    words: HashMap<String, u32>,
    length: u32,
}

impl Documents {
    #[must_use]
    pub fn of<'a>(tools: impl Iterator<Item = &'a Tool>) -> Self {
        Self(tools.map(Document::of).collect())
    }

    /// The places of the best, best first; equals in the order of the tools.
    #[must_use]
    pub fn best(&self, query: &str, most: usize, visible: impl Fn(usize) -> bool) -> Vec<usize> {
        let mut wanted: Vec<String> = words(query).take(MOST_WORDS).collect();
        wanted.sort();
        wanted.dedup();
        let seen: Vec<(usize, &Document)> = self.0.iter().enumerate().filter(|(place, _)| visible(*place)).collect();
        #[expect(clippy::cast_precision_loss, reason = "nobody has that many tools")]
        let count = seen.len() as f64;
        let average = seen.iter().map(|(_, it)| f64::from(it.length)).sum::<f64>() / count.max(1.0);
        let mut scores = vec![0.0; seen.len()];
        for word in &wanted {
            #[expect(clippy::cast_precision_loss, reason = "nobody has that many tools")]
            let having = seen.iter().filter(|(_, it)| it.words.contains_key(word)).count() as f64;
            let rarity = ((count - having + 0.5) / (having + 0.5)).ln_1p();
            for ((_, document), score) in seen.iter().zip(&mut scores) {
                let times = f64::from(document.words.get(word).copied().unwrap_or_default());
                let length = f64::from(document.length) / average.max(1.0);
                *score += rarity * times * (K1 + 1.0) / (times + K1 * (1.0 - B + B * length));
            }
        }
        let mut ranked: Vec<(f64, usize)> =
            scores.into_iter().zip(&seen).map(|(score, (place, _))| (score, *place)).filter(|it| it.0 > 0.0).collect();
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        ranked.into_iter().take(most).map(|(_, place)| place).collect()
    }
}

impl Document {
    fn of(tool: &Tool) -> Self {
        let mut document = Self::default();
        document.read(&tool.name, NAME_COUNTS);
        for text in [tool.title.as_deref(), tool.description.as_deref()].into_iter().flatten() {
            document.read(text, 1);
        }
        document.read_schema(tool.input_schema.get("properties"), DEEPEST);
        document
    }

    fn read(&mut self, text: &str, counts: u32) {
        for word in words(text) {
            *self.words.entry(word).or_default() += counts;
            self.length += counts;
        }
    }

    fn read_schema(&mut self, properties: Option<&Value>, levels: usize) {
        let Some(Value::Object(properties)) = properties.filter(|_| levels > 0) else { return };
        for (name, schema) in properties {
            self.read(name, 1);
            for key in ["title", "description"] {
                if let Some(text) = schema.get(key).and_then(Value::as_str) {
                    self.read(text, 1);
                }
            }
            let items = schema.get("items").and_then(|items| items.get("properties"));
            self.read_schema(schema.get("properties").or(items), levels - 1);
        }
    }
}

/// Words in lower case; `camelCase` and `snake_case` are two, and the plain plural is the singular.
fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|character: char| !character.is_alphanumeric()).flat_map(humps).filter(|word| !word.is_empty()).map(
        |word| {
            let word = word.to_lowercase();
            match word.strip_suffix('s') {
                Some(stem) if stem.len() > 2 && !stem.ends_with('s') => stem.to_owned(),
                _ => word,
            }
        },
    )
}

fn humps(word: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut before_is_lower) = (0, false);
    for (at, character) in word.char_indices() {
        if before_is_lower && character.is_uppercase() {
            parts.push(&word[start..at]);
            start = at;
        }
        before_is_lower = character.is_lowercase() || character.is_numeric();
    }
    parts.push(&word[start..]);
    parts
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tool(name: &'static str, description: &'static str, properties: Value) -> Tool {
        let schema = json!({ "type": "object", "properties": properties });
        Tool::new(name, description, schema.as_object().expect("object").clone())
    }

    fn tools() -> Vec<Tool> {
        vec![
            tool("search_products", "Search products by name or category", json!({"query": {"type": "string"}})),
            tool("get_customer", "A customer by id", json!({"id": {"type": "string"}})),
            tool("sendInvoice", "Mail it", json!({"customer": {"type": "string", "description": "who pays"}})),
            tool("list_categories", "All of them", json!({})),
        ]
    }

    fn best(query: &str) -> Vec<usize> {
        Documents::of(tools().iter()).best(query, 10, |_| true)
    }

    #[test]
    fn names_texts_and_parameters_are_found_by_their_words() {
        assert_eq!(best("product"), [0]);
        assert_eq!(best("find a CUSTOMER"), [1, 2]);
        assert_eq!(best("invoice"), [2]);
        assert_eq!(best("pays"), [2]);
        assert_eq!(best("weather"), [0; 0]);
        assert_eq!(best(""), [0; 0]);
    }

    #[test]
    fn equals_come_in_the_order_of_the_tools_and_only_the_visible_count() {
        let same =
            [tool("b", "the same", json!({})), tool("a", "the same", json!({})), tool("c", "the same", json!({}))];
        let documents = Documents::of(same.iter());
        assert_eq!(documents.best("same", 10, |_| true), [0, 1, 2]);
        assert_eq!(documents.best("same", 10, |place| place != 1), [0, 2]);
        assert_eq!(documents.best("same", 1, |_| true), [0]);
    }
}
