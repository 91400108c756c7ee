//! `mcp-factory validate FILE...`: everything that is wrong with each spec, for people or as JSON lines.

use std::process::ExitCode;

use mcp_factory_spec::{Verdict, render};

use crate::{
    args::{Output, Validate},
    exit, load, output,
};

pub fn run(args: &Validate) -> anyhow::Result<ExitCode> {
    let mut failed = false;
    for file in &args.files {
        let document = match load::document(file) {
            Ok(document) => document,
            // The other files are still worth a verdict.
            Err(error) => {
                exit::report(&error);
                failed = true;
                continue;
            }
        };
        let reading = &document.reading;
        failed |= match reading.verdict {
            Verdict::Error => true,
            Verdict::Blocker | Verdict::Warning => args.strict,
            Verdict::Valid => false,
        };
        match args.output {
            Output::Json | Output::Yaml => {
                let found = render::json(&document.name, &document.bytes, &reading.diagnostics);
                output::print(args.output, &found, |_| String::new())?;
            }
            Output::Text => {
                let style = render::Style { colour: load::colour() };
                eprint!("{}", render::human(&document.name, &document.bytes, &reading.diagnostics, style));
                super::print(&format!("{}: {}\n", document.name, summary(&document)))?;
            }
        }
    }
    Ok(if failed { ExitCode::from(exit::FAILURE) } else { ExitCode::SUCCESS })
}

fn summary(document: &load::Document) -> String {
    let reading = &document.reading;
    match (&reading.spec, reading.verdict) {
        (Some(spec), Verdict::Valid) => {
            format!("valid: {} {} with {}", spec.name, spec.version, count(spec.tools.len(), "tool"))
        }
        (_, verdict) => format!("{verdict}: {}", count(reading.diagnostics.len(), "finding")),
    }
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
