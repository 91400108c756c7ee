//! How often each route was asked, and how long that took.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    extract::{Request, State},
    http::Method,
    middleware::Next,
    response::Response,
};

/// Clones share it. There are no more entries than routes, methods and statuses.
#[derive(Debug, Clone, Default)]
pub struct Requests(Arc<Mutex<BTreeMap<Route, Counted>>>);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    pub method: &'static str,
    /// With its placeholders; empty where there is none.
    pub path: String,
    pub status: u16,
}

#[derive(Debug, Clone, Copy, Default)]
pub struct Counted {
    pub requests: u64,
    pub took: Duration,
}

impl Requests {
    pub fn all(&self) -> BTreeMap<Route, Counted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Counts requests by the routes that there are.
#[derive(Debug, Clone)]
pub struct Counting {
    requests: Requests,
    routes: Arc<matchit::Router<String>>,
}

impl Counting {
    pub fn new(requests: Requests, paths: impl Iterator<Item = String>) -> Self {
        let mut routes = matchit::Router::new();
        for path in paths {
            // The same paths are in the router that serves.
            let _ = routes.insert(path.clone(), path);
        }
        Self { requests, routes: Arc::new(routes) }
    }
}

/// Streams are counted when they begin.
pub async fn count(State(counting): State<Counting>, request: Request, next: Next) -> Response {
    let method = match *request.method() {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::PATCH => "PATCH",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    };
    let path = counting.routes.at(request.uri().path()).map(|found| found.value.clone()).unwrap_or_default();
    let begun = Instant::now();
    let response = next.run(request).await;
    let route = Route { method, path, status: response.status().as_u16() };
    let mut all = counting.requests.0.lock().unwrap_or_else(PoisonError::into_inner);
    let counted = all.entry(route).or_default();
    counted.requests += 1;
    counted.took += begun.elapsed();
    drop(all);
    response
}
