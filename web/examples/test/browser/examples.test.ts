/**
 * Each example as a new developer runs it: a token minted by the application key, the page on its own origin, a person
 * who types, and the risk on the page.
 *
 * Against a real gateway: `DUCTUS_GATEWAY=http://host:8080 DUCTUS_KEY=dk_… DUCTUS_PAGES=127.0.0.1:8000 npm run test:browser --
 * examples`, with `http://127.0.0.1:8000` in its `gateway.cors_origins`. Without, the mock stands in for it.
 */

import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { launchChromium } from "../../../test-support/chromium.ts";
import { startMock, type Mock } from "../../../test-support/mock.ts";
import { servePages, type Pages } from "./pages.ts";

const KEY = process.env.DUCTUS_KEY ?? "dk_mock_secret";
const TEXT = "the quick brown fox jumps over the lazy dog and then it sleeps in the sun all day";

let browser: Browser;
let pages: Pages;
let mock: Mock | undefined;
let gateway: string;
let context: BrowserContext;

beforeAll(async () => {
  [browser, pages] = await Promise.all([launchChromium(), servePages(process.env.DUCTUS_PAGES)]);
  mock = process.env.DUCTUS_GATEWAY === undefined ? await startMock(0, KEY) : undefined;
  gateway = process.env.DUCTUS_GATEWAY ?? mock?.url ?? "";
});
afterAll(async () => {
  await Promise.all([browser.close(), pages.close(), mock?.stop()]);
});
afterEach(async () => {
  await context.close();
});

/** What the application's back end does, and the quick start's curl. */
async function mint(session: string, subject: string): Promise<string> {
  const response = await fetch(new URL("/v1/tokens", gateway), {
    method: "POST",
    headers: { authorization: `Bearer ${KEY}`, "content-type": "application/json" },
    body: JSON.stringify({ subject, session, scopes: ["ingest", "monitor"], ttl_s: 600 }),
  });
  expect(response.ok).toBe(true);
  return ((await response.json()) as { token: string }).token;
}

async function open(path: string, query: Record<string, string>): Promise<{ page: Page; complaints: string[] }> {
  context = await browser.newContext();
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(error.message));
  await page.goto(`${pages.url}${path}?${new URLSearchParams({ endpoint: gateway, ...query }).toString()}`);
  return { page, complaints };
}

describe.each([
  ["examples/plain.html", "plain", "#agree"],
  ["examples/react/dist/index.html", "react", "input[type=checkbox]"],
])("%s", (path, name, agree) => {
  test("sends what is typed after consent, and shows its risk", async () => {
    const [session, subject] = [`${name}-${Date.now()}`, `subject-${name}`];
    const token = await mint(session, subject);
    const { page, complaints } = await open(path, { session, subject, token });
    const bodies: string[] = [];
    page.on("request", (request) => {
      if (request.method() === "POST") bodies.push(request.postData() ?? "");
    });
    expect(await page.locator("#text").isDisabled()).toBe(true);
    await page.click(agree);
    await page.click("#text");
    await page.keyboard.type(TEXT.slice(0, 20), { delay: 15 });
    await page.getByText(/^\d+ key presses until the first judgement$/).waitFor();
    await page.keyboard.type(TEXT.slice(20), { delay: 15 });
    await page.getByText(/^Risk \d+: (allow|step_up|terminate|insufficient_data)$/).waitFor();

    const events = bodies.flatMap((body) => (JSON.parse(body) as { events: { type: string }[] }).events);
    expect(events.filter(({ type }) => type === "down").length).toBeGreaterThanOrEqual(50);
    expect(new Set(bodies.map((body) => (JSON.parse(body) as { session: string }).session))).toEqual(new Set([session]));
    expect(bodies.filter((body) => /quick|brown|fox|lazy/.test(body))).toEqual([]);
    // One session, numbered once, though React's StrictMode mounts twice.
    expect(bodies.map((body) => (JSON.parse(body) as { seq: number }).seq)).toEqual(bodies.map((_, at) => at));
    expect(complaints).toEqual([]);
  });
});

test("a page whose token is another's is refused, and says so", async () => {
  const token = await mint("somebody-elses", "subject");
  const { page } = await open("examples/plain.html", { session: "mine", subject: "subject", token });
  await page.click("#agree");
  await page.click("#text");
  await page.keyboard.type("abc");
  await page.getByText(/refuses this page: 403 forged_/).waitFor();
});
