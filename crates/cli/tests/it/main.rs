//! The program as its users see it: output, exit codes, and servers that are called.

#![expect(clippy::unwrap_used, reason = "a test that fails may panic")]

mod access;
mod agent;
mod cancellation;
mod commands;
mod confirm;
mod connect;
mod database;
mod doctor;
mod document;
mod factory;
mod mcp;
mod openapi;
mod programs;
mod progress;
mod prove;
mod reload;
mod rooms;
mod run;
mod serving;
mod tasks;
mod telemetry;
mod toolbox;
mod up;
mod updates;
mod watched;
