/** What holds for every page: WCAG 2.2 AA by axe in both schemes, a phone's width, the policy, nothing left behind. */

import type { Page } from "playwright-core";
import { describe, expect, test } from "vitest";
import { findings } from "../../../test-support/axe.ts";
import { useStand } from "./stand.ts";

const stand = useStand(undefined, "--identify");

/** Address, and a text that stands there once it is loaded. */
const PAGES: Readonly<Record<string, readonly [at: string, ready: string]>> = {
  overview: ["", "Ready. Nothing is missing."],
  sessions: ["#/sessions", "claims to be"],
  session: ["#/sessions/shift-0412", "Windows and their decisions"],
  subjects: ["#/subjects", "aalto-100377"],
  subject: ["#/subjects/aalto-100118", "2 more windows first"],
  decisions: ["#/decisions?action=step_up", "Complete since"],
  identify: ["#/identify", "Nothing asked yet."],
  settings: ["#/settings", "hooks/ductus"],
  try: ["#/try", "I agree, start enrolment"],
  account: ["#/account", "Forgot the password?"],
  unknown: ["#/nothing/here", "This address leads nowhere."],
};
const NAMES = Object.keys(PAGES);

async function openPage(name: string, scheme: "light" | "dark", width?: number): Promise<Page> {
  const [at, ready] = PAGES[name] ?? ["", ""];
  const page = await stand.open({ at, scheme, ...(width === undefined ? {} : { width }) });
  await page.getByText(ready).first().waitFor();
  return page;
}

describe.each(NAMES)("%s", (name) => {
  test.each(["light", "dark"] as const)("passes axe and breaks no policy (%s)", async (scheme) => {
    const page = await openPage(name, scheme);
    expect(await findings(page)).toEqual([]);
    expect(await page.title()).toMatch(/.+ · Ductus$/);
    expect(stand.complaints).toEqual([]);
  });

  test("fits a phone, and a menu leads on", async () => {
    const page = await openPage(name, "light", 390);
    await page.waitForTimeout(200);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(390);
    expect(await findings(page)).toEqual([]);
    if (name === "account") return;
    await page.getByRole("button", { name: "Menu" }).click();
    await page.getByRole("link", { name: "Decisions", exact: true }).click();
    await page.getByRole("heading", { level: 1, name: "Decisions" }).waitFor();
  });
});

test("the policy is the gateway's, with another nonce each time, and it bites", async () => {
  const policies = await Promise.all([1, 2].map(async () => (await fetch(stand.mock.url)).headers.get("content-security-policy") ?? ""));
  for (const policy of policies) expect(policy).toMatch(/^default-src 'self'; style-src 'self' 'nonce-[\w-]{22}';/);
  expect(policies.join()).not.toMatch(/unsafe/);
  expect(policies[0]).not.toBe(policies[1]);

  const page = await openPage("overview", "light");
  expect(await page.evaluate("getComputedStyle(document.body).getPropertyValue('--mantine-color-body') !== ''")).toBe(true);
  await page.evaluate("document.body.append(Object.assign(document.createElement('style'), { textContent: 'body { color: red }' }))");
  await page.waitForTimeout(100);
  expect(stand.complaints.join()).toMatch(/refused by the policy: style-src/);
});

test("a dialog holds the page still without a style of its own being refused", async () => {
  const page = await openPage("subject", "light");
  const opener = page.getByRole("button", { name: /Erase this subject/ });
  await opener.click();
  await page.getByRole("dialog").waitFor();
  expect(await page.evaluate("getComputedStyle(document.body).overflowY")).toBe("hidden");
  expect(await findings(page)).toEqual([]);
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  expect(await opener.evaluate((element) => element === document.activeElement)).toBe(true);
  expect(stand.complaints).toEqual([]);
});

test("the first Tab skips the navigation", async () => {
  const page = await openPage("decisions", "light");
  await page.keyboard.press("Tab");
  expect(await page.evaluate(() => document.activeElement?.textContent)).toBe("Skip to the page");
  await page.keyboard.press("Enter");
  expect(await page.evaluate(() => document.activeElement?.id)).toBe("main");
  expect(page.url()).toContain("#/decisions");
  await page.keyboard.press("Tab");
  expect(await page.evaluate(() => document.activeElement?.closest("form")?.getAttribute("aria-label"))).toBe("Decisions");
});

test("the page keeps nothing of anybody: only the colour scheme", async () => {
  const page = await openPage("subject", "light");
  await page.getByRole("button", { name: "Use the dark scheme" }).click();
  expect(await page.evaluate(() => Object.entries(localStorage))).toEqual([["mantine-color-scheme-value", "dark"]]);
  expect(await page.evaluate(() => sessionStorage.length)).toBe(0);
});
