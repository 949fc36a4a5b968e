/**
 * One request to the gateway with the page's token; it comes back as one of three outcomes.
 *
 * Invariants: a token is asked for once and kept until the gateway refuses it; nothing here throws, and nothing waits for
 * the application's token longer than `request_timeout_ms`.
 */

import type { Limits } from "./limits.ts";
import { within } from "./wait.ts";

/** A session token, or what fetches a fresh one from the application's own back end. */
export type TokenSource = string | ((session: string) => string | Promise<string>);

export interface Outcome {
  /** `retry`: not now. `rejected`: never; repeating it would change nothing. */
  kind: "accepted" | "retry" | "rejected";
  /** Its status is 0 where no answer came. */
  response: Response;
}

/** Sends a request to a path below `/v1`. */
export type Gateway = (path: string, init: RequestInit & { headers: Record<string, string> }) => Promise<Outcome>;

export interface GatewayParts {
  endpoint: string;
  session: string;
  token?: TokenSource;
}

export function createGateway({ endpoint, session, token }: GatewayParts, { request_timeout_ms }: Pick<Limits, "request_timeout_ms">): Gateway {
  const renewable = typeof token === "function";
  let kept: Promise<string> | undefined;

  const fetchToken = async (): Promise<string> => {
    const fresh = await within(renewable ? token(session) : token, request_timeout_ms);
    if (!fresh) throw new Error();
    return fresh;
  };

  return async (path, init) => {
    try {
      let used: Promise<string> | undefined;
      if (token !== undefined) {
        used = kept ??= fetchToken();
        // Asked for again by the next try: one call a try, and tries have their backoff.
        used.catch(() => (kept = undefined));
        init.headers.authorization = `Bearer ${await used}`;
      }
      const response = await fetch(`${endpoint.replace(/\/$/, "")}/v1${path}`, init);
      // Another request may have fetched a fresh one meanwhile.
      if (response.status === 401 && kept === used) kept = undefined;
      return { kind: kindOf(response.status, renewable), response };
    } catch {
      // Offline, refused, timed out, no token: all the same from here, and all worth another try.
      return noAnswer();
    }
  };
}

/** Not even a refusal; the status is 0. */
export function noAnswer(): Outcome {
  return { kind: "retry", response: Response.error() };
}

/** Overload and trouble are worth a retry, and so is an expired token that can be renewed; any other refusal is final. */
export function kindOf(status: number, renewable: boolean): Outcome["kind"] {
  if (status < 400) return "accepted";
  return status >= 500 || [408, 429, renewable && 401].includes(status) ? "retry" : "rejected";
}

/** The reason code of a problem document; the status text where there is none. */
export async function reasonOf(response: Response): Promise<string> {
  const problem = (await response.json().catch(() => ({}))) as { reason?: string };
  return problem.reason ?? response.statusText;
}
