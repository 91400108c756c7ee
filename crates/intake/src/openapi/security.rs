//! Who the server says it is to the API: security schemes as the `auth` of connections, which name variables.

use serde_json::{Map, Value, json};
use url::Url;

use super::{
    document::{At, Resolver, Version},
    parameter,
};
use crate::{name, text};

/// One way to identify oneself, which may take several schemes at once.
#[derive(Debug, Clone, PartialEq)]
pub struct Credential {
    /// The schemes' names in the document.
    pub scheme: String,
    /// One `auth`, or a list of those that stand in one request.
    pub auth: Value,
    /// The headers, query parameters or cookies that carry it, which callers don't give.
    pub carried_by: Vec<String>,
}

/// Choices, schemes and scopes of one operation.
const MOST: usize = 100;

/// What operations ask for.
#[derive(Debug, Default)]
pub struct Asked {
    pub credential: Option<Credential>,
    /// What could not be expressed, or was decided.
    pub notes: Vec<String>,
}

/// The variables that hold secrets: one for each secret of each scheme.
#[derive(Debug, Default)]
pub struct Variables {
    prefix: String,
    /// With the scheme that each is of.
    given: Vec<(String, String)>,
}

impl Variables {
    pub fn new(prefix: String) -> Self {
        Self { prefix, given: Vec::new() }
    }

    /// Names what an `auth` calls `TOKEN` and the like: `SHOP_TOKEN`, and where another scheme has that, `SHOP_OAUTH_TOKEN`.
    fn name(&mut self, scheme: &str, auth: &mut Value) {
        let of_scheme = name::variable(&name::snake(scheme));
        for (key, variable) in auth.as_object_mut().into_iter().flatten() {
            let Some(what) = variable.as_str().filter(|_| key.ends_with("nvVar")) else { continue };
            let short = format!("{}_{what}", self.prefix);
            let long = match what {
                what if of_scheme.is_empty() || of_scheme.len() > 40 || what == of_scheme => short.clone(),
                what => format!("{}_{of_scheme}_{what}", self.prefix),
            };
            let numbered = (2..).map(|number| format!("{long}_{number}"));
            let mut names = [short, long.clone()].into_iter().chain(numbered);
            let is_free = |name: &String| self.given.iter().all(|(given, of)| given != name || of == scheme);
            let name = names.find(is_free).expect("numbers don't end");
            self.given.push((name.clone(), scheme.to_owned()));
            *variable = name.into();
        }
    }
}

/// The first choice that can be made. Nothing, where an operation can be called by anybody. `server` is where the API is.
pub fn of<'d>(
    operation: At<'d>,
    root: At<'d>,
    resolver: &Resolver<'d>,
    server: Option<&Url>,
    variables: &mut Variables,
) -> Asked {
    let Some(choices) = operation.get("security").or_else(|| root.get("security")) else { return Asked::default() };
    let mut asked = Asked::default();
    let mut anybody = false;
    let mut fallback: Option<Scheme> = None;
    for choice in choices.items().take(MOST) {
        let mut all = Vec::new();
        let mut why = None;
        for (name, scopes) in choice.entries().take(MOST) {
            match credential(name, scopes, root, resolver, server) {
                Ok(credential) => all.push(credential),
                Err(reason) => why = why.or(Some(reason)),
            }
        }
        let first = all.first().cloned();
        let made = match why {
            Some(why) => Err(why),
            None if all.is_empty() => {
                anybody = true;
                continue;
            }
            None => none_in_the_way(&all).map(|()| at_once(all, variables)),
        };
        match made {
            Ok(made) => return made,
            // Better one of them than none, where no other choice can be made.
            Err(why) if fallback.is_none() => {
                let left_out = match &first {
                    Some(first) => format!("of several credentials at once only `{}` is sent: {why}", first.scheme),
                    None => why,
                };
                if asked.notes.is_empty() {
                    asked.notes.push(left_out);
                }
                fallback = first;
            }
            Err(_) => {}
        }
    }
    match anybody {
        true => Asked::default(),
        false => {
            let made = fallback.map(|one| at_once(vec![one], variables)).unwrap_or_default();
            Asked { credential: made.credential, notes: [asked.notes, made.notes].concat() }
        }
    }
}

/// Each of several in one request has a place of its own, or they can't be sent together.
fn none_in_the_way(all: &[Scheme]) -> Result<(), String> {
    for (index, one) in all.iter().enumerate() {
        if let Some(other) = all[..index].iter().find(|other| place(&other.auth) == place(&one.auth)) {
            let place = place(&one.auth);
            return Err(format!("`{}` and `{}` both stand in the {place}", other.scheme, one.scheme));
        }
    }
    Ok(())
}

/// Where a credential stands in a request.
pub fn place(auth: &Value) -> String {
    match auth["type"].as_str() {
        Some(kind @ ("query" | "cookie")) => format!("{kind} {}", auth["name"].as_str().unwrap_or_default()),
        Some("header") => format!("header {}", auth["name"].as_str().unwrap_or_default().to_ascii_lowercase()),
        _ => "header authorization".to_owned(),
    }
}

