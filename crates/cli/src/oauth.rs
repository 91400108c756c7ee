//! `serve --oauth`: keys of the spec's `auth`, for clients that only speak OAuth.

use std::sync::Arc;

use mcp_factory_engine::authentication::{self, PublicWeb};
use mcp_factory_spec::Spec;
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

/// Without keys there is nothing that a person could type.
pub fn needs_keys(authenticator: &dyn Authenticator) -> anyhow::Result<()> {
    if authenticator.is_open() {
        let message = "`--oauth` gives tokens for keys, and the spec's `auth` has none";
        return Err(exit::usage(message.to_owned(), "write `auth: { type: bearer, envVar: MCP_KEYS }` into the spec"));
    }
    Ok(())
}
