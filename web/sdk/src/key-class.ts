/**
 * From a key to its class: the only place that looks at `event.key`.
 *
 * Invariant: what is returned is one of eleven words; nothing else about the key leaves this file.
 */

import type { KeyClass, KeyDetail } from "./wire.ts";

const NAMED: Readonly<Record<string, KeyClass>> = {
  Enter: "enter",
  Backspace: "backspace",
  Spacebar: "space",
  Shift: "modifier",
  Control: "modifier",
  Alt: "modifier",
  AltGraph: "modifier",
  Meta: "modifier",
  OS: "modifier",
  CapsLock: "modifier",
  NumLock: "modifier",
  ScrollLock: "modifier",
  Fn: "modifier",
  FnLock: "modifier",
  Hyper: "modifier",
  Super: "modifier",
  Symbol: "modifier",
  ContextMenu: "modifier",
  ArrowLeft: "navigation",
  ArrowRight: "navigation",
  ArrowUp: "navigation",
  ArrowDown: "navigation",
  Home: "navigation",
  End: "navigation",
  PageUp: "navigation",
  PageDown: "navigation",
  Tab: "navigation",
  Insert: "navigation",
  Delete: "navigation",
};

/** Positions under the left hand on a typewriter-like board, whatever the layout prints on them. */
const LEFT_HAND = /^(?:Key[QWERTASDFGZXCVB]|Backquote|IntlBackslash)$/;
const RIGHT_HAND = /^(?:Key[YUIOPHJKLNM]|BracketLeft|BracketRight|Semicolon|Quote|Backslash|Comma|Period|Slash|Minus|Equal)$/;

/** The class of a key; letters split by hand only at detail `hand`, and only where the position says which. */
export function keyClass(event: Pick<KeyboardEvent, "key" | "code">, detail: KeyDetail): KeyClass {
  const coarse = classOfKey(event.key);
  if (coarse !== "letter" || detail === "class") return coarse;
  if (LEFT_HAND.test(event.code)) return "letter_left";
  if (RIGHT_HAND.test(event.code)) return "letter_right";
  return "letter";
}

function classOfKey(key: string): KeyClass {
  // Own properties only: a key value must never reach Object.prototype ("constructor").
  if (Object.hasOwn(NAMED, key)) return NAMED[key] ?? "other";
  // Key names are longer than one character ("F5", "Dead", "Unidentified"); characters are exactly one.
  if (!/^.$/su.test(key)) return "other";
  if (/^\s$/u.test(key)) return "space";
  if (/^\p{L}$/u.test(key)) return "letter";
  if (/^\p{N}$/u.test(key)) return "digit";
  // What is left is punctuation, as in the importers of the pipeline: models learned from the same classes.
  return /^\p{Cc}$/u.test(key) ? "other" : "punctuation";
}
