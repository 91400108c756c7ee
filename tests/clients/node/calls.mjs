// What every client must see of examples/inventory, whichever way it speaks.
let failed = 0;
let passed = 0;

export function check(name, holds, detail = "") {
  if (holds) passed += 1;
  else failed += 1;
  console.log(`${holds ? "ok" : "not ok"} - ${name}${holds ? "" : ` # ${detail}`}`);
}

export function finish() {
  console.log(`# ${passed} passed, ${failed} failed`);
  process.exit(failed ? 1 : 0);
}

export const structured = (result) => result.structuredContent ?? {};
const text = (result) => (result.content ?? []).map((block) => block.text ?? "").join("\n");

async function refused(promise) {
  try {
    const result = await promise;
    return { isError: result.isError === true, text: text(result) };
  } catch (error) {
    return { code: error.code, text: String(error.message) };
  }
}

export async function calls(label, client) {
  const say = (name, holds, detail) => check(`${label}: ${name}`, holds, detail);

  const { tools } = await client.listTools();
  say("lists the tools of the spec", tools.length === 7 && tools[0].name === "search_products", JSON.stringify(tools.map((t) => t.name)));

  const laptop = await client.callTool({ name: "search_products", arguments: { query: "laptop" } });
  const items = structured(laptop).items ?? [];
  say("finds laptops", items.some((item) => item.name === "Laptop 13"), text(laptop).slice(0, 200));
  say("answers text that is the same JSON", JSON.stringify(JSON.parse(text(laptop))) === JSON.stringify(structured(laptop)));

  const seen = new Set();
  let pages = 0;
  let rows = 0;
  let cursor;
  do {
    const page = await client.callTool({ name: "search_products", arguments: { query: "a", ...(cursor ? { cursor } : {}) } });
    for (const item of structured(page).items) {
      seen.add(item.id);
      rows += 1;
    }
    cursor = structured(page).nextCursor;
    pages += 1;
  } while (cursor && pages < 50);
  say("pages through every row once", pages > 2 && seen.size === rows, `${pages} pages, ${rows} rows, ${seen.size} different`);

  const wrong = await refused(client.callTool({ name: "search_products", arguments: { query: 7 } }));
  say("is refused a wrong argument, by name", wrong.text.includes("`query`"), JSON.stringify(wrong));
  const missing = await refused(client.callTool({ name: "get_product", arguments: {} }));
  say("is refused a missing argument, by name", missing.text.includes("sku"), JSON.stringify(missing));
  const forged = await refused(client.callTool({ name: "search_products", arguments: { query: "a", cursor: "AAAA" } }));
  say("is refused a forged cursor", forged.isError && forged.text.includes("cursor"), JSON.stringify(forged));
  const unknown = await refused(client.callTool({ name: "no_such_tool", arguments: {} }));
  say("is told that a tool is unknown", unknown.code === -32602, JSON.stringify(unknown));
  const absent = await refused(client.callTool({ name: "get_product", arguments: { sku: "NOPE-1" } }));
  say("is told that a row is not there", absent.isError === true, JSON.stringify(absent));

  const many = await Promise.all(
    Array.from({ length: 40 }, (_, i) => client.callTool({ name: "get_product", arguments: { sku: i % 2 ? "ENB-101" : "ENB-102" } })),
  );
  say("gets its own answer among many at once", many.every((r, i) => structured(r).sku === (i % 2 ? "ENB-101" : "ENB-102")));

  const { resources } = await client.listResources();
  say("lists resources", resources.length === 1 && resources[0].uri === "doc://returns");
  const { resourceTemplates } = await client.listResourceTemplates();
  say("lists resource templates", resourceTemplates.length === 1);
  const policy = await client.readResource({ uri: "doc://returns" });
  say("reads a resource", policy.contents[0].text.includes("Thirty days"));
  const product = await client.readResource({ uri: "product://ENB-101" });
  say("reads a resource by its template", product.contents[0].text.includes("Laptop 13"));
  const lost = await refused(client.readResource({ uri: "doc://nothing" }));
  say("is told that a resource is unknown", lost.code === -32602 || lost.code === -32002, JSON.stringify(lost));

  const { prompts } = await client.listPrompts();
  say("lists prompts", prompts.length === 1 && prompts[0].name === "restock");
  const prompt = await client.getPrompt({ name: "restock", arguments: { sku: "ENB-101" } });
  say("gets a prompt, filled in", prompt.messages[0].content.text.includes("ENB-101"));
}
