/**
 * The whole story against a real gateway: somebody registers, enrols, works, hands the keyboard over, and proves themselves;
 * an analyst judges the decision that noticed it, asks who it is, and erases the subject. Every page is looked at on the way.
 *
 * `cargo xtask test` starts the gateway and Kafka. By hand: `ductus demo --set access.mode=keys`, a key of the tenant `demo`
 * with every scope, and
 *
 *     DUCTUS_GATEWAY=http://localhost:8080 DUCTUS_KEY=dk_… npm run test:story
 *
 * `DUCTUS_STORY_PICTURES` names a folder for a picture of every page.
 */

import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launchChromium } from "../test-support/chromium.ts";
import { listenToComplaints } from "../test-support/complaints.ts";
import { keyboard, type Keyboard } from "./keyboard.ts";
import { OWNER, STRANGER } from "./people.ts";
import { look } from "./views.ts";

const PASSWORD = "correct horse battery staple";
/** Most sentences of somebody before what must happen has happened: some sixty key presses each. */
const SENTENCES_MAX = 12;
/** For whatever a real line does between two steps. */
const PATIENCE_MS = 180_000;
/** How soon a batch that was typed has been judged, as a rule. */
const SETTLING_MS = 1_500;
/** What is answered with a refusal in this story, and rightly. */
const REFUSALS = [
  // Nobody is signed in when the page opens.
  /^401 POST \/v1\/auth\/refresh$/,
  // Before the console has a key.
  /^401 GET .* without a key$/,
  // While risk asks for a proof.
  /^403 POST \/v1\/me\/mode$/,
];

const complaints: string[] = [];
const pages: Page[] = [];
let browser: Browser;

beforeAll(async () => {
  browser = await launchChromium();
});
afterAll(async () => {
  await browser.close();
});

test(`the whole story (hands of the seeds ${OWNER.seed} and ${STRANGER.seed})`, async () => {
  const [gateway, key] = [given("DUCTUS_GATEWAY"), given("DUCTUS_KEY")];
  await walk(gateway, key).catch(async (error: unknown) => {
    const shown = await Promise.all(pages.map(async (page) => `${page.url()}\n${await page.locator("body").innerText()}`));
    throw new Error([...complaints, ...shown].join("\n\n"), { cause: error });
  });
  expect(complaints).toEqual([]);
});

async function walk(gateway: string, key: string): Promise<void> {
  const person = await open(gateway, "#/account");
  const subject = await registered(person);
  const owner = await keyboard(person, OWNER);
  await enrolled(person, owner);
  await worked(person, owner);
  const decision = await handedOver(person, await keyboard(person, STRANGER));
  await proved(person, owner);

  const analyst = await open(gateway, "");
  await letIn(analyst, key);
  await lookedAround(analyst, subject, decision);
  await judged(analyst, decision);
  await identified(analyst, subject);
  await erased(analyst, subject);
}

function given(name: string): string {
  const value = process.env[name];
  if (value === undefined || value === "") throw new Error(`${name} is not set: \`cargo xtask test\` starts a gateway and sets it`);
  return value;
}

/** A browser of one's own at an address of the gateway. */
async function open(gateway: string, at: string): Promise<Page> {
  const context: BrowserContext = await browser.newContext({ reducedMotion: "reduce" });
  context.setDefaultTimeout(PATIENCE_MS);
  await listenToComplaints(context, complaints);
  context.on("response", (response) => {
    const request = response.request();
    const keyless = request.headers().authorization === undefined ? " without a key" : "";
    const refusal = `${response.status()} ${request.method()} ${new URL(response.url()).pathname}${request.method() === "GET" ? keyless : ""}`;
    if (response.status() >= 400 && !REFUSALS.some((expected) => expected.test(refusal))) complaints.push(refusal);
  });
  const page = await context.newPage();
  pages.push(page);
  await page.goto(new URL(at, gateway).href);
  return page;
}

/** Registers with a code from the mailbox; the subject that the person is from now on. */
async function registered(page: Page): Promise<string> {
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await page.getByRole("button", { name: "Mailbox" }).waitFor();
  await look(page, "sign-in", complaints);
  await page.getByRole("button", { name: "Register" }).click();
  await look(page, "register", complaints);
  await page.getByLabel("E-mail address").fill(`ann-${Date.now()}@example.org`);
  await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
  await page.getByRole("button", { name: "Register" }).click();
  await page.getByLabel("Code").waitFor();
  await look(page, "code", complaints);
  await page.getByRole("button", { name: "Open the mailbox" }).click();
  const code = page.getByRole("dialog").getByRole("button", { name: /^Use the code \d{8}$/ }).first();
  await code.waitFor();
  await look(page, "mailbox", complaints);
  await code.click();
  const signedIn = page.waitForResponse((response) => response.url().endsWith("/v1/auth/confirm"));
  await page.getByRole("button", { name: "Confirm" }).click();
  const { user } = (await (await signedIn).json()) as { user: string };
  await page.getByRole("heading", { name: "Your workplace" }).waitFor();
  return user;
}

