//! A list that is serialised once and sent many times.

use std::sync::Arc;

use serde::Serialize;
use serde_json::value::RawValue;

/// The items and their JSON array.
#[derive(Debug)]
pub struct Listing<T> {
    items: Vec<T>,
    json: Box<RawValue>,
}

impl<T: Serialize> Listing<T> {
    pub fn new(items: Vec<T>) -> Result<Arc<Self>, serde_json::Error> {
        let json = serde_json::value::to_raw_value(&items)?;
        Ok(Arc::new(Self { items, json }))
    }
}

impl<T> Listing<T> {
    #[must_use]
    pub fn empty() -> Arc<Self> {
        let json = RawValue::from_string("[]".to_owned()).expect("`[]` is JSON");
        Arc::new(Self { items: Vec::new(), json })
    }

    #[must_use]
    pub fn items(&self) -> &[T] {
        &self.items
    }

    #[must_use]
    pub fn json(&self) -> &RawValue {
        &self.json
    }
}
