//! Secrets that a server was given are known to its log, and are not in it, whoever wrote them there: an upstream that
//! repeats a password in its error, a driver that shows a URL.

use std::{
    borrow::Cow,
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use mcp_factory_connect::{
    Secrets,
    secrets::{Secret, SecretError, Subject},
};
use zeroize::Zeroizing;

/// What must not be said. Clones share it.
#[derive(Clone, Default)]
pub struct Redactions(Arc<RwLock<Vec<Zeroizing<String>>>>);

/// Shorter ones are in every other text.
const SHORTEST: usize = 6;
/// Secrets of one server; beyond it the oldest are forgotten, which were replaced long ago.
const MOST: usize = 256;

impl Redactions {
    /// Secrets that are handed out through what it returns are known from then on.
    pub fn around(&self, secrets: Arc<dyn Secrets>) -> Arc<dyn Secrets> {
        Arc::new(Overheard { secrets, redactions: self.clone() })
    }

    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut text = Cow::Borrowed(text);
        for secret in known.iter().filter(|secret| !secret.is_empty()) {
            if text.contains(secret.as_str()) {
                text = Cow::Owned(text.replace(secret.as_str(), "[redacted]"));
            }
        }
        text
    }

    fn learn(&self, secret: &str) {
        // A URL is repeated in parts.
        let password = secret.split_once("://").and_then(|(_, rest)| {
            let (credentials, _) = rest.rsplit_once('@')?;
            credentials.split_once(':').map(|(_, password)| password)
        });
        for part in [Some(secret), password].into_iter().flatten().filter(|part| part.len() >= SHORTEST) {
            let is_known = |known: &Vec<Zeroizing<String>>| known.iter().any(|known| known.as_str() == part);
            if is_known(&self.0.read().unwrap_or_else(PoisonError::into_inner)) {
                continue;
            }
            let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
            if known.len() >= MOST {
                known.remove(0);
            }
            known.push(Zeroizing::new(part.to_owned()));
            // The whole before its parts.
            known.sort_by_key(|known| std::cmp::Reverse(known.len()));
        }
    }
}

impl fmt::Debug for Redactions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redactions(..)")
    }
}

#[derive(Debug)]
struct Overheard {
    secrets: Arc<dyn Secrets>,
    redactions: Redactions,
}

impl Secrets for Overheard {
    fn get(&self, name: &str) -> Result<Secret, SecretError> {
        self.secrets.get(name).inspect(|secret| self.redactions.learn(secret.expose()))
    }

    fn of(&self, subject: &Subject) -> Result<Arc<dyn Secrets>, SecretError> {
        self.secrets.of(subject).map(|secrets| self.redactions.around(secrets))
    }
}

#[cfg(test)]
mod tests {
    use mcp_factory_connect::secrets::FixedSecrets;

    use super::*;

    #[test]
    fn what_was_handed_out_is_not_said() {
        let redactions = Redactions::default();
        let fixed: FixedSecrets =
            [("URL", "postgres://ann:hunter22@db/shop"), ("KEY", "k-123456"), ("SHORT", "abc")].into_iter().collect();
        let secrets = redactions.around(Arc::new(fixed));
        let text = "password hunter22 of postgres://ann:hunter22@db/shop, key k-123456, abc";
        assert_eq!(redactions.redact(text), text, "nobody asked for them yet");
        for name in ["URL", "KEY", "SHORT"] {
            secrets.get(name).expect("a secret");
            secrets.get(name).expect("a secret");
        }
        assert_eq!(redactions.redact(text), "password [redacted] of [redacted], key [redacted], abc");
        assert_eq!(redactions.0.read().expect("lock").len(), 3);
    }
}
