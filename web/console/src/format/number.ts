/** Numbers for reading: grouped, short, and the same in every browser. */

import { signed } from "./reason.ts";

const GROUPED = new Intl.NumberFormat("en-US");
const SHORT = new Intl.NumberFormat("en-US", { notation: "compact", maximumFractionDigits: 1 });

export function formatCount(count: number): string {
  return count < 100_000 ? GROUPED.format(count) : SHORT.format(count);
}

export function formatShare(share: number): string {
  return `${Math.round(share * 100)} %`;
}

/** A score, or a dash where there is none. */
export function formatScore(score: number | null, digits = 2): string {
  return score === null ? "–" : signed(score, digits);
}

/** How many a second between two readings of a counter; null where that cannot be said. */
export function perSecond(before: number, after: number, elapsed_ms: number): number | null {
  return elapsed_ms <= 0 || after < before ? null : ((after - before) * 1000) / elapsed_ms;
}

export function formatRate(rate: number | null): string | null {
  return rate === null ? null : `${rate < 10 ? rate.toFixed(1) : formatCount(Math.round(rate))}/s`;
}
