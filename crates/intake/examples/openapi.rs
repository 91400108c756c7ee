//! What becomes of OpenAPI documents: `openapi FILE...` prints a line for each, `openapi --spec FILE` the spec.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    time::Instant,
};

use mcp_factory_intake::{
    Level,
    openapi::{Files, Options, import},
};

struct Below(PathBuf);

impl Files for Below {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        match path.contains("..") || path.contains("://") {
            true => Err("it is not below the document".to_owned()),
            false => std::fs::read(self.0.join(path)).map_err(|error| error.to_string()),
        }
    }
}

fn main() -> std::io::Result<()> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let prints = arguments.first().is_some_and(|first| first == "--spec");
    if prints {
        arguments.remove(0);
    }
    let mut out = std::io::stdout().lock();
    for file in arguments {
        let bytes = std::fs::read(&file)?;
        let began = Instant::now();
        let folder = Path::new(&file).parent().unwrap_or(Path::new("")).to_owned();
        let done = import(&file, bytes, &Below(folder), &Options::default());
        let took = began.elapsed().as_millis();
        match done {
            Ok(done) if prints => {
                writeln!(out, "{}", done.spec.canonical_yaml())?;
                for finding in &done.findings {
                    writeln!(std::io::stderr(), "{finding}")?;
                }
            }
            Ok(done) => {
                let left_out =
                    done.findings.iter().filter(|it| matches!(it.level, Level::Partly | Level::LeftOut)).count();
                writeln!(
                    out,
                    "{file}: {} tools, {left_out} left out, {} ({took} ms)",
                    done.spec.tools.len(),
                    done.verdict
                )?;
                for finding in
                    done.findings.iter().filter(|it| matches!(it.level, Level::Partly | Level::LeftOut)).take(3)
                {
                    writeln!(out, "    {finding}")?;
                }
            }
            Err(findings) => {
                writeln!(out, "{file}: no spec ({took} ms)")?;
                for finding in findings.iter().filter(|it| it.level == Level::Error).take(3) {
                    writeln!(out, "    {finding}")?;
                }
            }
        }
    }
    Ok(())
}
