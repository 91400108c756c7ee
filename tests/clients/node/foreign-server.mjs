// usage: foreign-server.mjs http|stdio
// An MCP server that others wrote (the TypeScript SDK 1.32, 2025-11-25), to stand behind ours. Over HTTP it has sessions, wants a
// bearer token and answers with streams of events; it prints its URL.
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { z } from "zod";

const picture = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
const sessions = new Map();

function foreign() {
  const server = new McpServer({ name: "foreign", version: "1.0.0" }, { capabilities: { logging: {} } });
  const text = (value) => ({ content: [{ type: "text", text: String(value) }] });
  const sum = { inputSchema: { a: z.number().describe("One"), b: z.number() }, outputSchema: { sum: z.number(), by: z.string() } };
  server.registerTool("add", { description: "Adds two numbers", ...sum, annotations: { readOnlyHint: true } }, ({ a, b }) => ({
    ...text(a + b),
    structuredContent: { sum: a + b, by: "foreign" },
  }));
  server.registerTool("shout", { description: "Says it loudly", inputSchema: { text: z.string() } }, async ({ text: said }, extra) => {
    // Told meanwhile; whoever calls has not asked for it.
    await extra.sendNotification({ method: "notifications/message", params: { level: "info", data: "shouting" } });
    return text(said.toUpperCase());
  });
  server.registerTool("fail", { description: "Fails" }, () => ({ ...text("it is broken"), isError: true }));
  server.registerTool("picture", { description: "A picture" }, () => ({ content: [{ type: "image", data: picture, mimeType: "image/png" }] }));
  server.registerTool("forget", { description: "Forgets all sessions" }, () => {
    setImmediate(() => sessions.clear());
    return text("forgotten");
  });
  server.registerTool("wait", { description: "Never answers" }, () => new Promise(() => {}));
  server.registerTool("end", { description: "Ends the program" }, () => process.exit(1));
  return server;
}

if (process.argv[2] === "stdio") {
  await foreign().connect(new StdioServerTransport());
} else {
  const http = createServer(async (request, response) => {
    if (request.headers.authorization !== "Bearer token-of-ours-0123456789") return response.writeHead(401).end();
    let body = "";
    for await (const chunk of request) body += chunk;
    const id = request.headers["mcp-session-id"];
    let transport = sessions.get(id);
    if (id && !transport) return response.writeHead(404).end();
    if (!transport) {
      transport = new StreamableHTTPServerTransport({
        sessionIdGenerator: randomUUID,
        onsessioninitialized: (session) => sessions.set(session, transport),
      });
      await foreign().connect(transport);
    }
    await transport.handleRequest(request, response, body ? JSON.parse(body) : undefined);
  });
  http.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${http.address().port}/mcp`));
}
