import { describe, expect, test } from "vitest";
import { formatCount, formatRate, formatScore, formatShare, perSecond } from "../src/format/number.ts";
import { signed, viewReason } from "../src/format/reason.ts";
import { actionMeaning, actionWord, formatRisk, learningProgress } from "../src/format/risk.ts";
import { formatElapsed } from "../src/format/time.ts";
import { decision } from "./decisions.ts";

test.each([
  [0, "1"],
  [0.4, "1"],
  [41.5, "42"],
  [99.9, "99"],
  [100, "99"],
])("risk %d reads %s", (risk, expected) => {
  expect(formatRisk(risk)).toBe(expected);
});

describe("an action in words", () => {
  test.each([
    ["allow", 100, "Allow", "Looks like the same person"],
    ["step_up", 100, "Step up", "Ask for a second proof of identity"],
    ["terminate", 100, "Terminate", "End the session"],
    ["insufficient_data", null, "Learning…", "Gathering references before it judges"],
    ["insufficient_data", 20, "Learning…", "Gathering references before it judges"],
    ["insufficient_data", 50, "Too little data", "This window says too little; the risk stays"],
  ] as const)("%s at maturity %s", (action, maturity, word, meaning) => {
    const made = decision({ action, maturity });
    expect([actionWord(made), actionMeaning(made)]).toEqual([word, meaning]);
  });

  test("of an enrolment says so, however far the references are", () => {
    const made = decision({ action: "insufficient_data", maturity: 50, measure: "enrolling" });
    expect([actionWord(made), actionMeaning(made)]).toEqual(["Enrolling", "Its windows become references, and are not judged"]);
  });
});

test.each([
  [null, 0],
  [10, 20],
  [50, 100],
  [80, 100],
])("maturity %s is %d %% of the way", (maturity, expected) => {
  expect(learningProgress([decision({ maturity }), decision({ maturity: null })])).toBe(expected);
});

describe("a reason", () => {
  const view = (text: string, delta: number, z: number) => viewReason({ measure: "m", text, delta, unit: "ms", z });

  test("in the usual form is taken apart", () => {
    expect(view("letter→letter flight +38 ms against the usual, z 3.4", 38, 3.4)).toMatchObject({
      label: "letter→letter flight",
      amount: "+38\u00a0ms",
    });
    expect(view("space dwell -4 ms against your usual, z -2.1", -4.2, -2.1)).toMatchObject({
      label: "space dwell",
      amount: "−4.2\u00a0ms",
    });
  });

  test("in any other form is shown whole", () => {
    expect(view("learning: 2 of 5 references so far", 2, 0)).toMatchObject({
      label: "learning: 2 of 5 references so far",
      amount: null,
    });
  });
});

test.each([
  [1.25, 1, "+1.3"],
  [-3, 0, "−3"],
  [-0.04, 1, "±0.0"],
])("%d with %d digits is %s", (value, digits, expected) => {
  expect(signed(value, digits)).toBe(expected);
});

test.each([
  [0, "0"],
  [24_225, "24,225"],
  [1_540_000, "1.5M"],
])("%d events read %s", (count, expected) => {
  expect(formatCount(count)).toBe(expected);
});

test("rates need two readings of one server", () => {
  expect(perSecond(100, 300, 2000)).toBe(100);
  expect(perSecond(300, 100, 2000)).toBeNull();
  expect(perSecond(100, 300, 0)).toBeNull();
  expect([formatRate(null), formatRate(3.25), formatRate(1234)]).toEqual([null, "3.3/s", "1,234/s"]);
});

test("scores and shares", () => {
  expect([formatScore(null), formatScore(-1.5), formatShare(0.966)]).toEqual(["–", "−1.50", "97 %"]);
});

test.each([
  [-1, "0:00"],
  [7.9, "0:07"],
  [750, "12:30"],
  [3723, "1:02:03"],
])("%d seconds read %s", (seconds, expected) => {
  expect(formatElapsed(seconds)).toBe(expected);
});
