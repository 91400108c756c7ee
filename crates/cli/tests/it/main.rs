//! The program as its users see it: output, exit codes, and servers that are called.

mod rooms;
