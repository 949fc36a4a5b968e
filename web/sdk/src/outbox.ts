/**
 * Sealed batches on their way to the gateway: in order, one request at a time.
 *
 * Invariants: never longer than its bound; the oldest batch that is not on its way makes room, and is told. A batch leaves
 * only when the gateway accepted or refused it for good; a retry repeats the same sequence number, which the gateway knows.
 */

import { reasonOf, type Gateway, type Outcome } from "./gateway.ts";
import type { Tell } from "./hub.ts";
import type { Limits } from "./limits.ts";
import { backoff_ms, sleep, within } from "./wait.ts";
import type { EventBatch } from "./wire.ts";

export interface Outbox {
  /** Takes a batch, and sends it as soon as its turn has come. */
  push(batch: EventBatch): void;
  /** Sends all that fits at once, as the page may be gone in a moment. */
  hurry(): void;
  /** Resolves when nothing is left, or the next try has to wait. */
  settled(): Promise<void>;
  /** Waits for what is left, but no longer than `stop_timeout_ms`; then gives up, and sends no more. */
  close(): Promise<void>;
}

export interface OutboxParts {
  gateway: Gateway;
  limits: Limits;
  tell: Tell;
}

interface Entry {
  seq: number;
  /** How many. */
  events: number;
  body: string;
  inFlight: boolean;
}

export function createOutbox({ gateway, limits, tell }: OutboxParts): Outbox {
  let entries: Entry[] = [];
  const waiters: (() => void)[] = [];
  let draining = false;
  /** Failures in a row; the drain waits after each. */
  let failures = 0;

  /** The oldest that is not on its way. */
  const next = (): Entry | undefined => entries.find((entry) => !entry.inFlight);

  const remove = (entry: Entry): void => {
    entries = entries.filter((other) => other !== entry);
  };

  const drop = (entry: Entry): void => {
    const { seq, events } = entry;
    remove(entry);
    tell("dropped", { seq, events });
  };

  /** Resolves when nothing is left, or the next try has to wait. */
  const news = (): Promise<void> => new Promise((resolve) => waiters.push(resolve));
  const release = (): void => {
    for (const waiter of waiters.splice(0)) waiter();
  };

  const send = async (entry: Entry): Promise<Outcome> => {
    const { seq, body } = entry;
    entry.inFlight = true;
    const outcome = await gateway("/events", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body,
      // Outlives the page that made it.
      keepalive: true,
      signal: AbortSignal.timeout(limits.request_timeout_ms),
    });
    entry.inFlight = false;
    const { kind, response } = outcome;
    if (kind !== "retry") {
      remove(entry);
      if (kind === "accepted") tell(kind, { seq });
      else tell(kind, { seq, status: response.status, reason: await reasonOf(response) });
      if (!entries[0]) release();
    }
    return outcome;
  };

  const drain = async (): Promise<void> => {
    if (draining) return;
    draining = true;
    let entry: Entry | undefined;
    while ((entry = next())) {
      const outcome = await send(entry);
      if (outcome.kind === "retry") {
        const wait_ms = backoff_ms(outcome, failures++, limits);
        tell("retry", { seq: entry.seq, status: outcome.response.status, wait_ms });
        release();
        await sleep(wait_ms);
      } else {
        failures = 0;
      }
    }
    draining = false;
  };

  /** Over failures, too. */
  const emptied = async (): Promise<void> => {
    while (entries[0]) await news();
  };

  return {
    push(batch) {
      entries.push({ seq: batch.seq, events: batch.events.length, body: JSON.stringify(batch), inFlight: false });
      const oldest = next();
      if (entries.length > limits.queue_batches_max && oldest) drop(oldest);
      void drain();
    },
    hurry() {
      let bytes = 0;
      for (const entry of entries) {
        if (entry.inFlight) continue;
        // Batches are ASCII: identifiers, words and numbers only.
        bytes += entry.body.length;
        if (bytes > limits.hide_bytes_max) return;
        void send(entry).then(drain);
      }
    },
    async settled() {
      if (entries[0] && !failures) await news();
    },
    async close() {
      await within(emptied(), limits.stop_timeout_ms);
      entries.forEach(drop);
    },
  };
}
