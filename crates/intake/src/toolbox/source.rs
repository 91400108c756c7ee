//! Sources: what the Toolbox connects to, as connections that name their secrets.

use mcp_factory_spec::{secrets, sql::Dialect};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::{Map, Value, json};
use url::Url;

use super::{
    document::Item,
    variable::{self, Variable},
};
use crate::{Finding, Level, name, network};

/// What stands in a URL's user, host and path as it is.
const PART: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'%').add(b'/').add(b':').add(b'?').add(b'@');

/// A connection.
#[derive(Debug, Clone)]
pub struct Source {
    /// What the file calls it.
    pub name: String,
    pub connection: Map<String, Value>,
    pub serves: Serves,
    /// What each request of an HTTP source has in its query.
    pub query: Map<String, Value>,
}

/// Which tools it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Serves {
    Sql(Dialect),
    Http,
}

/// What a source becomes. The error says why it has no counterpart.
pub fn of(item: &mut Item, found: &mut Vec<Finding>) -> Result<Source, String> {
    let kind = item.take_text("type").unwrap_or_default();
    let mut connection = Map::new();
    let mut query = Map::new();
    let id = name::snake(&item.name);
    let id = if id.starts_with(|c: char| c.is_ascii_alphabetic()) { id } else { format!("source_{id}") };
    connection.insert("name".to_owned(), id[..id.len().min(56)].into());
    let serves = match &*kind {
        "postgres" | "cockroachdb" | "yugabytedb" | "cloud-sql-postgres" | "alloydb-postgres" => {
            database(item, "postgresql", &kind, &mut connection, found);
            Serves::Sql(Dialect::Postgres)
        }
        "mysql" | "mariadb" | "cloud-sql-mysql" | "tidb" | "singlestore" | "oceanbase" | "mindsdb" => {
            database(item, "mysql", &kind, &mut connection, found);
            Serves::Sql(Dialect::Mysql)
        }
        "sqlite" => {
            file(item, &mut connection, found)?;
            Serves::Sql(Dialect::Sqlite)
        }
        "http" => {
            http(item, &mut connection, &mut query, found)?;
            Serves::Http
        }
        "" => return Err(format!("the source `{}` does not say of what type it is", item.name)),
        other => return Err(format!("a source of the type `{other}` has no counterpart")),
    };
    Ok(Source { name: item.name.clone(), connection, serves, query })
}

/// The beginning of variables that belong to a source.
fn prefix(item: &Item) -> String {
    variable::spelled(&name::variable(&name::snake(&item.name)))
}

