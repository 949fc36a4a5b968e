import { describe, expect, test } from "vitest";
import type { Scenario } from "../src/api/wire.ts";
import { reduce } from "../src/live/reduce.ts";
import { ACTIVITY_MAX, DECISIONS_MAX, EMPTY, RATES_MAX, SESSIONS_MAX, type LiveState } from "../src/live/state.ts";
import { decision, START_US, type Sketch } from "./decisions.ts";

const SCENARIO: Scenario = {
  mode: "demo",
  recordings: "synthetic",
  scenario: [
    { session: "s-1", subject: "subject-1", label: "Typist A", kind: "typist", hand_over_at_us: START_US },
    { session: "s-2", subject: "subject-2", label: "Pointer B", kind: "pointer", hand_over_at_us: null },
  ],
};

const snapshot = (state: LiveState, histories: Sketch[][] = []): LiveState =>
  reduce(state, { type: "snapshot", scenario: SCENARIO, summaries: [], histories: histories.map((list) => list.map(decision)) });
const add = (state: LiveState, ...sketches: Sketch[]): LiveState =>
  reduce(state, { type: "decisions", decisions: sketches.map(decision) });
const secondsOf = (state: LiveState, id: string): number[] =>
  (state.sessions.find((session) => session.id === id)?.decisions ?? []).map((one) => (one.time_us - START_US) / 1e6);

describe("connection", () => {
  test("goes from connecting over live to disconnected", () => {
    const live = reduce(EMPTY, { type: "connected" });
    expect(EMPTY.connection.status).toBe("connecting");
    expect(live.connection.status).toBe("live");
    expect(reduce(live, { type: "lost", attempt: 1, retry_ms: 500 }).connection.status).toBe("connecting");
    expect(reduce(live, { type: "lost", attempt: 2, retry_ms: 2000 }).connection).toEqual({ status: "disconnected", retry_ms: 2000 });
  });

  test("what was known stays while the line is away", () => {
    const state = add(snapshot(EMPTY), { seconds: 10 });
    expect(reduce(state, { type: "lost", attempt: 2, retry_ms: 1 }).sessions).toBe(state.sessions);
  });
});

describe("snapshot", () => {
  test("lists the scenario's sessions in its order, with their names", () => {
    const state = snapshot(EMPTY);
    expect(state.sessions.map(({ label, modality, handOver_us }) => [label, modality, handOver_us])).toEqual([
      ["Typist A", "keystroke", START_US],
      ["Pointer B", "pointer", null],
    ]);
    expect(state.loaded).toBe(true);
  });

  test("replaces what was known: a restarted server begins anew", () => {
    const state = snapshot(add(snapshot(EMPTY), { seconds: 10 }), [[{ seconds: 20 }]]);
    expect(secondsOf(state, "s-1")).toEqual([20]);
  });

  test("keeps the server's count of windows where it is higher", () => {
    const summaries = [
      { session: "s-1", modality: "keystroke", risk: 1, confidence: 1, action: "allow", windows: 900, last_us: 0 } as const,
    ];
    const state = reduce(EMPTY, { type: "snapshot", scenario: SCENARIO, summaries: [...summaries], histories: [[decision()]] });
    expect(state.sessions[0]?.windows).toBe(900);
  });
});

