/**
 * Keeps the page's state in step with the line: stream, snapshot after each connect, statistics.
 *
 * Invariant: what arrives between connect and snapshot is not lost; it is added after the snapshot, once, by id.
 */

import { useEffect, useReducer } from "react";
import { followDecisions } from "../api/decision-stream.ts";
import { fetchStats } from "../api/server.ts";
import type { Decision } from "../api/wire.ts";
import { loadSnapshot } from "./load-snapshot.ts";
import { reduce } from "./reduce.ts";
import { EMPTY, type LiveAction, type LiveState } from "./state.ts";

/** Decisions are drawn this often, however fast they come. */
const DRAW_INTERVAL_MS = 200;
const STATS_INTERVAL_MS = 2_000;
/** Held back while the snapshot loads; beyond it the oldest go, which the snapshot holds anyway. */
const WAITING_MAX = 2_000;

export function useLine(): LiveState {
  const [state, dispatch] = useReducer(reduce, EMPTY);
  useEffect(() => follow(dispatch), []);
  useEffect(() => pollStats(dispatch), []);
  return state;
}

function follow(dispatch: (action: LiveAction) => void): () => void {
  let waiting: Decision[] = [];
  let loading = 0;

  const draw = setInterval(() => {
    if (loading > 0 || waiting.length === 0) return;
    const decisions = waiting;
    waiting = [];
    dispatch({ type: "decisions", decisions });
  }, DRAW_INTERVAL_MS);

  const load = async (): Promise<void> => {
    loading += 1;
    try {
      dispatch(await loadSnapshot());
    } catch {
      // The stream still shows what comes from now on; its next loss loads again.
    } finally {
      loading -= 1;
    }
  };

  const disconnect = followDecisions({
    onOpen() {
      dispatch({ type: "connected" });
      void load();
    },
    onLost(retry_ms) {
      dispatch({ type: "lost", retry_ms });
    },
    onDecision(decision) {
      waiting = [...waiting.slice(1 - WAITING_MAX), decision];
    },
  });

  return () => {
    clearInterval(draw);
    disconnect();
  };
}

function pollStats(dispatch: (action: LiveAction) => void): () => void {
  const poll = (): void => {
    if (document.visibilityState === "hidden") return;
    fetchStats().then(
      (stats) => {
        if (stats !== undefined) dispatch({ type: "stats", stats });
      },
      () => undefined, // The stream says that the line is away; numbers just stand still.
    );
  };
  poll();
  const timer = setInterval(poll, STATS_INTERVAL_MS);
  return () => {
    clearInterval(timer);
  };
}
