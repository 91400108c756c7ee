//! A small server behind the real sockets, asked by raw HTTP and by the SDK's client.

mod approvals;
mod auth;
mod bridge;
mod clients;
mod elicitation;
mod errors;
mod guard;
mod issuer;
mod jwks;
mod jwt;
mod limits;
mod listen;
mod live;
mod log;
mod logging;
mod modern;
mod older;
mod parity;
mod progress;
mod resolver;
mod sessions;
mod shutdown;
mod sockets;
mod stdio;
mod support;
mod tasks;
