/** How far the learning of somebody's typing is. */

import type { SubjectView } from "../api/subjects.ts";

export interface Progress {
  /** 0-100. */
  percent: number;
  done: boolean;
}

/** Of the keystroke references that are furthest; pointers are learned on the way. */
export function progressOf(view: SubjectView | null): Progress {
  const sets = (view?.references ?? []).filter(({ modality }) => modality === "keystroke");
  if (sets.some(({ mature }) => mature)) return { percent: 100, done: true };
  const shares = sets.map(({ windows, windows_missing }) => windows / Math.max(1, windows + windows_missing));
  return { percent: Math.round(Math.max(0, ...shares) * 100), done: false };
}
