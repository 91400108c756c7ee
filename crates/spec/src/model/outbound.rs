//! How a connection identifies itself to what it talks to.

use super::{HeaderName, Url, Variable};
use crate::read::{object, tagged};

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
