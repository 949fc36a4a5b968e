/**
 * Main-thread time of the SDK an input event, while Chromium gets trusted input through the DevTools protocol at about a
 * person's pace; and its size. `npm run bench` prints both as a table, and as JSON lines for `cargo xtask bench`.
 *
 * Measured twice, each beside an empty listener for each of the events. By `performance.now` around listeners, timers and
 * requests: all that the SDK does, the browser's own `fetch` apart; where others use the machine, what they hold up is in the
 * mean, and the medians are nearer to the truth. And by Chromium's trace, which tells the thread's processor time of each
 * dispatch, whoever else is busy: a trace makes every dispatch some 100 µs dearer, so that only the difference between the two
 * pages counts, and batches are not in it.
 */

import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launchChromium } from "../../test-support/chromium.ts";

type Spent = Partial<Record<string, number[]>>;
declare const window: Window & { begin: (what: string) => void; spent_us: Spent };

const EVENT_US_MAX = 50;
const GZIP_BYTES_MAX = 4_096;
const SDK = fileURLToPath(new URL("../dist/ductus.min.js", import.meta.url));
const TEXT = "the quick brown fox jumps over it ".repeat(8);
const MOVES = 600;
const CLICKS = 60;
const SCROLLS = 60;
const TYPES = ["keydown", "keyup", "pointermove", "pointerdown", "pointerup", "wheel"];

let browser: Browser;
let server: Server;
let url: string;

