/** Made-up documents and gateways, for the tests of this folder. */

import { LIMITS, type Limits } from "../../src/limits.ts";
import type { Gateway, Outcome } from "../../src/gateway.ts";
import { kindOf } from "../../src/gateway.ts";
import type { EventBatch } from "../../src/wire.ts";

export const batch = (seq: number): EventBatch => ({
  v: 1,
  tenant: "t",
  session: "s",
  seq,
  purpose: "session",
  consent: "granted",
  clock: { origin_us: 0, resolution_us: 100 },
  device: { keyboard: "physical", pointer: "mouse", layout: "qwerty", touch: false },
  detail: "class",
  events: [{ type: "blur", t_us: 1 }],
});

export const limits = (changed: Partial<Limits> = {}): Limits => ({ ...LIMITS, retry_min_ms: 100, retry_max_ms: 400, ...changed });

/** What the gateway makes of a response with this status; 0 is no answer. */
export function outcome(status: number, { body, ...init }: ResponseInit & { body?: BodyInit } = {}): Outcome {
  if (status === 0) return { kind: "retry", response: Response.error() };
  return { kind: kindOf(status, true), response: new Response(body ?? null, { status, ...init }) };
}

export interface Asked {
  path: string;
  headers: Record<string, string>;
  body: unknown;
  signal: AbortSignal | null | undefined;
}

/** A gateway that gives these outcomes in turn and then `last`, and keeps what it was asked. */
export function scripted(outcomes: (Outcome | Promise<Outcome>)[], last: () => Outcome | Promise<Outcome> = () => outcome(202)): { gateway: Gateway; asked: Asked[] } {
  const asked: Asked[] = [];
  const gateway: Gateway = (path, { headers, body, signal }) => {
    asked.push({ path, headers, body: typeof body === "string" ? JSON.parse(body) : body, signal });
    return Promise.resolve(outcomes.shift() ?? last());
  };
  return { gateway, asked };
}
