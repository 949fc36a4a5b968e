/**
 * Pointer moves (with what the browser coalesced between two frames), presses and releases.
 *
 * Invariant: positions are whole CSS pixels of the viewport, at most one move per `POINTER_INTERVAL_US`.
 */

import { isIgnored } from "./ignore.ts";
import { listen, type Undo, type Watch } from "./observe.ts";
import type { PointerButton } from "./wire.ts";

/** 125 a second: what an ordinary mouse reports. A gaming mouse would send eight times as much and tell no more. */
const POINTER_INTERVAL_US = 8_000;

const BUTTONS: Readonly<Record<number, PointerButton>> = { 0: "primary", 1: "middle", 2: "secondary" };
/** Bit of a button in `event.buttons`; the order differs from `event.button`. */
const BUTTON_BITS: Readonly<Record<number, number>> = { 0: 1, 1: 4, 2: 2, 3: 8, 4: 16 };

export function observePointer(watch: Watch): Undo {
  let lastMove_us = -POINTER_INTERVAL_US;

  const button = (event: PointerEvent, type: "press" | "release"): void => {
    watch.emit({
      type,
      t_us: watch.clock.at_us(event),
      x: Math.round(event.clientX),
      y: Math.round(event.clientY),
      button: BUTTONS[event.button] ?? "other",
    });
  };

  const pointermove = (event: PointerEvent): void => {
    if (!event.isPrimary || isIgnored(event)) return;
    // A second button while one is held comes as a move that names a button.
    if (event.button >= 0) {
      button(event, (event.buttons & (BUTTON_BITS[event.button] ?? 0)) === 0 ? "release" : "press");
      return;
    }
    for (const move of coalesced(event)) {
      const t_us = watch.clock.at_us(move);
      if (t_us - lastMove_us < POINTER_INTERVAL_US) continue;
      lastMove_us = t_us;
      watch.emit({ type: "move", t_us, x: Math.round(move.clientX), y: Math.round(move.clientY) });
    }
  };
  const pointerdown = (event: PointerEvent): void => {
    if (event.isPrimary && !isIgnored(event)) button(event, "press");
  };
  const pointerup = (event: PointerEvent): void => {
    if (event.isPrimary && !isIgnored(event)) button(event, "release");
  };

  return listen(watch.target, { pointermove, pointerdown, pointerup, pointercancel: pointerup });
}

function coalesced(event: PointerEvent): readonly PointerEvent[] {
  // Safari learned getCoalescedEvents in 18.2; an insecure page has none either.
  const moves = "getCoalescedEvents" in event ? event.getCoalescedEvents() : [];
  return moves.length > 0 ? moves : [event];
}
