//! Media types of bodies: which of those that a document offers is taken, and what is told of the others.

use serde_json::{Map, Value, json};

use super::{document::At, schema::Schemas};
use crate::text;

/// One of the bodies that an operation takes.
#[derive(Debug, Clone, Copy)]
pub struct Offer<'d> {
    pub media_type: &'d str,
    /// A word of `http.bodyType`.
    pub kind: &'static str,
    pub media: At<'d>,
    pub schema: Option<At<'d>>,
}

/// In the order in which they are taken where a document offers several.
const PREFERRED: [&str; 5] = ["json", "form", "multipart", "text", "binary"];

/// The words of `bodyType` that a media type is written as.
pub fn kind_of(media_type: &str) -> Option<&'static str> {
    Some(match essence(media_type).as_str() {
        "application/x-www-form-urlencoded" => "form",
        "multipart/form-data" | "multipart/mixed" | "multipart/related" => "multipart",
        "application/json" | "text/json" | "*/*" | "application/*" => "json",
        json if json.ends_with("+json") => "json",
        text if text.starts_with("text/") || text.ends_with("xml") || text.ends_with("yaml") => "text",
        "" => return None,
        _ => "binary",
    })
}

/// Without parameters.
fn essence(media_type: &str) -> String {
    media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

impl<'d> Offer<'d> {
    pub fn of(media_type: &'d str, schema: Option<At<'d>>, media: At<'d>, schemas: &Schemas<'_, 'd>) -> Option<Self> {
        let kind = kind_of(media_type)?;
        let meant = schema.and_then(|schema| schemas.resolve(schema).ok());
        // Where anything goes, the schema says what does.
        let is_bytes = meant.is_some_and(|schema| schema.text("format") == Some("binary"));
        let kind = if media_type.contains('*') && kind == "json" && is_bytes { "binary" } else { kind };
        Some(Self { media_type, kind, media, schema })
    }
}

/// The one that is taken: files can't stand in JSON, so a form goes before it that has some.
pub fn best<'o, 'd>(offered: &'o [Offer<'d>], has_files: impl Fn(&Offer<'d>) -> bool) -> Option<&'o Offer<'d>> {
    // What is JSON and nothing more goes before what has a meaning of its own, such as a patch.
    let is_plain = |offer: &&Offer<'d>| essence(offer.media_type) == "application/json";
    let of = |wanted: &str| {
        let plain = offered.iter().find(is_plain).filter(|_| wanted == "json");
        plain.or_else(|| offered.iter().find(|offer| offer.kind == wanted))
    };
    let best = PREFERRED.iter().find_map(|wanted| of(wanted))?;
    let form = of("multipart").filter(|_| matches!(best.kind, "json" | "form") && has_files(best));
    Some(form.unwrap_or(best))
}

/// All types that the body may be of, where they are sent alike.
pub fn types_of<'d>(best: &Offer<'d>, offered: &[Offer<'d>]) -> Vec<&'d str> {
    if !matches!(best.kind, "text" | "binary") {
        return vec![best.media_type];
    }
    let types = offered.iter().filter(|offer| offer.kind == best.kind).map(|offer| offer.media_type);
    types.filter(|it| !it.contains(['\r', '\n', '{', '}'])).collect()
}

/// Those that are not taken, and could say something else.
pub fn others<'d>(best: &Offer<'d>, offered: &[Offer<'d>], schemas: &Schemas<'_, 'd>) -> Option<String> {
    let says = |offer: &Offer<'d>| {
        let schema = offer.schema.map(|schema| schemas.resolve(schema).unwrap_or(schema));
        schema.map(|schema| schema.node.to_json())
    };
    let is_taken = |offer: &Offer<'d>| matches!(offer.kind, "text" | "binary") && offer.kind == best.kind;
    let ours = says(best);
    let others = offered.iter().filter(|offer| offer.media_type != best.media_type && !is_taken(offer));
    let others: Vec<String> = others
        .filter(|offer| says(offer) != ours)
        .map(|offer| format!("`{}`", text::plain(offer.media_type, 80)))
        .collect();
    (!others.is_empty()).then(|| format!("its body as {}: it is sent as `{}`", others.join(", "), best.media_type))
}

/// Whether a type is one of a range such as `image/*`.
pub fn is_within(media_type: &str, range: &str) -> bool {
    match range.split(';').next().unwrap_or_default().trim().strip_suffix('*') {
        Some("*/") => true,
        Some(begin) => media_type.starts_with(begin),
        None => media_type == range,
    }
}

/// The parameter that says which one it is.
pub fn chosen(media_types: &[&str]) -> Map<String, Value> {
    let all = media_types.join(", ");
    let schema = match media_types.iter().any(|it| it.contains('*')) {
        false => json!({ "type": "string", "enum": media_types, "description": "The type of what is sent" }),
        true => {
            let patterns: Vec<String> = media_types.iter().map(|it| pattern(it)).collect();
            let about = format!("The type of what is sent, of {all}");
            json!({ "type": "string", "pattern": format!("^({})$", patterns.join("|")), "description": about })
        }
    };
    if let Value::Object(schema) = schema { schema } else { Map::new() }
}

/// Of the types of a range, or of the one that it is.
fn pattern(range: &str) -> String {
    let any = "[^\\s/*]+";
    let range = range.split(';').next().unwrap_or_default().trim();
    let escaped =
        |c: char| if c.is_ascii_alphanumeric() || "/-".contains(c) { c.to_string() } else { format!("\\{c}") };
    range.split('*').map(|part| part.chars().map(escaped).collect()).collect::<Vec<String>>().join(any)
}
