/** "Try it yourself" in a real browser. */

import { expect, test } from "vitest";
import { useStand } from "./stand.ts";

const stand = useStand();

test("a visitor enrols, works, hands over, and no text leaves the page", async () => {
  const page = await stand.open({ at: "#/try" });
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
  expect(stand.complaints).toEqual([]);
});
