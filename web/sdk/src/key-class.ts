/**
 * From a key to its class: the only place that looks at `event.key`.
 *
 * Invariant: what is returned is one of eleven words; nothing else about the key leaves this file.
 */

import type { KeyClass, KeyDetail } from "./wire.ts";

/**
 * The first that fits. Names of keys are longer than one character ("F5", "Dead", "Unidentified"), characters exactly one.
 * What is no letter, digit, space or control is punctuation, as in the importers of the pipeline: models learned from the
 * same classes.
 */
const CLASSES: readonly (readonly [RegExp, KeyClass])[] = [
  [/^\p{L}$/u, "letter"],
  [/^\s$/, "space"],
  [/^Backspace$/, "backspace"],
  [/^Enter$/, "enter"],
  [/^\p{N}$/u, "digit"],
  [/^\P{Cc}$/u, "punctuation"],
  [/^(?:Arrow|Page|Home$|End$|Tab$|Insert$|Delete$)/, "navigation"],
  [/^(?:Shift|Control|Alt|Meta|OS$|Fn$)|Lock$/, "modifier"],
];

/** Positions under the left hand on a typewriter-like board, whatever the layout prints on them. */
const LEFT_HAND = /^(?:Key[QWERTASDFGZXCVB]|Backquote|IntlBackslash)$/;
/** Positions that tell no hand: digits are reached with either, and screen keyboards have none. */
const NO_HAND = /^(?:Digit.|Unidentified|)$/;

/** The class of a key; letters split by hand only at detail `hand`, and only where the position says which. */
export function keyClass(event: Pick<KeyboardEvent, "key" | "code">, detail: KeyDetail): KeyClass {
  const coarse = CLASSES.find((entry) => entry[0].test(event.key))?.[1] ?? "other";
  if (coarse !== "letter" || detail === "class" || NO_HAND.test(event.code)) return coarse;
  return LEFT_HAND.test(event.code) ? "letter_left" : "letter_right";
}
