// usage: foreign.mjs LABEL PREFIX URL
// Calls, through our server, the tools of one that others wrote. PREFIX says which of its tools end what it knows.
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { check, finish, structured } from "./calls.mjs";

const [label, ends, url] = process.argv.slice(2);
const say = (name, holds, detail) => check(`${label}: ${name}`, holds, JSON.stringify(detail));
const info = { name: "foreign-client", version: "1.0.0" };
try {
  const client = new Client(info, { versionNegotiation: { mode: { pin: "2026-07-28" } } });
  await client.connect(new StreamableHTTPClientTransport(new URL(url)));
  const call = (name, args = {}) => client.callTool({ name, arguments: args });
  const { tools } = await client.listTools();
  const add = tools.find(({ name }) => name === "add");
  say("lists its tools, with their schemas", add.inputSchema.properties.a.type === "number" && add.description === "Adds two numbers", add);
  const sum = await call("add", { a: 2, b: 40 });
  say("gets what is structured", structured(sum).sum === 42, sum);
  const loud = await call("shout", { text: "é 漢" });
  say("gets a text", loud.content[0].text === "É 漢", loud);
  const failed = await call("fail");
  say("hears of a failure", failed.isError && /broken|executing tool fail/.test(failed.content[0].text), failed);
  const wrong = await call("add", { a: "two", b: 40 });
  say("is refused wrong arguments", wrong.isError === true, wrong);
  if (tools.some(({ name }) => name === "picture")) {
    const picture = await call("picture");
    say("gets a picture", picture.content[0].type === "image" && picture.content[0].mimeType === "image/png", picture);
  }
  const waited = await call("wait");
  say("hears that it takes too long", waited.isError && /time|limit|within/.test(waited.content[0].text), waited);
  const many = await Promise.all(Array.from({ length: 20 }, (_, i) => call("add", { a: i, b: 1 })));
  say("gets its own answer among many at once", many.every((result, i) => structured(result).sum === i + 1), many);
  if (ends) {
    await call(ends);
    const again = await call("add", { a: 1, b: 1 });
    const once = again.isError ? await call("add", { a: 1, b: 1 }) : again;
    say(`goes on after \`${ends}\``, structured(once).sum === 2, [again, once]);
  }
  await client.close();
} catch (error) {
  check(`${label}: ends without an exception`, false, error.stack ?? String(error));
}
finish();
