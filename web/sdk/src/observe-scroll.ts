/** Wheel and two-finger scrolling, in whole pixels. */

import { isIgnored } from "./ignore.ts";
import { listen, place, type Watch } from "./observe.ts";

/** Pixels of a unit, by `event.deltaMode`: Firefox may report lines or pages. */
const UNIT_PIXELS: readonly number[] = [1, 16, 800];

export function observeScroll(watch: Watch): void {
  const wheel = (event: WheelEvent): void => {
    if (isIgnored(event)) return;
    const pixels = UNIT_PIXELS[event.deltaMode] ?? 1;
    const dx = Math.round(event.deltaX * pixels);
    const dy = Math.round(event.deltaY * pixels);
    if (dx !== 0 || dy !== 0) watch.emit({ type: "scroll", ...place(watch, event), dx, dy });
  };
  listen(watch, { wheel });
}
