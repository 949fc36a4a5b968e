/**
 * Development only: serves the built page and the endpoints of a gateway with made-up decisions, to pages of any origin.
 *
 *     npm run mock -- [--port 8787] [--seconds 240] [--key dk_…]
 *
 * `--seconds` is the history that is there at the start; with `--key`, events and the monitor ask for a credential.
 */

import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { extname, join, normalize } from "node:path";
import { parseArgs } from "node:util";
import { createAccess, Refusal } from "./access.mjs";
import { createRandom, createSession } from "./decisions.mjs";
import { createMonitors } from "./monitor.mjs";
import { SCENARIO } from "./scenario.mjs";
import { createVisitors } from "./visitor.mjs";

const { values } = parseArgs({
  options: { port: { type: "string", default: "8787" }, seconds: { type: "string", default: "240" }, key: { type: "string" } },
});
const PAGE = new URL("../dist/", import.meta.url).pathname;
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".woff2": "font/woff2" };
const CSP = "default-src 'self'; style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'";
const HISTORY_MAX = 600;
const CORS = { "access-control-allow-origin": "*", "access-control-allow-headers": "authorization, content-type, last-event-id" };

const random = createRandom(20261121);
const start_us = (Date.now() - Number(values.seconds) * 1000) * 1000;
const history = new Map();
const listeners = new Set();
const access = createAccess(values.key, "demo");
const monitors = createMonitors((session) => history.get(session) ?? []);
const stats = { events: 0, windows: 0, decisions: 0, rejected: 3, late: 1, duplicates: 2 };

function tell(decision) {
  const list = history.get(decision.session) ?? [];
  history.set(decision.session, [...list, decision].slice(-HISTORY_MAX));
  stats.windows += 1;
  stats.decisions += 1;
  for (const listener of listeners) listener(decision);
  monitors.tell(decision);
}

const players = SCENARIO.map((entry) => {
  const modality = entry.kind === "pointer" ? "pointer" : "keystroke";
  return { ...entry, seconds: 9 + random.uniform() * 3, count: 0, step: createSession({ tenant: "demo", session: entry.session, subject: entry.subject, modality }, random) };
});

function play(player, seconds) {
  while (player.seconds < seconds) {
    const taken = player.change !== undefined && player.seconds > player.change;
    const mean = taken ? -3 : player.shaky ? 0.2 : 2.4;
    const count = player.learning ? Math.min(4, Math.floor(player.count / 18)) : 12;
    const reference = count === 0 ? null : { version: count, maturity: player.learning ? count * 10 : 85, count };
    tell(player.step({ llr: mean + random.normal() * 1.5, end_us: start_us + Math.round(player.seconds * 1e6), reference }));
    stats.events += 20 + Math.round(random.uniform() * 30);
    player.count += 1;
    player.seconds += 1.6 + random.uniform() * 2.2;
  }
}

const tick = () => { for (const player of players) play(player, (Date.now() * 1000 - start_us) / 1e6); };
tick();
setInterval(tick, 250);

const takeVisitor = createVisitors(tell);

const summary = (list) => {
  const last = list.at(-1);
  return { session: last.session, subject: last.subject, modality: last.window.modality, risk: last.risk, confidence: last.confidence, action: last.action, windows: list.length, last_us: last.time_us };
};

const scenario = () => ({
  mode: "demo",
  recordings: "aalto",
  scenario: SCENARIO.map(({ session, subject, label, kind, change }) => ({ session, subject, label, kind, hand_over_at_us: change === undefined ? null : start_us + change * 1e6 })),
});

function stream(request, response) {
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
  response.write("retry: 1000\n\n");
  const listener = (decision) => response.write(`event: decision\nid: ${decision.id}\ndata: ${JSON.stringify(decision)}\n\n`);
  listeners.add(listener);
  request.on("close", () => listeners.delete(listener));
}

async function body(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks).toString("utf8"));
}

async function take(request, response) {
  const batch = await body(request);
  access.check(request, "ingest", batch.session, batch);
  stats.events += batch.events.length;
  takeVisitor(batch);
  json(response, { accepted: batch.events.length }, 202);
}

async function mint(request, response) {
  json(response, access.mint(request, await body(request)));
}

async function monitor(session, request, response) {
  access.check(request, "monitor", session);
  monitors.follow(session, request, response);
}

function refuse(response, error) {
  const { status, problem } = error instanceof Refusal ? error : new Refusal(400, "malformed", "the body is not what it should be");
  json(response, problem, status, "application/problem+json");
}

function json(response, value, status = 200, type = "application/json") {
  response.writeHead(status, { "content-type": type, "cache-control": "no-store" });
  response.end(JSON.stringify(value));
}

async function file(path, response) {
  try {
    const body = await readFile(join(PAGE, normalize(path === "/" ? "/index.html" : path)));
    response.writeHead(200, { "content-type": TYPES[extname(path)] ?? "text/html", "content-security-policy": CSP });
    response.end(body);
  } catch {
    json(response, { title: "not found" }, 404);
  }
}

const server = createServer((request, response) => {
  const { pathname } = new URL(request.url, "http://mock");
  const [, one, what] = /^\/v1\/sessions\/([^/]+)\/(decisions|monitor)$/.exec(pathname) ?? [];
  for (const [name, value] of Object.entries(CORS)) response.setHeader(name, value);
  if (request.method === "OPTIONS") response.writeHead(204).end();
  else if (pathname === "/v1/decisions/stream") stream(request, response);
  else if (pathname === "/v1/events") take(request, response).catch((error) => refuse(response, error));
  else if (pathname === "/v1/tokens") mint(request, response).catch((error) => refuse(response, error));
  else if (what === "monitor") monitor(decodeURIComponent(one), request, response).catch((error) => refuse(response, error));
  else if (pathname === "/v1/demo") json(response, scenario());
  else if (pathname === "/v1/stats") json(response, { ...stats, uptime_ms: Math.round(process.uptime() * 1000) });
  else if (pathname === "/v1/sessions") json(response, [...history.values()].map(summary));
  else if (one) json(response, history.get(decodeURIComponent(one)) ?? []);
  else void file(pathname, response);
});
server.listen(Number(values.port), "127.0.0.1", () => console.log(`mock on http://127.0.0.1:${server.address().port}/`));
