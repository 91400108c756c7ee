//! The keywords of draft 2020-12, and what each takes.

/// What a keyword takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    Schema,
    Schemas,
    NamedSchemas,
    Number,
    PositiveNumber,
    Count,
    Flag,
    Text,
    Pattern,
    Names,
    NamedNames,
    Type,
    Values,
    List,
    Mapping,
    Anything,
    Dialect,
    Identifier,
    Anchor,
    Reference,
}

/// By name; `example` is OpenAPI's, which the language knows too.
pub(super) const KEYWORDS: &[(&str, Takes)] = &[
    ("$anchor", Takes::Anchor),
    ("$comment", Takes::Text),
    ("$defs", Takes::NamedSchemas),
    ("$dynamicAnchor", Takes::Anchor),
    ("$dynamicRef", Takes::Reference),
    ("$id", Takes::Identifier),
    ("$ref", Takes::Reference),
    ("$schema", Takes::Dialect),
    ("$vocabulary", Takes::Mapping),
    ("additionalProperties", Takes::Schema),
    ("allOf", Takes::Schemas),
    ("anyOf", Takes::Schemas),
    ("const", Takes::Anything),
    ("contains", Takes::Schema),
    ("contentEncoding", Takes::Text),
    ("contentMediaType", Takes::Text),
    ("contentSchema", Takes::Schema),
    ("default", Takes::Anything),
    ("definitions", Takes::NamedSchemas),
    ("dependentRequired", Takes::NamedNames),
    ("dependentSchemas", Takes::NamedSchemas),
    ("deprecated", Takes::Flag),
    ("description", Takes::Text),
    ("else", Takes::Schema),
    ("enum", Takes::Values),
    ("example", Takes::Anything),
    ("examples", Takes::List),
    ("exclusiveMaximum", Takes::Number),
    ("exclusiveMinimum", Takes::Number),
    ("format", Takes::Text),
    ("if", Takes::Schema),
    ("items", Takes::Schema),
    ("maxContains", Takes::Count),
    ("maxItems", Takes::Count),
    ("maxLength", Takes::Count),
    ("maxProperties", Takes::Count),
    ("maximum", Takes::Number),
    ("minContains", Takes::Count),
    ("minItems", Takes::Count),
    ("minLength", Takes::Count),
    ("minProperties", Takes::Count),
    ("minimum", Takes::Number),
    ("multipleOf", Takes::PositiveNumber),
    ("not", Takes::Schema),
    ("oneOf", Takes::Schemas),
    ("pattern", Takes::Pattern),
    ("patternProperties", Takes::NamedSchemas),
    ("prefixItems", Takes::Schemas),
    ("properties", Takes::NamedSchemas),
    ("propertyNames", Takes::Schema),
    ("readOnly", Takes::Flag),
    ("required", Takes::Names),
    ("then", Takes::Schema),
    ("title", Takes::Text),
    ("type", Takes::Type),
    ("unevaluatedItems", Takes::Schema),
    ("unevaluatedProperties", Takes::Schema),
    ("uniqueItems", Takes::Flag),
    ("writeOnly", Takes::Flag),
];

pub(super) const TYPES: [&str; 7] = ["string", "integer", "number", "boolean", "array", "object", "null"];

pub(super) fn takes(keyword: &str) -> Option<Takes> {
    KEYWORDS.iter().find(|(name, _)| *name == keyword).map(|(_, takes)| *takes)
}

/// Whether the schemas under the keyword judge the same value as their parent.
pub(super) fn is_in_place(keyword: &str) -> bool {
    matches!(keyword, "allOf" | "anyOf" | "oneOf" | "not" | "if" | "then" | "else" | "dependentSchemas")
}

/// Whether the objects under the keyword are closed by the language as their parent is.
pub(super) fn passes_closing_on(keyword: &str) -> bool {
    matches!(keyword, "properties" | "patternProperties" | "items" | "additionalProperties" | "prefixItems")
}

/// The type that a word of another language means.
pub(super) fn type_meant_by(word: &str) -> Option<&'static str> {
    Some(match word.to_ascii_lowercase().as_str() {
        "int" | "int32" | "int64" | "long" => "integer",
        "str" | "text" | "uuid" | "date" | "datetime" => "string",
        "float" | "double" | "decimal" | "numeric" => "number",
        "bool" => "boolean",
        "list" | "tuple" | "set" => "array",
        "dict" | "map" | "mapping" | "json" => "object",
        "none" | "nil" => "null",
        _ => return crate::suggest::nearest(word, TYPES),
    })
}
