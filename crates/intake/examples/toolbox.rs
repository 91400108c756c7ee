//! What becomes of Toolbox files: `toolbox FILE...` prints a line for each, `toolbox --spec FILE...` one spec of all.

use std::io::Write as _;

use mcp_factory_intake::{
    Level,
    toolbox::{Options, import},
};

fn main() -> std::io::Result<()> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let prints = arguments.first().is_some_and(|first| first == "--spec");
    if prints {
        arguments.remove(0);
    }
    let mut out = std::io::stdout().lock();
    let files =
        arguments.iter().map(|file| Ok((&**file, std::fs::read(file)?))).collect::<std::io::Result<Vec<_>>>()?;
    let files: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (*name, &**bytes)).collect();
    if prints {
        let (spec, findings) = match import(&files, &Options::default()) {
            Ok(done) => (done.spec.canonical_yaml(), done.findings),
            Err(findings) => (String::new(), findings),
        };
        for finding in findings {
            writeln!(std::io::stderr(), "{finding}")?;
        }
        return writeln!(out, "{spec}");
    }
    for file in &files {
        match import(std::slice::from_ref(file), &Options::default()) {
            Ok(done) => {
                let left_out = done
                    .findings
                    .iter()
                    .filter(|finding| matches!(finding.level, Level::Partly | Level::LeftOut))
                    .count();
                writeln!(out, "{}: {} tools, {left_out} left out", file.0, done.spec.tools.len())?;
            }
            Err(findings) => {
                let why = findings.iter().find(|finding| finding.level == Level::Error);
                writeln!(out, "{}: {}", file.0, why.map_or("", |why| &why.message))?;
            }
        }
    }
    Ok(())
}
