/**
 * A keyboard under somebody's hands, by the DevTools protocol.
 *
 * Invariant: presses carry the times that the hand made, not those at which this machine came to send them: a busy machine
 * types late, but in the same rhythm.
 */

import { setTimeout as wait } from "node:timers/promises";
import type { CDPSession, Page } from "playwright-core";
import { hand, type Manner } from "./people.ts";

/** Before a person begins to type what they have read. */
const READING_MS = 700;
/** A modifier goes down so long before its key, and up so long after it went down. */
const MODIFIER_LEAD_MS = 60;
const MODIFIER_HOLD_MS = 45;
const SHIFT = 8;

interface Key {
  key: string;
  code: string;
  windowsVirtualKeyCode: number;
}

interface Stroke extends Key {
  at_ms: number;
  type: "keyDown" | "keyUp";
  text?: string;
  modifiers?: number;
}

const OTHERS: Readonly<Record<string, Key>> = {
  " ": { key: " ", code: "Space", windowsVirtualKeyCode: 32 },
  ".": { key: ".", code: "Period", windowsVirtualKeyCode: 190 },
  ",": { key: ",", code: "Comma", windowsVirtualKeyCode: 188 },
  "?": { key: "?", code: "Slash", windowsVirtualKeyCode: 191 },
  "’": { key: "’", code: "Quote", windowsVirtualKeyCode: 222 },
};
const SHIFT_KEY: Key = { key: "Shift", code: "ShiftLeft", windowsVirtualKeyCode: 16 };

export interface Keyboard {
  /** Types into what has the focus, and comes back when the last key is up. */
  type(text: string): Promise<void>;
}

export async function keyboard(page: Page, manner: Manner): Promise<Keyboard> {
  const devtools = await page.context().newCDPSession(page);
  const times = hand(manner);
  let free_ms = 0;
  return {
    async type(text) {
      let at_ms = Math.max(free_ms, now_ms()) + READING_MS;
      const strokes: Stroke[] = [];
      for (const character of text) {
        const { dwell_ms, pace_ms } = times(character);
        press(strokes, character, at_ms, dwell_ms);
        at_ms += pace_ms;
      }
      free_ms = at_ms;
      await play(devtools, strokes.sort((a, b) => a.at_ms - b.at_ms));
    },
  };
}

function press(strokes: Stroke[], character: string, at_ms: number, dwell_ms: number): void {
  const key = keyOf(character);
  const shifted = /[A-Z?]/.test(character);
  const modifiers = shifted ? SHIFT : 0;
  if (shifted) strokes.push({ ...SHIFT_KEY, type: "keyDown", at_ms: at_ms - MODIFIER_LEAD_MS, modifiers });
  strokes.push({ ...key, type: "keyDown", at_ms, text: character, modifiers });
  if (shifted) strokes.push({ ...SHIFT_KEY, type: "keyUp", at_ms: at_ms + MODIFIER_HOLD_MS });
  strokes.push({ ...key, type: "keyUp", at_ms: at_ms + dwell_ms });
}

function keyOf(character: string): Key {
  const other = OTHERS[character];
  if (other !== undefined) return other;
  const upper = character.toUpperCase();
  if (!/^[A-Z]$/.test(upper)) throw new Error(`nobody here knows where ${character} is on a keyboard`);
  return { key: character, code: `Key${upper}`, windowsVirtualKeyCode: upper.charCodeAt(0) };
}

async function play(devtools: CDPSession, strokes: readonly Stroke[]): Promise<void> {
  for (const { at_ms, ...stroke } of strokes) {
    const early_ms = at_ms - now_ms();
    if (early_ms > 0) await wait(early_ms);
    await devtools.send("Input.dispatchKeyEvent", { ...stroke, timestamp: at_ms / 1000 });
  }
}

function now_ms(): number {
  return performance.timeOrigin + performance.now();
}
