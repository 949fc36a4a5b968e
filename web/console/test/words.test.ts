/** What pages say and draw, from what they were told. */

import { describe, expect, test } from "vitest";
import { progressOf } from "../src/account/progress.ts";
import { approvalOf, codeOf } from "../src/account/mail-parts.ts";
import type { ReferenceSet } from "../src/api/subjects.ts";
import type { Reason } from "../src/api/wire.ts";
import { EMPTY_FORM, filterOf, formOf, queryOf } from "../src/decisions/filter.ts";
import { pictureOf, sayDifference, sayHowUnusual, sayToOwner } from "../src/format/reason-words.ts";
import { countEvents, readSample } from "../src/identify/sample.ts";
import { EMPTY } from "../src/live/state.ts";
import { reduce } from "../src/live/reduce.ts";
import { atRisk } from "../src/overview/at-risk.ts";
import { latestOfSubjects } from "../src/subject/latest.ts";
import { sessionsOf } from "../src/subject/subject-sessions.ts";
import { decision } from "./decisions.ts";

const reason = (measure: string, delta: number, z: number): Reason => ({
  measure,
  delta,
  z,
  unit: "ms",
  text: `some label ${delta < 0 ? "-" : "+"}${Math.abs(delta)} ms against the usual, z ${z.toFixed(1)}`,
});

describe("a reason", () => {
  test.each([
    ["dwell_letter", 20, "held longer than usual"],
    ["dwell_space", -20, "held shorter than usual"],
    ["flight_letter_letter", 38, "slower than usual"],
    ["speed", 310, "faster than usual"],
    ["something_new", -1, "less than usual"],
  ])("%s by %d is %s", (measure, delta, words) => {
    expect(sayDifference(reason(measure, delta, delta / 10))).toBe(words);
  });

  test("that compares with nothing usual has no difference and no picture", () => {
    const learning = { measure: "references_immature", text: "learning: 2 of 5 references so far", delta: 2, unit: "references", z: 0 };
    expect(sayDifference(learning)).toBeNull();
    expect(pictureOf(learning, [])).toBeNull();
  });

  test("is said to whoever types, and as the line says it where it is no difference", () => {
    expect(sayToOwner(reason("dwell_space", 30, 5))).toBe("The space bar is held longer than usual.");
    expect(sayToOwner(reason("flight_letter_letter", -30, -5))).toBe("From letter to letter it goes quicker than usual.");
    expect(sayToOwner(reason("overlap", 8, 3))).toBe("Two keys are down at once more often than usual.");
    const replayed = { measure: "replayed_rhythm", text: "the rhythm was seen before", delta: 0, unit: "", z: 0 };
    expect(sayToOwner(replayed)).toBe("the rhythm was seen before");
  });

  test("knows its standard error from its two numbers, and draws what came before", () => {
    const picture = pictureOf(reason("dwell_letter", 30, 5), [reason("dwell_letter", -40, -6), reason("speed", 900, 9)]);
    expect(picture).toMatchObject({ spread: 6, seen: 30, before: [-40] });
    expect(picture?.reach).toBeCloseTo(46);
  });

  test("is the rarer the more standard errors away", () => {
    expect([2.1, -3.4, 7].map(sayHowUnusual)).toEqual(["uncommon", "rare", "very rare"]);
  });
});

describe("filters", () => {
  test("come from the address and go there", () => {
    const form = formOf("subject=s-1&action=step_up&risk_min=70&nonsense=1");
    expect(form).toEqual({ ...EMPTY_FORM, subject: "s-1", action: "step_up", risk_min: "70" });
    expect(queryOf(form)).toBe("subject=s-1&action=step_up&risk_min=70");
  });

  test("ask for what means something only", () => {
    expect(filterOf(formOf("action=never&modality=pointer&risk_min=200&risk_max=x&since=2026-11-22T10:00"))).toEqual({
      modality: "pointer",
      risk_min: 100,
      since_ms: new Date("2026-11-22T10:00").getTime(),
    });
  });
});

