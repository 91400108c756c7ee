//! `create FILE --infer`: tools that lack an implementation get one from the live database, where that is certain. What was
//! written and why, and what was not, is told on standard error; the file stays as it is.

use std::{fs, path::PathBuf};

use anyhow::Context as _;
use mcp_factory::intake::{
    Reach,
    infer::{self, Completed, Outcome},
};
use mcp_factory_spec::render;
use serde_json::{Value, json};

use super::intake;
use crate::{
    args::{Output, servers::Create},
    command, exit, load,
    output::{self, plain},
    progress,
};

/// A spec that a server is still to be made of, and what it is of.
pub struct Spec {
    pub of: String,
    pub text: String,
    /// Where the files are that it names, if it names any.
    pub folder: Option<PathBuf>,
    /// What became of each tool.
    pub told: Value,
}

/// `None`: it was shown or written, and that was all.
pub fn run(args: &Create) -> anyhow::Result<Option<Spec>> {
    let output = args.asking.output;
    let file = args.source.file.as_ref().or(args.source.spec.as_ref()).context("there is no file")?;
    let document = load::document(file)?;
    let of = document.name.clone();
    let Some(spec) = &document.reading.spec else {
        let found = &document.reading.diagnostics;
        let error = exit::hinted(format!("`{of}` has errors; nothing was made of it"), "mend what is listed above");
        if output == Output::Text {
            eprint!("{}", render::human(&of, &document.bytes, found, render::Style { colour: load::colour() }));
            return Err(error);
        }
        let found = render::json(&of, &document.bytes, found);
        let members = json!({ "code": "invalid-spec", "diagnostics": found["diagnostics"] });
        return Err(exit::with_members(error, members));
    };
    let reach = Reach::operator();
    let work = infer::complete(spec, &reach, &document.folder);
    let completed = command::runtime()?.block_on(progress::tell("asking the database", work));
    let Completed { spec, tools } = completed.map_err(|error| intake::failed(output, error))?;
    if output == Output::Text {
        tell(&of, &tools);
    }
    let (text, told) = (spec.canonical_yaml(), json!(tools.iter().map(shown).collect::<Vec<_>>()));
    match &args.import.out {
        _ if args.import.dry_run => {
            output::print(output, &json!({ "spec": text, "inferred": told }), |_| text.clone())?;
        }
        Some(out) => {
            intake::write(&text, out)?;
            let left = tools.iter().filter(|it| it.found.is_err()).count();
            match left {
                0 => intake::written(output, out, json!({ "inferred": told }))?,
                _ => {
                    let next = format!("write what the {left} tools do for which nothing was found, or take them out");
                    intake::written_then(output, out, json!({ "inferred": told }), &next)?;
                }
            }
        }
        None => {
            let folder = fs::canonicalize(&document.folder).ok();
            return Ok(Some(Spec { of, text, folder, told }));
        }
    }
    Ok(None)
}

fn tell(of: &str, tools: &[Outcome]) {
    if tools.is_empty() {
        eprintln!("every tool of `{of}` has an implementation");
    }
    for outcome in tools {
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
}

fn shown(outcome: &Outcome) -> Value {
    match &outcome.found {
        Ok(it) => json!({ "tool": outcome.tool, "sql": it.sql, "reason": it.reason, "tried": it.tried }),
        Err(why) => json!({ "tool": outcome.tool, "nothing": why }),
    }
}
