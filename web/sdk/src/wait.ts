/** Waiting: for a time, for a promise but not for ever, and longer after each failure. */

import type { Outcome } from "./gateway.ts";
import type { Limits } from "./limits.ts";

/** The longest `Retry-After` that is obeyed. */
const RETRY_AFTER_MAX_MS = 600_000;

export function sleep(wait_ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, wait_ms));
}

/** What the promise resolves to; undefined where that takes longer than this. */
export function within<T>(promise: T | Promise<T>, wait_ms: number): Promise<T | undefined> {
  return Promise.race([promise, sleep(wait_ms) as Promise<undefined>]);
}

/**
 * The wait after a failure that `failures` others preceded: doubled each time within its bounds, spread so that many pages do
 * not return all at once, and never shorter than the gateway asked.
 */
export function backoff_ms({ response }: Outcome, failures: number, limits: Pick<Limits, "retry_min_ms" | "retry_max_ms">): number {
  const doubled_ms = Math.min(limits.retry_max_ms, limits.retry_min_ms * 2 ** failures);
  // In seconds; a date is not a number, and the doubling has to do.
  const asked_ms = Number(response.headers.get("retry-after")) * 1000 || 0;
  return Math.max(Math.min(asked_ms, RETRY_AFTER_MAX_MS), doubled_ms * (0.5 + Math.random() / 2));
}