/// A database server: one URL, which is a secret as soon as it holds one.
fn database(item: &mut Item, scheme: &str, kind: &str, connection: &mut Map<String, Value>, found: &mut Vec<Finding>) {
    connection.insert("type".to_owned(), scheme.into());
    let mut part = |key: &str| item.take_text(key).filter(|text| !text.is_empty());
    let (host, port, database) = (part("host"), part("port"), part("database"));
    let (user, password) = (part("user"), part("password"));
    let google = ["project", "region", "cluster", "instance", "ipType"].map(|key| part(key).is_some()).contains(&true);
    let read_only = item.take("readOnly");
    let options = options(item);
    let plain = |text: &Option<String>| text.as_deref().is_none_or(|text| variable::all(text).is_empty());
    let is_plain = [&host, &port, &database, &user].into_iter().all(plain) && password.is_none() && options.is_empty();
    // Variables stay visible in what is told; nothing that is written out as a password does.
    let said = |text: &Option<String>, instead: &str| match text {
        Some(text) => match variable::whole(text) {
            Some(variable) => format!("${}", variable.name),
            None if variable::all(text).is_empty() => utf8_percent_encode(text, PART).to_string(),
            None => instead.to_owned(),
        },
        None => instead.to_owned(),
    };
    let port = if port.is_some() { format!(":{}", said(&port, "PORT")) } else { String::new() };
    let (host_said, database) = (said(&host, "HOST"), said(&database, ""));
    if is_plain && host.is_some() && !google {
        let user = if user.is_some() { format!("{}@", said(&user, "")) } else { String::new() };
        connection.insert("url".to_owned(), format!("{scheme}://{user}{host_said}{port}/{database}").into());
    } else {
        let env = format!("{}_URL", prefix(item));
        let secret = match password.as_deref().map(variable::whole) {
            Some(Some(variable)) => format!("${}", variable.name),
            _ => "PASSWORD".to_owned(),
        };
        let url = format!("{scheme}://{}:{secret}@{host_said}{port}/{database}{options}", said(&user, "USER"));
        let message = format!("`{}` is reached by one URL, which is a secret", item.name);
        let hint = format!("set `{env}` to {url}");
        found.push(item.finding(Level::Note, message, Some(hint)));
        if matches!(password.as_deref().map(variable::whole), Some(None)) {
            let message = format!("the password of `{}`, which stands in the file", item.name);
            found.push(item.finding(Level::Partly, message, Some(format!("write it into `{env}`"))));
        }
        connection.insert("envVar".to_owned(), env.into());
    }
    if google {
        let message = format!("`{}` is found by Google's connector (`{kind}`)", item.name);
        let hint = Some("connect to its address, or to the Auth Proxy".to_owned());
        found.push(item.finding(Level::Partly, message, hint));
    }
    if read_only == Some(Value::Bool(true)) {
        connection.insert("readOnly".to_owned(), true.into());
    }
}

/// What stands behind the `?` of the URL, for whoever writes it.
fn options(item: &mut Item) -> String {
    match item.take("queryParams") {
        Some(Value::Object(pairs)) if !pairs.is_empty() => {
            let pair = |(key, value): (&String, &Value)| {
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                // A key or password among them is for its author to write.
                let value = if is_secret(key, &value) { "SECRET".to_owned() } else { value };
                format!("{key}={}", utf8_percent_encode(&value, PART))
            };
            format!("?{}", pairs.iter().map(pair).collect::<Vec<_>>().join("&"))
        }
        Some(Value::String(text)) => match variable::whole(&text) {
            Some(variable) if variable.default.as_deref() != Some("") => format!("?${}", variable.name),
            _ => String::new(),
        },
        _ => String::new(),
    }
}

fn file(item: &mut Item, connection: &mut Map<String, Value>, found: &mut Vec<Finding>) -> Result<(), String> {
    connection.insert("type".to_owned(), "sqlite".into());
    let path = item.take_text("database").unwrap_or_default();
    if item.take("readOnly") == Some(Value::Bool(true)) {
        connection.insert("readOnly".to_owned(), true.into());
    }
    match variable::whole(&path) {
        Some(Variable { name, default, .. }) => {
            let env = variable::spelled(&name);
            if let Some(default) = default.filter(|default| !default.is_empty()) {
                let message = format!("`{}` is `{default}` where `{name}` is not set", item.name);
                found.push(item.finding(Level::Partly, message, Some(format!("set `{env}`"))));
            }
            connection.insert("envVar".to_owned(), env.into());
        }
        None if path.is_empty() || path.starts_with(":memory:") || path.contains("mode=memory") => {
            return Err("a database in memory is empty for each connection".to_owned());
        }
        None if path.split('/').any(|step| step == "..")
            || path.starts_with("file:")
            || !variable::all(&path).is_empty() =>
        {
            let env = format!("{}_PATH", prefix(item));
            let message = format!(
                "the path of `{}` can't stand in a spec: it leads out of its folder or is made of variables",
                item.name
            );
            found.push(item.finding(Level::Note, message, Some(format!("set `{env}` to the path of the file"))));
            connection.insert("envVar".to_owned(), env.into());
        }
        None => drop(connection.insert("path".to_owned(), path.into())),
    }
    Ok(())
}

