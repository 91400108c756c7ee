//! Credentials for an upstream, by the names of their secrets.

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
}
