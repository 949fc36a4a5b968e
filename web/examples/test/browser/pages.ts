/** Serves this folder's pages as an application would: from an origin of their own, not the gateway's. */

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { extname } from "node:path";

const WEB = new URL("../../../", import.meta.url);
const TYPES: Readonly<Record<string, string>> = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css" };

export interface Pages {
  readonly url: string;
  close(): Promise<void>;
}

/** At `host:port`, or at a free port: a gateway lets in the pages of the origins that it was told. */
export async function servePages(at = "127.0.0.1:0"): Promise<Pages> {
  const [host, port] = at.split(":");
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://pages");
    readFile(new URL(`.${pathname}`, WEB)).then(
      (body) => response.writeHead(200, { "content-type": TYPES[extname(pathname)] ?? "application/octet-stream" }).end(body),
      () => response.writeHead(404).end(),
    );
  });
  await new Promise<void>((resolve) => server.listen(Number(port), host, resolve));
  return {
    url: `http://${host ?? ""}:${(server.address() as AddressInfo).port}/`,
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => { resolve(); }));
    },
  };
}
