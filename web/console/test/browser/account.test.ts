/** The end user's page: registering by keyboard alone, enrolment, a step-up, passkeys, and the end of an account. */

import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { findings } from "../../../test-support/axe.ts";
import { useStand } from "./stand.ts";

const stand = useStand();
const PASSWORD = "correct horse battery";
let people = 0;

const focused = (page: Page): Promise<string> =>
  page.evaluate(() => {
    const element = document.activeElement;
    const label = element instanceof HTMLInputElement ? element.labels?.[0]?.textContent : element?.getAttribute("aria-label");
    return (label ?? element?.textContent ?? "").trim().slice(0, 80);
  });

/** Tabs until the named element has the focus. */
async function tabTo(page: Page, name: string): Promise<void> {
  const met: string[] = [];
  for (let steps = 0; steps < 25; steps += 1) {
    await page.keyboard.press("Tab");
    met.push(await focused(page));
    if (met.at(-1) === name) return;
  }
  throw new Error(`${name} was not met by Tab: ${met.join(" | ")}`);
}

async function latestCode(): Promise<string> {
  const mails = (await (await fetch(`${stand.mock.url}v1/demo/mailbox`)).json()) as { text: string }[];
  return /\d{4} \d{4}/.exec(mails[0]?.text ?? "")?.[0].replace(" ", "") ?? "";
}

async function register(page: Page): Promise<string> {
  const email = `person-${(people += 1)}@example.org`;
  await page.getByRole("button", { name: "Register" }).click();
  await page.getByLabel("E-mail address").fill(email);
  await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
  await page.getByRole("button", { name: "Register" }).click();
  await page.getByRole("button", { name: "Open the mailbox" }).click();
  await page.getByRole("button", { name: `Use the code ${await latestCode()}` }).click();
  await page.getByRole("button", { name: "Confirm" }).click();
  await page.getByRole("heading", { name: "Your workplace" }).waitFor();
  return email;
}

async function typeSentence(page: Page, delay: number): Promise<void> {
  await page.getByLabel("Type it here").click();
  await page.keyboard.type(await page.locator("#sentence").innerText(), { delay });
}

test("registering, the code from the mailbox and signing out, with the keyboard alone", async () => {
  const page = await stand.open({ at: "#/account" });
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await page.getByRole("button", { name: "Mailbox" }).waitFor();
  await tabTo(page, "Register");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Register" }).waitFor();
  expect(await focused(page)).toBe("Register");

  await tabTo(page, "E-mail address");
  await page.keyboard.type("keys@example.org");
  await tabTo(page, "Password");
  await page.keyboard.type("too short");
  await page.keyboard.press("Enter");
  await page.getByRole("alert").getByText("15 characters at least").waitFor();
  await page.getByLabel("Password", { exact: true }).focus();
  await page.keyboard.press("ControlOrMeta+a");
  await page.keyboard.type(PASSWORD);
  await page.keyboard.press("Enter");
  await page.getByLabel("Code").waitFor();

  await tabTo(page, "Open the mailbox");
  await page.keyboard.press("Enter");
  const mailbox = page.getByRole("dialog");
  await mailbox.getByText("Your code to register").waitFor();
  expect(await findings(page)).toEqual([]);
  await tabTo(page, `Use the code ${await latestCode()}`);
  await page.keyboard.press("Enter");
  await mailbox.waitFor({ state: "detached" });
  await page.getByLabel("Code").focus();
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Your workplace" }).waitFor();
  expect(await findings(page)).toEqual([]);

  await page.reload();
  await page.getByText("keys@example.org").waitFor();
  await page.getByRole("button", { name: "Sign out" }).focus();
  await page.keyboard.press("Enter");
  await page.getByText("You are signed out.").waitFor();
  expect(await page.evaluate(() => [localStorage.length, sessionStorage.length])).toEqual([0, 0]);
  expect(stand.complaints).toEqual([]);
});

test("somebody enrols, works, hands the keyboard over, proves themselves, and goes on", async () => {
  const page = await stand.open({ at: "#/account" });
  await register(page);
  const bodies: string[] = [];
  page.on("request", (request) => {
    if (request.url().endsWith("/v1/events")) bodies.push(request.postData() ?? "");
  });
  await page.getByRole("button", { name: "I agree, begin" }).click();
  const go = page.getByRole("button", { name: "Go to work" });
  for (let sentence = 0; sentence < 8 && (await go.count()) === 0; sentence += 1) {
    await typeSentence(page, 12);
    await page.waitForTimeout(1_800);
  }
  expect(bodies.every((body) => body.includes('"purpose":"enrol"'))).toBe(true);
  await go.click();
  await page.getByRole("heading", { name: "Work as usual" }).waitFor();
  await typeSentence(page, 12);
  await typeSentence(page, 12);
  await page.getByText("It is you").waitFor();

  const dialog = page.getByRole("dialog", { name: "Is it still you?" });
  for (let sentence = 0; sentence < 8 && (await dialog.count()) === 0; sentence += 1) await typeSentence(page, 55);
  await dialog.waitFor();
  expect(await findings(page)).toEqual([]);
  // No code of before waits there. It opened under somebody's hands: going on typing presses nothing.
  for (const key of ["Escape", "Space", "Enter", "a"]) await page.keyboard.press(key);
  expect(await dialog.count()).toBe(1);
  expect(await dialog.getByLabel("Code").inputValue()).toBe("");
  const sessions = new Set(bodies.map((body) => (JSON.parse(body) as { session: string }).session));

  await dialog.getByRole("button", { name: "Open the mailbox" }).click();
  await page.getByRole("button", { name: `Use the code ${await latestCode()}` }).click();
  await dialog.getByRole("button", { name: "Confirm" }).click();
  await dialog.waitFor({ state: "detached" });
  await page.getByText("0 key presses in this session").waitFor();
  await typeSentence(page, 12);
  await page.waitForTimeout(800);
  const after = (JSON.parse(bodies.at(-1) ?? "{}") as { session: string }).session;
  expect(sessions.has(after)).toBe(false);
  expect(bodies.filter((body) => /morning|report|garden/.test(body))).toEqual([]);
  expect(stand.complaints).toEqual([]);
}, 120_000);

