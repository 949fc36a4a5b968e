/** A local stand-in for a gateway: serves one page, keeps every batch as raw text, and speaks on the monitor stream when told. */

import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { EventBatch, InputEvent } from "../../src/wire.ts";

const SDK = new URL("../../dist/", import.meta.url);
const VIEW = new URL("views/form.html", import.meta.url);

export interface Collector {
  readonly url: string;
  /** Bodies as they came. */
  readonly bodies: string[];
  /** The Authorization of each request below `/v1`, in order. */
  readonly authorizations: (string | undefined)[];
  /** Answers for the next batches; 202 once they are used up. */
  readonly answers: { status: number; headers?: Record<string, string> }[];
  readonly monitor: MonitorStream;
  batches(): EventBatch[];
  events(): InputEvent[];
  close(): Promise<void>;
}

export interface MonitorStream {
  /** Last-Event-ID of each connection, in order. */
  readonly lastIds: (string | undefined)[];
  /** Sends an event to whoever is connected. */
  say(id: string, data: object): void;
  /** Ends every connection. */
  cut(): void;
  connected(): number;
}

export async function startCollector(): Promise<Collector> {
  const bodies: string[] = [];
  const answers: Collector["answers"] = [];
  const authorizations: (string | undefined)[] = [];
  const { follow, ...monitor } = createMonitorStream();

  const collect = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const answer = answers.shift() ?? { status: 202 };
    if (answer.status === 202) bodies.push(Buffer.concat(chunks).toString("utf8"));
    response.writeHead(answer.status, { "content-type": "application/json", ...answer.headers }).end("{}");
  };

  const serve = async (path: string, response: ServerResponse): Promise<void> => {
    const script = path.startsWith("/sdk/");
    const file = script ? new URL(path.slice("/sdk/".length), SDK) : VIEW;
    response.writeHead(200, { "content-type": script ? "text/javascript" : "text/html" }).end(await readFile(file));
  };

  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://collector");
    if (pathname.startsWith("/v1/")) authorizations.push(request.headers.authorization);
    if (pathname === "/v1/sessions/session-1/monitor") {
      follow(request, response);
      return;
    }
    const work = pathname === "/v1/events" ? collect(request, response) : serve(pathname, response);
    work.catch(() => response.writeHead(404).end());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));

  const batches = (): EventBatch[] => bodies.map((body) => JSON.parse(body) as EventBatch).sort((a, b) => a.seq - b.seq);
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    bodies,
    authorizations,
    answers,
    monitor,
    batches,
    events: () => batches().flatMap((batch) => batch.events),
    close: () => closeServer(server),
  };
}

function createMonitorStream(): MonitorStream & { follow(request: IncomingMessage, response: ServerResponse): void } {
  const followers = new Set<ServerResponse>();
  const lastIds: (string | undefined)[] = [];
  return {
    lastIds,
    follow(request, response) {
      lastIds.push(request.headers["last-event-id"] as string | undefined);
      response.writeHead(200, { "content-type": "text/event-stream" }).write(": open\n\n");
      followers.add(response);
      request.on("close", () => followers.delete(response));
    },
    say(id, data) {
      for (const response of followers) response.write(`event: risk\nid: ${id}\ndata: ${JSON.stringify(data)}\n\n`);
    },
    cut() {
      for (const response of followers) response.destroy();
    },
    connected: () => followers.size,
  };
}

function closeServer(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => { resolve(); }));
}
