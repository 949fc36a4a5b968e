/** What an analyst and an administrator do: overview, search and feedback, a subject's end, identification, settings. */

import { describe, expect, test } from "vitest";
import { findings } from "../../../test-support/axe.ts";
import { useStand } from "./stand.ts";

const stand = useStand();
const MARKUP = '<img src=x onerror="document.title=`broken`">';

test("the overview says who is at risk, leads there, and how the line is", async () => {
  const page = await stand.open();
  const row = page.getByRole("row").filter({ hasText: "Typist A" });
  await row.getByText("Terminate").waitFor();
  await page.getByText("Ready. Nothing is missing.").waitFor();
  await page.getByRole("img", { name: /^Events a second over the last minutes/ }).waitFor();
  await row.getByRole("link", { name: "aalto-100118" }).click();
  await page.getByRole("heading", { level: 1, name: "aalto-100118" }).waitFor();
});

describe("decisions", () => {
  test("are searched by what the address says, and go on", async () => {
    const page = await stand.open({ at: "#/decisions?subject=aalto-100118" });
    await page.getByRole("row").nth(50).waitFor();
    expect(await page.getByLabel("Subject", { exact: true }).inputValue()).toBe("aalto-100118");
    await page.getByRole("button", { name: "Show older ones" }).click();
    await page.getByRole("row").nth(51).waitFor();

    await page.getByLabel("Action").selectOption("step_up");
    await page.getByLabel("Risk from").fill("90");
    await page.getByRole("button", { name: "Search" }).click();
    await page.waitForURL(/action=step_up/);
    await page.getByRole("link", { name: "shift-0412" }).first().waitFor();
    const risks = await page.getByRole("row").locator("td:nth-child(2)").allInnerTexts();
    expect(risks.length).toBeGreaterThan(0);
    expect(risks.every((risk) => Number(risk) >= 90)).toBe(true);

    await page.getByLabel("Subject", { exact: true }).fill("nobody");
    await page.keyboard.press("Enter");
    await page.getByText("No decision fits.").waitFor();
  });

  test("take feedback, and show it as the text that it is", async () => {
    const page = await stand.open({ at: "#/decisions?action=terminate" });
    await page.getByRole("row").nth(1).getByRole("link").first().click();
    await page.getByRole("heading", { name: "Was it right?" }).waitFor();
    await page.getByLabel(/It was somebody else/).check();
    await page.getByLabel("Note").fill(MARKUP);
    await page.getByRole("button", { name: "Send feedback" }).click();
    await page.getByRole("list", { name: "Feedback so far" }).getByText(MARKUP).waitFor();
    expect(await page.locator("img[src=x]").count()).toBe(0);
    expect(await page.title()).not.toBe("broken");
    expect(await findings(page)).toEqual([]);
    expect(stand.complaints).toEqual([]);
  });
});

test("ids with markup stay text, and lead to their pages", async () => {
  const batch = {
    v: 1,
    tenant: "demo",
    subject: MARKUP,
    session: `s ${MARKUP}/?#`,
    purpose: "session",
    clock: { origin_us: 1e15, resolution_us: 100 },
    events: Array.from({ length: 60 }, (_, at) => ({ type: "down", t_us: at * 120_000, press: at, class: "letter" })),
  };
  await fetch(`${stand.mock.url}v1/events`, { method: "POST", body: JSON.stringify(batch) });
  const page = await stand.open({ at: "#/sessions" });
  await page.getByRole("link", { name: batch.session }).click();
  await page.getByRole("heading", { level: 1, name: batch.session }).waitFor();
  await page.getByText("Windows and their decisions").waitFor();
  await page.getByRole("link", { name: MARKUP, exact: true }).click();
  await page.getByRole("heading", { level: 1, name: MARKUP }).waitFor();
  await page.getByRole("link", { name: batch.session }).waitFor();
  expect(await page.locator("img[src=x]").count()).toBe(0);
  expect(stand.complaints).toEqual([]);
});

