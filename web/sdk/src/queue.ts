/**
 * Sealed batches that wait for the network.
 *
 * Invariant: never longer than its bound. The oldest batch that is not on its way makes room, and is returned, so that
 * no drop goes unnoticed; its sequence number is missing on the server as well.
 */

import type { EventBatch } from "./wire.ts";

export interface Queued {
  readonly batch: EventBatch;
  readonly body: string;
  inFlight: boolean;
}

export interface Queue {
  /** Adds a batch and returns the one that had to go, if any. */
  push(batch: EventBatch): EventBatch | undefined;
  remove(entry: Queued): void;
  entries(): readonly Queued[];
}

export function createQueue(queue_batches_max: number): Queue {
  const entries: Queued[] = [];
  return {
    push(batch) {
      entries.push({ batch, body: JSON.stringify(batch), inFlight: false });
      if (entries.length <= queue_batches_max) return undefined;
      const oldest = entries.findIndex((entry) => !entry.inFlight);
      return entries.splice(oldest, 1)[0]?.batch;
    },
    remove(entry) {
      const at = entries.indexOf(entry);
      if (at >= 0) entries.splice(at, 1);
    },
    entries: () => entries,
  };
}
