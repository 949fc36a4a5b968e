/** Runs axe over a page and names what is serious. */

import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import type { AxeResults } from "axe-core";
import type { Page } from "playwright-core";

const SCRIPT = createRequire(import.meta.url).resolve("axe-core/axe.min.js");

/** One line for each serious or critical finding: rule and element. */
export async function seriousFindings(page: Page): Promise<string[]> {
  // The page's policy refuses added scripts, rightly; evaluation by the debugger is exempt.
  await page.evaluate(await readFile(SCRIPT, "utf8"));
  const results = await page.evaluate<AxeResults>("axe.run(document)");
  return results.violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.target.join(" ")} ${node.any.map((check) => check.message).join("; ")}`));
}
