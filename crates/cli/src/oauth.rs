//! `serve --oauth`: keys of the spec's `auth`, for clients that only speak OAuth.

use std::sync::Arc;

use mcp_factory_connect::{Policy, secrets::Environment};
use mcp_factory_engine::authentication::{self, Premises, PublicWeb};
use mcp_factory_spec::{Spec, model::Auth};
use mcp_serve::{Authenticator, Bridge, BridgeOptions};
use url::Url;

use crate::{exit, key};

/// Stands before whoever judges the keys. `base` is where people and programs reach this server.
pub fn bridge(spec: &Spec, base: &Url, path: &str, keys: Arc<dyn Authenticator>) -> anyhow::Result<Bridge> {
    if base.path() != "/" {
        let message = format!("`--oauth` needs a name of its own, not a folder of one (`{base}`)");
        return Err(exit::usage(
            message,
            "OAuth clients look for its description at the root: use `https://mcp.example.com`",
        ));
    }
    let mut resource = base.clone();
    resource.set_path(path);
    let options = BridgeOptions {
        key: key::bridge()?,
        scopes: authentication::scopes(spec),
        documents: Some(Arc::new(PublicWeb)),
        ..BridgeOptions::new(spec.name.to_string(), resource)
    };
    Ok(Bridge::new(keys, options)?)
}

/// Whether there are keys that people can type, and that nobody finds by trying: the page takes them from anybody.
pub fn check(spec: &Spec) -> anyhow::Result<()> {
    const SHORTEST: usize = 16;
    let issuer = match &spec.auth {
        Auth::None => {
            let message = "`--oauth` gives tokens for keys, and the spec's `auth` has none";
            return Err(exit::usage(
                message.to_owned(),
                "write `auth: { type: bearer, envVar: MCP_KEYS }` into the spec",
            ));
        }
        Auth::Jwt(auth) => Some(&auth.issuer),
        Auth::Oauth2(auth) => Some(&auth.issuer),
        Auth::ApiKey(_) | Auth::Bearer(_) => None,
    };
    if let Some(issuer) = issuer {
        return Err(exit::usage(
            format!("`--oauth` gives tokens for keys, and the spec's `auth` takes tokens of `{issuer}`"),
            "leave `--oauth` out: with `auth.type: oauth2` clients are led to that issuer",
        ));
    }
    let premises =
        Premises { resource: None, secrets: Arc::new(Environment), policy: Policy::operator(), issued: None };
    let keys = authentication::key_list(spec, &premises);
    let keys = keys.map_err(|error| exit::hinted(error.to_string(), error.hint()))?;
    if keys.is_some_and(|keys| keys.shortest() < SHORTEST) {
        return Err(exit::usage(
            format!(
                "`--oauth` takes keys from anybody who opens its page, and one has less than {SHORTEST} characters"
            ),
            "make longer ones, such as of `openssl rand -hex 16`",
        ));
    }
    Ok(())
}
