/** What the page knows of the line, as plain data. `reduce.ts` is the only place that changes it. */

import type { Action, Decision, Modality, Scenario, SessionSummary, Stats } from "../api/wire.ts";

/** Points kept of a session: at one decision every two seconds, the last twenty minutes. */
export const DECISIONS_MAX = 600;
/** Sessions kept; the one that was silent longest goes first. */
export const SESSIONS_MAX = 100;
export const ACTIVITY_MAX = 60;
/** Readings of the totals that are kept as rates: at one every two seconds, the last five minutes. */
export const RATES_MAX = 150;
/** Where access is open and nothing has named a tenant yet. */
export const TENANT = "demo";

export type Connection =
  | { status: "connecting" }
  | { status: "live" }
  | { status: "disconnected"; retry_ms: number }
  /** The key is not good for watching; nothing is tried again. */
  | { status: "refused" };

export interface SessionView {
  id: string;
  subject: string | null;
  label: string;
  modality: Modality;
  /** When somebody else takes over, where the scenario tells. */
  handOver_us: number | null;
  /** Oldest first, at most `DECISIONS_MAX`. */
  decisions: readonly Decision[];
  /** Windows seen by the server, which may be more than are kept here. */
  windows: number;
}

/** The action that is asked for has changed. */
export interface Activity {
  id: string;
  session: string;
  label: string;
  from: Action | null;
  to: Action;
  risk: number;
  reason: string | null;
  time_us: number;
}

/** What went through the line between two readings. */
export interface Rate {
  /** How long the gateway had run. */
  uptime_ms: number;
  events: number;
  decisions: number;
}

export interface LiveState {
  connection: Connection;
  scenario: Scenario | null;
  /** Whose line it is, for questions that have to name a tenant. */
  tenant: string;
  /** In the order in which they are shown. */
  sessions: readonly SessionView[];
  /** Newest first. */
  activity: readonly Activity[];
  stats: Stats | null;
  /** The reading before, for rates. */
  statsBefore: Stats | null;
  /** Oldest first, at most `RATES_MAX`. */
  rates: readonly Rate[];
  /** True once the first snapshot is in: an empty page is then a fact, not a wait. */
  loaded: boolean;
}

export const EMPTY: LiveState = {
  connection: { status: "connecting" },
  scenario: null,
  tenant: TENANT,
  sessions: [],
  activity: [],
  stats: null,
  statsBefore: null,
  rates: [],
  loaded: false,
};

export type LiveAction =
  | { type: "connected" }
  | { type: "lost"; attempt: number; retry_ms: number }
  | { type: "refused" }
  /** The server's own view, after each connect: replaces what was known. */
  | { type: "snapshot"; scenario: Scenario | null; summaries: SessionSummary[]; histories: Decision[][] }
  | { type: "decisions"; decisions: Decision[] }
  | { type: "stats"; stats: Stats };
