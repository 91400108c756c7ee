//! `mcp-factory export NAME`: a version of a server, to be taken elsewhere.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use axum::http::header;
use http_body_util::BodyExt as _;
use serde_json::json;

use crate::{
    api,
    args::servers::{Export, ExportFormat},
    output,
};

pub fn run(args: &Export) -> anyhow::Result<ExitCode> {
    api::with(&args.asking.reach, args.asking.output, async |api| {
        let ask = api
            .get(&["mcp", "servers", &args.name, "export"])
            .query("format", Some(args.format.as_str()))
            .query("version", args.version.as_ref());
        let answer = ask.open().await?;
        let disposition = answer.headers().get(header::CONTENT_DISPOSITION).and_then(|it| it.to_str().ok());
        let named = disposition.and_then(|it| it.split_once("filename=\"")?.1.split('"').next()).unwrap_or_default();
        // It is the factory's word for it, and no path.
        let named = named.rsplit(['/', '\\']).next().filter(|name| !name.starts_with('.')).map(PathBuf::from);
        let bytes = answer.into_body().collect().await?.to_bytes();
        let file = match (&args.out, args.format) {
            (Some(file), _) => file.clone(),
            (None, ExportFormat::ServerJson) => PathBuf::from("-"),
            (None, ExportFormat::Mcpb) => {
                named.filter(|it| it != &PathBuf::new()).context("the factory named no file")?
            }
        };
        if file == *"-" {
            super::print_bytes(&bytes)?;
            if bytes.last() == Some(&b'}') {
                super::print("\n")?;
            }
            return Ok(ExitCode::SUCCESS);
        }
        tokio::fs::write(&file, &bytes).await.with_context(|| format!("can't write `{}`", file.display()))?;
        let told = json!({ "file": file.display().to_string(), "bytes": bytes.len() });
        output::print(api.output(), &told, |_| format!("{} was written\n", file.display()))?;
        Ok(ExitCode::SUCCESS)
    })
}
