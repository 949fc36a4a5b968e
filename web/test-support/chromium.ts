/** Starts the system's Chromium, without anything that would call out. */

import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { chromium, type Browser } from "playwright-core";

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export function launchChromium(): Promise<Browser> {
  return chromium.launch({ executablePath: findChromium(), args: FLAGS });
}

/** `CHROMIUM` names another one. A test that finds none fails: one that did not run must not look green. */
function findChromium(): string {
  const named = process.env.CHROMIUM;
  if (named !== undefined) return named;
  for (const folder of (process.env.PATH ?? "").split(delimiter)) {
    for (const name of NAMES) {
      if (existsSync(join(folder, name))) return join(folder, name);
    }
  }
  throw new Error(`no chromium in PATH (looked for ${NAMES.join(", ")}); install one or set CHROMIUM to its path`);
}
