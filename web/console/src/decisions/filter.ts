/** The filters of a search, as they stand in the address and as the person fills them in. */

import type { DecisionFilter } from "../api/decisions.ts";
import type { Action, Modality } from "../api/wire.ts";

export const ACTIONS: readonly Action[] = ["allow", "step_up", "terminate", "insufficient_data"];
export const MODALITIES: readonly Modality[] = ["keystroke", "pointer"];

/** What the fields hold: text, empty where nothing is asked. */
export interface FilterForm {
  subject: string;
  session: string;
  action: string;
  modality: string;
  risk_min: string;
  risk_max: string;
  /** As `datetime-local` writes it, in the reader's zone. */
  since: string;
  until: string;
}

export const EMPTY_FORM: FilterForm = { subject: "", session: "", action: "", modality: "", risk_min: "", risk_max: "", since: "", until: "" };

/** Unknown names and values that mean nothing are left out: an address may be typed. */
export function formOf(query: string): FilterForm {
  const given = new URLSearchParams(query);
  const form = { ...EMPTY_FORM };
  for (const name of Object.keys(EMPTY_FORM) as (keyof FilterForm)[]) form[name] = given.get(name) ?? "";
  return form;
}

export function queryOf(form: FilterForm): string {
  return new URLSearchParams(Object.entries(form).filter(([, value]) => value !== "")).toString();
}

export function filterOf(form: FilterForm): DecisionFilter {
  const filter: DecisionFilter = {};
  if (form.subject.trim() !== "") filter.subject = form.subject.trim();
  if (form.session.trim() !== "") filter.session = form.session.trim();
  const action = ACTIONS.find((known) => known === form.action);
  const modality = MODALITIES.find((known) => known === form.modality);
  if (action !== undefined) filter.action = action;
  if (modality !== undefined) filter.modality = modality;
  Object.assign(filter, numbersOf({ risk_min: risk(form.risk_min), risk_max: risk(form.risk_max), since_ms: time(form.since), until_ms: time(form.until) }));
  return filter;
}

function numbersOf(values: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => Number.isFinite(value)));
}

function risk(text: string): number {
  return text.trim() === "" ? NaN : Math.min(100, Math.max(0, Number(text)));
}

function time(text: string): number {
  return text === "" ? NaN : new Date(text).getTime();
}
