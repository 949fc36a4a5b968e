/** The line: plays the scenario, takes what visitors type, and keeps what was decided. */

import { createRandom, createSession } from "./decisions.mjs";
import { SCENARIO } from "./scenario.mjs";
import { createVisitors } from "./visitor.mjs";

const HISTORY_MAX = 600;
const TICK_MS = 250;
const TENANT = "demo";

/** `onDecision` hears every decision as it is made. */
export function createLine(seconds, onDecision) {
  const random = createRandom(20261121);
  const start_us = (Date.now() - seconds * 1000) * 1000;
  const history = new Map();
  const stats = { events: 0, windows: 0, decisions: 0, rejected: 3, late: 1, duplicates: 2 };

  const tell = (decision) => {
    history.set(decision.session, [...(history.get(decision.session) ?? []), decision].slice(-HISTORY_MAX));
    stats.windows += 1;
    stats.decisions += 1;
    onDecision(decision);
  };

  const players = SCENARIO.map((entry) => {
    const modality = entry.kind === "pointer" ? "pointer" : "keystroke";
    return { ...entry, seconds: 9 + random.uniform() * 3, count: 0, step: createSession({ tenant: TENANT, session: entry.session, subject: entry.subject, modality }, random) };
  });

  const play = (player, until) => {
    while (player.seconds < until) {
      const taken = player.change !== undefined && player.seconds > player.change;
      const mean = taken ? -3 : player.shaky ? 0.2 : 2.4;
      const count = player.learning ? Math.min(4, Math.floor(player.count / 18)) : 12;
      const reference = count === 0 ? null : { version: count, maturity: player.learning ? count * 10 : 85, count };
      tell(player.step({ llr: mean + random.normal() * 1.5, end_us: start_us + Math.round(player.seconds * 1e6), reference }));
      stats.events += 20 + Math.round(random.uniform() * 30);
      player.count += 1;
      player.seconds += 1.6 + random.uniform() * 2.2;
    }
  };
  const tick = () => { for (const player of players) play(player, (Date.now() * 1000 - start_us) / 1e6); };
  const visitors = createVisitors(tell);

  const summary = (list) => {
    const last = list.at(-1);
    return { session: last.session, tenant: TENANT, subject: last.subject, modality: last.window.modality, risk: last.risk, confidence: last.confidence, action: last.action, windows: list.length, last_us: last.time_us };
  };

  return {
    tenant: TENANT,
    start_us,
    begin() {
      tick();
      setInterval(tick, TICK_MS);
    },
    take(batch) {
      stats.events += batch.events.length;
      visitors.take(batch);
      return { accepted: batch.events.length, rejected: 0 };
    },
    maturityOf: visitors.maturityOf,
    forget(subject) {
      visitors.forget(subject);
      for (const [session, list] of history) if (list.at(-1)?.subject === subject && !players.some((player) => player.session === session)) history.delete(session);
    },
    all: () => [...history.values()].flat(),
    history: (session) => history.get(session) ?? [],
    sessions: () => [...history.values()].map(summary),
    stats: () => ({ ...stats, uptime_ms: Math.round(process.uptime() * 1000) }),
    scenario: () => ({
      mode: "demo",
      recordings: "aalto",
      tenant: TENANT,
      scenario: SCENARIO.map(({ session, subject, label, kind, change }) => ({ session, subject, label, kind, hand_over_at_us: change === undefined ? null : start_us + change * 1e6 })),
    }),
  };
}
