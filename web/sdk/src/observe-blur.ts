/** The window loses the keyboard: what is held is released elsewhere, and the rhythm is broken here. */

import { listen, type Undo, type Watch } from "./observe.ts";
import type { Presses } from "./presses.ts";

export function observeBlur(watch: Watch, presses: Presses): Undo {
  const blur = (event: Event): void => {
    // Capture would also bring the blur of every field below; only the window's own counts.
    if (!event.isTrusted || event.target !== watch.target) return;
    presses.forget();
    watch.emit({ type: "blur", t_us: watch.clock.at_us(event) });
  };
  return listen(watch.target, { blur });
}
