//! Who may call over HTTP.

use super::{HeaderName, Url, Variable};
use crate::read::{object, tagged, words};

tagged! {
    /// Who may call over HTTP. Without authentication a server binds loopback only.
    pub enum Auth by "type" {
        /// Anybody; only on loopback.
        None = "none",
        /// A key in a header.
        ApiKey(ApiKey) = "api_key",
        /// A key as `Authorization: Bearer`.
        Bearer(Bearer) = "bearer",
        /// A signed JSON Web Token.
        Jwt(Jwt) = "jwt",
        /// Tokens of an OAuth 2 authorization server, with protected resource metadata (RFC 9728).
        Oauth2(Oauth2) = "oauth2",
    }
}

impl Auth {
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::None
    }
}

object! {
    /// Keys in a header.
    pub struct ApiKey {
        /// The header that carries the key.
        header: HeaderName = HeaderName::new("X-API-Key").expect("a header name"),
        /// Holds the keys: a comma list, or JSON `{"key": "principal"}`. Left out, the factory issues them.
        env_var: Option<Variable>
    }
}

object! {
    /// Keys as bearer tokens.
    pub struct Bearer {
        /// Holds the keys: a comma list, or JSON `{"key": "principal"}`. Left out, the factory issues them.
        env_var: Option<Variable>
    }
}

object! {
    /// Signed tokens.
    pub struct Jwt else AuthNeeds {
        /// Who issues the tokens: their `iss`.
        issuer: Url,
        /// Whom the tokens are for: their `aud`. Left out: this server's own URL.
        audience: Option<String>,
        /// Where the issuer's public keys are.
        jwks_url: Option<Url>,
        /// Holds the shared secret of HS256, HS384 and HS512.
        secret_env_var: Option<Variable>,
        /// The accepted algorithms. Left out: RS256 and ES256 with `jwksUrl`, HS256 with `secretEnvVar`.
        algorithms: Vec<Algorithm>,
        /// The claim that names the principal.
        principal_claim: String = "sub".to_owned(),
        /// The claim that lists the scopes.
        scopes_claim: String = "scope".to_owned(),
        /// The claim that lists the groups.
        groups_claim: Option<String>,
        /// The claim that names the tenant.
        tenant_claim: Option<String>
    }
}

impl Jwt {
    /// The accepted algorithms, as said or by default.
    #[must_use]
    pub fn algorithms(&self) -> &[Algorithm] {
        match (&self.algorithms[..], &self.secret_env_var) {
            ([], Some(_)) => &[Algorithm::Hs256],
            ([], None) => &[Algorithm::Rs256, Algorithm::Es256],
            (algorithms, _) => algorithms,
        }
    }
}

words! {
    /// A signature algorithm of JSON Web Tokens.
    pub enum Algorithm {
        Rs256 = "RS256",
        Rs384 = "RS384",
        Rs512 = "RS512",
        Ps256 = "PS256",
        Ps384 = "PS384",
        Ps512 = "PS512",
        Es256 = "ES256",
        Es384 = "ES384",
        EdDsa = "EdDSA",
        Hs256 = "HS256",
        Hs384 = "HS384",
        Hs512 = "HS512",
    }
}

impl Algorithm {
    /// Whether the signer and the verifier share a secret.
    #[must_use]
    pub const fn is_symmetric(self) -> bool {
        matches!(self, Self::Hs256 | Self::Hs384 | Self::Hs512)
    }
}

object! {
    /// Tokens of an authorization server.
    pub struct Oauth2 else AuthNeeds {
        /// The authorization server.
        issuer: Url,
        /// Whom the tokens are for. Left out: this server's own URL.
        audience: Option<String>,
        /// The scopes that a caller needs.
        scopes: Vec<String>,
        /// How opaque tokens are looked up.
        introspection: Option<Introspection>
    }
}

object! {
    /// Asks the authorization server about a token (RFC 7662).
    pub struct Introspection else AuthNeeds {
        /// The introspection endpoint.
        url: Url,
        /// Holds the client id.
        client_id_env_var: Variable,
        /// Holds the client secret.
        client_secret_env_var: Variable
    }
}
