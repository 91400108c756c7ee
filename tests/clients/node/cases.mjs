// usage: cases.mjs EXAMPLES
// The acceptance cases of the serving library: T1 to T10 and a small T15 (100,000 users are a test of the library) in both eras (T16),
// against its examples as programs.
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { Client as OldClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as OldHttp } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { check, finish } from "./calls.mjs";
import { audience, Example, jwt, jwtSecret, recorded, secret, secrets, seen } from "./example.mjs";

const [folder] = process.argv.slice(2);
const info = { name: "foreign-client", version: "1.0.0" };
const eras = [
  {
    label: "client 2.4 2026-07-28",
    modern: true,
    Http: StreamableHTTPClientTransport,
    create: (options) => new Client(info, { versionNegotiation: { mode: { pin: "2026-07-28" } }, ...options }),
  },
  { label: "sdk 1.32 2025-11-25", modern: false, Http: OldHttp, create: (options) => new OldClient(info, options) },
];

const text = (result) => (result.content ?? []).map((block) => block.text ?? "").join("\n");
const code = (error) => error.code ?? error.status ?? error.message;
const refusal = (promise) => promise.then((result) => ({ result }), (error) => error);

async function until(holds) {
  for (const begun = Date.now(); !holds(); await new Promise((resolve) => setTimeout(resolve, 5))) {
    if (Date.now() - begun > 20_000) return false;
  }
  return true;
}

// With one way to call a tool: its text, or what it was refused with.
async function connect(era, url, token, { sessionId, headers, ...options } = {}) {
  const client = era.create(options);
  const requestInit = { headers: { ...(token && { Authorization: `Bearer ${token}` }), ...headers } };
  const transport = new era.Http(url, { requestInit, fetch: recorded, sessionId });
  await client.connect(transport);
  client.say = async (name, args = {}, how) => text(await client.callTool({ name, arguments: args }, ...(era.modern ? [how] : [undefined, how])));
  client.names = async () => (await client.listTools()).tools.map(({ name }) => name);
  client.sessionId = () => transport.sessionId;
  return client;
}

const factory = (environment) => Example.start(folder, "server_factory", { JWT_SECRET: jwtSecret, JWT_AUDIENCE: audience, ...environment });

async function saas() {
  const example = await Example.start(folder, "per_bearer_saas");
  const shown = async () => secret((await example.line()).split(": ")[1]);
  return { example, acme: await shown(), globex: await shown() };
}

