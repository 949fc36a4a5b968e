/**
 * One request to the gateway.
 *
 * Invariants: every request has a time limit; whatever goes wrong is an `ApiError`; a refused application key is told to
 * `credential.ts`, a refused access token is not: it belongs to somebody else.
 */

import { credential } from "./credential.ts";

/** A refusal (RFC 9457), or no answer at all: then the status is 0. */
export class ApiError extends Error {
  readonly status: number;
  /** The gateway's code for programs. */
  readonly reason: string;

  constructor(status: number, reason: string, title: string) {
    super(title);
    this.status = status;
    this.reason = reason;
  }
}

export interface Request {
  method?: "GET" | "POST" | "PUT" | "DELETE";
  body?: unknown;
  /** The access token of an end user; left out, the console's own key is used. Null sends no credential. */
  bearer?: string | null;
  signal?: AbortSignal;
}

const REQUEST_TIMEOUT_MS = 8_000;

/** The gateway that serves this page: addresses are relative, so that it may serve the page below any prefix. */
export const GATEWAY = ".";

export async function ask<T>(path: string, request: Request = {}): Promise<T> {
  const response = await send(path, request);
  return (response.status === 204 ? undefined : await response.json().catch(noAnswer)) as T;
}

/** `undefined` where the gateway does not know it. */
export async function askOptional<T>(path: string, request: Request = {}): Promise<T | undefined> {
  try {
    return await ask<T>(path, request);
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return undefined;
    throw error;
  }
}

/** Any answer but a refusal. */
async function send(path: string, { method = "GET", body, bearer, signal }: Request): Promise<Response> {
  const limit = AbortSignal.timeout(REQUEST_TIMEOUT_MS);
  const response = await fetch(GATEWAY + path, {
    method,
    // State changes are JSON even without a body: that is what keeps other sites' forms out.
    headers: { ...headersFor(bearer), ...(method === "GET" ? {} : { "content-type": "application/json" }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: signal === undefined ? limit : AbortSignal.any([signal, limit]),
  }).catch(noAnswer);
  if (response.ok) return response;
  if (response.status === 401 && bearer === undefined) credential.refused();
  throw await refusalOf(response);
}

export function headersFor(bearer: string | null | undefined): Record<string, string> {
  const credentials = bearer === undefined ? credential.get().key : bearer;
  return { accept: "application/json", ...(credentials === null ? {} : { authorization: `Bearer ${credentials}` }) };
}

async function refusalOf(response: Response): Promise<ApiError> {
  const problem = (await response.json().catch(() => ({}))) as { reason?: string; title?: string };
  return new ApiError(response.status, problem.reason ?? "unknown", problem.title ?? response.statusText);
}

export function noAnswer(cause: unknown): never {
  if (cause instanceof DOMException && cause.name === "AbortError") throw cause;
  throw new ApiError(0, "no_answer", "the gateway does not answer");
}

/** `?a=1&b=2` of what is there; nothing of nothing. */
export function query(values: Readonly<Record<string, string | number | null | undefined>>): string {
  const given = Object.entries(values).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return given.length === 0 ? "" : `?${new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString()}`;
}