beforeAll(async () => {
  browser = await launchChromium();
  server = createServer((request, response) => {
    request.resume();
    // Isolated, a page's clock has steps of 5 µs; of 100 µs otherwise.
    response.setHeader("cross-origin-opener-policy", "same-origin").setHeader("cross-origin-embedder-policy", "require-corp");
    const script = request.url?.endsWith(".js") ?? false;
    if (request.method === "POST") response.writeHead(202).end("{}");
    else {
      readFile(new URL(script ? `..${request.url ?? ""}` : "page.html", import.meta.url)).then(
        (body) => response.writeHead(200, { "content-type": script ? "text/javascript" : "text/html" }).end(body),
        () => response.writeHead(404).end(),
      );
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
});
afterAll(async () => {
  await browser.close();
  server.close();
});

async function act(page: Page): Promise<void> {
  await page.click("#text");
  await page.keyboard.type(TEXT, { delay: 60 });
  for (let move = 0; move < MOVES; move += 1) await page.mouse.move(100 + (move % 500), 100 + ((move * 7) % 400));
  for (let click = 0; click < CLICKS; click += 1) await page.mouse.click(200, 200);
  for (let scroll = 0; scroll < SCROLLS; scroll += 1) await page.mouse.wheel(0, scroll % 2 === 0 ? 20 : -20);
  await page.waitForTimeout(1_000);
}

type What = "sdk" | "empty";

/** A page on which everything was done once, so that the browser has compiled what it will. */
async function begun(what: What): Promise<Page> {
  const page = await browser.newPage();
  await page.goto(url);
  await page.waitForFunction(() => "begin" in window);
  expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);
  await page.evaluate((name) => { window.begin(name); }, what);
  await act(page);
  return page;
}

async function measure(what: What): Promise<Spent> {
  const page = await begun(what);
  await page.evaluate(() => { window.spent_us = {}; });
  await act(page);
  const spent = await page.evaluate(() => window.spent_us);
  await page.close();
  return spent;
}

/** What is needed of an event of Chromium's trace; `tdur` is the thread's own time, µs. */
interface Traced {
  name: string;
  tdur?: number;
  args: { data?: { type?: string } };
}

/** Processor time of the main thread in each dispatch, by Chromium's trace, µs. */
async function trace(what: What): Promise<number[]> {
  const page = await begun(what);
  const devtools = await browser.newBrowserCDPSession();
  const traced: Traced[] = [];
  devtools.on("Tracing.dataCollected", ({ value }) => traced.push(...(value as unknown as Traced[])));
  await devtools.send("Tracing.start", { transferMode: "ReportEvents", traceConfig: { includedCategories: ["devtools.timeline"] } });
  await act(page);
  const complete = new Promise((resolve) => devtools.once("Tracing.tracingComplete", resolve));
  await devtools.send("Tracing.end");
  await complete;
  await devtools.detach();
  await page.close();
  const dispatches = traced.filter(({ name, args }) => name === "EventDispatch" && TYPES.includes(args.data?.type ?? ""));
  return dispatches.flatMap(({ tdur }) => tdur ?? []);
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const at = (values: readonly number[], share: number): number => values.toSorted((a, b) => a - b)[Math.floor(values.length * share)] ?? 0;

test("main-thread time an event", async () => {
  const empty = await measure("empty");
  const sdk = await measure("sdk");
  const of = (spent: Spent, ...names: string[]): number[] => names.flatMap((name) => spent[name] ?? []);

  const events = of(sdk, ...TYPES).length;
  const own_us = sum(of(sdk, ...TYPES, "timer")) / events;
  const all_us = own_us + sum(of(sdk, "fetch")) / events;
  const yardstick_us = sum(of(empty, ...TYPES)) / of(empty, ...TYPES).length;

  const row = (name: string, ...cells: (string | number)[]): string =>
    `| ${name} | ${cells.map((cell) => (typeof cell === "number" ? cell.toFixed(0) : cell)).join(" | ")} |\n`;
  const spread = (name: string, label: string): string => {
    const times = of(sdk, name);
    const beside = of(empty, name);
    return row(label, times.length, sum(times) / times.length, at(times, 0.5), at(times, 0.99), beside.length === 0 ? "" : (sum(beside) / beside.length).toFixed(1));
  };
  process.stdout.write(
    row("µs of the main thread", "count", "mean", "median", "p99", "empty listener, mean") + row("---", "--:", "--:", "--:", "--:", "--:") +
      TYPES.map((type) => spread(type, type)).join("") +
      spread("timer", "a batch: numbered, written as JSON") +
      spread("fetch", "a batch: the browser's `fetch`") +
      row("**the SDK, an event**", events, `**${own_us.toFixed(1)}**`, "", "", yardstick_us.toFixed(1)) +
      row("with the browser's `fetch`, an event", events, all_us.toFixed(1), "", "", ""),
  );
  const typical_us = [...TYPES, "timer"].reduce((total, name) => total + at(of(sdk, name), 0.5) * of(sdk, name).length, 0) / events;
  const traced = { empty: await trace("empty"), sdk: await trace("sdk") };
  const mean = (values: readonly number[]): number => sum(values) / values.length;
  const code = await readFile(SDK);

  const result = (name: string, value: number, unit: string, yardstick: number | null, target: number | null): void => {
    process.stdout.write(`${JSON.stringify({ name: `sdk/${name}`, value, unit, yardstick, target, lower_is_better: true })}\n`);
  };
  result("an event, mean", own_us, "µs", EVENT_US_MAX, 1);
  result("an event, by medians", typical_us, "µs", EVENT_US_MAX, null);
  result("an event, by medians, beside an empty listener", typical_us, "µs", yardstick_us, null);
  result("an event with the browser's fetch, mean", all_us, "µs", EVENT_US_MAX, null);
  result("a dispatch, more than with an empty listener, by trace", mean(traced.sdk) - mean(traced.empty), "CPU µs", EVENT_US_MAX, 1);
  result("a dispatch beside one with an empty listener, by trace", mean(traced.sdk), "CPU µs", mean(traced.empty), null);
  result("size, gzip -9", gzipSync(code, { level: 9 }).length, "bytes", GZIP_BYTES_MAX, 1);
  result("size, minified", code.length, "bytes", null, null);
  // That something was measured at all; how long it took is printed, not judged.
  for (const type of TYPES) expect(of(sdk, type).length).toBeGreaterThan(50);
  for (const dispatches of Object.values(traced)) expect(dispatches.length).toBeGreaterThan(events / 2);
}, 1_800_000);
