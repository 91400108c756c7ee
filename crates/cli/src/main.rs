//! The program `mcp-factory`: reads the arguments, runs one command, prints errors with their causes and hints.

mod args;
mod command;
mod exit;
mod key;
mod load;
mod logging;
mod signals;

use std::process::ExitCode;

use clap::Parser as _;

use args::{Args, Command};

fn main() -> ExitCode {
    let args = Args::parse();
    logging::start(args.log_level);
    let outcome = match args.command {
        Command::Validate(args) => command::validate::run(&args),
        Command::Serve(args) => command::serve::run(&args),
        Command::Stdio(args) => command::stdio::run(&args),
        Command::Test(args) => command::test::run(&args),
        Command::Schema => command::schema::run(),
        Command::Completions { shell } => command::completions::run(shell),
    };
    outcome.unwrap_or_else(|error| exit::report(&error))
}
