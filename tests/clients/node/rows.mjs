// usage: rows.mjs URL KEY_OF_ALICE KEY_OF_BOB FIRST_ID [own]
// Pages of rows that come and go; with `own`, of a database that shows each caller their own alone.
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { Client as OldClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as OldHttp } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { check, finish, structured } from "./calls.mjs";

const [url, alice, bob, first, own] = process.argv.slice(2);
const info = { name: "foreign-client", version: "1.0.0" };
const current = [StreamableHTTPClientTransport, () => new Client(info, { versionNegotiation: { mode: { pin: "2026-07-28" } } })];
const older = [OldHttp, () => new OldClient(info)];
let from = Number(first);

for (const [label, [Transport, create]] of Object.entries({ "client 2.4 2026-07-28": current, "sdk 1.32 2025-11-25": older })) {
  const say = (name, holds, detail) => check(`${label}${own ? " (postgres)" : ""}: ${name}`, holds, JSON.stringify(detail));
  const connect = async (key) => {
    const client = create();
    await client.connect(new Transport(new URL(url), { requestInit: { headers: { "X-API-Key": key } } }));
    const call = (name, args) => client.callTool({ name, arguments: args });
    const page = async (cursor) => {
      const result = await call("rows", { from, to: from + 100, ...(cursor ? { cursor } : {}) });
      const { items = [], nextCursor } = structured(result);
      return { ids: items.map((row) => row.id - from), owners: items.map((row) => row.owner), nextCursor, isError: result.isError === true };
    };
    return { call, page, close: () => client.close() };
  };
  try {
    const [one, other] = await Promise.all([connect(alice), connect(bob)]);
    for (const id of [10, 20, 30, 40, 50, 60, 70]) await one.call("add", { id: from + id });
    const begin = await one.page();
    say("gets the first page", begin.ids.join() === "10,20,30", begin);
    // By numbers of rows this would give row 30 again, and leave row 35 out.
    await one.call("add", { id: from + 5 });
    await one.call("add", { id: from + 35 });
    await one.call("remove", { id: from + 20 });
    await one.call("remove", { id: from + 30 });
    const next = await one.page(begin.nextCursor);
    say("goes on behind the last row, whatever came and went", next.ids.join() === "35,40,50", next);
    const last = await one.page(next.nextCursor);
    say("reaches the end", last.ids.join() === "60,70" && !last.nextCursor, last);
    const stolen = await other.page(begin.nextCursor);
    say("is refused the cursor of somebody else", stolen.isError, stolen);
    if (own) {
      say("sees no rows of others", (await other.page()).ids.length === 0, await other.page());
      const removed = structured(await other.call("remove", { id: from + 10 }));
      say("changes no rows of others", removed.rowsAffected === 0, removed);
      await other.call("add", { id: from + 11 });
      const pages = await Promise.all(Array.from({ length: 40 }, (_, i) => (i % 2 ? one : other).page()));
      const apart = pages.every((page, i) => page.owners.length > 0 && page.owners.every((owner) => owner === (i % 2 ? "alice" : "bob")));
      say("sees its own rows among many at once", apart, pages);
    } else {
      const all = await other.page();
      say("sees all rows where nothing keeps them apart", all.owners.includes("alice"), all);
    }
    await Promise.all([one.close(), other.close()]);
  } catch (error) {
    say("ends without an exception", false, error.stack ?? String(error));
  }
  from += 100;
}
finish();
