/** What every observer shares: where it listens, whom it tells, and the undo that it returns. */

import type { Clock } from "./clock.ts";
import type { InputEvent } from "./wire.ts";

/** Takes one captured event. */
export type Emit = (event: InputEvent) => void;
/** Undoes an observer; calling it again does nothing. */
export type Undo = () => void;

export interface Watch {
  target: EventTarget;
  clock: Clock;
  emit: Emit;
}

/** Adds passive capture listeners, and returns the function that removes them all. */
export function listen(target: EventTarget, handlers: Readonly<Record<string, (event: never) => void>>): Undo {
  const abort = new AbortController();
  for (const [type, handler] of Object.entries(handlers)) {
    target.addEventListener(type, handler as EventListener, { capture: true, passive: true, signal: abort.signal });
  }
  return () => {
    abort.abort();
  };
}
