// usage: login.mjs CLIENT_ID CLIENT_SECRET
// An OAuth server (oidc-provider) where everybody is alice and agrees to everything. Says where it is in one line of JSON.
// Tokens are signed, or, for resources asked for with the scope `opaque`, have to be looked up by CLIENT_ID.
import crypto from "node:crypto";
import http from "node:http";
import { SignJWT } from "jose";
import { Provider } from "oidc-provider";

const [client_id, client_secret] = process.argv.slice(2);
const { privateKey } = crypto.generateKeyPairSync("ec", { namedCurve: "P-256" });
const key = { ...privateKey.export({ format: "jwk" }), kid: "first", alg: "ES256", use: "sig" };
const server = http.createServer();
const issuer = `http://127.0.0.1:${await new Promise((ready) => server.listen(0, "127.0.0.1", () => ready(server.address().port)))}`;
let refreshed = 0;
let opaque = false;
const provider = new Provider(issuer, {
  clients: [{ client_id, client_secret, grant_types: [], redirect_uris: [], response_types: [] }],
  clientDefaults: { id_token_signed_response_alg: "ES256" },
  enabledJWA: { idTokenSigningAlgValues: ["ES256"] },
  jwks: { keys: [key] },
  scopes: ["openid", "offline_access", "stock:read", "stock:write"],
  findAccount: (_, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
  interactions: { url: (_, interaction) => `/agree/${interaction.uid}` },
  issueRefreshToken: (_, client) => client.grantTypeAllowed("refresh_token"),
  cookies: { keys: ["of these tests"] },
  features: {
    devInteractions: { enabled: false },
    registration: { enabled: true },
    introspection: { enabled: true, allowedPolicy: () => true },
    resourceIndicators: {
      enabled: true,
      useGrantedResource: () => true,
      getResourceServerInfo: (_, resource) => ({
        scope: "stock:read stock:write",
        audience: resource,
        accessTokenTTL: 600,
        ...(opaque ? { accessTokenFormat: "opaque" } : { accessTokenFormat: "jwt", jwt: { sign: { alg: "ES256" } } }),
      }),
    },
  },
});
provider.on("grant.success", (ctx) => (refreshed += ctx.oidc.params.grant_type === "refresh_token" ? 1 : 0));
provider.on("server_error", (_, error) => console.error(error));

async function agree(request, response) {
  const { prompt, params, session, grantId } = await provider.interactionDetails(request, response);
  const finish = (result) => provider.interactionFinished(request, response, result, { mergeWithLastSubmission: true });
  if (prompt.name === "login") return finish({ login: { accountId: "alice" } });
  const grant = (grantId && (await provider.Grant.find(grantId))) || new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope((prompt.details.missingOIDCScope ?? []).join(" ") || "openid");
  for (const [resource, scopes] of Object.entries(prompt.details.missingResourceScopes ?? {})) grant.addResourceScope(resource, scopes.join(" "));
  return finish({ consent: { grantId: await grant.save() } });
}

// A token that was good until a minute ago.
const expired = (resource) =>
  new SignJWT({ scope: "stock:read stock:write" })
    .setProtectedHeader({ alg: "ES256", kid: "first", typ: "at+jwt" })
    .setIssuer(issuer).setAudience(resource).setSubject("alice")
    .setIssuedAt("-11m").setExpirationTime("-1m")
    .sign(privateKey);

const callback = provider.callback();
server.on("request", async (request, response) => {
  const url = new URL(request.url, issuer);
  const json = (value) => response.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify(value));
  try {
    if (url.pathname.startsWith("/agree/")) return await agree(request, response);
    if (url.pathname === "/state") return json({ refreshed });
    if (url.pathname === "/opaque") return json({ opaque: (opaque = url.searchParams.get("tokens") === "yes") });
    if (url.pathname === "/expired") return json({ token: await expired(url.searchParams.get("resource")) });
    // Clients register with the scopes they know of by then; they will ask for more.
    if (url.pathname === "/reg") {
      const pieces = [];
      for await (const piece of request) pieces.push(piece);
      const { scope, ...metadata } = JSON.parse(Buffer.concat(pieces));
      request.body = metadata;
    }
    callback(request, response);
  } catch (error) {
    console.error(error);
    response.writeHead(500).end();
  }
});
console.log(JSON.stringify({ issuer }));
