import { describe, expect, test } from "vitest";
import { toColumns } from "../src/chart/series.ts";
import { EMPTY } from "../src/live/state.ts";
import { reduce } from "../src/live/reduce.ts";
import { verdictOf } from "../src/live/verdict.ts";
import { arrange, countTones } from "../src/sessions/arrange.ts";
import { chartLabel } from "../src/sessions/chart-label.ts";
import { decision, START_US } from "./decisions.ts";

const LINE = reduce(EMPTY, {
  type: "decisions",
  decisions: [
    decision({ session: "calm", risk: 3 }),
    decision({ session: "hot", risk: 97, action: "terminate" }),
    decision({ session: "new", risk: 12, action: "insufficient_data", maturity: 10 }),
    decision({ session: "warm", risk: 75, action: "step_up" }),
    decision({ session: "warm", risk: 75, action: "insufficient_data", seconds: 20 }),
  ],
});
const ids = (...args: Parameters<typeof arrange>): string[] => arrange(...args).map((session) => session.id);

describe("arranging", () => {
  test("by risk, the learning ones last", () => {
    expect(ids(LINE.sessions, "played", null)).toEqual(["calm", "hot", "new", "warm"]);
    expect(ids(LINE.sessions, "risk", null)).toEqual(["hot", "warm", "calm", "new"]);
  });

  test("by tone; a short window does not hide a raised action", () => {
    expect(ids(LINE.sessions, "played", "step_up")).toEqual(["warm"]);
    expect(countTones(LINE.sessions)).toEqual({ allow: 1, step_up: 1, terminate: 1, learning: 1 });
  });
});

test("the verdict is the latest judgement, else the latest word", () => {
  expect(verdictOf([])).toBeUndefined();
  expect(verdictOf([decision({ action: "insufficient_data" })])?.action).toBe("insufficient_data");
  expect(verdictOf([decision(), decision({ seconds: 20, action: "insufficient_data" })])?.time_us).toBe(START_US + 10e6);
});

test("columns part what was judged from what was not", () => {
  expect(toColumns([decision({ seconds: 10, risk: 5 }), decision({ seconds: 20, risk: 5, action: "insufficient_data" })])).toEqual([
    [5, 15],
    [5, null],
    [null, 5],
  ]);
});

test("a chart in one sentence", () => {
  const decisions = [decision({ seconds: 10, risk: 3 }), decision({ seconds: 70, risk: 96, action: "terminate" })];
  expect(chartLabel({ label: "Typist A", decisions, handOver_us: START_US + 40e6 })).toBe(
    "Risk over time of Typist A: 96 at 1:05, Terminate. Highest 96. The hands change at 0:35.",
  );
  expect(chartLabel({ label: "Typist A", decisions: [], handOver_us: null })).toBe("Risk over time of Typist A: nothing yet");
});
