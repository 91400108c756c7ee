// usage: programs.mjs URL
// Tools that start programs, and tools that are made of others.
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { Client as OldClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as OldHttp } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { check, finish, structured } from "./calls.mjs";

const [url] = process.argv.slice(2);
const info = { name: "foreign-client", version: "1.0.0" };
const current = [StreamableHTTPClientTransport, () => new Client(info, { versionNegotiation: { mode: { pin: "2026-07-28" } } })];
const older = [OldHttp, () => new OldClient(info)];

for (const [label, [Transport, create]] of Object.entries({ "client 2.4 2026-07-28": current, "sdk 1.32 2025-11-25": older })) {
  const say = (name, holds, detail) => check(`${label}: ${name}`, holds, JSON.stringify(detail));
  try {
    const client = create();
    await client.connect(new Transport(new URL(url)));
    const call = (name, args) => client.callTool({ name, arguments: args });
    const words = ["a b", "$(id)", "; ls", "'\"", "é 漢"];
    const said = await call("echo", { words });
    say("each word stays one argument", JSON.stringify(structured(said).items) === JSON.stringify(words), said);
    const option = await call("echo", { words: ["fine", "--version"] });
    say("no word becomes an option", option.isError && option.content[0].text.includes("`-`"), option);
    const failed = await call("fail", {});
    say("hears why a program failed", failed.isError && failed.content[0].text.includes("exit code 1: cat: "), failed);
    const announced = await call("announce", { text: "hello" });
    say("steps use what earlier ones answered", JSON.stringify(structured(announced)) === '{"text":"HELLO","bytes":5}', announced);
    const many = await Promise.all(Array.from({ length: 20 }, (_, i) => call("announce", { text: `text ${i}` })));
    say("gets its own answer among many at once", many.every((r, i) => structured(r).text === `TEXT ${i}`));
    await client.close();
  } catch (error) {
    check(`${label}: ends without an exception`, false, error.stack ?? String(error));
  }
}
finish();