describe("a sample", () => {
  const batch = { v: 1, events: [{}, {}] };
  test.each([
    ["one batch", JSON.stringify(batch), 1],
    ["a list", JSON.stringify([batch, batch]), 2],
    ["a question's body", JSON.stringify({ batches: [batch] }), 1],
    ["a batch a line", `${JSON.stringify(batch)}\n\n${JSON.stringify(batch)}\n`, 2],
  ])("is %s", (_, text, count) => {
    const read = readSample(text);
    expect("batches" in read && read.batches.length).toBe(count);
    expect("batches" in read && countEvents(read.batches)).toBe(2 * count);
  });

  test.each([
    ["", /Paste/],
    ["hello", /neither JSON/],
    ['[{"events":[]},{"v":1}]', /^Batch 2 /],
    [JSON.stringify(Array.from({ length: 501 }, () => batch)), /500 is the most/],
    [JSON.stringify({ events: Array.from({ length: 4001 }, () => ({})) }), /4001 events; 4000 is the most/],
  ])("%s is none", (text, problem) => {
    const read = readSample(text);
    expect("problem" in read && read.problem).toMatch(problem);
  });
});

test("a mail's code and link", () => {
  expect(codeOf("Your code is 0041 2345. It works once, for 10 minutes.")).toBe("00412345");
  expect(codeOf("Your code is 00412345.")).toBe("00412345");
  expect(codeOf("It was 2026, nothing else.")).toBeNull();
  expect(approvalOf("open https://d.example/v1/auth/approvals/a-b_C9\n")).toBe("a-b_C9");
  expect(approvalOf("open https://d.example/#/approve/x1")).toBe("x1");
  expect(approvalOf("no link")).toBeNull();
});

test("how far enrolment is", () => {
  const set = (change: Partial<ReferenceSet>): ReferenceSet => ({
    modality: "keystroke", device: "physical", model: "m", version: 1, maturity: 0, mature: false, windows: 2, windows_missing: 3, updated_us: 0, ...change,
  });
  const progress = (...references: ReferenceSet[]) => progressOf({ subject: "u", references });
  expect(progressOf(null)).toEqual({ percent: 0, done: false });
  expect(progress(set({}))).toEqual({ percent: 40, done: false });
  expect(progress(set({}), set({ mature: true }))).toEqual({ percent: 100, done: true });
  expect(progress(set({ modality: "pointer", mature: true }))).toEqual({ percent: 0, done: false });
});

const LINE = reduce(EMPTY, {
  type: "decisions",
  decisions: [
    decision({ session: "calm", seconds: 1, risk: 3 }),
    decision({ session: "hot", seconds: 2, risk: 97, action: "terminate" }),
    decision({ session: "warm", seconds: 3, risk: 75, action: "step_up" }),
    decision({ session: "new", seconds: 4, action: "insufficient_data" }),
  ],
});

test("at risk are those that something is asked of, the highest first", () => {
  expect(atRisk(LINE.sessions).map(({ id }) => id)).toEqual(["hot", "warm"]);
});

test("of a subject the latest session counts", () => {
  expect(latestOfSubjects(LINE.sessions).map(({ subject, session }) => [subject, session.id])).toEqual([["subject-1", "new"]]);
});

test("past sessions come out of decisions; what judged nothing moves nothing", () => {
  const sessions = sessionsOf([
    decision({ session: "a", seconds: 30, action: "insufficient_data", risk: 50 }),
    decision({ session: "b", seconds: 25, risk: 5 }),
    decision({ session: "a", seconds: 20, risk: 80, action: "step_up" }),
    decision({ session: "a", seconds: 10, risk: 90, action: "step_up" }),
  ]);
  expect(sessions.map(({ id, windows, action, risk, risk_max }) => [id, windows, action, risk, risk_max])).toEqual([
    ["a", 3, "step_up", 80, 90],
    ["b", 1, "allow", 5, 5],
  ]);
});
