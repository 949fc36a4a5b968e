/**
 * What the server says, as TypeScript. The shapes are those of `schemas/`; the page reads them and never writes them.
 */

export type Modality = "keystroke" | "pointer";
export type Action = "allow" | "step_up" | "terminate" | "insufficient_data";

export interface Reason {
  measure: string;
  text: string;
  delta: number;
  unit: string;
  z: number;
}

export interface Decision {
  v: 1;
  id: string;
  tenant: string;
  subject: string | null;
  session: string;
  window: {
    modality: Modality;
    sequence: number;
    start_us: number;
    end_us: number;
    steps: number;
    closed: "count" | "pause" | "end" | "clock_step";
  };
  risk: number;
  confidence: number;
  action: Action;
  reasons: Reason[];
  score: { comparison: number | null; llr: number | null; evidence: number };
  model: { id: string; version: string; sha256: string } | null;
  reference: { version: number; maturity: number; count: number } | null;
  source: { topic: string; partition: number; offset: number };
  time_us: number;
}

export interface SessionSummary {
  session: string;
  tenant?: string;
  subject?: string | null;
  modality: Modality;
  risk: number;
  confidence: number;
  action: Action;
  windows: number;
  last_us: number;
}

export interface ScenarioEntry {
  session: string;
  subject: string;
  label: string;
  kind: "typist" | "pointer";
  hand_over_at_us: number | null;
}

export interface Scenario {
  mode: "demo";
  scenario: ScenarioEntry[];
  recordings: "aalto" | "pace" | "synthetic";
  /** Not every server says these; see `thresholds.ts`. */
  tenant?: string;
  thresholds?: { step_up: number; terminate: number };
}

export interface Stats {
  events: number;
  windows: number;
  decisions: number;
  rejected: number;
  /** Null where scoring runs in another process. */
  late: number | null;
  duplicates: number | null;
  uptime_ms: number;
}

/** What a gateway still lacks, by part; ready where nothing is. */
export interface Readiness {
  ready: boolean;
  missing: Record<string, string>;
}

/** Enough of a check to draw a decision without falling over; the server validated the rest. */
export function isDecision(value: unknown): value is Decision {
  if (typeof value !== "object" || value === null) return false;
  const { id, session, risk, time_us, window, score, reasons } = value as Partial<Decision>;
  return (
    typeof id === "string" &&
    typeof session === "string" &&
    typeof risk === "number" &&
    typeof time_us === "number" &&
    typeof window === "object" &&
    typeof score === "object" &&
    Array.isArray(reasons)
  );
}
