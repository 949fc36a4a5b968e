/** Every page in its three views: wide and light, wide and dark, on a phone; what is broken there, and a picture of it. */

import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { findings } from "../test-support/axe.ts";

/** Where pictures go; none are made where it is not set. */
const FOLDER = process.env.DUCTUS_STORY_PICTURES;

const WIDE = 1440;
const VIEWS = [
  { view: "light", scheme: "light", width: WIDE },
  { view: "dark", scheme: "dark", width: WIDE },
  { view: "narrow", scheme: "light", width: 390 },
] as const;

/** Looks at the page as it is now; what axe finds, and what reaches beyond a phone's edge, is noted by name and view. */
export async function look(page: Page, name: string, complaints: string[]): Promise<void> {
  for (const { view, scheme, width } of VIEWS) {
    await see(page, scheme, width);
    for (const finding of await findings(page)) complaints.push(`${name}, ${view}: ${finding}`);
    const beyond = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    if (beyond > 0) complaints.push(`${name}, ${view}: ${beyond} pixels wider than the window`);
    if (FOLDER === undefined || FOLDER === "") continue;
    await mkdir(FOLDER, { recursive: true });
    await page.screenshot({ path: join(FOLDER, `${name}-${view}.png`), fullPage: true, animations: "disabled" });
  }
  await see(page, "light", WIDE);
}

async function see(page: Page, colorScheme: "light" | "dark", width: number): Promise<void> {
  await page.emulateMedia({ colorScheme });
  await page.setViewportSize({ width, height: 900 });
  // Charts are drawn anew, by size and scheme, in the frame after the next.
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 50)))));
}
