/**
 * How the page's knowledge changes.
 *
 * Invariants: a decision counts once, by its id; a session's decisions are in order of time; every list is bounded.
 */

import type { Decision, Scenario, SessionSummary, Stats } from "../api/wire.ts";
import { perSecond } from "../format/number.ts";
import {
  ACTIVITY_MAX,
  DECISIONS_MAX,
  RATES_MAX,
  SESSIONS_MAX,
  TENANT,
  type Activity,
  type LiveAction,
  type LiveState,
  type Rate,
  type SessionView,
} from "./state.ts";

export function reduce(state: LiveState, action: LiveAction): LiveState {
  switch (action.type) {
    case "connected":
      return { ...state, connection: { status: "live" } };
    case "lost":
      // Servers end streams on purpose, too (the demo, when it begins anew): one loss is no reason for alarm.
      return {
        ...state,
        connection: action.attempt === 1 ? { status: "connecting" } : { status: "disconnected", retry_ms: action.retry_ms },
      };
    case "refused":
      return { ...state, connection: { status: "refused" } };
    case "stats":
      return { ...state, stats: action.stats, statsBefore: state.stats, rates: addRate(state.rates, state.stats, action.stats) };
    case "snapshot":
      return snapshot(state, action.scenario, action.summaries, action.histories);
    case "decisions":
      return action.decisions.reduce(addDecision, state);
  }
}

function snapshot(
  state: LiveState,
  scenario: Scenario | null,
  summaries: SessionSummary[],
  histories: Decision[][],
): LiveState {
  const planned = (scenario?.scenario ?? []).map(
    (entry): SessionView => ({
      id: entry.session,
      subject: entry.subject,
      label: entry.label,
      modality: entry.kind === "pointer" ? "pointer" : "keystroke",
      handOver_us: entry.hand_over_at_us,
      decisions: [],
      windows: 0,
    }),
  );
  const known = new Set(planned.map((session) => session.id));
  const others = summaries
    .filter((summary) => !known.has(summary.session))
    .map((summary) => unplanned(summary.session, summary.subject ?? null, summary.modality));

  const tenant = scenario?.tenant ?? summaries.find((summary) => summary.tenant !== undefined)?.tenant ?? TENANT;
  const fresh: LiveState = { ...state, scenario, tenant, sessions: [...planned, ...others], activity: [], loaded: true };
  const decisions = histories.flat().sort((a, b) => a.time_us - b.time_us);
  const filled = decisions.reduce(addDecision, fresh);
  const windows = new Map(summaries.map((summary) => [summary.session, summary.windows]));
  return {
    ...filled,
    sessions: filled.sessions.map((session) => ({
      ...session,
      windows: Math.max(session.windows, windows.get(session.id) ?? 0),
    })),
  };
}

/** A gateway that began anew counts from nothing; so do its rates. */
function addRate(rates: readonly Rate[], before: Stats | null, now: Stats): readonly Rate[] {
  if (before === null) return rates;
  const elapsed_ms = now.uptime_ms - before.uptime_ms;
  const events = perSecond(before.events, now.events, elapsed_ms);
  const decisions = perSecond(before.decisions, now.decisions, elapsed_ms);
  if (events === null || decisions === null) return [];
  return [...rates, { uptime_ms: now.uptime_ms, events, decisions }].slice(-RATES_MAX);
}

function unplanned(id: string, subject: string | null, modality: SessionView["modality"]): SessionView {
  return { id, subject, label: labelOf(id), modality, handOver_us: null, decisions: [], windows: 0 };
}

/** Sessions that the scenario does not name: the visitors' own, and whatever else is sent to the line. */
function labelOf(id: string): string {
  if (!id.startsWith("visitor-")) return id;
  return id.endsWith("-enrol") ? "Visitor, enrolling" : "Visitor";
}

function addDecision(state: LiveState, decision: Decision): LiveState {
  const at = state.sessions.findIndex((session) => session.id === decision.session);
  const found = state.sessions[at];
  const session = found ?? unplanned(decision.session, decision.subject, decision.window.modality);
  if (session.decisions.some((known) => known.id === decision.id)) return state;

  const before = session.decisions.findLast((earlier) => earlier.action !== "insufficient_data");
  const updated: SessionView = {
    ...session,
    subject: decision.subject,
    decisions: insertByTime(session.decisions, decision),
    windows: session.windows + 1,
  };
  const sessions =
    found === undefined
      ? bounded([...state.sessions, updated])
      : state.sessions.map((other, index) => (index === at ? updated : other));
  return { ...state, sessions, activity: noteChange(state.activity, updated, before, decision) };
}

function insertByTime(decisions: readonly Decision[], decision: Decision): Decision[] {
  let at = decisions.length;
  // Almost always the newest; two modalities of one session may interleave.
  while (at > 0 && (decisions[at - 1]?.time_us ?? 0) > decision.time_us) at -= 1;
  return [...decisions.slice(0, at), decision, ...decisions.slice(at)].slice(-DECISIONS_MAX);
}

/** Lets the longest silent session go once there are too many. */
function bounded(sessions: SessionView[]): SessionView[] {
  if (sessions.length <= SESSIONS_MAX) return sessions;
  const last = (session: SessionView): number => session.decisions.at(-1)?.time_us ?? 0;
  const silent = sessions.reduce((least, session) => (last(session) < last(least) ? session : least));
  return sessions.filter((session) => session !== silent);
}

function noteChange(
  activity: readonly Activity[],
  session: SessionView,
  before: Decision | undefined,
  decision: Decision,
): readonly Activity[] {
  const from = before?.action ?? null;
  const late = before !== undefined && before.time_us > decision.time_us;
  // A window without enough data changes nothing, and that a session begins well is no news.
  const news = decision.action !== "insufficient_data" && decision.action !== (from ?? "allow");
  if (late || !news) return activity;
  const change: Activity = {
    id: decision.id,
    session: session.id,
    label: session.label,
    from,
    to: decision.action,
    risk: decision.risk,
    reason: decision.reasons[0]?.text ?? null,
    time_us: decision.time_us,
  };
  return [change, ...activity].slice(0, ACTIVITY_MAX);
}
