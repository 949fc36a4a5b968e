/** The public face of the React binding. */

export { DuctusProvider, type DuctusProviderProps } from "./provider.tsx";
export { useDuctusSession, useRisk } from "./hooks.ts";
export type { DuctusSession } from "./session.ts";
