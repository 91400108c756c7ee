//! `mcp-factory usage`: how often tools are called, how well and how fast.

use std::{collections::BTreeMap, process::ExitCode};

use serde_json::Value;

use crate::{
    api, args,
    output::{self, Table, cell},
};

pub fn run(args: &args::access::Usage) -> anyhow::Result<ExitCode> {
    api::with(&args.asking.reach, args.asking.output, async |api| {
        let ask = api.get(&["mcp", "usage"]).query("server", args.server.as_deref()).query("days", Some(args.days));
        output::print(api.output(), &ask.send_all("usage").await?, shown)?;
        Ok(ExitCode::SUCCESS)
    })
}

/// Of one tool, in all days.
#[derive(Debug, Default)]
struct Sum {
    calls: u64,
    errors: u64,
    took_ms: f64,
    /// Calls by the upper end of their class of latency; the last class has none.
    classes: BTreeMap<u64, u64>,
}

fn shown(usage: &Value) -> String {
    let mut sums: BTreeMap<(String, String), Sum> = BTreeMap::new();
    for row in usage["usage"].as_array().into_iter().flatten() {
        let sum = sums.entry((cell(&row["server"]), cell(&row["tool"]))).or_default();
        let calls = row["calls"].as_u64().unwrap_or(0);
        sum.calls += calls;
        sum.errors += row["errors"].as_u64().unwrap_or(0);
        sum.took_ms += row["tookMs"].as_f64().unwrap_or(0.0);
        *sum.classes.entry(row["withinMs"].as_u64().unwrap_or(u64::MAX)).or_default() += calls;
    }
    let mut table = Table::new(&["SERVER", "TOOL", "CALLS", "ERRORS", "MEAN", "95% WITHIN"]);
    for ((server, tool), sum) in sums {
        let mean = format!("{:.1} ms", sum.took_ms / sum.calls.max(1) as f64);
        table.row([server, tool, sum.calls.to_string(), sum.errors.to_string(), mean, sum.most()]);
    }
    table.shown("no tool was called")
}

impl Sum {
    /// The end of the class below which 95 of 100 calls are.
    fn most(&self) -> String {
        let mut seen = 0;
        for (end, calls) in &self.classes {
            seen += calls;
            if seen * 100 >= self.calls * 95 {
                return if *end == u64::MAX { "more".to_owned() } else { format!("{end} ms") };
            }
        }
        "-".to_owned()
    }
}
