//! The program `mcp-factory`: reads the arguments, runs one command, prints errors with their causes and hints.

mod api;
mod approvals;
mod args;
mod command;
mod demo;
mod exit;
mod key;
mod load;
mod logging;
mod oauth;
mod output;
mod program;
mod progress;
mod relay;
mod reload;
mod running;
mod signals;
mod start;
mod telemetry;
mod terminal;
mod watch;

use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _};
use mcp_factory_connect::command::{LAUNCH, launch};

use args::{Args, Command};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == LAUNCH) {
        // Started by ourselves, to become a program of a `command` tool.
        return launch(arguments);
    }
    let typed = command::install_links::expanded(std::env::args_os());
    let matches = args::factory::meant(Args::command(), &typed).get_matches_from(&typed);
    let args = Args::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    program::typed_with(&matches);
    logging::start(args.log_level);
    let outcome = match args.command {
        Command::Validate(args) => command::validate::run(&args),
        Command::Serve(args) => command::serve::run(&args),
        Command::Stdio(args) => command::stdio::run(&args),
        Command::Test(args) => command::test::run(&args),
        Command::Status(args) => command::status::run(&args),
        Command::Create(args) => command::create::run(&args),
        Command::List(args) => command::list::run(&args),
        Command::Deploy(args) => command::deploy::run(&args),
        Command::Start(args) => command::start::run(&args),
        Command::Stop(args) => command::stop::run(&args),
        Command::Restart(args) => command::restart::run(&args),
        Command::Remove(args) => command::remove::run(&args),
        Command::Logs(args) => command::logs::run(&args),
        Command::Versions(args) => command::versions::run(&args),
        Command::Rollback(args) => command::rollback::run(&args),
        Command::Search(args) => command::search::run(&args),
        Command::Up(args) => command::up::run(&args),
        Command::Down(args) => command::down::run(&args),
        Command::InstallLinks(args) => command::install_links::run(&args),
        Command::Doctor(args) => command::doctor::run(&args),
        Command::Connect(args) => command::connect::run(&args),
        Command::Keys(args) => command::keys::run(&args),
        Command::Secrets(args) => command::secrets::run(&args),
        Command::Users(args) => command::users::run(&args),
        Command::Tokens(args) => command::tokens::run(&args),
        Command::Grants(args) => command::grants::run(&args),
        Command::Connections(args) => command::connections::run(&args),
        Command::Usage(args) => command::usage::run(&args),
        Command::Audit(args) => command::audit::run(&args),
        Command::Export(args) => command::export::run(&args),
        Command::Prove(args) => command::prove::run(&args),
        Command::Schema => command::schema::run(),
        Command::Completions { shell } => command::completions::run(shell),
    };
    outcome.unwrap_or_else(|error| exit::report(&error))
}
