//! The one form in which specs are stored and printed: camelCase, defaults left out, in the order of the language.
//!
//! Reading it gives the same spec again.

use serde_json::{Map, Value};

use crate::{Spec, model::ToolKind, read::Field};

mod yaml;

impl Spec {
    /// The canonical form as JSON.
    #[must_use]
    pub fn canonical(&self) -> Value {
        let mut spec = self.write();
        arrange(&mut spec, "resources", &["uri", "uriTemplate"]);
        arrange(&mut spec, "triggers", &["name", "type"]);
        let says = ["name", "title", "description", "parameters", "inputSchema", "returns", "connection"];
        arrange(&mut spec, "tools", &[&says, ToolKind::KEYS].concat());
        spec
    }

    /// The canonical form as YAML.
    #[must_use]
    pub fn canonical_yaml(&self) -> String {
        yaml::write(&self.canonical())
    }
}

/// What people look for first in the elements of a list stands first.
fn arrange(spec: &mut Value, list: &str, first: &[&str]) {
    let Some(Value::Array(elements)) = spec.get_mut(list) else { return };
    for element in elements {
        let Value::Object(fields) = element else { continue };
        let mut arranged = Map::new();
        for key in first {
            if let Some((key, value)) = fields.shift_remove_entry(*key) {
                arranged.insert(key, value);
            }
        }
        arranged.append(fields);
        *fields = arranged;
    }
}
