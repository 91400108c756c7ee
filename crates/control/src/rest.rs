//! The REST API: one file for each resource, named as in the factory.

mod audit;
mod catalogue;
mod deployments;
mod keys;
mod logs;
mod search;
mod secrets;
mod servers;
mod shown;
mod templates;
mod tokens;
mod versions;

use axum::Router;

use crate::Control;

pub fn routes() -> Router<Control> {
    [
        servers::routes(),
        catalogue::routes(),
        versions::routes(),
        deployments::routes(),
        logs::routes(),
        keys::routes(),
        templates::routes(),
        search::routes(),
        secrets::routes(),
        tokens::routes(),
        audit::routes(),
    ]
    .into_iter()
    .fold(Router::new(), Router::merge)
}
