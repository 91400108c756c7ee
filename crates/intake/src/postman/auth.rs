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
    pub fn credential(&self, secrets: &mut Secrets) -> Result<Option<Value>, String> {
        let kind = self.0.text("type").unwrap_or("noauth");
        let mut variable = |said: Option<String>, otherwise: &str| secrets.variable(said.as_deref(), otherwise);
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
    /// Where it stands, as `security::place` says it.
    pub fn place(&self) -> String {
        match self.is_header {
            true => format!("header {}", self.key.to_ascii_lowercase()),
            false => format!("query {}", self.key),
        }
    }

    pub fn of(&self, secrets: &mut Secrets) -> Value {
        let bearer = self.value.get(..7).is_some_and(|begin| begin.eq_ignore_ascii_case("bearer "));
        if self.is_header && bearer && self.key.eq_ignore_ascii_case("authorization") {
            let env = secrets.variable(Some(&self.value[7..]), "TOKEN");
            return json!({ "type": "bearer", "envVar": env });
        }
        let env = secrets.variable(Some(&self.value), &name::variable(&name::snake(&self.key)));
        json!({ "type": if self.is_header { "header" } else { "query" }, "name": self.key, "envVar": env })
    }
}

/// The variables that hold what the collection says in place: one for each value, which is kept for as long as it is read.
#[derive(Debug, Default)]
pub struct Secrets {
    prefix: String,
    given: Vec<(String, String)>,
    /// What is to be told of them.
    pub notes: Vec<String>,
}

impl Secrets {
    pub fn new(prefix: String) -> Self {
        Self { prefix, ..Self::default() }
    }

    /// Named as the collection names it, or by what it is; with a number where that is the name of another value.
    fn variable(&mut self, said: Option<&str>, otherwise: &str) -> String {
        let said = said.unwrap_or_default().trim();
        let named = whole(said).map(|name| name::variable(&name::snake(name))).filter(|name| !name.is_empty());
        let name = named.unwrap_or_else(|| otherwise.to_owned());
        let name = if name.starts_with(&self.prefix) { name } else { format!("{}_{name}", self.prefix) };
        let name = &name[..name.len().min(60)];
        let numbered = (2..).map(|number| format!("{name}_{number}"));
        for variable in std::iter::once(name.to_owned()).chain(numbered) {
            match self.given.iter().find(|(given, _)| *given == variable) {
                Some((_, value)) if value == said => return variable,
                Some(_) => {}
                None => {
                    if variable != name {
                        self.notes.push(format!("`{variable}`: its value is another than that of `{name}`"));
                    }
                    self.given.push((variable.clone(), said.to_owned()));
                    return variable;
                }
            }
        }
        unreachable!("numbers don't end")
    }
}
