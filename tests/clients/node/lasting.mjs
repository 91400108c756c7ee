// usage: lasting.mjs http URL | stdio COMMAND ARGS...
// Calls that last: their progress, their log messages, their end when the caller leaves, their result when it is asked for later.
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import * as current from "@modelcontextprotocol/client";
import { Client as OldClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport as OldStdio } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport as OldHttp } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { LoggingMessageNotificationSchema } from "@modelcontextprotocol/sdk/types.js";
import { check, finish, structured } from "./calls.mjs";

const [transport, target, ...rest] = process.argv.slice(2);
const currentStdio = await import("@modelcontextprotocol/client/stdio").catch(() => current);
const info = { name: "foreign-client", version: "1.0.0" };
const open = (Http, Stdio) => (transport === "http" ? new Http(new URL(target)) : new Stdio({ command: target, args: rest, stderr: "ignore" }));

// Programs that run with this argument. The server is on this machine.
const running = (argument) =>
  readdirSync("/proc").filter((id) => {
    try {
      return /^\d+$/.test(id) && readFileSync(`/proc/${id}/cmdline`, "utf8").split("\0").includes(argument);
    } catch {
      return false;
    }
  }).length;

async function until(holds, within = 20_000) {
  const begun = Date.now();
  while (!holds()) {
    if (Date.now() - begun > within) return false;
    await sleep(2);
  }
  return true;
}

// A client as the calls below use it: `call(params, options)`, `log(level)` before it, messages in `said`.
async function modern(pin) {
  const said = [];
  const client = new current.Client(info, { versionNegotiation: { mode: { pin } } });
  client.setNotificationHandler("notifications/message", (message) => said.push(message.params));
  await client.connect(open(current.StreamableHTTPClientTransport, currentStdio.StdioClientTransport));
  const meta = {};
  const log = async (level) => (meta["io.modelcontextprotocol/logLevel"] = level);
  return { client, said, log, version: pin, call: (params, options) => client.callTool({ ...params, _meta: meta }, options) };
}

async function session(version) {
  const said = [];
  const client = new current.Client(info, { supportedProtocolVersions: [version] });
  client.setNotificationHandler("notifications/message", (message) => said.push(message.params));
  const connection = open(current.StreamableHTTPClientTransport, currentStdio.StdioClientTransport);
  await client.connect(connection);
  const log = (level) => client.setLoggingLevel(level);
  return { client, said, log, version: client.getNegotiatedProtocolVersion(), call: (params, options) => client.callTool(params, options) };
}

async function older() {
  const said = [];
  const client = new OldClient(info);
  client.setNotificationHandler(LoggingMessageNotificationSchema, (message) => said.push(message.params));
  const connection = open(OldHttp, OldStdio);
  await client.connect(connection);
  const log = (level) => client.setLoggingLevel(level);
  const version = connection.protocolVersion ?? connection._protocolVersion ?? "2025-11-25";
  return { client, said, log, version, call: (params, options) => client.callTool(params, undefined, options) };
}

async function lasting(label, version, connect, later) {
  const say = (name, holds, detail) => check(`${label}: ${name}`, holds, detail);
  const { client, said, log, call, version: negotiated } = await connect();
  say(`speaks ${version}`, negotiated === version, negotiated);

  const steps = [];
  await call({ name: "count", arguments: {} }, { onprogress: (step) => steps.push(step) });
  const grows = steps.every((step, i) => i === 0 || step.progress > steps[i - 1].progress);
  say("follows the progress of steps", steps.length >= 3 && grows && steps.at(-1).total === 3, JSON.stringify(steps));
  const beats = [];
  await call({ name: "pause", arguments: { seconds: "2.3" } }, { onprogress: (step) => beats.push(step) });
  say("hears each second that a call still runs", beats.length >= 2 && /still running, 2s of at most 60s/.test(beats.at(-1).message), JSON.stringify(beats));

  say("hears no messages that it did not ask for", said.length === 0, JSON.stringify(said));
  await log("debug");
  await call({ name: "count", arguments: {} });
  await until(() => said.length >= 4, 5_000);
  say("hears the messages it asked for", said.length === 4 && said.at(-1).logger === "count" && said.every((m) => m.level === "debug" && m.data.message === "answered"), JSON.stringify(said));

  const seconds = `31.${Math.floor(Math.random() * 1e9)}`;
  const leaving = new AbortController();
  const call_ = call({ name: "pause", arguments: { seconds } }, { signal: leaving.signal, onprogress: () => {} }).catch((error) => error);
  const began = await until(() => running(seconds) > 0);
  const left = Date.now();
  leaving.abort();
  const gone = await until(() => running(seconds) === 0);
  const took = Date.now() - left;
  say(`takes the work along when it leaves (${took} ms)`, began && gone && took < 3_000 && (await call_) instanceof Error, `${began} ${gone} ${took}`);

  if (later) {
    const promised = structured(await call({ name: "job", arguments: { seconds: "10.5" } }, { timeout: 40_000 }));
    say("is told to come back for what takes long", promised.status === "working" && typeof promised.task_id === "string", JSON.stringify(promised));
    const result = structured(await call({ name: "get_result", arguments: { task_id: promised.task_id } }, { timeout: 40_000 }));
    say("gets the result later", result.value === "slept 10.5", JSON.stringify(result));
  }
  await client.close();
}

async function run(label, version, connect, later = false) {
  try {
    await lasting(`${label} ${transport} ${version}`, version, connect, later);
  } catch (error) {
    check(`${label} ${transport} ${version}: ends without an exception`, false, error.stack ?? String(error));
  }
}

await run("client 2.4", "2026-07-28", () => modern("2026-07-28"), transport === "http");
await run("sdk 1.32", "2025-11-25", older);
for (const version of ["2025-06-18", "2025-03-26"]) await run("client 2.4", version, () => session(version));
finish();