test("a passkey is made, and stands in for the code", async () => {
  const page = await stand.open({ at: "#/account", host: "localhost" });
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("WebAuthn.enable");
  await devtools.send("WebAuthn.addVirtualAuthenticator", {
    options: { protocol: "ctap2", transport: "internal", hasResidentKey: true, hasUserVerification: true, isUserVerified: true },
  });
  const email = await register(page);
  await page.getByText("Account", { exact: true }).click();
  await page.getByLabel("Name of the passkey").fill("<i>Laptop</i>");
  await page.getByRole("button", { name: "Add" }).click();
  await page.getByRole("listitem").getByText("<i>Laptop</i>").waitFor();
  for (const scheme of ["dark", "light"] as const) {
    await page.getByRole("button", { name: `Use the ${scheme} scheme` }).click();
    expect(await findings(page)).toEqual([]);
  }

  await page.getByRole("button", { name: "Sign out", exact: true }).click();
  await page.getByLabel("E-mail address").fill(email);
  await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("button", { name: "Use your passkey" }).click();
  await page.getByRole("heading", { name: "Your workplace" }).waitFor();
  expect(stand.complaints).toEqual([]);
});

test("two tabs that open at once both stay signed in", async () => {
  const page = await stand.open({ at: "#/account" });
  await register(page);
  const other = await page.context().newPage();
  let [now, peak] = [0, 0];
  await page.context().route("**/v1/auth/refresh", async (route) => {
    peak = Math.max(peak, (now += 1));
    // Long enough for the other to ask as well.
    await page.waitForTimeout(500);
    now -= 1;
    await route.continue();
  });
  await Promise.all([page.reload(), other.goto(page.url())]);
  for (const tab of [page, other]) await tab.getByRole("heading", { name: "Your workplace" }).waitFor();
  expect(peak).toBe(1);
});

test("what would let another be the user asks for a proof, and then is done", async () => {
  const page = await stand.open({ at: "#/account" });
  await register(page);
  await page.getByText("Account", { exact: true }).click();
  let refused = 0;
  await page.route("**/v1/me", async (route) => {
    if (route.request().method() !== "DELETE" || (refused += 1) > 2) return route.continue();
    const problem = { type: "urn:ductus:problem:step_up", title: "a second proof is asked for first", status: 403, reason: "step_up" };
    return route.fulfill({ status: 403, contentType: "application/problem+json", body: JSON.stringify(problem) });
  });
  await page.getByRole("button", { name: /Delete my account/ }).click();
  const ending = page.getByRole("dialog", { name: "Delete your account?" });
  await ending.getByRole("textbox").fill("delete");
  const proof = page.getByRole("dialog", { name: "Prove that it is you" });
  await ending.getByRole("button", { name: "Delete for good" }).click();
  await proof.getByLabel("Code").waitFor();
  expect(await findings(page)).toEqual([]);
  // Whoever does not prove it has changed nothing, and is told.
  await page.keyboard.press("Escape");
  await ending.getByRole("alert").getByText("Prove that it is you first.").waitFor();
  await ending.getByRole("textbox").fill("delete");
  await ending.getByRole("button", { name: "Delete for good" }).click();
  await proof.getByLabel("Code").waitFor();
  await proof.getByLabel("Code").fill(await latestCode());
  await proof.getByRole("button", { name: "Confirm" }).click();
  await page.getByText("Your account is deleted").waitFor();
  expect(refused).toBe(3);
  expect(stand.complaints).toEqual([]);
});

test("a network is approved by its mail; the password changes; the account ends", async () => {
  const page = await stand.open({ at: "#/account" });
  await register(page);
  await page.getByText("Account", { exact: true }).click();
  await page.getByRole("textbox", { name: "Network" }).fill("192.0.2.0/24");
  await page.getByRole("button", { name: "Ask" }).click();
  await page.getByText("Open the link that we sent").waitFor();
  await page.getByRole("button", { name: "Mailbox" }).click();
  await page.getByRole("link", { name: "Open the approval" }).click();
  await page.getByRole("heading", { name: "Trust a network" }).waitFor();
  expect(await findings(page)).toEqual([]);
  await page.getByRole("button", { name: "Trust it" }).click();
  await page.getByRole("link", { name: "Go on" }).click();
  await page.getByText("Account", { exact: true }).click();
  await page.getByRole("listitem").getByText("192.0.2.0/24").waitFor();

  await page.getByRole("textbox", { name: "Password now" }).fill(PASSWORD);
  await page.getByRole("textbox", { name: "New password" }).fill("another long sentence");
  await page.getByRole("button", { name: "Change the password" }).click();
  await page.getByText("The password is changed.").waitFor();

  await page.getByRole("button", { name: /Delete my account/ }).click();
  await page.getByRole("dialog").getByRole("textbox").fill("delete");
  await page.getByRole("button", { name: "Delete for good" }).click();
  await page.getByText("Your account is deleted").waitFor();
  expect(stand.complaints).toEqual([]);
});
