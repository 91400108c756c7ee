//! How requests of a collection say who they are, as the `auth` of connections. Values are never taken: each gets a name.

use serde_json::{Value, json};

use super::variables::{scalar, whole};
use crate::{name, openapi::document::At};

/// What a collection, folder or request says of it, for all within.
#[derive(Debug, Clone, Copy)]
pub struct Auth<'d>(At<'d>);

/// A secret that stands in a header or in the query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    pub key: String,
    pub value: String,
    pub is_header: bool,
}

/// `None` where nothing is said, so that what is around counts.
pub fn of(at: At<'_>) -> Option<Auth<'_>> {
    at.get("auth").filter(|auth| auth.is_mapping()).map(Auth)
}

impl Auth<'_> {
    /// `None` for none. The error says what can't be expressed.
    pub fn credential(&self, prefix: &str) -> Result<Option<Value>, String> {
        let kind = self.0.text("type").unwrap_or("noauth");
        let variable = |said: Option<String>, otherwise: &str| variable(said.as_deref(), prefix, otherwise);
        Ok(Some(match kind {
            "noauth" => return Ok(None),
            "bearer" => json!({ "type": "bearer", "envVar": variable(self.field(kind, "token"), "TOKEN") }),
            "basic" => json!({
                "type": "basic",
                "userEnvVar": variable(self.field(kind, "username"), "USER"),
                "passwordEnvVar": variable(self.field(kind, "password"), "PASSWORD"),
            }),
            "apikey" => {
                let key = self.field(kind, "key").filter(|key| whole(key).is_none() && !key.is_empty());
                let Some(key) = key else { return Err("the name of its API key is not said".to_owned()) };
                let place = if self.field(kind, "in").as_deref() == Some("query") { "query" } else { "header" };
                let env = variable(self.field(kind, "value"), &name::variable(&name::snake(&key)));
                json!({ "type": place, "name": key, "envVar": env })
            }
            "oauth2" => {
                let url = self.field(kind, "accessTokenUrl").filter(|url| url.starts_with("http"));
                let grant = self.field(kind, "grant_type").unwrap_or_default();
                match url.filter(|_| grant == "client_credentials") {
                    Some(url) => {
                        let scopes = self.field(kind, "scope").unwrap_or_default();
                        let scopes: Vec<&str> = scopes.split_whitespace().filter(|it| whole(it).is_none()).collect();
                        json!({
                            "type": "oauth2ClientCredentials",
                            "tokenUrl": url.split(['?', '#']).next(),
                            "clientIdEnvVar": variable(self.field(kind, "clientId"), "CLIENT_ID"),
                            "clientSecretEnvVar": variable(self.field(kind, "clientSecret"), "CLIENT_SECRET"),
                            "scopes": scopes,
                        })
                    }
                    // A token that somebody got by another way.
                    None => json!({ "type": "bearer", "envVar": variable(self.field(kind, "accessToken"), "TOKEN") }),
                }
            }
            other => return Err(format!("how it says who it is (`{other}`), which can't be expressed")),
        }))
    }

    /// v2.1 has lists of `{ key, value }`, v2.0 mappings.
    fn field(&self, kind: &str, key: &str) -> Option<String> {
        let fields = self.0.get(kind)?;
        let listed = fields.items().find(|field| field.text("key") == Some(key)).and_then(|field| field.get("value"));
        listed.or_else(|| fields.get(key)).and_then(scalar)
    }
}

impl Said {
    pub fn of(&self, prefix: &str) -> Value {
        let bearer = self.value.get(..7).is_some_and(|begin| begin.eq_ignore_ascii_case("bearer "));
        if self.is_header && bearer && self.key.eq_ignore_ascii_case("authorization") {
            let env = variable(Some(&self.value[7..]), prefix, "TOKEN");
            return json!({ "type": "bearer", "envVar": env });
        }
        let env = variable(Some(&self.value), prefix, &name::variable(&name::snake(&self.key)));
        json!({ "type": if self.is_header { "header" } else { "query" }, "name": self.key, "envVar": env })
    }
}

/// Named as the collection names it, or by what it is.
fn variable(said: Option<&str>, prefix: &str, otherwise: &str) -> String {
    let named = said.and_then(whole).map(|name| name::variable(&name::snake(name))).filter(|name| !name.is_empty());
    let name = named.unwrap_or_else(|| otherwise.to_owned());
    let name = if name.starts_with(prefix) { name } else { format!("{prefix}_{name}") };
    name[..name.len().min(64)].to_owned()
}
