/** The built SDK in a real browser, with real (trusted) input, against a real server. */

import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { launchChromium } from "../../../test-support/chromium.ts";
import { contract } from "../../../test-support/contract.ts";
import type { Handle } from "../../src/index.ts";
import { startCollector, type Collector } from "./collector.ts";

declare const window: Window & { handle: Handle; log: [string, { wait_ms: number }][] };

const TYPED = "Zxqj 74!";

/** Every word that a batch of this page may hold: names of fields, and values of closed lists. */
const WORDS = new Set(
  `v tenant subject session seq purpose consent clock device detail events origin_us resolution_us keyboard pointer layout
  touch type t_us press class x y dx dy button tenant-1 subject-1 session-1 granted physical mouse qwerty unknown down up move
  release scroll blur end letter digit punctuation space enter backspace modifier navigation other primary`.split(/\s+/),
);

/** All field names and all text of a document. */
function wordsOf(value: unknown): string[] {
  if (typeof value === "string") return [value];
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([name, field]) => [...(Array.isArray(value) ? [] : [name]), ...wordsOf(field)]);
}

let browser: Browser;
let collector: Collector;
let context: BrowserContext;
let page: Page;

beforeAll(async () => {
  browser = await launchChromium();
});
afterAll(async () => {
  await browser.close();
});
beforeEach(async () => {
  collector = await startCollector();
  context = await browser.newContext();
  page = await context.newPage();
});
afterEach(async () => {
  await context.close();
  await collector.close();
});

const open = async (query = ""): Promise<void> => {
  await page.goto(`${collector.url}?${query}`, { waitUntil: "load" });
  await page.waitForFunction(() => "handle" in window);
};
const flush = (): Promise<void> => page.evaluate(() => window.handle.flush());
const classes = (): string[] => collector.events().flatMap((event) => (event.type === "down" ? [event.class] : []));

describe("keys", () => {
  test("become classes, and nothing of what was typed is in what was sent", async () => {
    await open();
    await page.click("#text");
    await page.keyboard.type(TYPED, { delay: 30 });
    await page.keyboard.press("Backspace");
    await page.keyboard.press("Enter");
    await flush();

    expect(classes().filter((name) => name !== "modifier")).toEqual([
      "letter", "letter", "letter", "letter", "space", "digit", "digit", "punctuation", "backspace", "enter",
    ]);
    expect(await page.inputValue("#text")).toBe("Zxqj 74");
    const said = collector.bodies.flatMap((body) => wordsOf(JSON.parse(body)));
    expect(said.filter((word) => !WORDS.has(word))).toEqual([]);
  });

  test("are paired with their releases by running numbers, over overlaps", async () => {
    await open();
    await page.click("#text");
    for (const step of ["down a", "down b", "up a", "down c", "up c", "up b"]) {
      const [what, key = ""] = step.split(" ");
      await (what === "down" ? page.keyboard.down(key) : page.keyboard.up(key));
    }
    await flush();
    const keys = collector.events().flatMap((event) => (event.type === "down" || event.type === "up" ? [`${event.type} ${event.press}`] : []));
    expect(keys).toEqual(["down 1", "down 2", "up 1", "down 3", "up 3", "up 2"]);
  });

  test("that repeat are one press", async () => {
    await open();
    await page.click("#text");
    for (let repeat = 0; repeat < 4; repeat += 1) await page.keyboard.down("a");
    await page.keyboard.up("a");
    await flush();
    expect(await page.inputValue("#text")).toBe("aaaa");
    expect(classes()).toEqual(["letter"]);
  });

  test("tell the hand only where the deployment asked for it", async () => {
    await open("detail=hand");
    await page.click("#text");
    await page.keyboard.type("fj");
    await flush();
    expect(classes()).toEqual(["letter_left", "letter_right"]);
    expect(collector.batches()[0]?.detail).toBe("hand");
  });

  test("made by a script are not seen", async () => {
    await open();
    await page.evaluate(() => {
      document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "a", code: "KeyA", bubbles: true }));
      document.body.dispatchEvent(new KeyboardEvent("keyup", { key: "a", code: "KeyA", bubbles: true }));
    });
    await flush();
    expect(collector.bodies).toEqual([]);
  });
});

describe("secrets", () => {
  test.each(["#secret", "#code", "#ignored"])("nothing of %s is sent, the next field is", async (field) => {
    await open();
    await page.focus(field);
    await page.keyboard.type(TYPED);
    await flush();
    expect(collector.bodies).toEqual([]);

    await page.focus("#text");
    await page.keyboard.type("ab");
    await flush();
    expect(classes()).toEqual(["letter", "letter"]);
  });

  test("a password that is shown stays a secret", async () => {
    await open();
    await page.focus("#secret");
    await page.keyboard.type("ab");
    await page.evaluate(() => { document.querySelector("#secret")?.setAttribute("type", "text"); });
    await page.keyboard.type("cd");
    await flush();
    expect(collector.bodies).toEqual([]);
  });

  test("without consent nothing is watched", async () => {
    await open("consent=withheld");
    await page.click("#text");
    await page.keyboard.type("ab");
    await page.evaluate(() => window.handle.stop());
    expect(collector.bodies).toEqual([]);
  });
});