fn http(
    item: &mut Item,
    connection: &mut Map<String, Value>,
    query: &mut Map<String, Value>,
    found: &mut Vec<Finding>,
) -> Result<(), String> {
    connection.insert("type".to_owned(), "http".into());
    let base = item.take_text("baseUrl").unwrap_or_default();
    match variable::whole(&base) {
        Some(variable) => drop(connection.insert("envVar".to_owned(), variable::spelled(&variable.name).into())),
        None if !variable::all(&base).is_empty() => {
            let env = format!("{}_URL", prefix(item));
            let message = format!("the URL of `{}` is made of variables", item.name);
            found.push(item.finding(Level::Note, message, Some(format!("set `{env}` to the whole of it"))));
            connection.insert("envVar".to_owned(), env.into());
        }
        None => {
            let url = Url::parse(&base).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
            let Some(mut url) = url else { return Err(format!("`{}` has no URL of the web", item.name)) };
            if !url.username().is_empty() || url.password().is_some() {
                let message = format!("the credentials in the URL of `{}`", item.name);
                found.push(item.finding(Level::Partly, message, Some("write `auth` at the connection".to_owned())));
            }
            let cleared = url.set_username("").is_ok() && url.set_password(None).is_ok();
            debug_assert!(cleared, "a URL with a host may have both");
            url.set_query(None);
            url.set_fragment(None);
            if network::is_private(&url) {
                connection.insert("allowPrivateNetwork".to_owned(), true.into());
            }
            connection.insert("url".to_owned(), url.as_str().trim_end_matches('/').into());
        }
    }
    let mut headers = Map::new();
    for (field, is_header) in [("headers", true), ("queryParams", false)] {
        let Some(Value::Object(pairs)) = item.take(field) else { continue };
        for (key, value) in pairs {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let has_variable = !variable::all(&value).is_empty();
            if !is_secret(&key, &value) && !has_variable {
                let into = if is_header { &mut headers } else { &mut *query };
                into.insert(key, value.into());
                continue;
            }
            let auth = credential(&key, &value, is_header, &prefix(item));
            if connection.contains_key("auth") {
                let message = format!("`{key}` of `{}`: a connection has one credential", item.name);
                found.push(item.finding(Level::Partly, message, None));
                continue;
            }
            let env = auth["envVar"].as_str().unwrap_or_default();
            let message = format!("`{key}` of `{}` is a secret", item.name);
            let hint = Some(format!("set `{env}`"));
            if !has_variable {
                found.push(item.finding(Level::Note, message, hint));
            }
            connection.insert("auth".to_owned(), auth);
        }
    }
    if !headers.is_empty() {
        connection.insert("headers".to_owned(), Value::Object(headers));
    }
    Ok(())
}

/// The `auth` of a connection for a header or query parameter whose value is a secret.
pub fn credential(key: &str, value: &str, is_header: bool, prefix: &str) -> Value {
    let whole = variable::whole(value).map(|variable| variable::spelled(&variable.name));
    let bearer = value.get(..7).filter(|begin| is_header && begin.eq_ignore_ascii_case("bearer ")).map(|_| &value[7..]);
    if let Some(token) = bearer.filter(|_| key.eq_ignore_ascii_case("authorization")) {
        let env = variable::whole(token).map(|variable| variable::spelled(&variable.name));
        return json!({ "type": "bearer", "envVar": env.unwrap_or_else(|| format!("{prefix}_TOKEN")) });
    }
    let env = whole.unwrap_or_else(|| format!("{prefix}_{}", name::variable(&name::snake(key))));
    json!({ "type": if is_header { "header" } else { "query" }, "name": key, "envVar": env })
}

/// Whether a value must not be copied: by its name, or by what it looks like.
pub fn is_secret(key: &str, value: &str) -> bool {
    let key = key.to_ascii_lowercase();
    let words = [
        "authorization",
        "token",
        "secret",
        "apikey",
        "api-key",
        "api_key",
        "key",
        "passw",
        "pwd",
        "cookie",
        "credential",
        "signature",
        "session",
    ];
    words.iter().any(|word| key.contains(word)) || secrets::redact(value) != value
}
