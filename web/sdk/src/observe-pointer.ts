/**
 * Pointer moves (with what the browser coalesced between two frames), presses and releases.
 *
 * Invariant: positions are whole CSS pixels of the viewport, at most one move per `POINTER_INTERVAL_US`.
 */

import { isIgnored } from "./ignore.ts";
import { listen, place, type Watch } from "./observe.ts";
import type { PointerButton } from "./wire.ts";

/** 125 a second: what an ordinary mouse reports. A gaming mouse would send eight times as much and tell no more. */
const POINTER_INTERVAL_US = 8_000;

/** By `event.button`. */
const BUTTONS: readonly PointerButton[] = ["primary", "middle", "secondary"];
/** Bit of a button in `event.buttons`; the order differs from `event.button`. */
const BUTTON_BITS: readonly number[] = [1, 4, 2, 8, 16];

export function observePointer(watch: Watch): void {
  let lastMove_us = -POINTER_INTERVAL_US;

  const button = (event: PointerEvent, type: "press" | "release"): void => {
    watch.emit({ type, ...place(watch, event), button: BUTTONS[event.button] ?? "other" });
  };

  const move = (event: PointerEvent): void => {
    // A second button while one is held comes as a move that names a button.
    if (event.button >= 0) {
      button(event, event.buttons & (BUTTON_BITS[event.button] ?? 0) ? "press" : "release");
      return;
    }
    for (const step of coalesced(event)) {
      const at = place(watch, step);
      if (at.t_us - lastMove_us < POINTER_INTERVAL_US) continue;
      lastMove_us = at.t_us;
      watch.emit({ type: "move", ...at });
    }
  };
  const watched = (handle: (event: PointerEvent) => void) => (event: PointerEvent) => {
    if (event.isPrimary && !isIgnored(event)) handle(event);
  };
  const pointermove = watched(move);
  const pointerdown = watched((event) => { button(event, "press"); });
  const pointerup = watched((event) => { button(event, "release"); });

  listen(watch, { pointermove, pointerdown, pointerup, pointercancel: pointerup });
}

/** What the browser saw between two frames; the event itself where it does not say (Safari before 18.2, insecure pages). */
function coalesced(event: PointerEvent): readonly PointerEvent[] {
  const moves = (event as Partial<PointerEvent>).getCoalescedEvents?.();
  return moves?.length ? moves : [event];
}
