/** The built page in a real browser, against the mock server. */

import { seriousFindings } from "./axe.ts";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { launchChromium } from "../../../test-support/chromium.ts";
import { contract } from "../../../test-support/contract.ts";
import { startMock, type Mock } from "../../../test-support/mock.ts";

let browser: Browser;
let mock: Mock;
let context: BrowserContext;
/** What the browser complained about: script errors, and what the content security policy refused. */
let complaints: string[] = [];

beforeAll(async () => {
  [browser, mock] = await Promise.all([launchChromium(), startMock()]);
});
afterAll(async () => {
  await browser.close();
  await mock.stop();
});
afterEach(async () => {
  await context.close();
});

interface View {
  scheme?: "light" | "dark";
  width?: number;
  at?: string;
}

async function open({ scheme = "light", width = 1440, at = "" }: View = {}): Promise<Page> {
  context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme: scheme, reducedMotion: "reduce" });
  complaints = [];
  const page = await context.newPage();
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text());
  });
  await page.goto(mock.url + at);
  await page.getByText("Live", { exact: true }).waitFor();
  return page;
}

describe("sessions", () => {
  test("show who, how risky in number and word, and why", async () => {
    const page = await open();
    const card = page.getByRole("article").filter({ hasText: "Typist A" });
    await card.getByText("Terminate").waitFor();
    const text = await card.innerText();
    expect(text).toMatch(/claims to be aalto-100118/);
    expect(text).toMatch(/risk\n9\d\n/);
    expect(text).toMatch(/z [+−]\d/);
    expect(await card.getByRole("img", { name: /Risk over time of Typist A: 9\d .* hands change at/ }).count()).toBe(1);
    expect(await page.getByRole("article").count()).toBe(8);
    expect(complaints).toEqual([]);
  });

  test("are filtered by where they stand", async () => {
    const page = await open();
    await page.getByRole("article").first().waitFor();
    await page.getByRole("button", { name: /^Learning/ }).click();
    expect(await page.getByRole("article").count()).toBe(1);
    await page.getByRole("button", { name: /^All \d/ }).click();
    expect(await page.getByRole("article").count()).toBe(8);
  });

  test("open by keyboard into every decision, and close by Escape", async () => {
    const page = await open();
    const opener = page.getByRole("article").getByRole("button", { name: "Typist A" });
    await opener.focus();
    await page.keyboard.press("Enter");
    const drawer = page.getByRole("dialog");
    await drawer.getByRole("table").waitFor();
    const heads = await drawer.getByRole("columnheader").allInnerTexts();
    expect(heads).toEqual(["Time", "Window", "Risk", "Action", "Score", "LLR", "Evidence", "Confidence", "Model", "Reference", "Reasons"]);

    await drawer.getByRole("button", { name: /Show the decision of/ }).nth(5).click();
    await drawer.getByRole("button", { name: "Back to now" }).click();
    await page.keyboard.press("Escape");
    await drawer.waitFor({ state: "detached" });
    expect(await opener.evaluate((element) => element === document.activeElement)).toBe(true);
    expect(complaints).toEqual([]);
  });

  test("change while one looks", async () => {
    const page = await open();
    const windows = page.getByRole("article").filter({ hasText: "Typist B" }).getByText(/^\d+$/).last();
    const before = Number(await windows.innerText());
    await page.waitForFunction(
      ([label, count]) => {
        const card = [...document.querySelectorAll("article")].find((article) => article.innerText.includes(String(label)));
        return Number(/windows\s+(\d+)/.exec(card?.innerText ?? "")?.[1]) > Number(count);
      },
      ["Typist B", before],
    );
  });
});

describe("the page", () => {
  test.each(["light", "dark"] as const)("has nothing that axe calls serious (%s)", async (scheme) => {
    const page = await open({ scheme });
    await page.getByRole("article").first().waitFor();
    expect(await seriousFindings(page)).toEqual([]);
    await page.getByRole("article").getByRole("button", { name: "Typist A" }).click();
    await page.getByRole("table").waitFor();
    expect(await seriousFindings(page)).toEqual([]);
    await page.keyboard.press("Escape");
    await page.getByRole("tab", { name: "Try it yourself" }).click();
    await page.getByRole("button", { name: /I agree/ }).click();
    expect(await seriousFindings(page)).toEqual([]);
  });

  test.each(["", "#try"])("fits a phone (%s)", async (at) => {
    const page = await open({ width: 390, at });
    await page.waitForTimeout(300);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(390);
  });

  test("says when the line is gone, keeps what it knew, and comes back by itself", async () => {
    const page = await open();
    await page.getByRole("article").first().waitFor();
    const port = Number(new URL(mock.url).port);
    await mock.stop();
    await page.getByText("No connection to the line").waitFor();
    expect(await page.getByText("Disconnected", { exact: true }).count()).toBe(1);
    expect(await page.getByRole("article").count()).toBe(8);
    mock = await startMock(port);
    await page.getByText("Live", { exact: true }).waitFor();
    expect(await page.getByText("No connection to the line").count()).toBe(0);
  });
});

test("the mock speaks as the contract does", async () => {
  const holds = await contract("decision");
  context = await browser.newContext();
  const decisions = (await (await fetch(`${mock.url}v1/sessions/shift-0412/decisions`)).json()) as unknown[];
  expect(decisions.length).toBeGreaterThan(20);
  expect(decisions.flatMap(holds)).toEqual([]);
});

test("a visitor enrols, works, hands over, and no text leaves the page", async () => {
  const page = await open({ at: "#try" });
  const bodies: string[] = [];
  page.on("request", (request) => {
    if (request.method() === "POST") bodies.push(request.postData() ?? "");
  });
  const field = page.getByLabel("Type it here");
  const batches = page.getByText("batches", { exact: true }).locator("xpath=preceding-sibling::dd");
  const typeSentence = async (delay: number): Promise<void> => {
    await field.click();
    await page.keyboard.type(await page.locator("#sentence").innerText(), { delay });
  };

  expect(await field.isDisabled()).toBe(true);
  await page.getByRole("button", { name: /I agree/ }).click();
  for (let sentence = 0; sentence < 8 && (await page.getByText("You are enrolled").count()) === 0; sentence += 1) {
    await typeSentence(12);
    await page.waitForTimeout(700);
  }
  await page.getByText("You are enrolled").waitFor();

  const before = await batches.innerText();
  await page.locator("input[type=password]").click();
  await page.keyboard.type("correct horse", { delay: 5 });
  await page.waitForTimeout(700);
  expect(await batches.innerText()).toBe(before);

  await typeSentence(12);
  await typeSentence(12);
  await page.getByRole("button", { name: "Hand the keyboard over" }).click();
  for (let sentence = 0; sentence < 6 && (await page.getByText(/^Noticed/).count()) === 0; sentence += 1) await typeSentence(55);
  await page.getByText(/^Noticed/).waitFor();
  expect(await page.getByLabel("Last batch as JSON").innerText()).toMatch(/"class": "letter"/);

  expect(bodies.length).toBeGreaterThan(20);
  expect(bodies.filter((body) => /morning|report|garden|keyboard or|correct|horse/.test(body))).toEqual([]);
  expect(complaints).toEqual([]);
});
