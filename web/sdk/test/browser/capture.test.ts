/** The built SDK in a real browser, with real (trusted) input, against a real server. */

import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { launchChromium } from "../../../test-support/chromium.ts";
import { contract } from "../../../test-support/contract.ts";
import type { Handle } from "../../src/index.ts";
import { startCollector, type Collector } from "./collector.ts";

declare const window: Window & { handle: Handle; log: [string, { wait_ms: number }][]; moves: number; tokens: number; undo: () => void; risks: number[] };

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

  test("of a composition are the input method's, not the hand's", async () => {
    await open();
    await page.click("#text");
    const debug = await context.newCDPSession(page);
    await debug.send("Input.imeSetComposition", { text: "か", selectionStart: 1, selectionEnd: 1 });
    await page.keyboard.press("a");
    await debug.send("Input.insertText", { text: "か" });
    await page.keyboard.press("Enter");
    await flush();
    expect(await page.inputValue("#text")).toMatch(/か/);
    expect(classes()).toEqual(["enter"]);
  });

  test("whose release goes elsewhere are told by the blur between, and counted", async () => {
    await open();
    await page.click("#text");
    await page.keyboard.down("a");
    await page.evaluate(() => { document.querySelector<HTMLIFrameElement>("#frame")?.contentWindow?.focus(); });
    await page.keyboard.up("a");
    await page.focus("#text");
    await page.keyboard.press("b");
    await flush();
    const keys = collector.events().flatMap((event) => ("press" in event ? [`${event.type} ${event.press}`] : event.type === "blur" ? ["blur"] : []));
    expect(keys).toEqual(["down 1", "blur", "down 2", "up 2"]);
    expect(await page.evaluate(() => window.handle.quality())).toMatchObject({ keys: { captured: 2, needed: 48 }, lost_releases: 0.5 });
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
  test.each(["#secret", "#code", "#month", "#ignored"])("nothing of %s is sent, the next field is", async (field) => {
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

  test("are found inside components, and around them", async () => {
    await open();
    await page.evaluate(() => {
      const add = (html: string, around = document.body): Element => {
        const host = around.appendChild(document.createElement("x-field"));
        host.attachShadow({ mode: "open" }).innerHTML = html;
        return host;
      };
      add('<div><input id="inner-password" type="password"></div>');
      add('<div data-ductus-ignore><input id="inner-ignored"></div>');
      add('<input id="inner-text">');
      add('<input id="inside-ignored">', document.querySelector<HTMLElement>("[data-ductus-ignore]") ?? document.body);
    });
    for (const field of ["#inner-password", "#inner-ignored", "#inside-ignored"]) {
      await page.focus(field);
      await page.keyboard.type("ab");
    }
    await flush();
    expect(collector.bodies).toEqual([]);
    await page.focus("#inner-text");
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
    await page.evaluate(() => {
      window.handle.on("risk", () => undefined);
      window.handle.resume();
      return window.handle.stop();
    });
    expect(collector.bodies).toEqual([]);
    expect(collector.authorizations).toEqual([]);
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

test("moves between two frames are not lost", async () => {
  await open();
  await page.mouse.move(10, 600);
  await flush();
  const debug = await context.newCDPSession(page);
  const [moves_before, dispatched_before] = [collector.events().length, await page.evaluate(() => window.moves)];
  const busy = page.evaluate(() => { for (const end = performance.now() + 600; performance.now() < end; );  });
  for (let step = 1; step <= 20; step += 1) {
    void debug.send("Input.dispatchMouseEvent", { type: "mouseMoved", x: 10 + 10 * step, y: 600 });
    await new Promise((resolve) => setTimeout(resolve, 15));
  }
  await busy;
  await vi.waitFor(async () => { expect(await page.evaluate(() => window.moves)).toBeGreaterThan(dispatched_before); });
  await page.waitForTimeout(200);
  await flush();
  const dispatched = (await page.evaluate(() => window.moves)) - dispatched_before;
  const moves = collector.events().slice(moves_before).filter((event) => event.type === "move");
  expect(dispatched).toBeLessThan(10);
  expect(moves.length).toBeGreaterThan(2 * dispatched);
  expect(moves.map(({ x }) => x)).toEqual([...moves.map(({ x }) => x)].sort((a, b) => a - b));
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

  test("so many events make a batch", async () => {
    await open("wait=600000&events=20");
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

  test("offline, batches wait and come in order", async () => {
    await open("queue=100");
    await page.focus("#text");
    await context.setOffline(true);
    await page.keyboard.type("abcd");
    await page.waitForFunction(() => window.log.some(([name]) => name === "retry"));
    expect(collector.bodies).toEqual([]);
    await context.setOffline(false);
    await vi.waitFor(() => { expect(collector.bodies.map((body) => (JSON.parse(body) as { seq: number }).seq)).toEqual([0, 1, 2, 3]); }, 5_000);
  });

  test("what no longer fits while offline is told, and missing in the numbers", async () => {
    await open("queue=2");
    await page.focus("#text");
    await context.setOffline(true);
    await page.keyboard.type("abcde");
    const dropped = page.waitForFunction(() => window.log.filter(([name]) => name === "dropped").length === 3);
    await dropped;
    await context.setOffline(false);
    await vi.waitFor(() => { expect(collector.bodies).toHaveLength(2); }, 5_000);
    const told = await page.evaluate(() => window.log.filter(([name]) => name === "dropped").map(([, event]) => (event as unknown as { seq: number }).seq));
    expect([...told, ...collector.batches().map(({ seq }) => seq)].sort()).toEqual([0, 1, 2, 3, 4]);
  });

  test("a token is fetched once, and afresh when the gateway refuses it", async () => {
    await open("token");
    collector.answers.push({ status: 202 }, { status: 401 });
    await page.focus("#text");
    for (const key of "ab") {
      await page.keyboard.press(key);
      await flush();
    }
    await vi.waitFor(() => { expect(classes()).toEqual(["letter", "letter"]); }, 5_000);
    expect(collector.authorizations).toEqual(["1", "1", "2"].map((issue) => `Bearer session-1-token-${issue}`));
  });

  test("a refused batch is counted and not repeated", async () => {
    await open();
    collector.answers.push({ status: 400 });
    await page.focus("#text");
    await page.keyboard.type("a");
    await flush();
    await page.keyboard.type("b");
    await flush();
    expect(await page.evaluate(() => window.log.map(([name]) => name))).toEqual(["batch", "rejected", "batch", "accepted"]);
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

describe("the risk", () => {
  const listen = (): Promise<void> => page.evaluate(() => {
    window.risks = [];
    window.undo = window.handle.on("risk", ({ risk }) => window.risks.push(risk));
  });
  const heard = (risks: number[]): Promise<unknown> => vi.waitFor(async () => { expect(await page.evaluate(() => window.risks)).toEqual(risks); }, 5_000);
  const connected = (count: number): Promise<unknown> => vi.waitFor(() => { expect(collector.monitor.connected()).toBe(count); }, 5_000);

  test("is asked for only while somebody listens, with the token", async () => {
    await open("token");
    await page.waitForTimeout(200);
    expect(collector.authorizations).toEqual([]);
    await listen();
    await connected(1);
    collector.monitor.say("3-1", { risk: 12 });
    await heard([12]);
    await page.evaluate(() => { window.undo(); });
    await connected(0);
    expect(collector.authorizations).toEqual(["Bearer session-1-token-1"]);
  });

  test("comes back where it was after the connection broke", async () => {
    await open();
    await listen();
    await connected(1);
    collector.monitor.say("3-7", { risk: 12 });
    await heard([12]);
    collector.monitor.cut();
    await vi.waitFor(() => { expect(collector.monitor.lastIds).toEqual([undefined, "3-7"]); }, 5_000);
    await connected(1);
    collector.monitor.say("3-8", { risk: 97 });
    await heard([12, 97]);
    await page.evaluate(() => window.handle.stop());
    await connected(0);
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
