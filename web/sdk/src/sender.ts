/**
 * Empties the queue in order, one request at a time.
 *
 * Invariant: a batch leaves the queue only when the server accepted or refused it for good. A retry repeats the same
 * sequence number, which the server knows.
 */

import type { Limits } from "./limits.ts";
import type { Outcome, Post } from "./post.ts";
import type { Queue, Queued } from "./queue.ts";

export interface SenderEvents {
  accepted(entry: Queued): void;
  rejected(entry: Queued, status: number, reason: string): void;
  retry(entry: Queued, status: number, wait_ms: number): void;
}

export interface Sender {
  /** Sends what is queued, unless it already does. */
  wake(): void;
  /** Sends all that fits at once, as the page may be gone in a moment. */
  hurry(): void;
  /** Resolves when the queue is empty, or the next try has to wait. */
  settled(): Promise<void>;
  /** Resolves when the queue is empty, however many tries that takes. */
  emptied(): Promise<void>;
  /** Gives up waiting; nothing is sent any more. */
  close(): void;
}

export interface SenderParts {
  queue: Queue;
  post: Post;
  limits: Pick<Limits, "hide_bytes_max" | "retry_min_ms" | "retry_max_ms">;
  events: SenderEvents;
  /** Where the browser has no keepalive: sends without an answer, true when taken. */
  beacon?: (body: string) => boolean;
  /** Between 0 and 1; spreads the retries of many pages. */
  random?: () => number;
}

export function createSender({ queue, post, limits, events, beacon, random = Math.random }: SenderParts): Sender {
  let running: Promise<void> | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let failures = 0;
  let closed = false;
  let waiters: (() => void)[] = [];

  const settle = (entry: Queued, outcome: Outcome): boolean => {
    entry.inFlight = false;
    if (outcome.kind === "retry") return false;
    queue.remove(entry);
    if (outcome.kind === "accepted") events.accepted(entry);
    else events.rejected(entry, outcome.status, outcome.reason);
    if (queue.entries().length === 0) {
      for (const waiter of waiters) waiter();
      waiters = [];
    }
    return true;
  };

  const waitAfter = (outcome: Outcome & { kind: "retry" }): number => {
    failures += 1;
    const doubled_ms = Math.min(limits.retry_max_ms, limits.retry_min_ms * 2 ** (failures - 1));
    // The server's word is a lower bound; jitter comes on top, so that pages do not return all at once.
    return Math.max(outcome.wait_ms ?? 0, doubled_ms * (0.5 + random() / 2));
  };

  const drain = async (): Promise<void> => {
    for (;;) {
      const entry = queue.entries().find((candidate) => !candidate.inFlight);
      if (entry === undefined || closed) return;
      entry.inFlight = true;
      const outcome = await post(entry.body);
      if (settle(entry, outcome)) {
        failures = 0;
      } else if (outcome.kind === "retry") {
        const wait_ms = waitAfter(outcome);
        events.retry(entry, outcome.status, wait_ms);
        timer = setTimeout(resume, wait_ms);
        return;
      }
    }
  };

  const wake = (): void => {
    if (closed || running !== undefined || timer !== undefined) return;
    running = drain().finally(() => {
      running = undefined;
    });
  };

  const resume = (): void => {
    timer = undefined;
    wake();
  };

  return {
    wake,
    hurry() {
      let bytes = 0;
      for (const entry of [...queue.entries()]) {
        if (entry.inFlight) continue;
        // Batches are ASCII: identifiers, words and numbers only.
        bytes += entry.body.length;
        if (bytes > limits.hide_bytes_max) return;
        if (beacon !== undefined) {
          if (beacon(entry.body)) settle(entry, { kind: "accepted" });
          continue;
        }
        entry.inFlight = true;
        void post(entry.body).then((outcome) => {
          if (!settle(entry, outcome)) wake();
        });
      }
    },
    settled: () => running ?? Promise.resolve(),
    emptied: () =>
      queue.entries().length === 0 ? Promise.resolve() : new Promise((resolve) => waiters.push(resolve)),
    close() {
      closed = true;
      clearTimeout(timer);
      timer = undefined;
    },
  };
}
