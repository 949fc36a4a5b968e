/** Tells listeners what the SDK does, and counts it. */

import type { Undo } from "./observe.ts";
import type { Queued } from "./queue.ts";
import type { SenderEvents } from "./sender.ts";
import type { EventBatch } from "./wire.ts";

/** What `handle.on` offers, by name. */
export interface SdkEvents {
  /** A batch was sealed and waits for the network: exactly what will be sent. */
  batch: EventBatch;
  accepted: { seq: number };
  rejected: { seq: number; status: number; reason: string };
  /** A batch will be tried again; status 0 means that no answer came. */
  retry: { seq: number; status: number; wait_ms: number };
  /** The queue was full: the oldest batch is lost. */
  dropped: { seq: number; events: number };
}

export type Listener<Name extends keyof SdkEvents> = (event: SdkEvents[Name]) => void;

export interface Stats {
  events: number;
  batches: number;
  accepted: number;
  rejected: number;
  retries: number;
  dropped_batches: number;
  dropped_events: number;
}

export interface Hub extends SenderEvents {
  sealed(batch: EventBatch): void;
  dropped(batch: EventBatch): void;
  on<Name extends keyof SdkEvents>(name: Name, listener: Listener<Name>): Undo;
  stats(): Readonly<Stats>;
}

export function createHub(): Hub {
  const listeners = new Map<keyof SdkEvents, Set<(event: never) => void>>();
  const stats: Stats = {
    events: 0,
    batches: 0,
    accepted: 0,
    rejected: 0,
    retries: 0,
    dropped_batches: 0,
    dropped_events: 0,
  };

  const tell = <Name extends keyof SdkEvents>(name: Name, event: SdkEvents[Name]): void => {
    for (const listener of listeners.get(name) ?? []) (listener as Listener<Name>)(event);
  };

  return {
    on(name, listener) {
      const set = listeners.get(name) ?? new Set();
      listeners.set(name, set.add(listener));
      return () => set.delete(listener);
    },
    stats: () => ({ ...stats }),
    sealed(batch) {
      stats.batches += 1;
      stats.events += batch.events.length;
      tell("batch", batch);
    },
    dropped(batch) {
      stats.dropped_batches += 1;
      stats.dropped_events += batch.events.length;
      tell("dropped", { seq: batch.seq, events: batch.events.length });
    },
    accepted(entry: Queued) {
      stats.accepted += 1;
      tell("accepted", { seq: entry.batch.seq });
    },
    rejected(entry, status, reason) {
      stats.rejected += 1;
      tell("rejected", { seq: entry.batch.seq, status, reason });
    },
    retry(entry, status, wait_ms) {
      stats.retries += 1;
      tell("retry", { seq: entry.batch.seq, status, wait_ms });
    },
  };
}
