/** The window loses the keyboard: what is held is released elsewhere, and the rhythm is broken here. */

import { listen, type Watch } from "./observe.ts";
import type { Presses } from "./presses.ts";

export function observeBlur(watch: Watch, presses: Presses): void {
  const blur = (event: Event): void => {
    // Capture would also bring the blur of every field below; only the window's own counts.
    if (!event.isTrusted || event.target !== window) return;
    presses.forget();
    watch.emit({ type: "blur", t_us: watch.clock.at_us(event) });
  };
  listen({ target: window, signal: watch.signal }, { blur });
}
