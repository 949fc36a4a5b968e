/**
 * The end user's side of the gateway: registering, signing in, second factors, one's own account.
 *
 * Invariant: the console's key is never sent here; what is known of the user is the access token, and the cookie that no
 * script can read.
 */

import { ask, askOptional, query } from "./http.ts";

export interface SignedIn {
  user: string;
  tenant: string;
  access_token: string;
  expires_at_ms: number;
}

export type Factor = "code" | "passkey";

export interface Challenge {
  challenge: string;
  expires_at_ms: number;
  /** Left out where only a code can answer. */
  factors?: Factor[];
}

export interface StepUp {
  since_ms: number;
  why: string;
}

export type Mode = "train" | "auth";

export interface Me {
  user: string;
  tenant: string;
  email: string;
  mode: Mode;
  step_up: StepUp | null;
  created_at_ms: number;
}

export interface Ceremony {
  ceremony?: string;
  options: unknown;
}

export interface Passkey {
  id: string;
  label: string;
  created_at_ms?: number;
}

export interface Address {
  prefix: string;
  created_at_ms?: number;
}

export interface Mail {
  to: string;
  subject: string;
  text: string;
  sent_at_ms: number;
}

const post = <T>(path: string, body?: unknown, bearer: string | null = null): Promise<T> =>
  ask(path, { method: "POST", bearer, ...(body === undefined ? {} : { body }) });

export const register = (email: string, password: string): Promise<Challenge> => post("/v1/auth/register", { email, password });
export const resetPassword = (email: string, password: string): Promise<Challenge> => post("/v1/auth/reset", { email, password });
export const signIn = (email: string, password: string): Promise<Challenge | SignedIn> => post("/v1/auth/login", { email, password });
export const confirmCode = (challenge: string, code: string): Promise<SignedIn> => post("/v1/auth/confirm", { challenge, code });
export const beginPasskey = (challenge: string): Promise<Ceremony> => post("/v1/auth/passkey/begin", { challenge });
export const confirmPasskey = (challenge: string, answer: unknown): Promise<SignedIn> => post("/v1/auth/passkey/confirm", { challenge, answer });
/** The cookie proves who asks. */
export const refresh = (): Promise<SignedIn> => post("/v1/auth/refresh");
export const signOut = (token: string): Promise<void> => post("/v1/auth/logout", undefined, token);
export const signOutEverywhere = (token: string): Promise<void> => post("/v1/auth/logout-everywhere", undefined, token);

const approvalPath = (token: string): string => `/v1/auth/approvals/${encodeURIComponent(token)}`;
export const fetchApproval = (token: string, signal: AbortSignal): Promise<{ prefix: string; expires_at_ms: number }> =>
  ask(approvalPath(token), { bearer: null, signal });
export const approve = (token: string): Promise<{ prefix: string }> => post(approvalPath(token));

export const fetchMe = (token: string, signal?: AbortSignal): Promise<Me> => ask("/v1/me", { bearer: token, ...(signal === undefined ? {} : { signal }) });
export const deleteMe = (token: string): Promise<void> => ask("/v1/me", { method: "DELETE", bearer: token });
export const setMode = (token: string, mode: Mode): Promise<Me> => post("/v1/me/mode", { mode }, token);
export const beginStepUp = (token: string): Promise<Challenge> => post("/v1/me/step-up", undefined, token);
export const changePassword = (token: string, old: string, fresh: string): Promise<void> => post("/v1/me/password", { old, new: fresh }, token);

export const fetchAddresses = (token: string, signal: AbortSignal): Promise<Address[]> => ask("/v1/me/addresses", { bearer: token, signal });
export const askForAddress = (token: string, prefix: string): Promise<unknown> => post("/v1/me/addresses", { prefix }, token);
export const dropAddress = (token: string, prefix: string): Promise<void> =>
  ask(`/v1/me/addresses${query({ prefix })}`, { method: "DELETE", bearer: token });

export const fetchPasskeys = (token: string, signal: AbortSignal): Promise<Passkey[]> => ask("/v1/me/passkeys", { bearer: token, signal });
export const beginPasskeyMaking = (token: string): Promise<Ceremony> => post("/v1/me/passkeys/begin", undefined, token);
export const keepPasskey = (token: string, ceremony: string, label: string, answer: unknown): Promise<unknown> =>
  post("/v1/me/passkeys", { ceremony, label, answer }, token);
export const dropPasskey = (token: string, id: string): Promise<void> =>
  ask(`/v1/me/passkeys/${encodeURIComponent(id)}`, { method: "DELETE", bearer: token });

/** Newest first; `undefined` outside the demo. */
export const fetchMailbox = (signal: AbortSignal): Promise<Mail[] | undefined> => askOptional("/v1/demo/mailbox", { bearer: null, signal });

export function isSignedIn(answer: Challenge | SignedIn): answer is SignedIn {
  return "access_token" in answer;
}
