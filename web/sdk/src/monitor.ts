/**
 * The risk of the session as it changes: server-sent events, read by `fetch`, because `EventSource` cannot send a token.
 *
 * Invariants: at most one connection, and only while somebody listens; after a loss it comes back by itself with the id of
 * the last event, so that nothing is missed; what is held of an event that has not ended is bounded.
 */

import { noAnswer, type Gateway } from "./gateway.ts";
import type { RiskEvent, Tell } from "./hub.ts";
import type { Limits } from "./limits.ts";
import { backoff_ms, sleep, within } from "./wait.ts";

export interface Monitor {
  /** Connects, unless it already is. */
  open(): void;
  close(): void;
}

export interface MonitorParts {
  gateway: Gateway;
  session: string;
  limits: Limits;
  tell: Tell;
}

/** A stream on which nothing is said for this long is dead; the gateway speaks every 15 s. */
const SILENCE_MAX_MS = 45_000;
/** An event that has not ended after this is not waited for. */
const EVENT_CHARS_MAX = 65_536;

export function createMonitor({ gateway, session, limits, tell }: MonitorParts): Monitor {
  /** The connection that is there, or waits for its successor. */
  let current: AbortController | undefined;
  let lastId: string | undefined;
  let failures = 0;

  const take = (event: string): void => {
    // The contract puts an event's data on one line.
    const field = (name: string): string | undefined => RegExp(`(?:^|\\n)${name}: ?([^\\r\\n]*)`).exec(event)?.[1];
    // Before anything can fail: an event that cannot be read must not come back for ever.
    lastId = field("id") ?? lastId;
    if (field("event") === "risk") {
      failures = 0;
      tell("risk", JSON.parse(field("data") ?? "") as RiskEvent);
    }
  };

  const read = async ({ body }: Response): Promise<void> => {
    const reader = body?.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    while (text.length <= EVENT_CHARS_MAX) {
      const part = await within(reader?.read(), SILENCE_MAX_MS);
      if (!part?.value) return;
      const events = (text + part.value).split(/\r?\n\r?\n/);
      text = events.pop() ?? "";
      events.forEach(take);
    }
  };

  /** Opens one connection, follows it to its end, and goes on with the next. */
  const follow = async (): Promise<void> => {
    const connection = (current = new AbortController());
    const headers = { accept: "text/event-stream", ...(lastId && { "last-event-id": lastId }) };
    const asked = gateway(`/sessions/${session}/monitor`, { headers, signal: connection.signal });
    const outcome = (await within(asked, SILENCE_MAX_MS)) ?? noAnswer();
    const { kind, response } = outcome;
    const { status } = response;
    // A connection that breaks is one that ends.
    if (kind === "accepted") await read(response).catch(() => undefined);
    connection.abort();
    if (current !== connection) return;

    // A session is not known before its first decision; every other refusal is final.
    const wait_ms = kind === "rejected" && status !== 404 ? undefined : backoff_ms(outcome, failures++, limits);
    tell("lost", { status, wait_ms });
    if (wait_ms === undefined) {
      current = undefined;
    } else {
      await sleep(wait_ms);
      if (current === connection) void follow();
    }
  };

  return {
    open() {
      if (!current) void follow();
    },
    close() {
      current?.abort();
      current = undefined;
    },
  };
}
