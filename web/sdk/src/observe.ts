/** What every observer shares: where it listens, whom it tells, and what ends it. */

import type { Clock } from "./clock.ts";
import type { InputEvent } from "./wire.ts";

/** Takes one captured event. */
export type Emit = (event: InputEvent) => void;
/** Undoes something; calling it again does nothing. */
export type Undo = () => void;

export interface Watch {
  target: EventTarget;
  clock: Clock;
  emit: Emit;
  /** Ends the observation. */
  signal: AbortSignal;
}

/** Adds passive capture listeners, for as long as is watched. */
export function listen({ target, signal }: Pick<Watch, "target" | "signal">, handlers: Readonly<Record<string, (event: never) => void>>): void {
  for (const [type, handler] of Object.entries(handlers)) {
    target.addEventListener(type, handler as EventListener, { capture: true, passive: true, signal });
  }
}

/** When and where a pointer was: whole CSS pixels of the viewport. */
export function place({ clock }: Watch, event: MouseEvent): { t_us: number; x: number; y: number } {
  return { t_us: clock.at_us(event), x: Math.round(event.clientX), y: Math.round(event.clientY) };
}
