//! Where a client may say something, and how much of it is listened to.

use base64::{
    Engine,
    alphabet::{STANDARD, URL_SAFE},
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use http::{
    HeaderMap, HeaderName,
    header::{AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION},
};
use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};

use super::SessionContextError;
use crate::wire::depth;

/// A parameter of the URL. URLs are in logs and histories, so that it must not be asked for secrets.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct QueryParam {
    /// Default `config`.
    #[serde(default = "config")]
    pub name: String,
    #[serde(default)]
    pub encoding: Encoding,
    /// Needed. Other keys are dropped without a word.
    #[serde(default)]
    pub allowed_keys: Vec<String>,
    /// Takes keys that sound like secrets all the same. Default no.
    #[serde(default)]
    pub allow_secrets: bool,
}

/// An object in a header of this name.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HeaderSource {
    pub name: String,
    #[serde(default)]
    pub encoding: Encoding,
    #[serde(default)]
    pub allowed_keys: Vec<String>,
}

/// An object in `params._meta`, under this key.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MetaSource {
    pub key: String,
    #[serde(default)]
    pub allowed_keys: Vec<String>,
}

/// How an object is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// Of JSON; the letters of URLs or the standard ones.
    #[default]
    Base64,
    Json,
}

fn config() -> String {
    "config".to_owned()
}

impl QueryParam {
    #[must_use]
    pub fn new<K: Into<String>>(encoding: Encoding, allowed_keys: impl IntoIterator<Item = K>) -> Self {
        let allowed_keys = allowed_keys.into_iter().map(Into::into).collect();
        Self { name: config(), encoding, allowed_keys, allow_secrets: false }
    }
}

/// Bytes of one source, as they come.
const MOST: usize = 8 * 1024;
const DEEPEST: usize = 16;

pub(super) const SECRET_HEADERS: [HeaderName; 3] = [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE];

impl QueryParam {
    pub(super) fn check(&self) -> Result<(), SessionContextError> {
        checked("queryParam", &self.name, &self.allowed_keys)?;
        match self.allowed_keys.iter().find(|key| !self.allow_secrets && sounds_secret(key)) {
            Some(key) => Err(SessionContextError::SecretInUrl { key: key.clone() }),
            None => Ok(()),
        }
    }

    pub(super) fn read(&self, query: Option<&str>) -> Option<Map<String, Value>> {
        let mut given = url::form_urlencoded::parse(query?.as_bytes()).filter(|(name, _)| *name == *self.name);
        let text = given.next().filter(|_| given.next().is_none())?.1;
        // A plus that was not escaped is a blank by now.
        let text = if self.encoding == Encoding::Base64 { text.replace(' ', "+").into() } else { text };
        Some(allowed(self.encoding.decode(&text)?, &self.allowed_keys))
    }
}

impl HeaderSource {
    pub(super) fn check(&self) -> Result<HeaderName, SessionContextError> {
        checked("header", &self.name, &self.allowed_keys)?;
        let name = HeaderName::try_from(&*self.name).ok().filter(|name| !SECRET_HEADERS.contains(name));
        name.ok_or_else(|| SessionContextError::Header { name: self.name.clone() })
    }

    pub(super) fn read(&self, name: &HeaderName, headers: &HeaderMap) -> Option<Map<String, Value>> {
        let mut given = headers.get_all(name).iter();
        let text = given.next().filter(|_| given.next().is_none())?.to_str().ok()?;
        Some(allowed(self.encoding.decode(text.trim())?, &self.allowed_keys))
    }
}

impl MetaSource {
    pub(super) fn check(&self) -> Result<(), SessionContextError> {
        checked("meta", &self.key, &self.allowed_keys)
    }

    pub(super) fn read(&self, body: &[u8]) -> Option<Map<String, Value>> {
        let text = meta_of(body, &self.key)?;
        Some(allowed(parsed(text.get())?, &self.allowed_keys))
    }
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    params: Option<Params<'a>>,
}

#[derive(Deserialize)]
struct Params<'a> {
    #[serde(borrow, rename = "_meta")]
    meta: Option<std::collections::HashMap<std::borrow::Cow<'a, str>, &'a RawValue>>,
}

/// One value of a message's `_meta`. A body that is no message is told so by who reads it next.
fn meta_of<'a>(body: &'a [u8], key: &str) -> Option<&'a RawValue> {
    let message: Message<'a> = serde_json::from_slice(body).ok()?;
    message.params?.meta?.get(key).copied()
}

fn checked(source_of: &'static str, name: &str, keys: &[String]) -> Result<(), SessionContextError> {
    if name.is_empty() {
        return Err(SessionContextError::NoName { source_of });
    }
    if keys.is_empty() {
        return Err(SessionContextError::NoKeys { source_of });
    }
    Ok(())
}

fn sounds_secret(key: &str) -> bool {
    const WHOLE: [&str; 7] = ["auth", "bearer", "jwt", "key", "pass", "pin", "pwd"];
    const WITHIN: [&str; 11] = [
        "accesskey",
        "apikey",
        "authorization",
        "cookie",
        "credential",
        "passphrase",
        "passwd",
        "password",
        "privatekey",
        "secret",
        "token",
    ];
    let plain: String = key.chars().filter(char::is_ascii_alphanumeric).map(|it| it.to_ascii_lowercase()).collect();
    WHOLE.contains(&&*plain) || WITHIN.iter().any(|word| plain.contains(word))
}

impl Encoding {
    fn decode(self, text: &str) -> Option<Map<String, Value>> {
        if text.len() > MOST {
            return None;
        }
        match self {
            Self::Json => parsed(text),
            Self::Base64 => {
                let alphabet = if text.contains(['-', '_']) { &URL_SAFE } else { &STANDARD };
                let lenient = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
                let bytes = GeneralPurpose::new(alphabet, lenient).decode(text).ok()?;
                parsed(std::str::from_utf8(&bytes).ok()?)
            }
        }
    }
}

fn parsed(text: &str) -> Option<Map<String, Value>> {
    if text.len() > MOST || depth(text) > DEEPEST {
        return None;
    }
    serde_json::from_str(text).ok()
}

fn allowed(mut values: Map<String, Value>, keys: &[String]) -> Map<String, Value> {
    values.retain(|key, _| keys.contains(key));
    values
}
