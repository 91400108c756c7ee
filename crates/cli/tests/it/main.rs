//! The program as its users see it: output, exit codes, and servers that are called.

mod commands;
mod rooms;
mod run;
mod serving;
