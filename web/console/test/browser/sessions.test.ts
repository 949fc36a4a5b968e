/** The built page in a real browser, against the mock server: sessions live, and one of them in full. */

import { describe, expect, test } from "vitest";
import { contract } from "../../../test-support/contract.ts";
import { useStand } from "./stand.ts";

const stand = useStand();

describe("sessions", () => {
  test("show who, how risky in number and word, and why", async () => {
    const page = await stand.open({ at: "#/sessions" });
    const card = page.getByRole("article").filter({ hasText: "Typist A" });
    await card.getByText("Terminate").waitFor();
    const text = await card.innerText();
    expect(text).toMatch(/claims to be aalto-100118/);
    expect(text).toMatch(/risk\n9\d\n/);
    expect(text).toMatch(/z [+−]\d/);
    expect(await card.getByRole("img", { name: /Risk over time of Typist A: 9\d .* hands change at/ }).count()).toBe(1);
    expect(await page.getByRole("article").count()).toBe(8);
    expect(stand.complaints).toEqual([]);
  });

  test("are filtered by where they stand", async () => {
    const page = await stand.open({ at: "#/sessions" });
    await page.getByRole("article").first().waitFor();
    await page.getByRole("button", { name: /^Learning/ }).click();
    expect(await page.getByRole("article").count()).toBe(1);
    await page.getByRole("button", { name: /^All \d/ }).click();
    expect(await page.getByRole("article").count()).toBe(8);
  });

  test("change while one looks", async () => {
    const page = await stand.open({ at: "#/sessions" });
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

describe("a session", () => {
  test("opens by keyboard into every decision; back leads back", async () => {
    const page = await stand.open({ at: "#/sessions" });
    await page.getByRole("article").getByRole("link", { name: "Typist A" }).focus();
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { level: 1, name: "Typist A" }).waitFor();
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe("Typist A");
    const heads = await page.getByRole("columnheader").allInnerTexts();
    expect(heads).toEqual(["Time", "Window", "Risk", "Action", "Score", "LLR", "Evidence", "Confidence", "Model", "Reference", "Reasons"]);

    await page.getByRole("button", { name: /Show the decision of/ }).nth(5).click();
    await page.getByRole("button", { name: "Back to now" }).click();
    await page.goBack();
    await page.getByRole("heading", { level: 1, name: "Sessions" }).waitFor();
    expect(stand.complaints).toEqual([]);
  });

  test("shows the usual against what was seen, in words and as pictures", async () => {
    const page = await stand.open({ at: "#/sessions/shift-0412" });
    const picture = page.getByRole("img", { name: /against the usual, z [+−]\d/ }).first();
    await picture.waitFor();
    expect(await page.getByText(/than usual/).first().innerText()).toMatch(/^[+−]\d+\s\S+, /);
    expect(await picture.locator("circle").count()).toBeGreaterThan(3);
    expect(await page.getByRole("img", { name: /^Evidence over time: −/ }).count()).toBe(1);
  });

  test("that nobody knows is said to be unknown", async () => {
    const page = await stand.open({ at: "#/sessions/nobody-knows-it" });
    await page.getByText("No decision is known of this session.").waitFor();
  });
});

test("the page says when the line is gone, keeps what it knew, and comes back by itself", async () => {
  const page = await stand.open({ at: "#/sessions" });
  await page.getByRole("article").first().waitFor();
  await stand.stop();
  await page.getByText("No connection to the line").waitFor();
  expect(await page.getByText("Disconnected", { exact: true }).count()).toBe(1);
  expect(await page.getByRole("article").count()).toBe(8);
  await stand.restart();
  await page.getByText("Live", { exact: true }).waitFor();
  expect(await page.getByText("No connection to the line").count()).toBe(0);
});

test("the mock speaks as the contract does", async () => {
  const holds = await contract("decision");
  const decisions = (await (await fetch(`${stand.mock.url}v1/sessions/shift-0412/decisions`)).json()) as unknown[];
  expect(decisions.length).toBeGreaterThan(20);
  expect(decisions.flatMap(holds)).toEqual([]);
});
