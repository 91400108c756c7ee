//! Credentials for an upstream, by the names of their secrets.

use ::http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{AUTHORIZATION, COOKIE},
};
use base64::Engine;
use url::Url;

use super::{Class, Client, ClientCredentials, Error};
use crate::{Secret, Secrets};

/// Read and applied per request, only ever sent to the upstream's own origin.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Auth {
    #[default]
    None,
    Bearer {
        secret: String,
    },
    Basic {
        user_secret: String,
        password_secret: String,
    },
    Header {
        name: String,
        secret: String,
    },
    Query {
        name: String,
        secret: String,
    },
    Cookie {
        name: String,
        secret: String,
    },
    ClientCredentials(ClientCredentials),
    /// All of them, each in a place of its own.
    Several(Vec<Auth>),
}

/// The credentials themselves, for one call.
#[derive(Debug, Clone)]
pub(crate) enum Credentials {
    None,
    Header(HeaderName, HeaderValue),
    Query(String, Secret),
    Cookie(String, Secret),
    Several(Vec<Credentials>),
    /// `kept`: fetched for a call before this one.
    Token {
        header: HeaderValue,
        kept: bool,
    },
}

impl Client {
    /// Read now, or for a token perhaps earlier; never the one that was `rejected`.
    pub(crate) async fn credentials(&self, rejected: Option<&HeaderValue>) -> Result<Credentials, Error> {
        let Auth::Several(several) = &self.config.auth else {
            return self.credential(&self.config.auth, rejected).await;
        };
        let mut all = Vec::with_capacity(several.len());
        for one in several {
            all.push(self.credential(one, rejected).await?);
        }
        Ok(Credentials::Several(all))
    }

    async fn credential(&self, auth: &Auth, rejected: Option<&HeaderValue>) -> Result<Credentials, Error> {
        match auth {
            Auth::ClientCredentials(credentials) => {
                let token = self.tokens.get(self, credentials, rejected).await?;
                Ok(Credentials::Token { header: token.header, kept: token.kept })
            }
            auth => auth.read(&*self.secrets),
        }
    }
}

impl Auth {
    fn read(&self, secrets: &dyn Secrets) -> Result<Credentials, Error> {
        let get = |name: &str| secrets.get(name).map_err(|error| Error::new(Class::Configuration, error.to_string()));
        let header = |name: HeaderName, value: String, secret: &str| {
            let mut value = HeaderValue::try_from(value).map_err(|_| {
                let message = format!("the secret `{secret}` holds a character that can't stand in a header");
                Error::new(Class::Configuration, message)
            })?;
            value.set_sensitive(true);
            Ok(Credentials::Header(name, value))
        };
        match self {
            Self::None | Self::ClientCredentials(_) | Self::Several(_) => Ok(Credentials::None),
            Self::Bearer { secret } => header(AUTHORIZATION, format!("Bearer {}", get(secret)?.expose()), secret),
            Self::Basic { user_secret, password_secret } => {
                let pair = format!("{}:{}", get(user_secret)?.expose(), get(password_secret)?.expose());
                let encoded = base64::engine::general_purpose::STANDARD.encode(pair);
                header(AUTHORIZATION, format!("Basic {encoded}"), user_secret)
            }
            Self::Header { name, secret } => {
                let header_name = HeaderName::try_from(name.as_str())
                    .map_err(|_| Error::new(Class::Configuration, format!("`{name}` is not the name of a header")))?;
                header(header_name, get(secret)?.expose().to_owned(), secret)
            }
            Self::Query { name, secret } => Ok(Credentials::Query(name.clone(), get(secret)?)),
            Self::Cookie { name, secret } => {
                let value = get(secret)?;
                let is_octet = |byte: u8| byte.is_ascii_graphic() && !b"\",;\\".contains(&byte);
                if !value.expose().bytes().all(is_octet) {
                    let message = format!("the secret `{secret}` holds a character that can't stand in a cookie");
                    return Err(Error::new(Class::Configuration, message));
                }
                Ok(Credentials::Cookie(name.clone(), value))
            }
        }
    }

    /// Whether the query parameter is one of a credential.
    pub(super) fn is_in_query(&self, key: &str) -> bool {
        match self {
            Self::Query { name, .. } => name == key,
            Self::Several(several) => several.iter().any(|one| one.is_in_query(key)),
            _ => false,
        }
    }
}

/// Shorter ones are words that stand in any text.
const SHORTEST_REDACTED: usize = 6;

impl Credentials {
    /// What must not be told, should the upstream repeat it.
    pub fn secrets(&self) -> Vec<Secret> {
        let mut secrets = Vec::new();
        match self {
            Self::None => {}
            Self::Header(_, value) | Self::Token { header: value, .. } => {
                let value = value.to_str().unwrap_or_default();
                let bare = value.split_once(' ').map_or(value, |(_, bare)| bare);
                let pair = base64::engine::general_purpose::STANDARD.decode(bare).ok();
                let pair = pair.filter(|_| value.starts_with("Basic ")).and_then(|pair| String::from_utf8(pair).ok());
                secrets.extend(pair.and_then(|pair| pair.split_once(':').map(|(_, password)| Secret::new(password))));
                secrets.push(Secret::new(bare));
                // Not every header begins with the name of a scheme.
                secrets.push(Secret::new(value));
            }
            Self::Query(_, secret) | Self::Cookie(_, secret) => secrets.push(secret.clone()),
            Self::Several(several) => secrets.extend(several.iter().flat_map(Self::secrets)),
        }
        secrets.retain(|secret| secret.expose().len() >= SHORTEST_REDACTED);
        secrets
    }

    /// A token that was fetched for a call before this one.
    pub fn kept_token(&self) -> Option<&HeaderValue> {
        match self {
            Self::Token { header, kept: true } => Some(header),
            Self::Several(several) => several.iter().find_map(Self::kept_token),
            _ => None,
        }
    }

    pub fn apply(&self, url: &mut Url, headers: &mut HeaderMap) {
        match self {
            Self::None => {}
            Self::Header(name, value) => drop(headers.insert(name, value.clone())),
            Self::Token { header, .. } => drop(headers.insert(AUTHORIZATION, header.clone())),
            Self::Query(name, secret) => {
                if !url.query_pairs().any(|(key, _)| key == *name) {
                    url.query_pairs_mut().append_pair(name, secret.expose());
                }
            }
            // Beside those that the call has, in the one header that there can be.
            Self::Cookie(name, secret) => {
                let before = headers.get(COOKIE).and_then(|cookies| cookies.to_str().ok()).map(|it| format!("{it}; "));
                let cookies = format!("{}{name}={}", before.unwrap_or_default(), secret.expose());
                if let Ok(mut cookies) = HeaderValue::try_from(cookies) {
                    cookies.set_sensitive(true);
                    headers.insert(COOKIE, cookies);
                }
            }
            Self::Several(several) => several.iter().for_each(|one| one.apply(url, headers)),
        }
    }
}