/** Types until the line knows the rhythm; the page says how far it is all the while. */
async function enrolled(page: Page, owner: Keyboard): Promise<void> {
  await look(page, "enrolment-asks", complaints);
  await page.getByRole("button", { name: "I agree, begin" }).click();
  const go = page.getByRole("button", { name: "Go to work" });
  const progress = page.getByRole("progressbar", { name: "Learning your rhythm" });
  const told: number[] = [];
  await typeSentence(page, owner);
  await page.getByText(/^[1-9]\d? % learned/).waitFor();
  await look(page, "enrolment", complaints);
  for (let sentence = 1; sentence < SENTENCES_MAX && (await go.count()) === 0; sentence += 1) {
    await typeSentence(page, owner);
    await page.waitForTimeout(SETTLING_MS);
    told.push(Number(await progress.getAttribute("aria-valuenow")));
  }
  await go.waitFor();
  await page.getByText("We know your rhythm.").waitFor();
  expect(told).toEqual([...told].sort((a, b) => a - b));
  await go.click();
  await page.getByRole("heading", { name: "Work as usual" }).waitFor();
}

/** Works under the line's eye, and is believed. */
async function worked(page: Page, owner: Keyboard): Promise<void> {
  for (let sentence = 0; sentence < 3; sentence += 1) await typeSentence(page, owner);
  await page.getByText("It is you").waitFor();
  expect(await stepUp(page)).toBeNull();
  await look(page, "work", complaints);
}

/** Somebody else types on until it is noticed; the decision that noticed it. */
async function handedOver(page: Page, stranger: Keyboard): Promise<string> {
  const dialog = page.getByRole("dialog", { name: "Is it still you?" });
  for (let sentence = 0; sentence < SENTENCES_MAX && (await dialog.count()) === 0; sentence += 1) {
    await typeSentence(page, stranger);
    await page.waitForTimeout(SETTLING_MS);
  }
  await dialog.getByRole("listitem").first().waitFor();
  const asked = await stepUp(page);
  expect(asked).not.toBeNull();
  // The gateway asks, not only the page: who has not proved themselves changes nothing.
  expect(await changeMode(page)).toBe(403);
  await look(page, "step-up", complaints);
  return asked?.why ?? "";
}

/** The owner comes back, proves it by a code, and is believed again. */
async function proved(page: Page, owner: Keyboard): Promise<void> {
  const dialog = page.getByRole("dialog", { name: "Is it still you?" });
  await dialog.getByRole("button", { name: "Open the mailbox" }).click();
  await page.getByRole("button", { name: /^Use the code \d{8}$/ }).first().click();
  await dialog.getByRole("button", { name: "Confirm" }).click();
  await dialog.waitFor({ state: "detached" });
  expect(await stepUp(page)).toBeNull();
  for (let sentence = 0; sentence < 3; sentence += 1) await typeSentence(page, owner);
  await page.getByText("It is you").waitFor();
  expect(await dialog.count()).toBe(0);
  await page.getByText("Account", { exact: true }).click();
  await page.getByRole("heading", { name: "Trusted networks" }).waitFor();
  await look(page, "account", complaints);
}

async function letIn(page: Page, key: string): Promise<void> {
  await page.getByRole("heading", { name: "Who is there?" }).waitFor();
  await look(page, "key", complaints);
  await page.getByLabel("Application key").fill(key);
  await page.getByLabel("Keep it until this tab is closed").check();
  await page.getByRole("button", { name: "Open the console" }).click();
  await page.getByRole("heading", { level: 1, name: "Overview" }).waitFor();
}

