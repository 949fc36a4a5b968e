/**
 * The visit as a small state machine: agree → enrol → work → hand over → start over.
 *
 * Invariants: nothing is captured before the visitor agreed; each phase that captures has its own session, except that
 * the hand-over happens within one, because that is what has to be noticed.
 */

import { MATURITY_COMPARABLE } from "../format/risk.ts";
import type { SessionView } from "../live/state.ts";

export type Phase = "ask" | "enrol" | "work" | "handed";

export interface Visit {
  phase: Phase;
  /** A pseudonym made up for this visit. */
  subject: string;
  /** Which working session of this subject it is. */
  round: number;
  /** When the keyboard changed hands, in event time. */
  handOver_us: number | null;
}

export type VisitAction =
  | { type: "agreed" }
  | { type: "enrolled" }
  | { type: "handed"; now_us: number }
  /** The visitor has the keyboard again: a new session of the same subject. */
  | { type: "returned" }
  | { type: "restarted"; subject: string };

export function newVisit(subject: string): Visit {
  return { phase: "ask", subject, round: 1, handOver_us: null };
}

export function advance(visit: Visit, action: VisitAction): Visit {
  switch (action.type) {
    case "agreed":
      return visit.phase === "ask" ? { ...visit, phase: "enrol" } : visit;
    case "enrolled":
      return visit.phase === "enrol" ? { ...visit, phase: "work" } : visit;
    case "handed":
      return visit.phase === "work" ? { ...visit, phase: "handed", handOver_us: action.now_us } : visit;
    case "returned":
      return { ...visit, phase: "work", round: visit.round + 1, handOver_us: null };
    case "restarted":
      return newVisit(action.subject);
  }
}

/** The session that the visit captures into; null where it captures nothing. */
export function sessionOf(visit: Visit): string | null {
  switch (visit.phase) {
    case "ask":
      return null;
    case "enrol":
      return `${visit.subject}-enrol`;
    case "work":
    case "handed":
      return `${visit.subject}-${visit.round}`;
  }
}

/** A pseudonym that says nothing and collides with nobody. */
export function makeSubject(): string {
  // randomUUID exists only on secure pages; the demo may be opened by plain HTTP on a local network.
  const bytes = crypto.getRandomValues(new Uint8Array(4));
  return `visitor-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

/** Whether enough references were gathered to compare with. */
export function isEnrolled(session: SessionView | undefined): boolean {
  return (session?.decisions ?? []).some(
    (decision) => (decision.reference?.maturity ?? 0) >= MATURITY_COMPARABLE,
  );
}

/** Judged windows of the session: below a few of them there is nothing yet that a hand-over could change. */
export function judgedWindows(session: SessionView | undefined): number {
  return (session?.decisions ?? []).filter((decision) => decision.action !== "insufficient_data").length;
}
