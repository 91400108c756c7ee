// usage: oauth.mjs URL ISSUER
// The whole dance with a real authorization server: discovery, PKCE, token, call, expiry, refresh, insufficient scope, step-up.
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { Client as OldClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as OldHttp } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { check, finish, structured } from "./calls.mjs";

const [url, issuer] = process.argv.slice(2);
const info = { name: "foreign-client", version: "1.0.0" };
const redirect = "http://127.0.0.1:33418/callback";

// A browser of somebody who agrees: it follows redirects, with cookies, until one leads to the client.
export async function browse(authorization) {
  const cookies = new Map();
  let place = new URL(authorization);
  for (let hop = 0; hop < 12; hop += 1) {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const answer = await fetch(place, { redirect: "manual", headers: { cookie } });
    for (const set of answer.headers.getSetCookie()) {
      const [, name, value] = set.match(/^([^=]+)=([^;]*)/);
      if (value) cookies.set(name, value);
      else cookies.delete(name);
    }
    const location = answer.headers.get("location");
    if (!location) throw new Error(`${answer.status} at ${place}: ${(await answer.text()).slice(0, 300)}`);
    place = new URL(location, place);
    if (place.href.startsWith(redirect)) return place.searchParams;
  }
  throw new Error("sent in circles");
}

class Provider {
  kept = {};
  asked = [];
  get redirectUrl() { return redirect; }
  get clientMetadata() {
    return { client_name: "foreign client", redirect_uris: [redirect], grant_types: ["authorization_code", "refresh_token"], response_types: ["code"], token_endpoint_auth_method: "none", application_type: "native" };
  }
  clientInformation() { return this.kept.client; }
  saveClientInformation(client) { this.kept.client = client; }
  tokens() { return this.kept.tokens; }
  saveTokens(tokens) { this.kept.tokens = tokens; }
  saveCodeVerifier(verifier) { this.kept.verifier = verifier; }
  codeVerifier() { return this.kept.verifier; }
  async redirectToAuthorization(authorization) {
    this.asked.push(authorization.searchParams);
    this.answer = await browse(authorization);
  }
}

const state = async (path) => (await fetch(`${issuer}${path}`)).json();
const clients = {
  "client 2.4 2026-07-28": [StreamableHTTPClientTransport, () => new Client(info, { versionNegotiation: { mode: { pin: "2026-07-28" } } })],
  "sdk 1.32 2025-11-25": [OldHttp, () => new OldClient(info)],
};
for (const [label, [Transport, create]] of Object.entries(clients)) {
  try {
    const authProvider = new Provider();
    const code = () => (label.startsWith("client") ? authProvider.answer : authProvider.answer.get("code"));
    const connected = async () => {
      const client = create();
      const transport = new Transport(new URL(url), { authProvider });
      await client.connect(transport);
      await client.listTools();
      return { client, transport };
    };
    const refusal = await connected().catch((error) => error);
    const asked = authProvider.asked[0];
    check(`${label}: finds the authorization server`, refusal instanceof Error && asked !== undefined, String(refusal));
    check(`${label}: asks for a token for this server`, asked.get("resource") === url, asked.get("resource"));
    check(`${label}: asks for the scope it was told, with PKCE`, asked.get("scope").includes("stock:read") && asked.get("code_challenge_method") === "S256", String(asked));
    await new Transport(new URL(url), { authProvider }).finishAuth(code());
    const { client, transport } = await connected();
    const whoami = async () => structured(await client.callTool({ name: "whoami", arguments: {} })).caller;
    check(`${label}: calls as who signed in`, (await whoami()) === "alice");

    const before = (await state("/state")).refreshed;
    const { token } = await state(`/expired?resource=${encodeURIComponent(url)}`);
    authProvider.kept.tokens = { ...authProvider.kept.tokens, access_token: token };
    check(`${label}: refreshes a token that expired`, (await whoami()) === "alice" && (await state("/state")).refreshed === before + 1);

    // The older client refreshes where it is told to ask for more, and gets no more by that.
    if (!label.startsWith("client")) delete authProvider.kept.tokens.refresh_token;
    const lacking = await client.callTool({ name: "restock", arguments: {} }).catch((error) => error);
    const more = authProvider.asked[1];
    check(`${label}: is told which scopes a tool needs`, lacking instanceof Error && more?.get("scope").includes("stock:write") && more.get("scope").includes("stock:read"), `${lacking} ${more}`);
    await transport.finishAuth(code());
    const done = await client.callTool({ name: "restock", arguments: {} });
    check(`${label}: steps up and calls it`, done.content[0].text === "restocked", JSON.stringify(done));
    check(`${label}: is still the same caller, in the same session`, (await whoami()) === "alice");
    await client.close();
  } catch (error) {
    check(`${label}: ends without an exception`, false, error.stack ?? String(error));
  }
}

// A token that only its issuer can read, and what it says when it is over.
await state("/opaque?tokens=yes");
try {
  const authProvider = new Provider();
  const connect = async () => {
    const client = new OldClient(info);
    await client.connect(new OldHttp(new URL(url), { authProvider }));
    return client;
  };
  await connect().catch(() => {});
  await new OldHttp(new URL(url), { authProvider }).finishAuth(authProvider.answer.get("code"));
  check("opaque: is no signed token", authProvider.kept.tokens.access_token.split(".").length === 1);
  const client = await connect();
  const who = structured(await client.callTool({ name: "whoami", arguments: {} }));
  check("opaque: is looked up", who.caller === "alice", JSON.stringify(who));
  await client.close();
} catch (error) {
  check("opaque: ends without an exception", false, error.stack ?? String(error));
}
await state("/opaque?tokens=no");

// Tokens of this very issuer for somebody else, and what is no token.
const ask = (headers) => fetch(url, { method: "POST", headers: { "content-type": "application/json", ...headers }, body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list" }) });
const other = await state(`/expired?resource=${encodeURIComponent("https://other.example.com/mcp")}`);
for (const token of [other.token, "nonsense", "a.b.c"]) {
  const answer = await ask({ authorization: `Bearer ${token}` });
  const challenge = answer.headers.get("www-authenticate");
  check("a token that is not for this server is refused, with the way to one", answer.status === 401 && challenge.includes("resource_metadata=") && challenge.includes('error="invalid_token"'), `${answer.status} ${challenge}`);
}
const inQuery = await fetch(`${url}?access_token=${other.token}`, { method: "POST", headers: { "content-type": "application/json" }, body: "{}" });
check("a token in the URL is refused", inQuery.status === 400, inQuery.status);
finish();
