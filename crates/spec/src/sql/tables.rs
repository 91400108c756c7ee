//! Which tables a statement names.

use std::ops::ControlFlow;

use sqlparser::ast::{ObjectName, visit_relations};

use super::{Template, parse_again};

/// In the order in which it names them, with all its clauses; as they are compared: without schema and quotes, in small letters.
pub fn tables(template: &Template) -> Vec<String> {
    let mut found = Vec::new();
    let Some(variant) = template.variants.last() else { return found };
    let ast = parse_again(&variant.text, template.dialect);
    let _ = visit_relations(&ast, |relation: &ObjectName| {
        let name = relation.0.last().and_then(|part| part.as_ident()).map(|ident| ident.value.to_lowercase());
        found.extend(name.filter(|name| !found.contains(name)));
        ControlFlow::<()>::Continue(())
    });
    found
}
