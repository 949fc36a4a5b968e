/** Listens to what pages complain of. */

import type { BrowserContext } from "playwright-core";

/** Refusals are ordinary answers; Chromium notes each of them as an error. */
const REFUSED = "Failed to load resource";

/** Notes script errors, errors on the console, and what the content security policy refused, of all pages of a context. */
export async function listenToComplaints(context: BrowserContext, complaints: string[]): Promise<void> {
  await context.exposeFunction("tellRefused", (what: string) => complaints.push(`refused by the policy: ${what}`));
  await context.addInitScript(
    "addEventListener('securitypolicyviolation', (event) => tellRefused(event.violatedDirective + ' ' + event.blockedURI + ' ' + event.sample))",
  );
  context.on("weberror", (error) => complaints.push(error.error().message));
  context.on("console", (message) => {
    if (message.type() === "error" && !message.text().startsWith(REFUSED)) complaints.push(message.text());
  });
}
