//! The REST API: one file for each resource, named as in the factory.

mod audit;
mod catalogue;
mod connections;
pub(crate) mod deployments;
mod edits;
mod events;
mod grants;
pub(crate) mod intake;
mod invoke;
mod keys;
pub(crate) mod logs;
mod metrics;
mod search;
mod secrets;
pub(crate) mod servers;
pub(crate) mod shown;
mod templates;
mod tests;
mod tokens;
mod usage;
mod users;
mod versions;

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{Control, health, openapi};

/// With the names that the OpenAPI document groups them by.
pub fn resources() -> Vec<(&'static str, OpenApiRouter<Control>)> {
    vec![
        ("servers", servers::routes()),
        ("intake", intake::routes()),
        ("catalogue", catalogue::routes()),
        ("versions", versions::routes()),
        ("deployments", deployments::routes()),
        ("edits", edits::routes()),
        ("logs", logs::routes()),
        ("keys", keys::routes()),
        ("invoke", invoke::routes()),
        ("connections", connections::routes()),
        ("templates", templates::routes()),
        ("tests", tests::routes()),
        ("search", search::routes()),
        ("secrets", secrets::routes()),
        ("tokens", tokens::routes()),
        ("users", users::routes()),
        ("grants", grants::routes()),
        ("audit", audit::routes()),
        ("events", events::routes()),
        ("usage", usage::routes()),
        ("metrics", metrics::routes()),
        ("openapi", OpenApiRouter::new().routes(routes!(openapi::show))),
        ("health", health::routes()),
    ]
}
