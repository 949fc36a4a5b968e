/** A reason as a sentence that a person would say, and as the numbers of its picture. */

import type { Reason } from "../api/wire.ts";
import { viewReason } from "./reason.ts";

/** What more and less of a measure is called. */
type Way = readonly [more: string, less: string];

const HELD: Way = ["held longer", "held shorter"];
const FLOW: Way = ["slower", "quicker"];

const WAYS: readonly (readonly [measure: RegExp, way: Way])[] = [
  [/dwell/, HELD],
  [/^flight/, FLOW],
  [/^overlap$/, ["more often", "less often"]],
  [/^speed$/, ["faster", "slower"]],
  [/^turn$/, ["sharper", "straighter"]],
  [/^(step_interval|pause|press_delay)$/, ["longer", "shorter"]],
];

/** "held longer than usual"; null where a reason is no difference from the usual. */
export function sayDifference(reason: Reason): string | null {
  if (viewReason(reason).amount === null) return null;
  const [more, less] = WAYS.find(([measure]) => measure.test(reason.measure))?.[1] ?? ["more", "less"];
  return `${reason.delta < 0 ? less : more} than usual`;
}

/** What a measure of typing is about, said to whoever types. */
const ABOUT: Readonly<Record<string, string>> = {
  dwell_letter: "Letters are",
  dwell_space: "The space bar is",
  dwell_modifier: "Shift and its like are",
  dwell_other: "Other keys are",
  flight_letter_letter: "From letter to letter it goes",
  flight_letter_space: "From a letter to the space bar it goes",
  flight_space_letter: "From the space bar to a letter it goes",
  flight_other: "Between other keys it goes",
  overlap: "Two keys are down at once",
};

/** "Letters are held longer than usual." What is no such difference stands as the line says it. */
export function sayToOwner(reason: Reason): string {
  const [about, difference] = [ABOUT[reason.measure], sayDifference(reason)];
  return about === undefined || difference === null ? reason.text : `${about} ${difference}.`;
}

/** How unusual, in words. A reason is only given from two standard errors on. */
export function sayHowUnusual(z: number): string {
  const size = Math.abs(z);
  if (size < 3) return "uncommon";
  return size < 5 ? "rare" : "very rare";
}

export interface UsualPicture {
  /** One standard error of the usual, in the reason's unit. */
  spread: number;
  /** This window, as the difference from the usual. */
  seen: number;
  /** Earlier windows of the session, oldest first. */
  before: number[];
  /** Half the width of the axis. */
  reach: number;
}

/** Windows before that are drawn. */
const BEFORE_MAX = 24;

/** The usual lies at zero: a reason tells the difference and how many standard errors that is, so that one of them is known. */
export function pictureOf(reason: Reason, earlier: readonly Reason[]): UsualPicture | null {
  if (sayDifference(reason) === null || reason.z === 0 || !Number.isFinite(reason.delta / reason.z)) return null;
  const spread = Math.abs(reason.delta / reason.z);
  const before = earlier.filter(({ measure }) => measure === reason.measure).map(({ delta }) => delta).slice(-BEFORE_MAX);
  const reach = Math.max(3 * spread, Math.abs(reason.delta), ...before.map(Math.abs)) * 1.15;
  return { spread, seen: reason.delta, before, reach };
}
