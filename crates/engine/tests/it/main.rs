//! Specs that run: the same tools on every database, and HTTP tools against a real upstream.

#![expect(clippy::unwrap_used, reason = "a test that fails may panic")]

mod cache;
mod call_id;
mod command;
mod confirm;
mod databases;
mod examples;
mod exposure;
mod grpc;
mod harness;
mod http_answers;
mod http_bodies;
mod http_pages;
mod http_tool;
mod identity;
mod keyset;
mod per;
mod plan;
mod prompts_and_resources;
mod row_security;
mod scope;
mod sql_rules;
mod steps;
mod tasks;