fn at_once(mut all: Vec<Scheme>, variables: &mut Variables) -> Asked {
    for one in &mut all {
        variables.name(&one.scheme, &mut one.auth);
    }
    let names: Vec<&str> = all.iter().map(|one| one.scheme.as_str()).collect();
    let auths: Vec<Value> = all.iter().map(|one| one.auth.clone()).collect();
    let credential = Credential {
        scheme: names.join("_and_"),
        auth: if let [one] = &auths[..] { one.clone() } else { auths.into() },
        carried_by: all.iter().filter_map(|one| one.carried_by.clone()).collect(),
    };
    Asked { credential: Some(credential), notes: all.into_iter().filter_map(|one| one.note).collect() }
}

/// One scheme. What its variables hold is said, and not yet what they are called.
#[derive(Debug, Clone)]
struct Scheme {
    scheme: String,
    auth: Value,
    carried_by: Option<String>,
    note: Option<String>,
}

fn credential<'d>(
    scheme: &str,
    scopes: At<'d>,
    root: At<'d>,
    resolver: &Resolver<'d>,
    server: Option<&Url>,
) -> Result<Scheme, String> {
    let schemes = match resolver.version() {
        Version::V2 => root.get("securityDefinitions"),
        _ => root.get("components").and_then(|components| components.get("securitySchemes")),
    };
    let found = schemes.and_then(|schemes| schemes.get(scheme)).and_then(|found| resolver.resolve(found).ok());
    let Some(found) = found else { return Err(format!("there is no security scheme `{scheme}`")) };
    let of_scheme = name::variable(&name::snake(scheme));
    let mut carried_by = None;
    let mut note = None;
    let auth = match found.text("type").unwrap_or_default() {
        "basic" => basic(),
        "http" => match found.text("scheme").unwrap_or_default().to_ascii_lowercase().as_str() {
            "basic" => basic(),
            "bearer" => bearer(),
            other => return Err(format!("the HTTP scheme `{other}` of `{scheme}` is not known")),
        },
        "apiKey" => {
            let key = found.text("name").unwrap_or_default().trim();
            let env = if of_scheme.is_empty() || of_scheme.len() > 40 { "KEY" } else { &of_scheme };
            carried_by = Some(key.to_owned());
            match found.text("in") {
                Some("query") if !key.is_empty() => json!({ "type": "query", "name": key, "envVar": env }),
                Some("header") if parameter::is_header(key) => json!({ "type": "header", "name": key, "envVar": env }),
                Some("cookie") if parameter::is_header(key) => json!({ "type": "cookie", "name": key, "envVar": env }),
                _ => return Err(format!("`{scheme}` says neither header nor query nor cookie")),
            }
        }
        "oauth2" => match oauth2(found, scopes, server) {
            Ok(auth) => auth,
            Err(url) => {
                note = url.map(|url| {
                    let url = text::plain(url, 200);
                    format!("`{scheme}` gives tokens at `{url}`, which is no URL: one that was got elsewhere is sent")
                });
                bearer()
            }
        },
        "openIdConnect" => bearer(),
        other => return Err(format!("the security scheme `{scheme}` is of type `{other}`, which can't be expressed")),
    };
    Ok(Scheme { scheme: scheme.to_owned(), auth, carried_by, note })
}

fn basic() -> Value {
    json!({ "type": "basic", "userEnvVar": "USER", "passwordEnvVar": "PASSWORD" })
}

fn bearer() -> Value {
    json!({ "type": "bearer", "envVar": "TOKEN" })
}

/// Client credentials where the API has them; else a token that somebody got by another way. The error is a URL that is none.
fn oauth2<'d>(found: At<'d>, asked: At<'d>, server: Option<&Url>) -> Result<Value, Option<&'d str>> {
    let (url, scopes) = match found.text("flow") {
        Some("application") => (found.text("tokenUrl"), found.get("scopes")),
        Some(_) => (None, None),
        None => {
            let flow = found.get("flows").and_then(|flows| flows.get("clientCredentials"));
            (flow.and_then(|flow| flow.text("tokenUrl")), flow.and_then(|flow| flow.get("scopes")))
        }
    };
    let written = url.ok_or(None)?;
    // Where it is relative, it is so to where the API is.
    let url = match server {
        Some(server) => server.join(written.trim()),
        None => Url::parse(written.trim()),
    };
    let url = url.ok().filter(|url| matches!(url.scheme(), "http" | "https")).ok_or(Some(written))?;
    let known: Vec<&str> = scopes.into_iter().flat_map(At::entries).map(|(scope, _)| scope).take(MOST).collect();
    let asked: Vec<&str> = asked.items().filter_map(|scope| scope.node.as_str()).take(MOST).collect();
    let scopes = if asked.is_empty() { known } else { asked };
    let mut auth = Map::new();
    auth.insert("type".to_owned(), "oauth2ClientCredentials".into());
    let is_whole = Url::parse(written.trim()).is_ok();
    auth.insert("tokenUrl".to_owned(), if is_whole { written.into() } else { url.as_str().into() });
    auth.insert("clientIdEnvVar".to_owned(), "CLIENT_ID".into());
    auth.insert("clientSecretEnvVar".to_owned(), "CLIENT_SECRET".into());
    if !scopes.is_empty() {
        auth.insert("scopes".to_owned(), json!(scopes));
    }
    Ok(Value::Object(auth))
}
