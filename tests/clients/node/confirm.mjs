// usage: confirm.mjs FIRST_ID http URL | FIRST_ID stdio COMMAND ARGS...
// Tools that ask a person first: somebody else's clients ask in both eras, or hand on a link that a person opens.
import { check, finish, structured } from "./calls.mjs";

const [first, transport, target, ...rest] = process.argv.slice(2);
const current = await import("@modelcontextprotocol/client");
const currentStdio = await import("@modelcontextprotocol/client/stdio").catch(() => current);
const { Client: OldClient } = await import("@modelcontextprotocol/sdk/client/index.js");
const { StreamableHTTPClientTransport: OldHttp } = await import("@modelcontextprotocol/sdk/client/streamableHttp.js");
const { StdioClientTransport: OldStdio } = await import("@modelcontextprotocol/sdk/client/stdio.js");
const { ElicitRequestSchema } = await import("@modelcontextprotocol/sdk/types.js");

const info = { name: "foreign-client", version: "1.0.0" };
const text = (result) => (result.content ?? []).map((block) => block.text ?? "").join("\n");
let id = Number(first);

const clients = {
  "client 2.4 2026-07-28": (capabilities) => [
    new current.Client(info, { capabilities, versionNegotiation: { mode: { pin: "2026-07-28" } } }),
    transport === "http"
      ? new current.StreamableHTTPClientTransport(new URL(target))
      : new currentStdio.StdioClientTransport({ command: target, args: rest, stderr: "ignore" }),
    "elicitation/create",
  ],
  "sdk 1.32 2025-11-25": (capabilities) => [
    new OldClient(info, { capabilities }),
    transport === "http" ? new OldHttp(new URL(target)) : new OldStdio({ command: target, args: rest, stderr: "ignore" }),
    ElicitRequestSchema,
  ],
};

// As a browser does it.
async function decide(link, decision) {
  const page = await (await fetch(link)).text();
  const form = page.match(/name="form" value="([^"]+)"/)[1];
  const origin = new URL(link).origin;
  const answer = await fetch(link, { method: "POST", headers: { origin }, body: new URLSearchParams({ form, decision }) });
  return answer.text();
}

for (const [name, create] of Object.entries(clients)) {
  const say = (what, holds, detail) => check(`${name} ${transport}: ${what}`, holds, detail);
  try {
    const asked = [];
    let action = "accept";
    const [client, connection, elicit] = create({ elicitation: {} });
    client.setRequestHandler(elicit, async (request) => {
      asked.push(request.params.message);
      return action === "accept" ? { action, content: {} } : { action };
    });
    await client.connect(connection);
    const call = async (tool, id) => client.callTool({ name: tool, arguments: { id } });

    const accepted = await call("remove", ++id);
    say("a yes runs the tool", structured(accepted).rowsAffected === 1, JSON.stringify(accepted));
    say("the person sees the question", asked.length === 1 && asked[0] === `Remove thing ${id}?`, JSON.stringify(asked));
    for (action of ["decline", "cancel"]) {
      const refused = await call("remove", ++id);
      say(`a ${action} does nothing and says so`, refused.isError && text(refused).includes("nothing was done"), text(refused));
    }
    action = "accept";
    say("each call is asked about", (await call("remove", id)).isError !== true && asked.length === 4, JSON.stringify(asked));

    const linked = await call("remove_by_link", ++id);
    const link = text(linked).match(/http:\/\/\S+\/approve\/\S+/)?.[0];
    say("via link is answered with a link", linked.isError && link && asked.length === 4, text(linked));
    say("a person approves there", (await decide(link, "approve")).includes("is approved"));
    const done = await call("remove_by_link", id);
    say("then the call runs", structured(done).items?.[0]?.id === id, JSON.stringify(done));
    const next = text(await call("remove_by_link", id));
    say("once", next.includes("/approve/") && !next.includes(link), next);
    await client.close();

    const [quiet, wire] = create({});
    await quiet.connect(wire);
    const arguments_ = { id: ++id };
    const handed = text(await quiet.callTool({ name: "remove", arguments: arguments_ }));
    const other = handed.match(/http:\/\/\S+\/approve\/\S+/)?.[0];
    say("a client that can't ask is handed a link", other, handed);
    say("a person declines there", (await decide(other, "decline")).includes("is declined"));
    const declined = await quiet.callTool({ name: "remove", arguments: arguments_ });
    say("then the call does nothing and says so", declined.isError && text(declined).includes("said no"), text(declined));
    await quiet.close();
  } catch (error) {
    say("ends without an exception", false, error.stack ?? String(error));
  }
}
finish();