describe("a subject", () => {
  test("loses one device's references after a question", async () => {
    const page = await stand.open({ at: "#/subjects/aalto-100118" });
    await page.getByRole("button", { name: /Drop the references of keystroke on virtual/ }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Drop", exact: true }).click();
    await page.getByText("2 more windows first").waitFor({ state: "detached" });
    expect(await page.getByRole("row").filter({ hasText: "compared with" }).count()).toBe(2);
  });

  test("is erased only after the word is typed, and leaves a receipt", async () => {
    const page = await stand.open({ at: "#/subjects/aalto-100204" });
    await page.getByRole("button", { name: /Erase this subject/ }).click();
    const dialog = page.getByRole("dialog");
    const erase = dialog.getByRole("button", { name: "Erase for good" });
    expect(await erase.isDisabled()).toBe(true);
    await dialog.getByRole("textbox").fill("erase");
    await erase.click();
    await page.getByRole("heading", { name: "Erasure" }).waitFor();
    await page.getByText("Done", { exact: true }).waitFor();
    await page.getByText(/models trained on them: 2026/).waitFor();
    expect(await page.getByText(/^[\da-f]{8}-[\da-f-]{27}$/).count()).toBe(1);
    expect(await findings(page)).toEqual([]);
  });
});

test("identification is off until it is switched on with a reason, then names candidates, and sends nothing before", async () => {
  const page = await stand.open({ at: "#/settings" });
  await page.getByText("Nobody may ask who somebody is.").waitFor();
  expect(await page.getByRole("link", { name: "Identify" }).count()).toBe(0);
  const on = page.getByRole("button", { name: "Switch on" });
  expect(await on.isDisabled()).toBe(true);
  await page.getByLabel("Reason to switch it on").fill(MARKUP);
  await on.click();
  await page.getByText(MARKUP).waitFor();
  await page.getByRole("link", { name: "Identify" }).click();

  const sent: string[] = [];
  page.on("request", (request) => {
    if (request.method() === "POST") sent.push(new URL(request.url()).pathname);
  });
  await page.getByRole("button", { name: /I agree, capture/ }).click();
  await page.getByLabel("Type the text above").click();
  await page.keyboard.type("The morning train was late again, so we walked along the river.", { delay: 8 });
  await page.getByText(/^(5\d|6\d) key presses, enough/).waitFor();
  expect(sent).toEqual([]);
  await page.getByRole("button", { name: "Ask who it is" }).click();
  await page.getByText("Compared with").waitFor();
  expect(await page.getByRole("row").count()).toBeGreaterThan(3);
  expect(sent).toEqual(["/v1/identify"]);
  expect(await findings(page)).toEqual([]);

  await page.getByText("Paste or choose a file").click();
  await page.getByLabel("Event batches").fill("{ not JSON");
  await page.getByRole("button", { name: "Ask who it is" }).click();
  await page.getByText("This is neither JSON nor one JSON document a line.").waitFor();
  expect(stand.complaints).toEqual([]);
});

test("a webhook shows its secret once; dead letters are sent again", async () => {
  const page = await stand.open({ at: "#/settings" });
  await page.getByRole("button", { name: /Add a webhook/ }).click();
  await page.getByLabel("Address").fill("https://example.org/hook");
  expect(await findings(page)).toEqual([]);
  await page.getByRole("button", { name: "Add the webhook" }).click();
  await page.getByText(/^whsec_/).waitFor();
  await page.getByRole("button", { name: "I have it" }).click();
  expect(await page.getByText(/^whsec_/).count()).toBe(0);

  await page.getByRole("button", { name: "Dead letters" }).first().click();
  const again = page.getByRole("button", { name: /^Send step_up of decision/ });
  await again.click();
  await again.waitFor({ state: "detached" });
  await page.getByText("connection timed out").waitFor();
  expect(stand.complaints).toEqual([]);
});
