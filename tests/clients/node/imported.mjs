// usage: imported.mjs URL [WRONG_SECRET]
// Tools that were made of an OpenAPI document with client credentials: the API lets in who comes with a token of its OAuth server,
// which this project did not write, and counts the tokens that it issued. With a wrong secret there are none.
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { check, finish, structured } from "./calls.mjs";

const [url, wrong] = process.argv.slice(2);
const say = (name, holds, detail) => check(`an imported document with client credentials: ${name}`, holds, detail);
try {
  const client = new Client({ name: "foreign-client", version: "1.0.0" }, { versionNegotiation: { mode: { pin: "2026-07-28" } } });
  await client.connect(new StreamableHTTPClientTransport(new URL(url)));
  const call = (name) => client.callTool({ name, arguments: {} });
  if (wrong) {
    const refused = await call("get_state");
    const told = JSON.stringify(refused);
    say("without the right secret nothing is had, and no secret told", refused.isError && !told.includes(wrong), told);
    finish();
  }
  const first = structured(await call("get_state"));
  say("a call is let in with a token that was issued for it", first.issued >= 1, JSON.stringify(first));
  const large = await Promise.all(Array.from({ length: 10 }, () => call("get_large")));
  const state = structured(await call("get_state"));
  say("one token serves all calls", large.every((it) => !it.isError) && state.issued === first.issued, JSON.stringify([state, large[0]]));
  await call("revoke");
  const again = await call("get_state");
  say("one that was revoked is replaced", !again.isError && structured(again).issued === first.issued + 1, JSON.stringify(again));
  await client.close();
} catch (error) {
  say("ends without an exception", false, error.stack ?? String(error));
}
finish();
