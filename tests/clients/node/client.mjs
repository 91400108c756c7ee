// usage: client.mjs http URL | stdio COMMAND ARGS...
// Drives `@modelcontextprotocol/client` (2026-07-28, and whatever it negotiates) and `@modelcontextprotocol/sdk`
// (2025-11-25).
import { calls, check, finish } from "./calls.mjs";

const [transport, target, ...rest] = process.argv.slice(2);

const current = await import("@modelcontextprotocol/client");
const currentStdio = await import("@modelcontextprotocol/client/stdio").catch(() => current);
const { Client: OldClient } = await import("@modelcontextprotocol/sdk/client/index.js");
const { StreamableHTTPClientTransport: OldHttp } = await import("@modelcontextprotocol/sdk/client/streamableHttp.js");
const { StdioClientTransport: OldStdio } = await import("@modelcontextprotocol/sdk/client/stdio.js");

const info = { name: "foreign-client", version: "1.0.0" };
const currentTransport = () =>
  transport === "http"
    ? new current.StreamableHTTPClientTransport(new URL(target))
    : new currentStdio.StdioClientTransport({ command: target, args: rest, stderr: "ignore" });
const oldTransport = () =>
  transport === "http" ? new OldHttp(new URL(target)) : new OldStdio({ command: target, args: rest, stderr: "ignore" });

async function run(label, client, connection) {
  try {
    await client.connect(connection);
    await calls(label, client);
    await client.close();
  } catch (error) {
    check(`${label}: ends without an exception`, false, error.stack ?? String(error));
  }
}

await run(
  `client 2.4 ${transport} pinned to 2026-07-28`,
  new current.Client(info, { versionNegotiation: { mode: { pin: "2026-07-28" } } }),
  currentTransport(),
);
await run(`client 2.4 ${transport} negotiating`, new current.Client(info, { versionNegotiation: { mode: "auto" } }), currentTransport());
await run(`sdk 1.32 ${transport} 2025-11-25`, new OldClient(info), oldTransport());
finish();