describe("decisions", () => {
  test("count once, by id", () => {
    const state = add(snapshot(EMPTY), { seconds: 10 }, { seconds: 10 });
    expect(secondsOf(state, "s-1")).toEqual([10]);
    expect(state.sessions[0]?.windows).toBe(1);
  });

  test("stand in order of time, however they come", () => {
    expect(secondsOf(add(EMPTY, { seconds: 30 }, { seconds: 10 }, { seconds: 20 }), "s-1")).toEqual([10, 20, 30]);
  });

  test("are bounded a session, the oldest go", () => {
    const many = Array.from({ length: DECISIONS_MAX + 5 }, (_, seconds) => ({ seconds }));
    const seconds = secondsOf(add(EMPTY, ...many), "s-1");
    expect(seconds).toHaveLength(DECISIONS_MAX);
    expect(seconds[0]).toBe(5);
  });

  test("of unknown sessions open them, within the bound; the longest silent goes", () => {
    const many = Array.from({ length: SESSIONS_MAX + 1 }, (_, at) => ({ session: `x-${at}`, seconds: at === 7 ? 0 : 100 + at }));
    const ids = add(EMPTY, ...many).sessions.map((session) => session.id);
    expect(ids).toHaveLength(SESSIONS_MAX);
    expect(ids).not.toContain("x-7");
  });

  test("of visitors get a name", () => {
    const state = add(EMPTY, { session: "visitor-1-enrol" }, { session: "visitor-1-1" }, { session: "app-9" });
    expect(state.sessions.map((session) => session.label)).toEqual(["Visitor, enrolling", "Visitor", "app-9"]);
  });
});

describe("activity", () => {
  const changes = (...sketches: Sketch[]): string[] =>
    add(EMPTY, ...sketches).activity.map(({ from, to }) => `${String(from)} → ${to}`);

  test("notes a change of action, newest first", () => {
    expect(
      changes({ seconds: 1 }, { seconds: 2, action: "step_up" }, { seconds: 3, action: "step_up" }, { seconds: 4, action: "terminate" }),
    ).toEqual(["step_up → terminate", "allow → step_up"]);
  });

  test("beginning well is no news, beginning badly is", () => {
    expect(changes({ seconds: 1, action: "insufficient_data" }, { seconds: 2 })).toEqual([]);
    expect(changes({ seconds: 1, action: "step_up" })).toEqual(["null → step_up"]);
  });

  test("too little data in between is no change", () => {
    expect(
      changes({ seconds: 1, action: "step_up" }, { seconds: 2, action: "insufficient_data" }, { seconds: 3, action: "step_up" }),
    ).toEqual(["null → step_up"]);
  });

  test("is bounded", () => {
    const flips = Array.from({ length: 200 }, (_, seconds): Sketch => ({ seconds, action: seconds % 2 === 0 ? "allow" : "step_up" }));
    expect(add(EMPTY, ...flips).activity).toHaveLength(ACTIVITY_MAX);
  });
});

test("statistics keep the reading before, for rates", () => {
  const stats = { events: 1, windows: 1, decisions: 1, rejected: 0, late: 0, duplicates: 0, uptime_ms: 1 };
  const once = reduce(EMPTY, { type: "stats", stats });
  const twice = reduce(once, { type: "stats", stats: { ...stats, events: 5 } });
  expect([twice.statsBefore?.events, twice.stats?.events]).toEqual([1, 5]);
});

describe("rates", () => {
  const reading = (uptime_ms: number, events: number) => ({ events, windows: 0, decisions: 0, rejected: 0, late: null, duplicates: null, uptime_ms });
  const after = (...readings: [number, number][]) =>
    readings.reduce((state, [uptime_ms, events]) => reduce(state, { type: "stats", stats: reading(uptime_ms, events) }), EMPTY).rates;

  test("come from the second reading on", () => {
    expect(after([1000, 10])).toEqual([]);
    expect(after([1000, 10], [3000, 30])).toEqual([{ uptime_ms: 3000, events: 10, decisions: 0 }]);
  });

  test("begin anew with the gateway, and are bounded", () => {
    expect(after([1000, 10], [3000, 30], [500, 2])).toEqual([]);
    expect(after(...Array.from({ length: RATES_MAX + 9 }, (_, at): [number, number] => [at * 1000, at]))).toHaveLength(RATES_MAX);
  });
});

test("the tenant is the scenario's, else the sessions'", () => {
  expect(EMPTY.tenant).toBe("demo");
  const summary = { session: "s", tenant: "shop", modality: "keystroke", risk: 1, confidence: 1, action: "allow", windows: 1, last_us: 0 } as const;
  expect(reduce(EMPTY, { type: "snapshot", scenario: null, summaries: [summary], histories: [] }).tenant).toBe("shop");
});
