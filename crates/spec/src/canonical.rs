//! The one form in which specs are stored and printed: camelCase, defaults left out, in the order of the language.
//!
//! Reading it gives the same spec again.

use serde_json::Value;

use crate::{Spec, read::Field};

mod yaml;

impl Spec {
    /// The canonical form as JSON.
    #[must_use]
    pub fn canonical(&self) -> Value {
        self.write()
    }

    /// The canonical form as YAML.
    #[must_use]
    pub fn canonical_yaml(&self) -> String {
        yaml::write(&self.write())
    }
}
