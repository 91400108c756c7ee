//! A list that is serialised once and sent many times.

use std::sync::{Arc, OnceLock};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

/// The items and their JSON array.
#[derive(Debug)]
pub struct Listing<T> {
    items: OnceLock<Vec<T>>,
    json: Box<RawValue>,
    read: fn(&str) -> Vec<T>,
}

impl<T: Serialize> Listing<T> {
    pub fn new(items: Vec<T>) -> Result<Arc<Self>, serde_json::Error> {
        let json = serde_json::value::to_raw_value(&items)?;
        Ok(Arc::new(Self { items: items.into(), json, read: |_| Vec::new() }))
    }
}

impl<T: DeserializeOwned> Listing<T> {
    /// Of the JSON array alone, a tenth of the memory: the items are read when they are first asked for. Says so at once if that
    /// can't be.
    pub fn written(json: Box<RawValue>) -> Result<Self, serde_json::Error> {
        serde_json::from_str::<Vec<T>>(json.get())?;
        let read = |json: &str| serde_json::from_str(json).expect("it was read before");
        Ok(Self { items: OnceLock::new(), json, read })
    }
}

impl<T> Listing<T> {
    #[must_use]
    pub fn empty() -> Arc<Self> {
        let json = RawValue::from_string("[]".to_owned()).expect("`[]` is JSON");
        Arc::new(Self { items: Vec::new().into(), json, read: |_| Vec::new() })
    }

    #[must_use]
    pub fn items(&self) -> &[T] {
        self.items.get_or_init(|| (self.read)(self.json.get()))
    }

    #[must_use]
    pub fn json(&self) -> &RawValue {
        &self.json
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_of_json_alone_has_the_same_items() {
        let listing = Listing::new(vec![1, 2]).unwrap();
        let written = Listing::<i32>::written(listing.json().to_owned()).unwrap();
        assert!(written.items.get().is_none(), "nobody asked for them");
        assert_eq!((written.items(), written.json().get()), (&[1, 2][..], "[1,2]"));
    }

    #[test]
    fn json_that_holds_no_such_items_is_refused_at_once() {
        assert!(Listing::<i32>::written(RawValue::from_string("[\"a\"]".to_owned()).unwrap()).is_err());
    }
}