test("the pointer moves, presses, releases and scrolls", async () => {
  await open();
  await page.mouse.move(50, 400);
  await page.mouse.move(200, 500, { steps: 5 });
  await page.mouse.down();
  await page.mouse.up();
  await page.mouse.down({ button: "right" });
  await page.mouse.up({ button: "right" });
  await page.mouse.wheel(0, 120);
  await page.waitForFunction(() => scrollY > 0);
  await flush();
  const events = collector.events();
  expect(events.find((event) => event.type === "move")).toMatchObject({ type: "move", x: 50, y: 400 });
  expect(events.flatMap((event) => ("button" in event ? [`${event.type} ${event.button}`] : []))).toEqual([
    "press primary", "release primary", "press secondary", "release secondary",
  ]);
  expect(events.find((event) => event.type === "scroll")).toMatchObject({ x: 200, y: 500, dx: 0, dy: 120 });
});

test("a batch has the shape and the clock of the contract", async () => {
  await open();
  const before_us = Date.now() * 1000;
  await page.click("#text");
  await page.keyboard.type("abc", { delay: 20 });
  await page.evaluate(() => window.handle.stop());

  const batches = collector.batches();
  expect(batches.flatMap(await contract("event-batch"))).toEqual([]);
  expect(Object.keys(batches[0] ?? {}).sort()).toEqual([
    "clock", "consent", "detail", "device", "events", "purpose", "seq", "session", "subject", "tenant", "v",
  ]);
  expect(batches.map((batch) => batch.seq)).toEqual(batches.map((_, at) => at));
  expect(batches[0]).toMatchObject({ v: 1, tenant: "tenant-1", subject: "subject-1", session: "session-1", purpose: "session", consent: "granted" });
  expect(batches[0]?.device).toMatchObject({ keyboard: "physical", pointer: "mouse", touch: false });

  const { clock } = batches[0] ?? { clock: { origin_us: 0, resolution_us: 0 } };
  expect(clock.resolution_us).toBeGreaterThan(0);
  expect(clock.resolution_us).toBeLessThanOrEqual(2_000);
  const times = collector.events().map((event) => event.t_us);
  expect(times.every((time) => Number.isInteger(time) && time >= 0)).toBe(true);
  expect(times).toEqual([...times].sort((a, b) => a - b));
  // The event clock and the wall clock agree within ten seconds: the origin is the epoch, the unit microseconds.
  expect(Math.abs(clock.origin_us + (times.at(-1) ?? 0) - before_us)).toBeLessThan(10_000_000);
  expect(collector.events().at(-1)?.type).toBe("end");
});

describe("sending", () => {
  test("leaving the page sends what is pending", async () => {
    await open("wait=600000");
    await page.click("#text");
    await page.keyboard.type("abc");
    expect(collector.bodies).toEqual([]);
    await page.goto("about:blank");
    await vi.waitFor(() => { expect(classes()).toEqual(["letter", "letter", "letter"]); }, 5_000);
  });

  test("twenty events make a batch", async () => {
    await open();
    await page.focus("#text");
    await page.keyboard.type("abcdefghijkl");
    await flush();
    expect(collector.batches().map((batch) => batch.events.length)).toEqual([20, 4]);
  });

  test("Retry-After is waited for, and the same batch comes again", async () => {
    await open();
    collector.answers.push({ status: 429, headers: { "retry-after": "1" } });
    await page.focus("#text");
    await page.keyboard.type("ab");
    await flush();
    expect(collector.bodies).toEqual([]);
    await vi.waitFor(() => { expect(classes()).toEqual(["letter", "letter"]); }, 5_000);
    const retry = await page.evaluate(() => window.log.find(([name]) => name === "retry")?.[1]);
    expect(retry?.wait_ms).toBeGreaterThanOrEqual(1000);
    expect(collector.batches().map((batch) => batch.seq)).toEqual([0]);
  });

  test("a refused batch is counted and not repeated", async () => {
    await open();
    collector.answers.push({ status: 400 });
    await page.focus("#text");
    await page.keyboard.type("a");
    await flush();
    await page.keyboard.type("b");
    await flush();
    expect(await page.evaluate(() => window.handle.stats())).toMatchObject({ batches: 2, accepted: 1, rejected: 1 });
    expect(collector.batches().map((batch) => batch.seq)).toEqual([1]);
  });

  test("paused it watches nothing, resumed it goes on with its numbers", async () => {
    await open();
    await page.focus("#text");
    await page.keyboard.type("a");
    await page.evaluate(() => { window.handle.pause(); });
    await page.keyboard.type("b");
    await page.evaluate(() => { window.handle.resume(); });
    await page.keyboard.type("c");
    await flush();
    expect(collector.events().flatMap((event) => (event.type === "down" ? [event.press] : []))).toEqual([1, 2]);
  });
});

test("nothing is stored in the browser", async () => {
  await open();
  await page.focus("#text");
  await page.keyboard.type("abc");
  await flush();
  const stored = await page.evaluate(async () => [localStorage.length, sessionStorage.length, document.cookie, (await indexedDB.databases()).length]);
  expect(stored).toEqual([0, 0, "", 0]);
});
