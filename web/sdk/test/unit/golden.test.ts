/**
 * What is captured is what the pipeline's golden vectors begin with, and what they end with.
 *
 * 1. The inputs of `schemas/golden/`, played to the SDK as DOM events, leave it as the very batches that stand there. Rust
 *    computes the features of exactly these (`pipeline/dynamics/tests/contract/golden.rs`), so what it computes from
 *    batches of the SDK is bit for bit what is written there.
 * 2. The same formulas over the SDK's batches give the same bits here. The SDK itself has no formula: it sends events.
 */

import { readFile } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { start } from "../../src/index.ts";
import { WINDOW_POINTER_EVENTS, WINDOW_PRESSES } from "../../src/quality.ts";
import type { EventBatch, InputEvent, KeyClass } from "../../src/wire.ts";
import { keystrokeRows, pointerRows } from "./features.ts";

interface Golden {
  batches: EventBatch[];
  config: Record<"keystroke" | "pointer", { steps: number; hop: number }>;
  windows: { modality: "keystroke" | "pointer"; sequence: number; steps: number; features_f32_bits: string[] }[];
}

const GOLDEN = new URL("../../../../schemas/golden/", import.meta.url);
const read = async (name: string): Promise<Golden> => JSON.parse(await readFile(new URL(`${name}.json`, GOLDEN), "utf8")) as Golden;

/** A page of which the SDK sees listeners only. */
const page = { listeners: new Map<string, (event: object) => void>(), addEventListener(type: string, listener: (event: object) => void) { this.listeners.set(type, listener); } };
let sent: EventBatch[] = [];

beforeEach(() => {
  sent = [];
  vi.stubGlobal("document", page);
  vi.stubGlobal("window", page);
  vi.stubGlobal("navigator", { maxTouchPoints: 0 });
  vi.stubGlobal("matchMedia", () => ({ matches: true }));
  vi.stubGlobal("performance", { timeOrigin: 1_763_700_000_000, now: () => 0 });
  vi.stubGlobal("fetch", (_: string, { body }: { body: string }) => {
    sent.push(JSON.parse(body) as EventBatch);
    return Promise.resolve(new Response(null, { status: 202 }));
  });
});
afterEach(() => {
  vi.unstubAllGlobals();
});

const KEYS: Partial<Record<KeyClass, string>> = { letter: "q", space: " ", modifier: "Shift" };
const BUTTONS = { primary: 0, middle: 1, secondary: 2, other: 4 };

/** What the browser would have dispatched for an event of a batch. */
function play(event: InputEvent): void {
  const common = { isTrusted: true, isPrimary: true, button: -1, buttons: 0, timeStamp: event.t_us / 1000, target: null };
  const dispatch = (type: string, fields: object): unknown => page.listeners.get(type)?.({ ...common, ...fields });
  if (event.type === "down") dispatch("keydown", { key: KEYS[event.class], code: `code of ${event.press}` });
  else if (event.type === "up") dispatch("keyup", { code: `code of ${event.press}` });
  else if ("x" in event) {
    const type = { move: "pointermove", press: "pointerdown", release: "pointerup", scroll: "wheel" }[event.type];
    dispatch(type, { clientX: event.x, clientY: event.y, ...("button" in event && { button: BUTTONS[event.button] }) });
  }
}

/** Batches whose presses are numbered from 0: which number a session begins with means nothing. */
function renumbered(batches: EventBatch[]): EventBatch[] {
  const first = Math.min(...batches.flatMap(({ events }) => events.flatMap((event) => (event.type === "down" ? [event.press] : []))));
  const events = (batch: EventBatch): InputEvent[] => batch.events.map((event) => (event.type === "down" || event.type === "up" ? { ...event, press: event.press - first } : event));
  return batches.map((batch) => ({ ...batch, events: events(batch) }));
}

describe.each(["keystroke", "keystroke-awkward", "pointer"])("%s", (name) => {
  const capture = async ({ batches }: Golden): Promise<void> => {
    const [{ tenant, subject, session, device }] = batches as [EventBatch];
    const handle = start({ endpoint: "", tenant, subject: subject ?? "", session, device, consent: "granted", limits: { batch_events_max: 40 } });
    for (const { events } of batches) events.forEach(play);
    await handle.flush();
  };

  test("leaves the SDK as the batches that the vectors are computed from", async () => {
    const golden = await read(name);
    await capture(golden);
    // The clock's resolution is measured, and no feature depends on it.
    const resolution_us: unknown = expect.any(Number);
    expect(renumbered(sent)).toEqual(renumbered(golden.batches).map((batch) => ({ ...batch, clock: { ...batch.clock, resolution_us } })));
  });

  test("has features that are equal bit for bit", async () => {
    const golden = await read(name);
    await capture(golden);
    const events = sent.flatMap((batch) => batch.events);
    expect(golden.windows.length).toBeGreaterThan(0);
    for (const { modality, sequence, steps, features_f32_bits } of golden.windows) {
      const rows = modality === "keystroke" ? keystrokeRows : pointerRows;
      expect(rows(events, sequence * golden.config[modality].hop, steps)).toEqual(features_f32_bits);
    }
  });
});

test("quality counts against the pipeline's windows", async () => {
  const { config } = await read("keystroke");
  expect([WINDOW_PRESSES, WINDOW_POINTER_EVENTS]).toEqual([config.keystroke.steps, config.pointer.steps]);
});
