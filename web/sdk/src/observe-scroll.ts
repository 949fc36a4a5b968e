/** Wheel and two-finger scrolling, in whole pixels. */

import { isIgnored } from "./ignore.ts";
import { listen, type Undo, type Watch } from "./observe.ts";

/** Firefox may report lines or pages. */
const LINE_PIXELS = 16;
const PAGE_PIXELS = 800;

export function observeScroll(watch: Watch): Undo {
  const wheel = (event: WheelEvent): void => {
    if (isIgnored(event)) return;
    const pixels = event.deltaMode === 1 ? LINE_PIXELS : event.deltaMode === 2 ? PAGE_PIXELS : 1;
    const dx = Math.round(event.deltaX * pixels);
    const dy = Math.round(event.deltaY * pixels);
    if (dx === 0 && dy === 0) return;
    const t_us = watch.clock.at_us(event);
    watch.emit({ type: "scroll", t_us, x: Math.round(event.clientX), y: Math.round(event.clientY), dx, dy });
  };
  return listen(watch.target, { wheel });
}
