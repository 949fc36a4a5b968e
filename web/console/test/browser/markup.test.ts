/** Text that is markup elsewhere: whatever the gateway gives back, in whatever field, stays text on every page. */

import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { useStand } from "./stand.ts";

const stand = useStand(undefined, "--identify");
const MARKUP = '<img src=x onerror="document.title=`broken`">';

/** Fields in which nobody writes: words of ours, and ids that have to lead somewhere (`analyst.test.ts` has those). */
const OURS = new Set([
  ...["action", "closed", "event", "events", "factors", "format", "measure", "modality", "mode", "scopes", "state", "unit", "verdict"],
  ...["access_token", "decision", "delivery", "event_id", "id", "next", "session", "subject", "user", "webhook"],
]);

function marked(value: unknown, field = ""): unknown {
  if (typeof value === "string") return OURS.has(field) ? value : `${value}${MARKUP}`;
  if (Array.isArray(value)) return value.map((one) => marked(one, field));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, marked(one, name)]));
}

/** A page to which every answer comes with markup. */
async function open(at: string): Promise<Page> {
  const page = await stand.open();
  await page.goto("about:blank");
  await page.route(/\/v1\/(?!.*(?:stream|monitor))/, async (route) => {
    const response = await route.fetch();
    const isJson = (response.headers()["content-type"] ?? "").includes("json");
    await route.fulfill(isJson ? { response, json: marked(await response.json()) } : { response });
  });
  await page.goto(stand.mock.url + at);
  return page;
}

async function expectOnlyText(page: Page): Promise<void> {
  expect(await page.locator("img[src=x]").count()).toBe(0);
  expect(await page.title()).not.toBe("broken");
  expect(stand.complaints).toEqual([]);
  // What is asked for now and then ends with the page.
  await page.unrouteAll({ behavior: "ignoreErrors" });
}

test.each([
  ["#/", "Live"],
  ["#/sessions", "Sessions"],
  ["#/sessions/shift-0412", "shift-0412"],
  ["#/subjects", "Subjects"],
  ["#/subjects/aalto-100118", "aalto-100118"],
  ["#/decisions", "Decisions"],
  ["#/identify", "Identify"],
  ["#/try", "Try it"],
])("what %s is told is no markup", async (at, said) => {
  const page = await open(at);
  await page.getByText(said).first().waitFor();
  await page.waitForLoadState("load");
  await expectOnlyText(page);
});

test("a decision's reasons, model and feedback are text", async () => {
  const page = await open("#/decisions?action=terminate");
  await page.getByRole("row").nth(1).getByRole("link").first().click();
  await page.getByRole("heading", { name: "Was it right?" }).waitFor();
  await page.getByText(MARKUP).first().waitFor();
  await expectOnlyText(page);
});

test("addresses of webhooks, what their receivers said and versions of models are text", async () => {
  const page = await open("#/settings");
  await page.getByRole("heading", { name: `https://soc.example.org/hooks/ductus${MARKUP}` }).waitFor();
  await page.getByRole("button", { name: "Dead letters" }).first().click();
  await page.getByText(`connection timed out${MARKUP}`).waitFor();
  await page.getByText(`2026-11-21-balabit${MARKUP}`).waitFor();
  await expectOnlyText(page);
});

test("a person's address, networks and passkeys are text", async () => {
  const page = await stand.open({ at: "#/account" });
  const answers: [RegExp, unknown][] = [
    [/\/v1\/auth\/refresh$/, { user: "u-1", tenant: "demo", access_token: "a.b.c", expires_at_ms: Date.now() + 600_000 }],
    [/\/v1\/me$/, { user: "u-1", tenant: "demo", email: MARKUP, mode: "train", step_up: null, created_at_ms: 1 }],
    [/\/v1\/me\/addresses$/, [{ prefix: MARKUP, added_at_ms: 1, expires_at_ms: 2 }]],
    [/\/v1\/me\/passkeys$/, [{ id: "p", label: MARKUP, created_at_ms: 1, used_at_ms: null }]],
  ];
  for (const [at, json] of answers) await page.route(at, (route) => route.fulfill({ json }));
  await page.reload();
  await page.getByText(MARKUP).first().waitFor();
  await expectOnlyText(page);
});
