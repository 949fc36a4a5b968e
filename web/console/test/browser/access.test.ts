/** A gateway that asks for a key: nothing without it, all with it, and where it is kept. */

import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { findings } from "../../../test-support/axe.ts";
import { useStand } from "./stand.ts";

const KEY = "dk_mock_secret";
const stand = useStand(KEY);

async function enter(page: Page, key: string, keep = false): Promise<void> {
  await page.getByLabel("Application key").fill(key);
  if (keep) await page.getByLabel("Keep it until this tab is closed").check();
  await page.getByRole("button", { name: "Open the console" }).click();
}

test.each(["light", "dark"] as const)("asks who is there, accessibly (%s)", async (scheme) => {
  const page = await stand.open({ scheme });
  await page.getByRole("heading", { name: "Who is there?" }).waitFor();
  expect(await findings(page)).toEqual([]);
  expect(stand.complaints).toEqual([]);
});

test("a wrong key is refused; the right one opens the line, by header and not by address", async () => {
  const page = await stand.open();
  const urls: string[] = [];
  page.on("request", (request) => urls.push(request.url()));
  await enter(page, "dk_wrong");
  await page.getByText("The gateway does not accept this key.").waitFor();
  await enter(page, KEY);
  await page.getByText("Live", { exact: true }).waitFor();
  await page.getByRole("row").filter({ hasText: "Typist A" }).waitFor();
  expect(urls.filter((url) => url.includes("dk_"))).toEqual([]);
});

test("the key is gone with the page, unless it shall stay for the tab; and it can be forgotten", async () => {
  const page = await stand.open();
  await enter(page, KEY);
  await page.getByText("Live", { exact: true }).waitFor();
  expect(await page.evaluate(() => [localStorage.length, sessionStorage.length])).toEqual([0, 0]);
  await page.reload();
  await enter(page, KEY, true);
  await page.getByText("Live", { exact: true }).waitFor();
  await page.reload();
  await page.getByText("Live", { exact: true }).waitFor();
  await page.getByRole("button", { name: "Forget the key" }).click();
  await page.getByRole("heading", { name: "Who is there?" }).waitFor();
  expect(await page.evaluate(() => sessionStorage.length)).toBe(0);
});

test("keys are made, rotated and ended", async () => {
  const page = await stand.open({ at: "#/settings" });
  await enter(page, KEY);
  await page.getByRole("button", { name: /Make a key/ }).click();
  await page.getByLabel("Label").fill("<b>Till</b>");
  await page.getByLabel(/^verify/).check();
  await page.getByRole("button", { name: "Make the key" }).click();
  await page.getByText(/^dk_k[\da-f]{6}_/).waitFor();
  await page.getByRole("button", { name: "I have it" }).click();
  const row = page.getByRole("row").filter({ hasText: "<b>Till</b>" });
  expect(await row.innerText()).toMatch(/ingest, verify/);
  await row.getByRole("button", { name: /New secret for/ }).click();
  await page.getByRole("button", { name: "Make it" }).click();
  await row.getByText(/^two secrets until/).waitFor();
  await row.getByRole("button", { name: /^End/ }).click();
  await page.getByRole("button", { name: "End it" }).click();
  await row.getByText(/^ended/).waitFor();
  expect(await findings(page)).toEqual([]);
  expect(stand.complaints).toEqual([]);
});

test("the try-it page captures with a token, not with the key", async () => {
  const page = await stand.open({ at: "#/try" });
  await enter(page, KEY);
  const headers: string[] = [];
  page.on("request", (request) => {
    if (request.url().endsWith("/v1/events")) headers.push(request.headers().authorization ?? "");
  });
  await page.getByRole("button", { name: /I agree/ }).click();
  await page.getByLabel("Type it here").click();
  await page.keyboard.type("hello there", { delay: 5 });
  await page.getByText(/^[1-9]\d*$/).first().waitFor();
  await page.waitForTimeout(800);
  expect(headers.length).toBeGreaterThan(0);
  expect(headers.filter((header) => header.includes("dk_"))).toEqual([]);
});
