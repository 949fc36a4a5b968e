import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { isDecision } from "../src/api/wire.ts";
import { actionWord } from "../src/format/risk.ts";
import { viewReason } from "../src/format/reason.ts";

const EXAMPLES = new URL("../../../schemas/examples/", import.meta.url);

test.each(["decision", "decision-insufficient"])("the example %s can be shown", async (name) => {
  const example: unknown = JSON.parse(await readFile(new URL(`${name}.json`, EXAMPLES), "utf8"));
  if (!isDecision(example)) throw new Error("the example is no decision");
  expect(actionWord(example)).toMatch(/^[A-Z]/);
  for (const reason of example.reasons) expect(viewReason(reason).label).not.toBe("");
});

test.each([null, 7, "x", {}, { id: "1", session: "s" }])("%j is no decision", (value) => {
  expect(isDecision(value)).toBe(false);
});
