/**
 * Keeps the page's state in step with the line: stream, snapshot after each connect, statistics.
 *
 * Invariant: what arrives between connect and snapshot is not lost; it is added after the snapshot, once, by id.
 */

import { useEffect, useReducer, type Dispatch } from "react";
import { followDecisions, type DecisionStream } from "../api/decision-stream.ts";
import { fetchStats } from "../api/server.ts";
import type { Decision } from "../api/wire.ts";
import { loadSnapshot } from "./load-snapshot.ts";
import { reduce } from "./reduce.ts";
import { EMPTY, type LiveAction, type LiveState } from "./state.ts";

/** Decisions are drawn this often, however fast they come. */
const DRAW_INTERVAL_MS = 200;
const STATS_INTERVAL_MS = 2_000;
/** So many readings in a row without an answer, and the line is away, whatever the stream's connection believes. */
const STATS_FAILURES_MAX = 3;
/** Held back while the snapshot loads; beyond it the oldest go, which the snapshot holds anyway. */
const WAITING_MAX = 2_000;

export function useLine(): LiveState {
  const [state, dispatch] = useReducer(reduce, EMPTY);
  useEffect(() => {
    const stream = follow(dispatch);
    const stopPolling = pollStats(dispatch, stream.restart);
    return () => {
      stopPolling();
      stream.close();
    };
  }, []);
  return state;
}

function follow(dispatch: Dispatch<LiveAction>): DecisionStream {
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

  const stream = followDecisions({
    onOpen() {
      dispatch({ type: "connected" });
      void load();
    },
    onLost(attempt, retry_ms) {
      dispatch({ type: "lost", attempt, retry_ms });
    },
    onRefused() {
      dispatch({ type: "refused" });
    },
    onMissed() {
      void load();
    },
    onDecision(decision) {
      waiting = [...waiting.slice(1 - WAITING_MAX), decision];
    },
  });

  return {
    restart: stream.restart,
    close() {
      clearInterval(draw);
      stream.close();
    },
  };
}

/** Reads the totals; a line that answers again after it did not gets a new stream. */
function pollStats(dispatch: Dispatch<LiveAction>, restart: () => void): () => void {
  let failures = 0;

  const poll = async (): Promise<void> => {
    if (document.visibilityState === "hidden") return;
    try {
      const stats = await fetchStats();
      if (failures >= STATS_FAILURES_MAX) restart();
      failures = 0;
      if (stats !== undefined) dispatch({ type: "stats", stats });
    } catch {
      failures += 1;
      if (failures === STATS_FAILURES_MAX) dispatch({ type: "lost", attempt: failures, retry_ms: STATS_INTERVAL_MS });
    }
  };

  void poll();
  const timer = setInterval(() => void poll(), STATS_INTERVAL_MS);
  return () => {
    clearInterval(timer);
  };
}
