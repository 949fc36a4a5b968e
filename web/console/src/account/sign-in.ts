/**
 * Who is signed in on this page.
 *
 * Invariants: the access token is in memory only; one refresh at a time in all tabs, because a refresh token is good once;
 * whoever the gateway does not know any more is signed out here, too.
 */

import { ApiError } from "../api/http.ts";
import { refresh, type SignedIn } from "../api/identity.ts";

export type SignIn =
  /** Not asked yet. */
  | { state: "unknown" }
  /** This gateway signs nobody in. */
  | { state: "off" }
  | { state: "out"; why: string | null }
  | { state: "in"; who: SignedIn };

/** A token that ends sooner is renewed first. */
const SPARE_MS = 30_000;
const ENDED = "Your session has ended. Sign in again.";

let current: SignIn = { state: "unknown" };
let refreshing: Promise<string> | undefined;
const listeners = new Set<() => void>();

export const signIn = {
  get: (): SignIn => current,
  subscribe(onChange: () => void): () => void {
    listeners.add(onChange);
    return () => {
      listeners.delete(onChange);
    };
  },
  entered(who: SignedIn): void {
    change({ state: "in", who });
  },
  left(why: string | null): void {
    change({ state: "out", why });
  },
  /** Takes up a sign-in that the cookie still holds. */
  async resume(): Promise<void> {
    if (current.state !== "unknown") return;
    await renew(null).catch(() => undefined);
  },
  /** A token that is good for a while. */
  token(): Promise<string> {
    if (current.state === "in" && current.who.expires_at_ms - Date.now() > SPARE_MS) return Promise.resolve(current.who.access_token);
    return renew(ENDED);
  },
};

/** Does something as the user; a token that was refused is renewed once. */
export async function asUser<T>(work: (token: string) => Promise<T>): Promise<T> {
  const token = await signIn.token();
  try {
    return await work(token);
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 401) throw error;
    return work(await renew(ENDED));
  }
}

function renew(why: string | null): Promise<string> {
  refreshing ??= ask(why).finally(() => (refreshing = undefined));
  return refreshing;
}

async function ask(why: string | null): Promise<string> {
  try {
    const who = await inTurn(refresh);
    change({ state: "in", who });
    return who.access_token;
  } catch (error) {
    const status = error instanceof ApiError ? error.status : 0;
    if (status === 404) change({ state: "off" });
    // Without an answer nobody knows; a page that has just opened asks for the password then.
    else if (status === 401 || current.state === "unknown") change({ state: "out", why });
    throw error;
  }
}

/** Two tabs that showed the same cookie at once would look like theft. Without TLS browsers have no locks. */
function inTurn<T>(work: () => Promise<T>): Promise<T> {
  return "locks" in navigator ? navigator.locks.request("ductus-refresh", work) : work();
}

function change(next: SignIn): void {
  current = next;
  for (const listener of listeners) listener();
}
