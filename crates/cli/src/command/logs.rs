//! `mcp-factory logs NAME`: what a server said lately, and says from now on.

use std::{
    io::{ErrorKind, Write as _},
    process::ExitCode,
};

use axum::http::{HeaderValue, header};
use http_body_util::BodyExt as _;
use serde_json::Value;

use crate::{
    api,
    args::{Output, servers::Logs},
    output, signals,
};

pub fn run(args: &Logs) -> anyhow::Result<ExitCode> {
    api::with(&args.asking.reach, args.asking.output, async |api| {
        let kind = if args.asking.output == Output::Text { "text/plain" } else { "application/x-ndjson" };
        let ask = api
            .get(&["mcp", "servers", &args.name, "logs"])
            .query("tail", args.tail)
            .query("since", args.since.as_deref())
            .query("follow", args.follow.then_some(true))
            .header(header::ACCEPT, HeaderValue::from_static(kind));
        let mut body = ask.open().await?.into_body();
        let interrupted = signals::shutdown()?;
        let copy = async {
            let mut all = Vec::new();
            while let Some(frame) = body.frame().await {
                let Ok(data) = frame?.into_data() else { continue };
                if args.asking.output == Output::Yaml && !args.follow {
                    all.extend_from_slice(&data);
                } else if let Err(error) = std::io::stdout().lock().write_all(&data) {
                    // Nobody reads any more.
                    return if error.kind() == ErrorKind::BrokenPipe { Ok(all) } else { Err(error.into()) };
                }
            }
            Ok::<_, anyhow::Error>(all)
        };
        let all = tokio::select! {
            all = copy => all?,
            () = interrupted, if args.follow => Vec::new(),
        };
        if args.asking.output == Output::Yaml && !args.follow {
            let lines = serde_json::Deserializer::from_slice(&all).into_iter::<Value>();
            output::print(Output::Yaml, &lines.collect::<Result<Vec<_>, _>>()?.into(), |_| String::new())?;
        }
        Ok(ExitCode::SUCCESS)
    })
}
