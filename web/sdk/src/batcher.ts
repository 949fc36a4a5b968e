/**
 * Gathers events until there are enough of them, or the first has waited long enough.
 *
 * Invariant: every event is handed on exactly once, in order of time within its batch.
 */

import type { Limits } from "./limits.ts";
import type { InputEvent } from "./wire.ts";

export interface Batcher {
  add(event: InputEvent): void;
  /** Hands on what is pending now; nothing when nothing is. */
  seal(): void;
}

export function createBatcher(
  limits: Pick<Limits, "batch_events_max" | "batch_wait_ms">,
  onSealed: (events: InputEvent[]) => void,
): Batcher {
  let pending: InputEvent[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;

  const seal = (): void => {
    clearTimeout(timer);
    timer = undefined;
    if (pending.length === 0) return;
    const events = pending;
    pending = [];
    // Coalesced moves carry times before events that were dispatched earlier.
    events.sort((a, b) => a.t_us - b.t_us);
    onSealed(events);
  };

  return {
    add(event) {
      pending.push(event);
      if (pending.length >= limits.batch_events_max) seal();
      else timer ??= setTimeout(seal, limits.batch_wait_ms);
    },
    seal,
  };
}
