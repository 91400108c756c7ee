// usage: upstream.mjs CLIENT_ID CLIENT_SECRET
// An HTTP API behind a real OAuth server (oidc-provider), for tools to call. Says where both are in one line of JSON. Some of it is
// described at /openapi.json, for who wants to make tools of it.
import http from "node:http";
import { Provider } from "oidc-provider";

const [client_id, client_secret] = process.argv.slice(2);
const listen = (server) => new Promise((ready) => server.listen(0, "127.0.0.1", () => ready(server.address().port)));

let issued = 0;
const authorization = http.createServer();
const issuer = `http://127.0.0.1:${await listen(authorization)}`;
const provider = new Provider(issuer, {
  clients: [{ client_id, client_secret, grant_types: ["client_credentials"], redirect_uris: [], response_types: [], scope: "crm:read" }],
  features: { clientCredentials: { enabled: true }, devInteractions: { enabled: false } },
  scopes: ["crm:read"],
  ttl: { ClientCredentials: 600 },
});
provider.on("client_credentials.saved", () => (issued += 1));
authorization.on("request", provider.callback());

const picture = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==", "base64");
let uploaded;
let cut = 0;

const json = (response, value) => {
  const body = typeof value === "string" ? value : JSON.stringify(value);
  response.writeHead(200, { "Content-Type": "application/json" }).end(body);
};

const routes = {
  "/api/large": (request, response) => json(response, '{"id":123456789012345678901234567890,"price":0.10000000000000000000001}'),
  "/api/picture": (request, response) => response.writeHead(200, { "Content-Type": "image/png" }).end(picture),
  "/api/items": (request, response, query) => {
    const from = Number(query.get("from") ?? 0);
    const more = from + 3 < 10;
    if (more) response.setHeader("Link", `</api/items?from=${from + 3}>; rel="next"`);
    json(response, { items: Array.from({ length: more ? 3 : 10 - from }, (_, i) => ({ n: from + i })) });
  },
  "/api/revoke": async (request, response, query, token) => {
    await token.destroy();
    json(response, {});
  },
  "/api/upload": async (request, response) => {
    const form = await new Response(await body(request), { headers: { "content-type": request.headers["content-type"] } }).formData();
    const file = form.get("file");
    uploaded = { name: file.name, type: file.type, bytes: [...new Uint8Array(await file.arrayBuffer())], note: form.get("note") };
    json(response, uploaded);
  },
  // 2 MB in a second, or for as long as anybody listens.
  "/api/slow": (request, response, query) => {
    const known = !query.has("endless");
    response.on("close", () => (cut += response.writableFinished ? 0 : 1));
    response.writeHead(200, { "Content-Type": "application/json", ...(known ? { "Content-Length": 2_000_000 } : {}) });
    response.write('["');
    let left = 20;
    const timer = setInterval(() => {
      left -= 1;
      if (response.destroyed) clearInterval(timer);
      else if (known && left === 0) {
        clearInterval(timer);
        response.end("x".repeat(100_000 - 4) + '"]');
      } else response.write("x".repeat(100_000));
    }, 50);
  },
  "/api/state": (request, response) => json(response, { issued, cut }),
};

const document = (port) => ({
  openapi: "3.1.0",
  info: { title: "CRM", version: "1" },
  servers: [{ url: `http://127.0.0.1:${port}/api` }],
  security: [{ oauth: ["crm:read"] }],
  paths: {
    "/large": { get: { operationId: "getLarge", responses: {} } },
    "/revoke": { post: { operationId: "revoke", responses: {} } },
    "/state": { get: { operationId: "getState", responses: {} } },
  },
  components: { securitySchemes: { oauth: { type: "oauth2", flows: { clientCredentials: { tokenUrl: `${issuer}/token`, scopes: { "crm:read": "Read", "crm:write": "Write" } } } } } },
});

async function body(request) {
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  return Buffer.concat(pieces);
}

const api = http.createServer(async (request, response) => {
  if (request.url === "/openapi.json") return json(response, document(api.address().port));
  const bearer = request.headers.authorization?.replace(/^Bearer /, "");
  const token = bearer && (await provider.ClientCredentials.find(bearer));
  const url = new URL(request.url, "http://api");
  if (!token?.isValid || token.scope !== "crm:read") return response.writeHead(401).end();
  await (routes[url.pathname] ?? (() => response.writeHead(404).end()))(request, response, url.searchParams, token);
});
const port = await listen(api);
console.log(JSON.stringify({ url: `http://127.0.0.1:${port}/api`, token: `${issuer}/token` }));
