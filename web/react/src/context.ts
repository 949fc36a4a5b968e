/** What the provider hands down: the session that runs, if it does; undefined where there is no provider. */

import { createContext } from "react";
import type { RunningSession } from "./session.ts";

export const SessionContext = createContext<{ readonly running: RunningSession | null } | undefined>(undefined);
