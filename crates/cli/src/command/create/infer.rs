//! `create FILE --infer`: tools that lack an implementation get one from the live database, where that is certain. What was
//! written and why, and what was not, is told on standard error; the file stays as it is.

use std::fs;

use anyhow::Context as _;
use mcp_factory::intake::{
    Reach,
    infer::{self, Completed},
};

use super::intake::{self, Spec};
use crate::{args::servers::Create, command, exit, load, output::plain, program, progress};

/// `None`: it was shown or written, and that was all.
pub fn run(args: &Create) -> anyhow::Result<Option<Spec>> {
    let file = args.source.file.as_ref().or(args.source.spec.as_ref()).context("there is no file")?;
    let document = load::document(file)?;
    let of = document.name.clone();
    let Some(spec) = &document.reading.spec else {
        let validate = program::line(&format!("validate {}", program::quoted(&of)));
        return Err(exit::hinted(format!("`{of}` has errors"), format!("mend them first: `{validate}`")));
    };
    let reach = Reach::operator();
    let work = infer::complete(spec, &reach, &document.folder);
    let completed = command::runtime()?.block_on(progress::tell("asking the database", work));
    let Completed { spec, tools } = completed.map_err(intake::failed)?;
    if tools.is_empty() {
        eprintln!("every tool of `{of}` has an implementation");
    }
    for outcome in &tools {
        match &outcome.found {
            Ok(written) => {
                eprintln!("{}: {} ({})", outcome.tool, plain(&written.reason), written.tried);
                for line in written.sql.lines() {
                    eprintln!("    {}", plain(line));
                }
            }
            Err(why) => eprintln!("{}: nothing was written: {}", outcome.tool, plain(why)),
        }
    }
    let text = spec.canonical_yaml();
    match &args.import.out {
        _ if args.import.dry_run => command::print(&text).map(|()| None),
        Some(out) => intake::write(&text, out).map(|()| None),
        None => {
            let folder = fs::canonicalize(&document.folder).ok();
            Ok(Some(Spec { of, text, folder }))
        }
    }
}
