// usage: bridge.mjs URL KEY
// A server whose callers have keys, and a client that only speaks OAuth: it finds its way, a person types their key (here: a
// form is filled in), it calls, renews its token, and is out when the consent is taken back.
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { Client as OldClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as OldHttp } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { check, finish, structured } from "./calls.mjs";

const [url, key] = process.argv.slice(2);
const info = { name: "foreign-client", version: "1.0.0" };
const origin = new URL(url).origin;
const callback = "http://127.0.0.1:33418/callback";

// What a person does in a browser.
async function agree(authorization) {
  const page = await (await fetch(authorization)).text();
  const request = page.match(/name="request" value="([^"]+)"/)[1];
  const answer = await fetch(authorization.origin + authorization.pathname, {
    method: "POST",
    redirect: "manual",
    headers: { origin },
    body: new URLSearchParams({ request, key, decision: "allow" }),
  });
  const location = new URL(answer.headers.get("location"));
  if (!location.href.startsWith(callback)) throw new Error(`sent to ${location}`);
  return location.searchParams;
}

class Provider {
  kept = {};
  get redirectUrl() { return callback; }
  get clientMetadata() {
    return { client_name: "foreign client", redirect_uris: [callback], grant_types: ["authorization_code", "refresh_token"], response_types: ["code"], token_endpoint_auth_method: "none" };
  }
  state() { return "a state of the client's own"; }
  clientInformation() { return this.kept.client; }
  saveClientInformation(client) { this.kept.client = client; }
  tokens() { return this.kept.tokens; }
  saveTokens(tokens) { this.kept.tokens = tokens; }
  saveCodeVerifier(verifier) { this.kept.verifier = verifier; }
  codeVerifier() { return this.kept.verifier; }
  async redirectToAuthorization(authorization) { this.answer = await agree(authorization); }
}

const current = [StreamableHTTPClientTransport, () => new Client(info, { versionNegotiation: { mode: { pin: "2026-07-28" } } })];
const older = [OldHttp, () => new OldClient(info)];
for (const [label, [Transport, create]] of Object.entries({ "client 2.4 2026-07-28": current, "sdk 1.32 2025-11-25": older })) {
  try {
    const authProvider = new Provider();
    const connected = async () => {
      const client = create();
      await client.connect(new Transport(new URL(url), { authProvider }));
      await client.listTools();
      return client;
    };
    const refusal = await connected().catch((error) => error);
    check(`${label}: is sent to the page`, refusal instanceof Error && authProvider.answer?.get("state") === authProvider.state(), String(refusal));
    const transport = new Transport(new URL(url), { authProvider });
    await transport.finishAuth(label.startsWith("client") ? authProvider.answer : authProvider.answer.get("code"));
    const client = await connected();
    const who = structured(await client.callTool({ name: "whoami", arguments: {} }));
    check(`${label}: calls in the name of whose key it was`, who.caller === "alice", JSON.stringify(who));
    const first = authProvider.kept.tokens;
    check(`${label}: never saw the key`, !JSON.stringify(authProvider.kept).includes(key), "it did");
    // As if the token were over: the client renews it by itself.
    authProvider.kept.tokens = { ...first, access_token: "mcpa_over" };
    const again = structured(await client.callTool({ name: "whoami", arguments: {} }));
    const renewed = authProvider.kept.tokens.refresh_token !== first.refresh_token;
    check(`${label}: renews its token`, again.caller === "alice" && renewed, JSON.stringify(again));
    const { access_token, refresh_token } = authProvider.kept.tokens;
    const revoked = await fetch(`${origin}/oauth/revoke`, { method: "POST", body: new URLSearchParams({ token: refresh_token, client_id: authProvider.kept.client.client_id }) });
    const out = await fetch(url, { method: "POST", headers: { authorization: `Bearer ${access_token}`, "content-type": "application/json" }, body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list" }) });
    check(`${label}: is out when the consent is taken back`, revoked.status === 200 && out.status === 401, `${revoked.status} ${out.status}`);
    await client.close();
  } catch (error) {
    check(`${label}: ends without an exception`, false, error.stack ?? String(error));
  }
}
finish();
