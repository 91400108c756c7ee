//! The REST API: one file for each resource, named as in the factory.

mod deployments;
mod logs;
mod servers;
mod shown;
mod templates;

use axum::Router;

use crate::Control;

pub fn routes() -> Router<Control> {
    Router::new().merge(servers::routes()).merge(deployments::routes()).merge(logs::routes()).merge(templates::routes())
}
