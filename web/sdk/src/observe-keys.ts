/**
 * Key presses and releases, as classes and running numbers.
 *
 * Invariant: the first line that sees a key turns it into its class; neither `key` nor `code` reaches `emit`.
 */

import { isIgnored } from "./ignore.ts";
import { keyClass } from "./key-class.ts";
import { listen, type Watch } from "./observe.ts";
import type { Presses } from "./presses.ts";
import type { KeyDetail } from "./wire.ts";

export function observeKeys(watch: Watch, presses: Presses, detail: KeyDetail): void {
  const keydown = (event: KeyboardEvent): void => {
    const name = keyClass(event, detail);
    // Auto-repeat is the operating system's rhythm, composition the input method's; neither is the hand's.
    if (event.repeat || event.isComposing || isIgnored(event)) return;
    watch.emit({ type: "down", t_us: watch.clock.at_us(event), press: presses.press(event.code), class: name });
  };

  const keyup = (event: KeyboardEvent): void => {
    if (!event.isTrusted) return;
    // A press that was ignored was never numbered, so its release finds nothing and vanishes too.
    const press = presses.release(event.code);
    if (press !== undefined) watch.emit({ type: "up", t_us: watch.clock.at_us(event), press });
  };

  listen(watch, { keydown, keyup });
}
