/** The provider in development mode, in a real browser, against the mock. */

import { fileURLToPath } from "node:url";
import react from "@vitejs/plugin-react";
import type { Browser, BrowserContext, Page, Request } from "playwright-core";
import { createServer, type ViteDevServer } from "vite";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { launchChromium } from "../../../test-support/chromium.ts";
import { startMock, type Mock } from "../../../test-support/mock.ts";

const source = (path: string): string => fileURLToPath(new URL(`../../../${path}`, import.meta.url));

let browser: Browser;
let mock: Mock;
let pages: ViteDevServer;
let context: BrowserContext;
let page: Page;
let batches: { session: string; subject: string; seq: number; events: { type: string }[] }[];
let monitors: string[];
let credentials: (string | undefined)[];

beforeAll(async () => {
  pages = await createServer({
    configFile: false,
    root: source("react/test/browser/views"),
    cacheDir: source("node_modules/.vite-react-test"),
    logLevel: "error",
    plugins: [react()],
    resolve: { alias: { "@ductus/sdk": source("sdk/src/index.ts"), "@ductus/react": source("react/src/index.ts") } },
    server: { host: "127.0.0.1", port: 0, fs: { allow: [source(".")] } },
  });
  [browser, mock] = await Promise.all([launchChromium(), startMock(), pages.listen()]);
});
afterAll(async () => {
  await Promise.all([browser.close(), mock.stop(), pages.close()]);
});
beforeEach(async () => {
  [batches, monitors, credentials] = [[], [], []];
  context = await browser.newContext();
  page = await context.newPage();
  page.on("request", (request: Request) => {
    const { pathname } = new URL(request.url());
    if (request.method() === "OPTIONS" || !pathname.startsWith("/v1/")) return;
    if (pathname === "/v1/events") batches.push(JSON.parse(request.postData() ?? "") as (typeof batches)[number]);
    else monitors.push(pathname);
    credentials.push(request.headers().authorization);
  });
  await page.goto(`${pages.resolvedUrls?.local[0] ?? ""}?endpoint=${mock.url}`);
  await page.waitForFunction(() => (document.querySelector("#session")?.textContent ?? "") !== "");
});
afterEach(async () => {
  await context.close();
});

const type = async (count: number): Promise<void> => {
  await page.focus("#text");
  await page.keyboard.type("x".repeat(count), { delay: 5 });
};
const eventually = (check: () => void): Promise<void> => vi.waitFor(check, 5_000);
const events = (): string[] => batches.flatMap((batch) => batch.events.map((event) => event.type));

test("StrictMode begins one session, with one token, and numbers it once", async () => {
  const id = await page.innerText("#session");
  await type(30);
  await eventually(() => { expect(events().filter((name) => name === "up")).toHaveLength(30); });
  expect(new Set(batches.map(({ session }) => session))).toEqual(new Set([id]));
  expect(batches.map(({ seq }) => seq)).toEqual(batches.map((_, at) => at));
  expect(new Set(credentials)).toEqual(new Set([`Bearer ${id}/1`]));
  expect(events()).not.toContain("end");
});

test("the risk is followed while it is shown, over one stream, and known to those who come late", async () => {
  await type(10);
  await eventually(() => { expect(batches.length).toBeGreaterThan(0); });
  expect(monitors).toEqual([]);
  await page.click("#show");
  await page.click("#show");
  await type(60);
  await page.waitForFunction(() => document.querySelectorAll(".risk").length === 2);
  await page.waitForFunction(() => [...document.querySelectorAll(".risk")].every((shown) => shown.textContent === "insufficient_data"));
  await page.click("#show");
  expect(await page.locator(".risk").nth(2).innerText()).toBe("insufficient_data");
  expect(monitors).toEqual([`/v1/sessions/${await page.innerText("#session")}/monitor`]);
});

test("somebody else is another session, and leaving ends it", async () => {
  const first = await page.innerText("#session");
  await type(3);
  await page.click("#change");
  await page.waitForFunction((before) => !["", before].includes(document.querySelector("#session")?.textContent ?? ""), first);
  const second = await page.innerText("#session");
  await type(3);
  await page.click("#leave");
  await eventually(() => { expect(events().filter((name) => name === "end")).toHaveLength(2); });
  await type(3);
  await page.waitForTimeout(700);
  const of = (id: string): string[] => batches.filter(({ session }) => session === id).flatMap((batch) => batch.events.map((event) => event.type));
  for (const [id, subject] of [[first, "first"], [second, "second"]] as const) {
    expect(of(id).filter((name) => name === "down")).toHaveLength(3);
    expect(of(id).at(-1)).toBe("end");
    expect(batches.filter(({ session }) => session === id).every((batch) => batch.subject === subject)).toBe(true);
  }
  expect(new Set(batches.map(({ session }) => session)).size).toBe(2);
});
