//! `mcp-factory down`: ends the factory that runs on the data folder, and waits until it is gone.

use std::{process::ExitCode, time::Duration};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::{api, args, exit, output, progress, running::Presence};

/// It gives running calls ten seconds, and its servers ten more.
const PATIENCE: Duration = Duration::from_secs(40);
const START: Duration = Duration::from_secs(30);

pub fn run(args: &args::up::Down) -> anyhow::Result<ExitCode> {
    let data = api::data_folder(&args.place.reach())?;
    let telling = progress::Telling::begin("ending the factory");
    // One that starts at this moment is ended when it is there: it may not listen to signals yet.
    let pid = match Presence::settled(&data, START)? {
        Presence::Nobody => None,
        Presence::Ready(running) => Some(running.pid),
        Presence::Between { pid } => pid,
    };
    let Some(pid) = pid else {
        drop(telling);
        return say(args, &format!("no factory runs on `{}`", data.display()), json!({ "stopped": false }));
    };
    let process = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let process = process.ok_or_else(|| anyhow::anyhow!("the factory has no process id that could be: {pid}"))?;
    match kill_process(process, Signal::TERM) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => {}
        Err(error) => return Err(anyhow::Error::from(error).context(format!("can't end the factory (pid {pid})"))),
    }
    if !Presence::gone(&data, PATIENCE)? {
        return Err(exit::hinted(
            format!("the factory (pid {pid}) was told to end, and still runs"),
            format!("its log says why; `kill -9 {pid}` ends it at once, and loses nothing that was written down"),
        ));
    }
    drop(telling);
    say(args, &format!("the factory (pid {pid}) has ended"), json!({ "stopped": true, "pid": pid }))
}

fn say(args: &args::up::Down, text: &str, json: serde_json::Value) -> anyhow::Result<ExitCode> {
    output::print(args.output, &json, |_| format!("{text}\n"))?;
    Ok(ExitCode::SUCCESS)
}
