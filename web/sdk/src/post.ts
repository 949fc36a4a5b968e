/** One request: a batch goes out, and comes back as one of three outcomes. */

export type Outcome =
  | { kind: "accepted" }
  /** The server will never take it: repeating it would change nothing. */
  | { kind: "rejected"; status: number; reason: string }
  /** Not now. `wait_ms` is what the server asked for. */
  | { kind: "retry"; status: number; wait_ms: number | undefined };

export type Post = (body: string) => Promise<Outcome>;

const JSON_TYPE = "application/json";

/** Posts with keepalive, so that a request outlives the page that made it. */
export function createPost(endpoint: string, request_timeout_ms: number): Post {
  return async (body) => {
    try {
      const response = await fetch(endpoint, {
        method: "POST",
        headers: { "content-type": JSON_TYPE },
        body,
        keepalive: true,
        signal: AbortSignal.timeout(request_timeout_ms),
      });
      return await outcomeOf(response, Date.now());
    } catch {
      // Offline, refused, timed out: all the same from here, and all worth another try.
      return { kind: "retry", status: 0, wait_ms: undefined };
    }
  };
}

/** Last words of a page whose browser has no keepalive. The answer is never seen. */
export function beacon(endpoint: string, body: string): boolean {
  return navigator.sendBeacon(endpoint, new Blob([body], { type: JSON_TYPE }));
}

/** Overload and trouble are worth a retry; any other refusal is final. `wall_ms` only dates an HTTP-date. */
export async function outcomeOf(response: Response, wall_ms: number): Promise<Outcome> {
  const { status } = response;
  if (response.ok) return { kind: "accepted" };
  if (status === 408 || status === 425 || status === 429 || status >= 500) {
    return { kind: "retry", status, wait_ms: retryAfter_ms(response.headers.get("retry-after"), wall_ms) };
  }
  return { kind: "rejected", status, reason: await reasonOf(response) };
}

/** Retry-After as seconds or as a date; undefined where it is neither. */
export function retryAfter_ms(header: string | null, wall_ms: number): number | undefined {
  if (header === null) return undefined;
  if (/^\s*\d+\s*$/.test(header)) return Number(header) * 1000;
  const date_ms = Date.parse(header);
  return Number.isNaN(date_ms) ? undefined : Math.max(0, date_ms - wall_ms);
}

/** The reason code of a problem+json body; the status text where there is none. */
async function reasonOf(response: Response): Promise<string> {
  try {
    const problem: unknown = await response.json();
    if (typeof problem === "object" && problem !== null) {
      for (const field of ["reason", "code", "title"] as const) {
        const value = (problem as Record<string, unknown>)[field];
        if (typeof value === "string") return value;
      }
    }
  } catch {
    // Not JSON; the status has to do.
  }
  return response.statusText || `status ${String(response.status)}`;
}
