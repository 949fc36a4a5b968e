/**
 * Development only: serves the built page and the endpoints of a gateway with made-up answers, to pages of any origin.
 *
 *     npm run mock -- [--port 8787] [--seconds 240] [--key dk_…] [--identify]
 *
 * `--seconds` is the history that is there at the start; with `--key`, what the gateway asks a credential for does; with
 * `--identify`, the tenant has switched identification on. The page comes with the gateway's Content-Security-Policy.
 */

import { randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { extname, join, normalize } from "node:path";
import { parseArgs } from "node:util";
import { createAccess, Refusal } from "./access.mjs";
import { createArchive } from "./archive.mjs";
import { createIdentity } from "./identity.mjs";
import { createLine } from "./line.mjs";
import { createMonitors } from "./monitor.mjs";
import { createPeople } from "./people.mjs";
import { createRoutes, match } from "./routes.mjs";
import { createSettings } from "./settings.mjs";

const { values } = parseArgs({
  options: {
    port: { type: "string", default: "8787" },
    seconds: { type: "string", default: "240" },
    key: { type: "string" },
    identify: { type: "boolean", default: false },
  },
});
const PAGE = new URL("../dist/", import.meta.url).pathname;
const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".woff2": "font/woff2" };
const NONCE = "__CSP_NONCE__";
const CORS = {
  "access-control-allow-origin": "*",
  "access-control-allow-headers": "authorization, content-type, last-event-id",
  "access-control-allow-methods": "GET, POST, PUT, DELETE",
};

const csp = (nonce) =>
  `default-src 'self'; style-src 'self' 'nonce-${nonce}'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'`;

const listeners = new Set();
const line = createLine(Number(values.seconds), (decision) => {
  for (const listener of listeners) listener(decision);
  monitors.tell(decision);
  identity.tell(decision);
});
const monitors = createMonitors(line.history);
const identity = createIdentity(line);
const access = createAccess(values.key, line.tenant, identity.userOf);
line.begin();

const riskiest = () => line.all().filter(({ action }) => action === "step_up" || action === "terminate").map(({ id }) => id);
const routes = createRoutes({
  line,
  identity,
  access,
  archive: createArchive(line.all),
  people: createPeople(line.start_us, line.maturityOf, line.forget),
  settings: createSettings({ hasKeys: values.key !== undefined, identify: values.identify, someDecisions: riskiest }),
  origin: () => `http://127.0.0.1:${server.address().port}`,
});

function stream(request, response) {
  access.admit(request, "monitor");
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
  response.write("retry: 1000\n\n");
  const listener = (decision) => response.write(`event: decision\nid: ${decision.id}\ndata: ${JSON.stringify(decision)}\n\n`);
  listeners.add(listener);
  request.on("close", () => listeners.delete(listener));
}

function monitor(session, request, response) {
  access.check(request, "monitor", session, undefined, line.history(session).at(-1)?.subject);
  monitors.follow(session, request, response);
}

async function body(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return chunks.length === 0 ? undefined : JSON.parse(Buffer.concat(chunks).toString("utf8"));
}

/** A handler answers with a value, or with a status, headers and a body. */
async function answer(route, request, query, response) {
  if (route.scope !== null) access.admit(request, route.scope);
  const said = route.handle({ request, params: route.params, query, body: await body(request) });
  const { status = 200, headers = {}, body: value } = said !== null && typeof said === "object" && "body" in said ? said : { body: said };
  for (const [name, header] of Object.entries(headers)) response.setHeader(name, header);
  json(response, value, status);
}

function refuse(response, error) {
  const { status, problem } = error instanceof Refusal ? error : new Refusal(400, "malformed", "the body is not what it should be");
  json(response, problem, status, "application/problem+json");
}

function json(response, value, status = 200, type = "application/json") {
  response.writeHead(status, { "content-type": type, "cache-control": "no-store" });
  response.end(status === 204 ? undefined : JSON.stringify(value ?? {}));
}

async function file(pathname, response) {
  const path = pathname === "/" ? "/index.html" : pathname;
  const nonce = randomBytes(16).toString("base64url");
  const content = await readFile(join(PAGE, normalize(path))).catch(() => undefined);
  if (content === undefined) {
    json(response, { title: "not found" }, 404);
    return;
  }
  response.writeHead(200, { "content-type": TYPES[extname(path)] ?? "application/octet-stream", "content-security-policy": csp(nonce) });
  response.end(extname(path) === ".html" ? content.toString("utf8").replace(NONCE, nonce) : content);
}

async function handle(request, response) {
  const { pathname, searchParams } = new URL(request.url, "http://mock");
  const monitored = /^\/v1\/sessions\/([^/]+)\/monitor$/.exec(pathname)?.[1];
  if (request.method === "OPTIONS") return void response.writeHead(204).end();
  if (pathname === "/v1/decisions/stream") return stream(request, response);
  if (monitored !== undefined) return monitor(decodeURIComponent(monitored), request, response);
  const route = match(routes, request.method, pathname);
  if (route !== undefined) return answer(route, request, searchParams, response);
  if (pathname.startsWith("/v1/")) throw new Refusal(404, "not_found", "there is no such thing here");
  return file(pathname, response);
}

const server = createServer((request, response) => {
  for (const [name, value] of Object.entries(CORS)) response.setHeader(name, value);
  handle(request, response).catch((error) => refuse(response, error));
});
server.listen(Number(values.port), "127.0.0.1", () => console.log(`mock on http://127.0.0.1:${server.address().port}/`));