/** Every page of the console, with what has happened on it. */
async function lookedAround(page: Page, subject: string, decision: string): Promise<void> {
  await page.getByText("Ready. Nothing is missing.").waitFor();
  await look(page, "overview", complaints);
  await follow(page, "Sessions");
  await page.getByText("claims to be").first().waitFor();
  await look(page, "sessions", complaints);
  await follow(page, "Subjects");
  await page.getByRole("link", { name: subject }).first().click();
  await page.getByRole("heading", { level: 1, name: subject }).waitFor();
  await page.getByText("compared with").first().waitFor();
  await look(page, "subject", complaints);
  await page.goBack();
  await look(page, "subjects", complaints);
  await follow(page, "Settings");
  await page.getByRole("heading", { name: "Webhooks" }).waitFor();
  await look(page, "settings", complaints);
  await follow(page, "Try it yourself");
  await page.getByRole("button", { name: "I agree, start enrolment" }).waitFor();
  await look(page, "try", complaints);

  await follow(page, "Decisions");
  await page.getByLabel("Subject").fill(subject);
  // Step-up or beyond: whoever is very unlike may pass both lines at once.
  await page.getByLabel("Risk from").fill("70");
  await page.getByRole("button", { name: "Search" }).click();
  const found = page.locator(`a[href="#/decisions/${decision}"]`);
  await found.waitFor();
  await look(page, "decisions", complaints);
  await found.click();
  await page.getByRole("heading", { name: "What was decided" }).waitFor();
  await page.getByRole("link", { name: /^page-/ }).click();
  await page.getByRole("heading", { name: "Windows and their decisions" }).waitFor();
  await look(page, "session", complaints);
  await page.goBack();
}

/** The analyst says who it was, and finds it with the decision. */
async function judged(page: Page, decision: string): Promise<void> {
  await page.getByRole("heading", { name: "Was it right?" }).waitFor();
  await page.getByLabel(/^It was somebody else/).check();
  await page.getByLabel("Note").fill("Handed over on purpose.");
  await page.getByRole("button", { name: "Send feedback" }).click();
  const feedback = page.getByRole("list", { name: "Feedback so far" });
  await feedback.getByText("It was somebody else").waitFor();
  await feedback.getByText("Handed over on purpose.").waitFor();
  expect(page.url()).toContain(decision);
  await look(page, "decision", complaints);
}

/** Who is it? Asked of a few dozen key presses, once the tenant allows it. */
async function identified(page: Page, subject: string): Promise<void> {
  await follow(page, "Settings");
  await page.getByLabel("Reason to switch it on").fill("The story's own test");
  await page.getByRole("button", { name: "Switch on" }).click();
  await follow(page, "Identify");
  await page.getByRole("button", { name: /I agree, capture/ }).click();
  const owner = await keyboard(page, OWNER);
  for (let sentence = 0; sentence < 2; sentence += 1) {
    await page.getByLabel("Type the text above").click();
    await owner.type("The morning train was late again, so we walked along the river.");
  }
  await page.getByRole("button", { name: "Ask who it is" }).click();
  // Among the candidates: who is nearest in some hundred key presses is the model's business, and a busy machine's keys come late.
  await page.getByRole("row").getByRole("link", { name: subject }).first().waitFor();
  await look(page, "identify", complaints);
}

/** Nothing is left of the subject, and a receipt says so. */
async function erased(page: Page, subject: string): Promise<void> {
  await page.getByRole("link", { name: subject }).first().click();
  await page.getByText("compared with").first().waitFor();
  await page.getByRole("button", { name: /Erase this subject/ }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("textbox").fill("erase");
  await look(page, "erase-asks", complaints);
  await dialog.getByRole("button", { name: "Erase for good" }).click();
  await page.getByRole("heading", { name: "Erasure" }).waitFor();
  await page.getByText(/^[\da-f]{24}$/).waitFor();
  await page.getByText("No references yet.").waitFor();
  await look(page, "erased", complaints);
}

/** Types the sentence that the page shows. */
async function typeSentence(page: Page, whoever: Keyboard): Promise<void> {
  // Without a click: where a question lies over the field by now, the keys go to it, as they would.
  await page.getByLabel("Type it here").focus();
  await whoever.type(await page.locator("#sentence").innerText());
}

/** What the gateway says that the sign-in has to prove. */
async function stepUp(page: Page): Promise<{ why: string } | null> {
  const answer = await page.waitForResponse((response) => new URL(response.url()).pathname === "/v1/me" && response.ok());
  return ((await answer.json()) as { step_up: { why: string } | null }).step_up;
}

/** Asks as the page would; what the gateway answers. */
async function changeMode(page: Page): Promise<number> {
  const request = await page.waitForRequest((request) => new URL(request.url()).pathname === "/v1/me");
  const authorization = (await request.allHeaders()).authorization ?? "";
  return page.evaluate(
    async (authorization) => {
      const headers = { authorization, "content-type": "application/json" };
      return (await fetch("/v1/me/mode", { method: "POST", headers, body: JSON.stringify({ mode: "train" }) })).status;
    },
    authorization,
  );
}

async function follow(page: Page, name: string): Promise<void> {
  await page.getByRole("navigation").getByRole("link", { name, exact: true }).click();
  await page.getByRole("heading", { level: 1, name }).waitFor();
}
