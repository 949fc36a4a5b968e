/** What pages show while they wait, and when they are refused; and that what others wrote stays text. */

import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { findings } from "../../../test-support/axe.ts";
import { useStand } from "./stand.ts";

const stand = useStand();
const MARKUP = '<img src=x onerror="document.title=`broken`">';

/** Answers what fits with a refusal, from the next load on. */
async function refuse(page: Page, path: RegExp, status: number, reason: string): Promise<void> {
  const body = JSON.stringify({ type: `urn:ductus:problem:${reason}`, title: "no", status, reason });
  await page.route(path, (route) => route.fulfill({ status, contentType: "application/problem+json", body }));
  await page.reload();
}

test.each([
  ["#/subjects/s-1", /\/v1\/subjects\//, "Cannot show the subject"],
  ["#/decisions", /\/v1\/decisions\?/, "Cannot show decisions"],
  ["#/decisions/abc", /\/v1\/decisions\/abc/, "Cannot show the decision"],
  ["#/settings", /\/v1\/(settings|policy|models|keys|webhooks)/, "Cannot show the thresholds"],
])("%s says that the key may not, and what helps", async (at, path, title) => {
  const page = await stand.open({ at });
  await refuse(page, path, 403, "missing_scope");
  const alert = page.getByRole("alert").filter({ hasText: title });
  await alert.getByText("Use a key with the scope it needs.").waitFor();
  expect(await findings(page)).toEqual([]);

  await page.unroute(path);
  await alert.getByRole("button", { name: "Try again" }).click();
  if (at !== "#/decisions/abc") await alert.waitFor({ state: "detached" });
  expect(stand.complaints).toEqual([]);
});

test("a page that waits says so", async () => {
  const page = await stand.open({ at: "#/decisions" });
  await page.route(/\/v1\/decisions\?/, () => undefined);
  await page.reload();
  await page.getByText("Loading decisions…").waitFor({ state: "attached" });
  expect(await findings(page)).toEqual([]);
});

test("a gateway that lacks something is not called ready", async () => {
  const page = await stand.open();
  const body = JSON.stringify({ ready: false, missing: { references: MARKUP } });
  await page.route(/\/readyz$/, (route) => route.fulfill({ status: 503, contentType: "application/json", body }));
  await page.reload();
  await page.getByText("Not ready").waitFor();
  await page.getByText(MARKUP).waitFor();
  expect(await page.locator("img[src=x]").count()).toBe(0);
});

test("a mail with markup is text", async () => {
  const page = await stand.open({ at: "#/account" });
  const body = JSON.stringify([{ to: MARKUP, subject: MARKUP, text: `${MARKUP} 12345678`, sent_at_ms: 1 }]);
  await page.route(/\/v1\/demo\/mailbox$/, (route) => route.fulfill({ contentType: "application/json", body }));
  await page.reload();
  await page.getByRole("button", { name: "Mailbox" }).click();
  await page.getByRole("heading", { name: MARKUP }).waitFor();
  await page.getByRole("button", { name: "Use the code 12345678" }).waitFor();
  expect(await page.locator("img[src=x]").count()).toBe(0);
  expect(await page.title()).not.toBe("broken");
  expect(stand.complaints).toEqual([]);
});

test("where nobody signs in, the page says so", async () => {
  const page = await stand.open({ at: "#/account" });
  await refuse(page, /\/v1\/auth\/refresh$/, 404, "not_found");
  await page.getByText("Nobody signs in here.").waitFor();
  expect(await findings(page)).toEqual([]);
});
