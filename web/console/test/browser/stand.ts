/** A browser, a mock, and a page that must not complain: what every test of the console's pages stands on. */

import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll } from "vitest";
import { launchChromium } from "../../../test-support/chromium.ts";
import { listenToComplaints } from "../../../test-support/complaints.ts";
import { startMock, type Mock } from "../../../test-support/mock.ts";

export interface View {
  scheme?: "light" | "dark";
  width?: number;
  /** Behind the mock's address. */
  at?: string;
  /** A name instead of the mock's number: passkeys want one. */
  host?: string;
}

export interface Stand {
  readonly mock: Mock;
  /** Script errors, and what the content security policy refused. What a test leaves here was no accident of its own. */
  readonly complaints: readonly string[];
  open(view?: View): Promise<Page>;
  /** Takes the mock away, and brings another one to the same address. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

export function useStand(key?: string, ...flags: string[]): Stand {
  let browser: Browser;
  let mock: Mock;
  let context: BrowserContext | undefined;
  const complaints: string[] = [];

  beforeAll(async () => {
    [browser, mock] = await Promise.all([launchChromium(), startMock(0, key, ...flags)]);
  });
  afterAll(async () => {
    await browser.close();
    await mock.stop();
  });
  afterEach(async () => {
    await context?.close();
  });

  return {
    get mock() {
      return mock;
    },
    complaints,
    async open({ scheme = "light", width = 1440, at = "", host }: View = {}) {
      await context?.close();
      complaints.length = 0;
      context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme: scheme, reducedMotion: "reduce" });
      await listenToComplaints(context, complaints);
      const page = await context.newPage();
      const url = new URL(mock.url);
      if (host !== undefined) url.hostname = host;
      await page.goto(url.href + at);
      return page;
    },
    async stop() {
      await mock.stop();
    },
    async restart() {
      mock = await startMock(Number(new URL(mock.url).port), key, ...flags);
    },
  };
}
