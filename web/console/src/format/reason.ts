/** A reason as the page shows it: what differs, by how much, and how unusual that is. */

import type { Reason } from "../api/wire.ts";

export interface ReasonView {
  measure: string;
  label: string;
  /** Signed, with its unit; null where the sentence says it all. */
  amount: string | null;
  z: number;
}

/** Takes the sentence apart where it has the usual form, and shows it whole where it has not. */
export function viewReason(reason: Reason): ReasonView {
  const parts = /^(.+?) [+\-−]\d[\d.]* \S+ against (?:the|your) usual, z [+\-−]?\d/u.exec(reason.text);
  const label = parts?.[1];
  if (label === undefined) return { measure: reason.measure, label: reason.text, amount: null, z: reason.z };
  return { measure: reason.measure, label, amount: `${signed(reason.delta, digitsOf(reason.delta))}\u00a0${reason.unit}`, z: reason.z };
}

function digitsOf(delta: number): number {
  return Math.abs(delta) < 10 ? 1 : 0;
}

/** A number with its sign, and a true minus. */
export function signed(value: number, digits: number): string {
  const text = Math.abs(value).toFixed(digits);
  if (Number(text) === 0) return `±${text}`;
  return `${value < 0 ? "−" : "+"}${text}`;
}
