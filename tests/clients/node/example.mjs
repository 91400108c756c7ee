// An example of the serving library, started as the program that it is. Everything that it logs or answers is kept, so that it
// can be searched for what must not be there (T7).
import { spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import path from "node:path";
import { createInterface } from "node:readline";

export const seen = [];
export const secrets = new Set();

export const secret = (text) => {
  secrets.add(text);
  return text;
};

const running = new Set();
process.on("exit", () => running.forEach((child) => child.kill("SIGKILL")));

export class Example {
  static async start(folder, name, environment = {}) {
    const example = new Example();
    const env = { ...process.env, LOG: "trace", ...environment };
    const child = spawn(path.join(folder, name), ["--listen", "127.0.0.1:0"], { env });
    running.add(child);
    example.child = child;
    example.ended = new Promise((resolve) => child.on("exit", (code) => running.delete(child) && resolve(code)));
    example.lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    example.url = await new Promise((resolve, reject) => {
      createInterface({ input: child.stderr }).on("line", (line) => {
        seen.push(line);
        const [, url] = /^listening on (http:.*)$/.exec(line) ?? [];
        if (url) resolve(new URL(url));
      });
      child.on("error", reject);
      example.ended.then((code) => reject(new Error(`${name} ended with ${code}: ${seen.slice(-3).join("\n")}`)));
    });
    return example;
  }

  // What it answers on its console, which is for its operator: secrets are shown there.
  async line() {
    return (await this.lines.next()).value;
  }

  async operate(command) {
    this.child.stdin.write(`${command}\n`);
    return this.line();
  }

  async stop() {
    this.child.kill("SIGTERM");
    return this.ended;
  }
}

// A `fetch` that keeps what comes back.
export async function recorded(url, init) {
  const response = await fetch(url, init);
  seen.push(`${response.status} ${[...response.headers].join(" ")}`);
  if (!response.body) return response;
  const decoder = new TextDecoder();
  const keep = new TransformStream({
    transform(chunk, controller) {
      seen.push(decoder.decode(chunk, { stream: true }));
      controller.enqueue(chunk);
    },
  });
  const { status, statusText, headers } = response;
  return new Response(response.body.pipeThrough(keep), { status, statusText, headers });
}

export const jwtSecret = secret("a secret of the acceptance cases, long enough");
export const audience = "https://cases.example.com/mcp";

export function jwt(user, change = {}, key = jwtSecret) {
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: "https://issuer.example.com", aud: audience, sub: user, iat: now, exp: now + 600, ...change };
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const signed = `${encode({ alg: "HS256", typ: "JWT" })}.${encode(claims)}`;
  return secret(`${signed}.${createHmac("sha256", key).update(signed).digest("base64url")}`);
}
