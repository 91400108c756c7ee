//! Which tools suit a few words: BM25 over name, title, description and the names and descriptions of parameters, each of them
//! counting for less, and more for whoever's name the question speaks of.
//!
//! Words are weighed by how rare they are among what the caller may see, so that no answer tells of anything else. Written
//! here because the crates for it weigh by the whole collection, and leave open which of two equals comes first.

mod words;

use std::collections::HashMap;

use serde_json::Value;

use self::words::{JOINING, wanted, words};
use crate::model::Tool;

/// How much more often counts for less, and how much long texts are held back: the values everybody uses.
const K1: f64 = 1.2;
const B: f64 = 0.75;
/// How much a word counts of a name, of a title or a first sentence, of the rest, of parameters.
const NAME: f64 = 4.0;
const TITLE: f64 = 3.0;
const TEXT: f64 = 1.0;
const PARAMETER: f64 = 0.3;
/// Levels of a schema that are read.
const DEEPEST: usize = 6;
/// Words of a query that are looked for.
const MOST_WORDS: usize = 64;

/// Tools that can be searched.
#[derive(Debug, Default)]
pub struct Documents(Vec<Document>);

#[derive(Debug, Default)]
struct Document {
    words: HashMap<String, f64>,
    length: f64,
    /// Each word of it once.
    name: Vec<String>,
}

impl Documents {
    #[must_use]
    pub fn of<'a>(tools: impl Iterator<Item = &'a Tool>) -> Self {
        Self(tools.map(Document::of).collect())
    }

    /// The places of the best, best first; equals in the order of the tools. None of them lacks every word of the query.
    #[must_use]
    pub fn best(&self, query: &str, most: usize, visible: impl Fn(usize) -> bool) -> Vec<usize> {
        let wanted = wanted(query, MOST_WORDS);
        // In one order, so that sums are the same each time.
        let mut ordered: Vec<(&String, f64)> = wanted.iter().map(|(word, counts)| (word, *counts)).collect();
        ordered.sort_by(|a, b| a.0.cmp(b.0));
        let seen: Vec<(usize, &Document)> = self.0.iter().enumerate().filter(|(place, _)| visible(*place)).collect();
        #[expect(clippy::cast_precision_loss, reason = "nobody has that many tools")]
        let count = seen.len() as f64;
        let average = seen.iter().map(|(_, it)| it.length).sum::<f64>() / count.max(1.0);
        let mut scores = vec![(0.0, false); seen.len()];
        for (word, counts) in ordered {
            #[expect(clippy::cast_precision_loss, reason = "nobody has that many tools")]
            let having = seen.iter().filter(|(_, it)| it.words.contains_key(word)).count() as f64;
            let rarity = ((count - having + 0.5) / (having + 0.5)).ln_1p();
            for ((_, document), (score, said)) in seen.iter().zip(&mut scores) {
                let Some(times) = document.words.get(word) else { continue };
                let length = document.length / average.max(1.0);
                *score += counts * rarity * times * (K1 + 1.0) / (times + K1 * (1.0 - B + B * length));
                *said |= counts >= 1.0;
            }
        }
        let ranked = scores.into_iter().zip(&seen).filter(|((score, said), _)| *said && *score > 0.0);
        let mut ranked: Vec<(f64, usize)> =
            ranked.map(|((score, _), (place, it))| (score * (1.0 + it.named(&wanted)), *place)).collect();
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        ranked.into_iter().take(most).map(|(_, place)| place).collect()
    }
}

impl Document {
    fn of(tool: &Tool) -> Self {
        let mut document = Self::default();
        document.read(&tool.name, NAME);
        for word in words(&tool.name).filter(|word| !JOINING.contains(&word.as_str())) {
            if !document.name.contains(&word) {
                document.name.push(word);
            }
        }
        document.read(tool.title.as_deref().unwrap_or_default(), TITLE);
        let about = tool.description.as_deref().unwrap_or_default();
        let (first, rest) = about.split_once(". ").unwrap_or((about, ""));
        document.read(first, TITLE);
        document.read(rest, TEXT);
        document.read_schema(tool.input_schema.get("properties"), DEEPEST);
        document
    }

    /// How much of the name is asked for.
    fn named(&self, wanted: &HashMap<String, f64>) -> f64 {
        let asked: f64 = self.name.iter().filter_map(|word| wanted.get(word)).sum();
        #[expect(clippy::cast_precision_loss, reason = "names are short")]
        let all = self.name.len().max(1) as f64;
        asked / all
    }

    fn read(&mut self, text: &str, counts: f64) {
        for word in words(text) {
            *self.words.entry(word).or_default() += counts;
            self.length += counts;
        }
    }

    fn read_schema(&mut self, properties: Option<&Value>, levels: usize) {
        let Some(Value::Object(properties)) = properties.filter(|_| levels > 0) else { return };
        for (name, schema) in properties {
            self.read(name, PARAMETER);
            for key in ["title", "description"] {
                if let Some(text) = schema.get(key).and_then(Value::as_str) {
                    self.read(text, PARAMETER);
                }
            }
            let items = schema.get("items").and_then(|items| items.get("properties"));
            self.read_schema(schema.get("properties").or(items), levels - 1);
        }
    }
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
        assert_eq!(best("show all the categories"), [3, 0]);
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