const cases = {
  async t1_three_jwt_users_at_once_are_isolated(era) {
    const example = await factory();
    const users = ["alice", "bob", "carol"].map((name) => `${name}-of-${era.modern ? "today" : "before"}`);
    const saw = await Promise.all(
      users.map(async (user) => {
        const client = await connect(era, example.url, jwt(user));
        await Promise.all(Array.from({ length: 10 }, (_, i) => client.say("add_note", { text: `note ${i} of ${user}` })));
        const notes = JSON.parse(await client.say("list_notes")).notes;
        const hello = JSON.parse(await client.say("hello_computer")).hello;
        await client.close();
        return { notes, hello };
      }),
    );
    const own = saw.every(({ notes, hello }, i) => hello === users[i] && notes.length === 10 && notes.every((note) => note.endsWith(` of ${users[i]}`)));
    return [own && (await example.stop()) === 0, saw];
  },

  async t2_init_fails_once_then_a_hundred_first_calls_initialise_once(era) {
    let connections = 0;
    const database = createServer(() => (connections += 1));
    const listening = (port) => new Promise((resolve) => database.listen(port, "127.0.0.1", () => resolve(database.address().port)));
    const port = await listening(0);
    await new Promise((resolve) => database.close(resolve));
    const example = await factory({ DATABASE: `127.0.0.1:${port}` });
    const hello = async (user) => (await connect(era, example.url, jwt(user))).say("hello_computer");
    const failed = await refusal(hello("first"));
    await listening(port);
    const answers = await Promise.all(Array.from({ length: 100 }, (_, i) => hello(`user-${i}`)));
    const ended = await example.stop();
    database.close();
    const well = failed instanceof Error && answers.every((answer, i) => answer.includes(`"user-${i}"`));
    return [well && connections === 1 && ended === 0, { failed: String(failed), connections, ended }];
  },

  async t3_a_token_with_the_session_of_another_finds_nothing(era) {
    const example = await factory();
    const bob = await connect(era, example.url, jwt("bob"));
    await bob.say("add_note", { text: "of bob" });
    let found;
    if (era.modern) {
      // There are no sessions: the header means nothing, and alice gets what is hers.
      const alice = await connect(era, example.url, jwt("alice"), { headers: { "mcp-session-id": "that-of-bob" } });
      found = (await alice.say("list_notes")) === '{"notes":[]}';
    } else {
      const alice = await connect(era, example.url, jwt("alice"), { sessionId: bob.sessionId() });
      found = code(await refusal(alice.say("list_notes"))) === 404;
    }
    const stays = (await bob.say("list_notes")).includes("of bob");
    await bob.close();
    return [found && stays && (await example.stop()) === 0, { found, stays }];
  },

  async t4_a_wrong_token_is_401_with_a_challenge_of_one_shape(era) {
    const [{ example, globex }, jwts] = [await saas(), await factory()];
    await example.operate("remove 2");
    const old = { exp: 1_000_000_000 };
    const wrong = [
      [example.url, [globex, secret("a-token-that-nobody-has-0123456789"), secret("short")]],
      [jwts.url, [jwt("alice", {}, "another secret, of the same length or so"), "a.b.c", jwt("alice", { aud: "https://other.example.com" })]],
      [jwts.url, [jwt("alice", old), jwt("bob", old)]],
    ];
    const meta = { "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {} };
    const found = [];
    for (const [url, tokens] of wrong) {
      const shapes = new Set();
      for (const token of tokens) {
        const client = await refusal(connect(era, url, token).then((client) => client.names()));
        const headers = {
          Authorization: `Bearer ${token}`, "content-type": "application/json", accept: "application/json, text/event-stream",
          "mcp-protocol-version": era.modern ? "2026-07-28" : "2025-11-25", ...(era.modern && { "mcp-method": "tools/list" }),
        };
        const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list", params: era.modern ? { _meta: meta } : {} });
        const raw = await recorded(url, { method: "POST", headers, body });
        const kept = [...raw.headers].filter(([name]) => name !== "date");
        shapes.add(JSON.stringify([client instanceof Error, raw.status, kept, await raw.text()]));
      }
      found.push(...shapes);
    }
    const challenged = found.every((shape) => shape.startsWith("[true,401,") && shape.includes('invalid_token'));
    return [challenged && found.length === wrong.length && (await example.stop()) === 0 && (await jwts.stop()) === 0, found];
  },

  async t5_two_clients_on_one_token_both_work(era) {
    const { example, acme } = await saas();
    const clients = await Promise.all([connect(era, example.url, acme), connect(era, example.url, acme)]);
    const answers = await Promise.all(Array.from({ length: 40 }, (_, i) => clients[i % 2].say("search")));
    await clients[0].close();
    answers.push(await clients[1].say("search"));
    await clients[1].close();
    return [answers.every((answer) => answer === "found") && (await example.stop()) === 0, answers];
  },

  async t6_an_update_during_a_call_lets_it_finish_and_the_next_sees_new_tools(era) {
    const { example, globex } = await saas();
    const told = [];
    const listChanged = { tools: { debounceMs: 0, onChanged: (error, tools) => told.push(error ? String(error) : tools.map(({ name }) => name).join()) } };
    const client = await connect(era, example.url, globex, { listChanged });
    const before = await client.names();
    let begun;
    const progress = new Promise((resolve) => (begun = resolve));
    let ended = false;
    const report = client.say("report", { pages: 10 }, { onprogress: begun }).finally(() => (ended = true));
    await progress;
    const changed = await example.operate("plan 2 globex free");
    const gone = await refusal(client.say("report"));
    // A client may keep a list until it is told that it changed.
    await until(() => told.length > 0);
    const after = await client.names();
    const meanwhile = !ended;
    const finished = await report;
    await client.close();
    const well = before.join() === "search,report" && after.join() === "search" && gone instanceof Error && told[0] === "search";
    return [well && meanwhile && finished === "a report" && (await example.stop()) === 0, { before, changed, after, meanwhile, gone: String(gone), finished, told }];
  },

  async t8_enable_call_disable_call_fails_enable_works(era) {
    const example = await Example.start(folder, "dynamic_toolsets");
    const client = await connect(era, example.url);
    const before = await client.names();
    const steps = [];
    // Of a request that stands alone: what it has turned on goes with it.
    let activation;
    const turn = async (what) => {
      const said = JSON.parse(await client.say(what, { name: "orders", ...(activation && { activation }) }));
      ({ activation } = said);
      steps.push(said.success);
    };
    const call = async () => {
      const [name, args] = era.modern ? ["call_tool", { tool: "orders.find", activation }] : ["orders.find", {}];
      const result = await client.callTool({ name, arguments: args }).catch((error) => error);
      steps.push(!(result instanceof Error || result.isError) && text(result));
    };
    for (const step of [() => turn("enable_toolset"), call, () => turn("disable_toolset"), call, () => turn("enable_toolset"), call]) await step();
    const after = await (await connect(era, example.url)).names();
    const answer = "it is on its way, for anonymous";
    const own = era.modern ? after.join() === before.join() : (await client.names()).includes("orders.find") && !after.includes("orders.find");
    await client.close();
    return [JSON.stringify(steps) === JSON.stringify([true, answer, true, false, true, answer]) && own && (await example.stop()) === 0, { steps, before, after }];
  },

  async t9_static_mode_serves_fifty_clients_at_once(era) {
    const example = await Example.start(folder, "dynamic_toolsets", { STARTUP: '{"mode": "STATIC", "toolsets": "ALL"}' });
    const clients = await Promise.all(Array.from({ length: 50 }, () => connect(era, example.url)));
    const answers = await Promise.all(clients.map(async (client) => `${await client.names()} ${await client.say("stock.count")} ${await client.say("billing.refund")}`));
    await Promise.all(clients.map((client) => client.close()));
    const same = new Set(answers);
    const whole = ["orders.find", "orders.track", "billing.refund", "stock.count", "there are 3", "it was paid"].every((part) => answers[0].includes(part));
    return [same.size === 1 && whole && (await example.stop()) === 0, [...same]];
  },

  async t10_a_permission_downgrade_counts_from_the_next_request_and_a_forged_header_for_nothing(era) {
    const key = secret("a-key-of-alice-0123456789abcdef");
    const example = await Example.start(folder, "permissions", { MCP_KEYS: JSON.stringify({ [key]: "alice" }) });
    await example.operate("alice orders billing");
    const client = await connect(era, example.url, key);
    const seen = [await client.names(), await client.say("billing.refund")];
    await example.operate("alice orders");
    seen.push((await refusal(client.say("billing.refund"))) instanceof Error, await client.say("orders.find"));
    const headers = { "mcp-toolset-permissions": "billing,orders", "mcp-client-id": "admin" };
    const forged = await connect(era, example.url, key, { headers });
    seen.push(await forged.names(), (await refusal(forged.say("billing.refund"))) instanceof Error);
    await Promise.all([client.close(), forged.close()]);
    const expected = [["orders.find", "billing.refund"], "refund for alice", true, "find for alice", ["orders.find"], true];
    return [JSON.stringify(seen) === JSON.stringify(expected) && (await example.stop()) === 0, seen];
  },

  async t15_memory_is_bounded_by_what_is_open_and_not_by_who_ever_came(era) {
    const example = await factory({ LOG: "warn" });
    const megabytes = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${example.child.pid}/status`, "utf8"))[1]) / 1024;
    const come = async (from, to) => {
      for (let user = from; user < to; user += 20) {
        const clients = await Promise.all(Array.from({ length: 20 }, (_, i) => connect(era, example.url, jwt(`user-${user + i}`))));
        await Promise.all(clients.map((client) => client.say("hello_computer")));
        // Old clients end their session; most that there are don't.
        await Promise.all(clients.map(async (client) => (await client.transport.terminateSession?.(), await client.close())));
      }
    };
    await come(0, 200);
    const before = megabytes();
    await come(200, 800);
    const grown = megabytes() - before;
    // What one may have open is bounded, and there is room again when it ends.
    let bounded = true;
    if (!era.modern) {
      const open = [];
      for (let i = 0; i < 100; i += 1) open.push(await connect(era, example.url, jwt("eager")));
      bounded = String(code(await refusal(connect(era, example.url, jwt("eager"))))) === "503";
      bounded &&= (await (await connect(era, example.url, jwt("other"))).say("hello_computer")).includes('"other"');
      await open[0].transport.terminateSession();
      bounded &&= (await (await connect(era, example.url, jwt("eager"))).say("hello_computer")).includes('"eager"');
      await Promise.all(open.map((client) => client.close()));
    }
    return [grown < 8 && bounded && (await example.stop()) === 0, { before, grown, bounded }];
  },
};

const held = [];
for (const era of eras) {
  for (const [name, run] of Object.entries(cases)) {
    const [holds, detail] = await run(era).catch((error) => [false, error.stack ?? String(error)]);
    check(`${name}: ${era.label}`, holds, typeof detail === "string" ? detail : JSON.stringify(detail));
    if (holds) held.push(`${name} ${era.modern}`);
  }
}

const lacking = Object.keys(cases).filter((name) => ![true, false].every((modern) => held.includes(`${name} ${modern}`)));
check("t16_each_of_these_holds_for_2026_07_28_and_for_2025_11_25", lacking.length === 0, lacking.join());

// Over all that was logged, told as an event or answered above.
const all = seen.join("\n");
const expected = ['"event":"toolCalled"', '"event":"tokenUpdated"', " TRACE ", " DEBUG ", "invalid_token", "a report", "note 9 of"];
const missing = expected.filter((part) => !all.includes(part));
const shown = [...secrets].filter((each) => all.includes(each) || all.includes(each.split(".").at(-1)));
check(`t7_no_log_event_or_response_has_a_secret: ${secrets.size} secrets`, missing.length === 0 && shown.length === 0, JSON.stringify({ missing, shown }));
finish();
