/** What an administrator sees and sets: models, thresholds, the identify switch, keys, webhooks. */

import { ask, askOptional } from "./http.ts";
import type { Modality } from "./wire.ts";

export interface Settings {
  identify: boolean;
  identify_reason: string | null;
}

export interface Policy {
  step_up_risk: number;
  terminate_risk: number;
  /** What the step-up risk was computed for, in words: how many false step-ups a user in how many days. Null where it is the configured one. */
  budget: string | null;
  /** Subjects with a step-up risk of their own. */
  subjects: number;
}

export interface LiveModel {
  id: Modality;
  version: string;
  sha256: string;
  dimensions: number;
}

export const SCOPES = ["ingest", "verify", "monitor", "admin"] as const;
export type Scope = (typeof SCOPES)[number];

export interface Key {
  id: string;
  label: string;
  scopes: string[];
  created_at_ms: number;
  expires_at_ms?: number | null;
  rotated_at_ms?: number | null;
  old_secret_until_ms?: number | null;
  revoked_at_ms?: number | null;
}

/** A secret that is shown once. */
export interface KeyMade {
  id: string;
  key: string;
}

export const WEBHOOK_EVENTS = ["step_up", "terminate", "allow"] as const;
export type WebhookEvent = (typeof WEBHOOK_EVENTS)[number];

export interface WebhookWish {
  url: string;
  format: "standard" | "set";
  events: WebhookEvent[];
}

export type Webhook = WebhookWish & { id: string };

/** Security event tokens are signed with the gateway's own key: such a webhook has no secret. */
export interface WebhookMade {
  id: string;
  secret: string | null;
}

export interface Delivery {
  delivery: string;
  event: string;
  decision: string;
  attempts: number;
  last_status: number | null;
  last_error: string | null;
  next_at_ms: number | null;
  state: string;
}

export const fetchSettings = (signal: AbortSignal): Promise<Settings> => ask("/v1/settings", { signal });
export const fetchPolicy = (signal: AbortSignal): Promise<Policy> => ask("/v1/policy", { signal });
export const fetchModels = (signal: AbortSignal): Promise<LiveModel[]> => ask("/v1/models", { signal });

export function switchIdentify(reason: string | null): Promise<Settings> {
  return ask("/v1/settings", { method: "PUT", body: reason === null ? { identify: false } : { identify: true, reason } });
}

/** `undefined` where access is open: there are no keys then. */
export const fetchKeys = (signal: AbortSignal): Promise<Key[] | undefined> => askOptional("/v1/keys", { signal });
export const makeKey = (label: string, scopes: readonly Scope[]): Promise<KeyMade> => ask("/v1/keys", { method: "POST", body: { label, scopes } });
export const rotateKey = (id: string): Promise<KeyMade> => ask(`/v1/keys/${encodeURIComponent(id)}/rotate`, { method: "POST" });
export const revokeKey = (id: string): Promise<void> => ask(`/v1/keys/${encodeURIComponent(id)}`, { method: "DELETE" });

const hookPath = (id: string): string => `/v1/webhooks/${encodeURIComponent(id)}`;
/** `undefined` where access is open: nobody is told there. */
export const fetchWebhooks = (signal: AbortSignal): Promise<Webhook[] | undefined> => askOptional("/v1/webhooks", { signal });
export const makeWebhook = (wish: WebhookWish): Promise<WebhookMade> => ask("/v1/webhooks", { method: "POST", body: wish });
export const dropWebhook = (id: string): Promise<void> => ask(hookPath(id), { method: "DELETE" });
export const testWebhook = (id: string): Promise<unknown> => ask(`${hookPath(id)}/test`, { method: "POST" });
export const fetchDeadLetters = (id: string, signal: AbortSignal): Promise<Delivery[]> => ask(`${hookPath(id)}/deliveries?state=dead`, { signal });
export const retryDelivery = (id: string, delivery: string): Promise<unknown> =>
  ask(`${hookPath(id)}/deliveries/${encodeURIComponent(delivery)}/retry`, { method: "POST" });
