/** What the hands use, as coarse words: enough to pick the right reference, not enough to know the machine. */

import type { BatchDevice } from "./wire.ts";

/** `navigator.keyboard`, where it exists (Chromium): which letter stands where, not what is typed. */
interface LayoutKeyboard {
  getLayoutMap(): Promise<ReadonlyMap<string, string>>;
}

/** What can be known at once; the layout is asked for by `detectLayout`. */
export function detectDevice(): Omit<BatchDevice, "layout"> {
  const matches = (query: string): boolean => matchMedia(query).matches;
  const touch = navigator.maxTouchPoints > 0;
  const touchOnly = touch && !matches("(any-pointer: fine)");
  return {
    keyboard: touchOnly ? "virtual" : "physical",
    pointer: matches("(pointer: fine)") ? "mouse" : matches("(pointer: coarse)") ? "touch" : "none",
    touch,
  };
}

/** The keyboard's layout by the places of Q, W, Y and Z; `unknown` where the browser does not say. */
export async function detectLayout(): Promise<BatchDevice["layout"]> {
  const { keyboard } = navigator as Navigator & { keyboard?: LayoutKeyboard };
  // Refused inside cross-origin frames; the layout is a hint, so nothing else depends on it.
  const map = await keyboard?.getLayoutMap().catch(() => undefined);
  return map ? layoutOf(map) : "unknown";
}

const LAYOUTS: Readonly<Record<string, BatchDevice["layout"]>> = { qwyz: "qwerty", qwzy: "qwertz", azyw: "azerty", "": "unknown" };

export function layoutOf(map: ReadonlyMap<string, string>): BatchDevice["layout"] {
  const row = ["KeyQ", "KeyW", "KeyY", "KeyZ"].map((code) => map.get(code)?.toLowerCase()).join("");
  return LAYOUTS[row] ?? "other";
}
