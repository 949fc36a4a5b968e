import type { EventBatch } from "@ductus/sdk";
import { describe, expect, test } from "vitest";
import { reduce } from "../src/live/reduce.ts";
import { EMPTY, type SessionView } from "../src/live/state.ts";
import { batchText, batchTokens } from "../src/tryit/batch-tokens.ts";
import { advance, isEnrolled, judgedWindows, makeSubject, newVisit, sessionOf, type VisitAction } from "../src/tryit/visit.ts";
import { decision, type Sketch } from "./decisions.ts";

const after = (...actions: VisitAction[]) => actions.reduce(advance, newVisit("visitor-1"));
const session = (...sketches: Sketch[]): SessionView | undefined =>
  reduce(EMPTY, { type: "decisions", decisions: sketches.map(decision) }).sessions[0];

describe("a visit", () => {
  test("captures nothing before consent", () => {
    expect(sessionOf(newVisit("visitor-1"))).toBeNull();
    expect(after({ type: "enrolled" }).phase).toBe("ask");
    expect(after({ type: "handed", now_us: 1 }).phase).toBe("ask");
  });

  test("hands over within one session, and returns in a new one", () => {
    const work = after({ type: "agreed" }, { type: "enrolled" });
    const handed = advance(work, { type: "handed", now_us: 7 });
    const returned = advance(handed, { type: "returned" });
    expect([sessionOf(after({ type: "agreed" })), sessionOf(work), sessionOf(handed), sessionOf(returned)]).toEqual([
      "visitor-1-enrol",
      "visitor-1-1",
      "visitor-1-1",
      "visitor-1-2",
    ]);
    expect([handed.handOver_us, returned.handOver_us, returned.phase]).toEqual([7, null, "work"]);
  });

  test("starts over as somebody new", () => {
    expect(after({ type: "agreed" }, { type: "restarted", subject: "visitor-2" })).toEqual(newVisit("visitor-2"));
  });

  test("a subject fits the contract's ids", () => {
    expect(makeSubject()).toMatch(/^visitor-[0-9a-f]{8}$/);
  });
});

test("enrolled once references can be compared with", () => {
  expect(isEnrolled(undefined)).toBe(false);
  expect(isEnrolled(session({ maturity: 40, action: "insufficient_data" }))).toBe(false);
  expect(isEnrolled(session({ maturity: 50, action: "insufficient_data" }))).toBe(true);
});

test("only judged windows count towards a hand-over", () => {
  expect(judgedWindows(session({ seconds: 1 }, { seconds: 2, action: "insufficient_data" }, { seconds: 3 }))).toBe(2);
});

describe("the batch as it is shown", () => {
  const batch: EventBatch = {
    v: 1,
    tenant: "demo",
    session: "visitor-1-1",
    seq: 0,
    purpose: "session",
    consent: "granted",
    clock: { origin_us: 5, resolution_us: 100 },
    device: { keyboard: "physical", pointer: "mouse", layout: "qwerty", touch: false },
    detail: "class",
    events: [
      { type: "down", t_us: 1, press: 1, class: "letter" },
      { type: "up", t_us: 2, press: 1 },
    ],
  };

  test("is the batch", () => {
    expect(JSON.parse(batchText(batch))).toEqual(batch);
    expect(batchTokens(batch).map((token) => token.text).join("")).toBe(batchText(batch));
  });

  test("has one event a line", () => {
    expect(batchText(batch)).toContain('\n    { "type": "down", "t_us": 1, "press": 1, "class": "letter" },\n');
  });

  test("names its tokens", () => {
    const kinds = new Map(batchTokens(batch).map((token) => [token.text.trim(), token.kind]));
    expect([kinds.get('"tenant":'), kinds.get('"demo"'), kinds.get("100"), kinds.get("false")]).toEqual(["key", "word", "number", "number"]);
  });
});
