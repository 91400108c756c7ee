// usage: guarded.mjs URL KEY_OF_ALICE KEY_OF_BOB
// A server that wants keys: nobody gets in without one, and two callers at once are never taken for each other.
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { Client as OldClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as OldHttp } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { check, finish, structured } from "./calls.mjs";

const [url, alice, bob] = process.argv.slice(2);
const info = { name: "foreign-client", version: "1.0.0" };
const current = [StreamableHTTPClientTransport, () => new Client(info, { versionNegotiation: { mode: { pin: "2026-07-28" } } })];
const older = [OldHttp, () => new OldClient(info)];

for (const [label, [Transport, create]] of Object.entries({ "client 2.4 2026-07-28": current, "sdk 1.32 2025-11-25": older })) {
  const connect = async (key) => {
    const client = create();
    const requestInit = key ? { headers: { "X-API-Key": key } } : {};
    await client.connect(new Transport(new URL(url), { requestInit }));
    return client;
  };
  try {
    for (const key of [undefined, "not-a-key-0123456789"]) {
      // The pinned client sends nothing when it connects, so it is refused at its first call.
      const refusal = await connect(key)
        .then((client) => client.listTools())
        .catch((error) => error);
      check(`${label}: is refused with ${key ? "a wrong" : "no"} key`, refusal instanceof Error, JSON.stringify(refusal));
    }
    const [first, second] = await Promise.all([connect(alice), connect(bob)]);
    const callers = await Promise.all(
      Array.from({ length: 40 }, (_, i) => (i % 2 ? first : second).callTool({ name: "whoami", arguments: { number: i } })),
    );
    const own = callers.every((r, i) => structured(r).caller === (i % 2 ? "alice" : "bob") && structured(r).number === i);
    check(`${label}: is taken for itself among many at once`, own, JSON.stringify(callers.map(structured)));
    const kept = [];
    for (const client of [first, second, first, second]) kept.push(JSON.stringify(structured(await client.callTool({ name: "moment", arguments: {} }))));
    check(`${label}: is given what is kept, and nobody else's`, kept[0] === kept[2] && kept[1] === kept[3] && kept[0] !== kept[1], kept.join());
    await second.callTool({ name: "remember", arguments: { text: `a note of bob, ${label}` } });
    const notes = [];
    for (const client of [first, second]) notes.push(JSON.stringify(structured(await client.callTool({ name: "recall", arguments: {} }))));
    check(`${label}: has a database of its own`, notes[1].includes(label) && !notes[0].includes("bob"), notes.join());
    const { completion } = await first.complete({ ref: { type: "ref/prompt", name: "greet" }, argument: { name: "who", value: "x" } });
    const full = completion.values.length === 100 && completion.values[0] === "xalice1" && completion.hasMore === true;
    check(`${label}: completes arguments from rows`, full, JSON.stringify(completion).slice(0, 200));
    const allowed = await first.callTool({ name: "secrets", arguments: {} });
    check(`${label}: calls what its scopes allow`, !allowed.isError, JSON.stringify(allowed));
    const denied = await second.callTool({ name: "secrets", arguments: {} }).catch((error) => error);
    check(`${label}: is refused what its scopes don't allow`, denied instanceof Error, JSON.stringify(denied));
    await Promise.all([first.close(), second.close()]);
  } catch (error) {
    check(`${label}: ends without an exception`, false, error.stack ?? String(error));
  }
}
finish();
