// usage: reload.mjs SPEC http URL | SPEC stdio COMMAND ARGS...
// Clients that are connected hear that the spec was saved, and call what is new on the connection that they have.
import { appendFileSync, copyFileSync, renameSync } from "node:fs";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { Client as OldClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as OldHttp } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { StdioClientTransport as OldStdio } from "@modelcontextprotocol/sdk/client/stdio.js";
import { check, finish } from "./calls.mjs";

const [spec, transport, target, ...args] = process.argv.slice(2);
const info = { name: "foreign-client", version: "1.0.0" };
const connection = (Http, Stdio) =>
  transport === "http" ? new Http(new URL(target)) : new Stdio({ command: target, args, stderr: "ignore" });

// As editors save: another file takes the place of this one.
function add(tool) {
  copyFileSync(spec, `${spec}.saving`);
  appendFileSync(`${spec}.saving`, `  - { name: ${tool}, description: Added, static: { text: ${tool} }, annotations: { readOnly: true } }\n`);
  renameSync(`${spec}.saving`, spec);
}

async function run(label, tool, create, transport) {
  let changed;
  const told = new Promise((resolve, reject) => {
    changed = resolve;
    setTimeout(() => reject(new Error("nothing was told within 20 s")), 20_000).unref();
  });
  const client = create({
    tools: { debounceMs: 0, onChanged: (error, tools) => changed(error ? [String(error)] : (tools ?? []).map(({ name }) => name)) },
  });
  try {
    await client.connect(transport);
    await client.listTools();
    add(tool);
    const names = await told;
    check(`${label}: hears of a tool that was saved`, names.includes(tool) && names.includes("first"), names.join());
    const result = await client.callTool({ name: tool, arguments: {} });
    check(`${label}: calls it on the same connection`, result.content[0].text === tool, JSON.stringify(result));
    await client.close();
  } catch (error) {
    check(`${label}: ends without an exception`, false, error.stack ?? String(error));
  }
}

const pinned = (listChanged) => new Client(info, { versionNegotiation: { mode: { pin: "2026-07-28" } }, listChanged });
const older = (listChanged) => new OldClient(info, { listChanged });
await run(`client 2.4 ${transport} 2026-07-28`, `${transport}_new`, pinned, connection(StreamableHTTPClientTransport, StdioClientTransport));
await run(`sdk 1.32 ${transport} 2025-11-25`, `${transport}_old`, older, connection(OldHttp, OldStdio));
finish();
