// usage: toolsets.mjs URL KEY_OF_A_CLERK KEY_OF_A_GUEST
// Toolsets: a session turns them on and off and is told of it, requests that stand alone find and call tools by name, and
// nobody sees what their group does not.
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { Client as OldClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as OldHttp } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { ToolListChangedNotificationSchema } from "@modelcontextprotocol/sdk/types.js";
import { check, finish, structured } from "./calls.mjs";

const [url, clerk, guest] = process.argv.slice(2);
const info = { name: "foreign-client", version: "1.0.0" };

async function connect(client, Transport, key) {
  await client.connect(new Transport(new URL(url), { requestInit: { headers: { "X-API-Key": key } } }));
  client.names = async () => (await client.listTools()).tools.map(({ name }) => name);
  // Its text; what is refused has none.
  client.say = (name, args = {}) =>
    client
      .callTool({ name, arguments: args })
      .then((result) => (result.isError ? { refused: JSON.stringify(result.content) } : { text: result.content[0]?.text, json: structured(result) }))
      .catch((error) => ({ refused: String(error.message) }));
  return client;
}

async function until(holds) {
  for (const begun = Date.now(); !holds(); await new Promise((resolve) => setTimeout(resolve, 5))) {
    if (Date.now() - begun > 20_000) return false;
  }
  return true;
}

async function sessions(label) {
  const say = (name, holds, detail) => check(`${label}: ${name}`, holds, JSON.stringify(detail));
  const [first, second] = await Promise.all([connect(new OldClient(info), OldHttp, clerk), connect(new OldClient(info), OldHttp, clerk)]);
  const told = [0, 0];
  [first, second].forEach((client, i) => client.setNotificationHandler(ToolListChangedNotificationSchema, () => void (told[i] += 1)));
  say("has no tool of a toolset before one is on", !(await first.names()).includes("refund"), await first.names());
  say("can't call what is off", (await first.say("refund")).refused);
  for (let round = 1; round <= 2; round += 1) {
    const on = await first.say("enable_toolset", { name: "writing" });
    say(`turns a toolset on (${round})`, on.json?.success === true && on.json.message === "Toolset 'writing' enabled successfully. Registered 1 tools.", on);
    say(`is told of it (${round})`, await until(() => told[0] >= 2 * round - 1), told);
    say(`lists and calls what is on (${round})`, (await first.names()).includes("refund") && (await first.say("refund")).text === "paid");
    say(`turns it off (${round})`, (await first.say("disable_toolset", { name: "writing" })).json?.success === true);
    const left = await first.names();
    say(`neither lists nor calls what is off (${round})`, !left.includes("refund") && (await first.say("refund")).refused, left);
  }
  await first.say("enable_toolset", { name: "writing" });
  await first.say("enable_toolset", { name: "reading" });
  const full = await first.say("enable_toolset", { name: "books" });
  say("is stopped at the limit", full.refused?.includes("maxActiveToolsets (2)"), full);
  say("changes nobody else's session", !(await second.names()).includes("refund") && (await second.say("refund")).refused && told[1] === 0, told);
  const other = await connect(new OldClient(info), OldHttp, guest);
  const hidden = await other.say("enable_toolset", { name: "writing" });
  say("knows of no toolset of another group", hidden.refused?.includes("not found") && !JSON.stringify(await other.say("list_toolsets")).includes("writing"), hidden);
  await Promise.all([first.close(), second.close(), other.close()]);
}

async function alone(label) {
  const say = (name, holds, detail) => check(`${label}: ${name}`, holds, JSON.stringify(detail));
  const create = () => new Client(info, { versionNegotiation: { mode: { pin: "2026-07-28" } } });
  const [known, other] = await Promise.all([connect(create(), StreamableHTTPClientTransport, clerk), connect(create(), StreamableHTTPClientTransport, guest)]);
  const before = await known.names();
  say("lists the tools that find tools", ["search_tools", "call_tool"].every((name) => before.includes(name)) && !before.includes("refund"), before);
  const found = await known.say("search_tools", { query: "money for a customer" });
  say("finds a tool by what it does", found.json?.tools?.[0]?.name === "refund", found);
  const paid = await known.say("call_tool", { tool: "refund", arguments: {} });
  say("calls it by its name", paid.text === "paid", paid);
  say("is refused what its scopes don't allow", (await known.say("call_tool", { tool: "close_books" })).refused?.includes("audit"));
  say("has the same list as before", JSON.stringify(await known.names()) === JSON.stringify(before));
  const hidden = await other.say("search_tools", { query: "money for a customer" });
  say("finds nothing of another group", !JSON.stringify(hidden).includes("refund") && (await other.say("call_tool", { tool: "refund" })).refused, hidden);
  say("calls what its own group has", (await other.say("call_tool", { tool: "find_order" })).text === "found");
  await Promise.all([known.close(), other.close()]);
}

for (const [label, part] of [["sdk 1.32 2025-11-25", sessions], ["client 2.4 2026-07-28", alone]]) {
  await part(label).catch((error) => check(`${label}: ends without an exception`, false, error.stack ?? String(error)));
}
finish();
