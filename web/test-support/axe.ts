/** Runs axe over a page and names what breaks WCAG 2.2 AA, and whatever else is serious. */

import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import type { AxeResults } from "axe-core";
import type { Page } from "playwright-core";

const SCRIPT = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];

/** One line for each finding: rule and element. */
export async function findings(page: Page): Promise<string[]> {
  // The page's policy refuses added scripts, rightly; evaluation by the debugger is exempt.
  await page.evaluate(await readFile(SCRIPT, "utf8"));
  const run = `axe.run(document, { runOnly: ${JSON.stringify([...WCAG, "best-practice"])}, rules: { "target-size": { enabled: true } } })`;
  const results = await page.evaluate<AxeResults>(run);
  return results.violations
    .filter(({ impact, tags }) => impact === "serious" || impact === "critical" || tags.some((tag) => WCAG.includes(tag)))
    .flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.target.join(" ")} ${[...node.any, ...node.all].map((check) => check.message).join("; ")}`));
}
