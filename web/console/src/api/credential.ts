/**
 * The application key that the console asks with.
 *
 * Invariant: it is in memory, and in `sessionStorage` only where the person said so; there it ends with the tab.
 */

export interface Access {
  key: string | null;
  /** The gateway wants a key and has none that holds. */
  asked: boolean;
  /** The key that was given is none of the gateway's. */
  wrong: boolean;
}

const STORED_AS = "ductus-key";

let access: Access = { key: sessionStorage.getItem(STORED_AS), asked: false, wrong: false };
const listeners = new Set<() => void>();

export const credential = {
  get: (): Access => access,
  subscribe(onChange: () => void): () => void {
    listeners.add(onChange);
    return () => {
      listeners.delete(onChange);
    };
  },
  use(key: string, keep: boolean): void {
    if (keep) sessionStorage.setItem(STORED_AS, key);
    change({ key, asked: false, wrong: false });
  },
  forget(): void {
    sessionStorage.removeItem(STORED_AS);
    change({ key: null, asked: true, wrong: false });
  },
  refused(): void {
    if (access.asked) return;
    sessionStorage.removeItem(STORED_AS);
    change({ key: null, asked: true, wrong: access.key !== null });
  },
};

function change(next: Access): void {
  access = next;
  for (const listener of listeners) listener();
}
