/** What is known of a subject, how it is erased, and whose rhythm a sample resembles. */

import { credential } from "./credential.ts";
import { ask, query } from "./http.ts";
import type { Modality, Reason } from "./wire.ts";

export interface ReferenceSet {
  modality: Modality;
  /** Device class. */
  device: string;
  model: string;
  version: number;
  /** 0-100. */
  maturity: number;
  /** Whether it is compared with. */
  mature: boolean;
  windows: number;
  windows_missing: number;
  updated_us: number;
}

export interface SubjectView {
  subject: string;
  references: ReferenceSet[];
}

export interface Erasure {
  receipt: string;
  state: "asked" | "running" | "done" | "failed";
  asked_at_ms: number;
  changed_at_ms?: number;
  /** What was found and what became of it; its form is the eraser's. */
  detail?: unknown;
}

export interface Candidate {
  rank: number;
  subject: string;
  /** Natural log-likelihood ratio: higher is more alike. */
  score: number;
  probability: number;
}

export interface Identification {
  candidates: Candidate[];
  /** How many subjects were compared with. */
  searched: number;
  /** Probability that it is none of them. */
  nobody: number;
  /** More of the same sample; one of these is enough. */
  needed: { modality: Modality; steps: number }[];
  /** What speaks against a person having made the sample. */
  findings: Reason[];
}

const pathOf = (subject: string): string => `/v1/subjects/${encodeURIComponent(subject)}`;

/** A key has its tenant; where access is open, the question must name one. */
const tenantQuery = (tenant: string): string => query({ tenant: credential.get().key === null ? tenant : null });

export function fetchSubject(tenant: string, subject: string, signal: AbortSignal): Promise<SubjectView> {
  return ask(pathOf(subject) + tenantQuery(tenant), { signal });
}

/** As the end user, who may ask about themselves only. */
export function fetchOwnSubject(token: string, subject: string, signal: AbortSignal): Promise<SubjectView> {
  return ask(pathOf(subject), { bearer: token, signal });
}

export function eraseSubject(tenant: string, subject: string): Promise<Erasure> {
  return ask(pathOf(subject) + tenantQuery(tenant), { method: "DELETE" });
}

export function fetchErasure(receipt: string, signal: AbortSignal): Promise<Erasure> {
  return ask(`/v1/erasures/${encodeURIComponent(receipt)}`, { signal });
}

export async function dropReferences(tenant: string, subject: string, { modality, device }: ReferenceSet): Promise<void> {
  await ask(`${pathOf(subject)}/references/${modality}/${encodeURIComponent(device)}${tenantQuery(tenant)}`, { method: "DELETE" });
}

export function identify(batches: readonly unknown[], subjects: readonly string[], candidates_max: number): Promise<Identification> {
  const pool = subjects.length === 0 ? {} : { pool: { subjects } };
  return ask("/v1/identify", { method: "POST", body: { batches, ...pool, candidates_max } });
}
