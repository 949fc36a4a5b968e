/** A local server that serves one page and keeps every batch that is sent to it, as raw text. */

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
  /** Answers for the next batches; 202 once they are used up. */
  readonly answers: { status: number; headers?: Record<string, string> }[];
  batches(): EventBatch[];
  events(): InputEvent[];
  close(): Promise<void>;
}

export async function startCollector(): Promise<Collector> {
  const bodies: string[] = [];
  const answers: Collector["answers"] = [];

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
    const work = pathname === "/v1/events" ? collect(request, response) : serve(pathname, response);
    work.catch(() => response.writeHead(404).end());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));

  const batches = (): EventBatch[] => bodies.map((body) => JSON.parse(body) as EventBatch).sort((a, b) => a.seq - b.seq);
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    bodies,
    answers,
    batches,
    events: () => batches().flatMap((batch) => batch.events),
    close: () => closeServer(server),
  };
}

function closeServer(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => { resolve(); }));
}
