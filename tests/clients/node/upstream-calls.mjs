// usage: upstream-calls.mjs URL
// Tools over HTTP, behind an OAuth server that this project did not write.
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { Client as OldClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as OldHttp } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { check, finish, structured } from "./calls.mjs";

const [url] = process.argv.slice(2);
const info = { name: "foreign-client", version: "1.0.0" };
const clients = {
  "client 2.4 2026-07-28": [StreamableHTTPClientTransport, () => new Client(info, { versionNegotiation: { mode: { pin: "2026-07-28" } } }), (c, p, o) => c.callTool(p, o)],
  "sdk 1.32 2025-11-25": [OldHttp, () => new OldClient(info), (c, p, o) => c.callTool(p, undefined, o)],
};

let tokens = 0;
for (const [label, [Transport, create, call]] of Object.entries(clients)) {
  const say = (name, holds, detail) => check(`${label}: ${name}`, holds, detail);
  try {
    const client = create();
    await client.connect(new Transport(new URL(url)));
    const tool = (name, args = {}, options) => call(client, { name, arguments: args }, options);
    const state = async () => structured(await tool("state"));

    const many = await Promise.all(Array.from({ length: 20 }, () => tool("large")));
    const digits = '{"id":123456789012345678901234567890,"price":0.10000000000000000000001}';
    say("gets every digit", many.every((result) => result.content[0].text === digits), many[0].content[0].text);
    tokens += tokens === 0 ? 1 : 0;
    say("one token serves many calls at once", (await state()).issued === tokens, JSON.stringify(await state()));
    await tool("revoke");
    const again = await tool("large");
    tokens += 1;
    say("a token that was revoked is replaced", !again.isError && (await state()).issued === tokens, JSON.stringify(again));

    const picture = (await tool("picture")).content[0];
    say("gets a picture", picture.type === "image" && picture.mimeType === "image/png" && atob(picture.data).startsWith("\x89PNG"), JSON.stringify(picture));

    const seen = [];
    let cursor;
    do {
      const page = structured(await tool("items", cursor ? { cursor } : {}));
      seen.push(...page.items.map((item) => item.n));
      cursor = page.nextCursor;
    } while (cursor && seen.length < 50);
    say("pages through what the upstream links", seen.join() === "0,1,2,3,4,5,6,7,8,9", seen.join());

    const uploaded = structured(await tool("upload", { file: "iVBORw==", name: 'a "b".png' }));
    const expected = { name: 'a "b".png', type: "image/png", bytes: [137, 80, 78, 71], note: "hello" };
    const same = (name) => JSON.stringify({ ...uploaded, name }) === JSON.stringify({ ...expected, name });
    say("sends a file", same("") && [expected.name, "a %22b%22.png"].includes(uploaded.name), JSON.stringify(uploaded));

    const steps = [];
    const slow = await tool("slow", {}, { onprogress: (step) => steps.push(step), timeout: 10_000 });
    const grows = steps.every((step, i) => i === 0 || step.progress > steps[i - 1].progress);
    say("a download tells how far it is", steps.length >= 3 && grows && steps.at(-1).total === 2_000_000, JSON.stringify([slow.isError, steps.slice(-2)]));

    const before = (await state()).cut;
    const stop = new AbortController();
    const running = tool("endless", {}, { signal: stop.signal, onprogress: () => stop.abort(), timeout: 10_000 });
    const ended = await running.then(() => "answered", () => "given up");
    let after = before;
    const begun = Date.now();
    while (after === before && Date.now() - begun < 2000) after = (await state()).cut;
    say(`giving up closes the upstream's connection`, ended === "given up" && after === before + 1, JSON.stringify({ ended, before, after, ms: Date.now() - begun }));
    await client.close();
  } catch (error) {
    check(`${label}: ends without an exception`, false, error.stack ?? String(error));
  }
}
finish();
