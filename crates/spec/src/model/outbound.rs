//! How a connection identifies itself to what it talks to.

use std::ops::Deref;

use serde_json::{Value, json};

use super::{HeaderName, Url, Variable};
use crate::{
    Node, NodeValue,
    path::Path,
    read::{Field, Reader, object, tagged},
    schema_of_language::Schemas,
};

/// The credentials of a connection: one, or several that every request carries all at once.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OutboundAuths(Vec<OutboundAuth>);

impl Deref for OutboundAuths {
    type Target = [OutboundAuth];

    fn deref(&self) -> &[OutboundAuth] {
        &self.0
    }
}

impl Field for OutboundAuths {
    fn read(node: &Node, at: &Path, reader: &mut Reader) -> Option<Self> {
        match &node.value {
            NodeValue::Sequence(_) => Vec::read(node, at, reader).map(Self),
            _ => OutboundAuth::read(node, at, reader).map(|one| Self(vec![one])),
        }
    }

    fn write(&self) -> Value {
        match &self.0[..] {
            [one] => one.write(),
            several => several.iter().map(Field::write).collect(),
        }
    }

    fn schema(schemas: &mut Schemas) -> Value {
        let one = OutboundAuth::schema(schemas);
        json!({ "anyOf": [one, { "type": "array", "items": one, "minItems": 1 }] })
    }

    fn absent() -> Option<Self> {
        Some(Self::default())
    }

    fn is_absent(&self) -> bool {
        self.0.is_empty()
    }
}

tagged! {
    /// The credential of a connection. Never the token the caller came with.
    pub enum OutboundAuth by "type" {
        /// `Authorization: Bearer`.
        Bearer(BearerToken) = "bearer",
        /// `Authorization: Basic`.
        Basic(Basic) = "basic",
        /// A header of any name.
        Header(HeaderKey) = "header",
        /// A query parameter.
        Query(QueryKey) = "query",
        /// A cookie.
        Cookie(CookieKey) = "cookie",
        /// A token that is fetched with the client's own credentials.
        Oauth2ClientCredentials(ClientCredentials) = "oauth2ClientCredentials",
        /// The caller's own credential for a resource, from the token resolver.
        Principal(PrincipalCredential) = "principal",
    }
}

object! {
    /// A bearer token.
    pub struct BearerToken else AuthNeeds {
        /// Holds the token.
        env_var: Variable
    }
}

object! {
    /// User and password.
    pub struct Basic else AuthNeeds {
        /// Holds the user's name.
        user_env_var: Variable,
        /// Holds the password.
        password_env_var: Variable
    }
}

object! {
    /// A key in a header.
    pub struct HeaderKey else AuthNeeds {
        /// The header.
        name: HeaderName,
        /// Holds its value.
        env_var: Variable
    }
}

object! {
    /// A key in the query.
    pub struct QueryKey else AuthNeeds {
        /// The query parameter.
        name: String,
        /// Holds its value.
        env_var: Variable
    }
}

object! {
    /// A key in a cookie.
    pub struct CookieKey else AuthNeeds {
        /// The cookie.
        name: HeaderName,
        /// Holds its value.
        env_var: Variable
    }
}

object! {
    /// OAuth 2 client credentials.
    pub struct ClientCredentials else AuthNeeds {
        /// The token endpoint.
        token_url: Url,
        /// Holds the client id.
        client_id_env_var: Variable,
        /// Holds the client secret.
        client_secret_env_var: Variable,
        /// The scopes to ask for.
        scopes: Vec<String>
    }
}

object! {
    /// The caller's own credential.
    pub struct PrincipalCredential else AuthNeeds {
        /// What the credential is for.
        resource: String
    }
}
