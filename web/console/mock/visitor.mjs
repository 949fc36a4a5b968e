/** A crude stand-in for the line, for what the visitor types: five windows enrol, then the mean flight time is compared. */

import { createRandom, createSession } from "./decisions.mjs";

const WINDOW = 50;
const HOP = 10;
const ANCHORS = 5;

export function createVisitors(tell) {
  const sessions = new Map();
  const enrolled = new Map();

  return {
    take,
    /** 0 to 50, where it is compared with. */
    maturityOf: (subject) => maturity(enrolled.get(subject)?.flights.length ?? 0),
    forget: (subject) => enrolled.delete(subject),
  };

  function take(batch) {
    let state = sessions.get(batch.session);
    if (state === undefined) {
      const { tenant, session, subject } = batch;
      state = { downs: [], next: WINDOW, step: createSession({ tenant, session, subject, modality: "keystroke" }, createRandom(7)) };
      sessions.set(batch.session, state);
    }
    const usual = enrolled.get(batch.subject) ?? { flights: [] };
    enrolled.set(batch.subject, usual);

    for (const event of batch.events) {
      if (event.type === "down") state.downs.push(event.t_us + batch.clock.origin_us);
      if (state.downs.length < state.next) continue;
      const window = state.downs.slice(-WINDOW);
      const flight = median(window.slice(1).map((t_us, at) => t_us - window[at]));
      if (batch.purpose === "enrol" && (state.downs.length % WINDOW) === 0 && usual.flights.length < ANCHORS) usual.flights.push(flight);
      state.next += HOP;
      const count = usual.flights.length;
      const llr = count === 0 ? 0 : 3 - 9 * Math.abs(Math.log(flight / median(usual.flights)));
      const reference = { version: count, maturity: maturity(count), count };
      tell(state.step({ llr, end_us: window.at(-1), reference }));
    }
  }
}

function maturity(count) {
  return Math.min(50, (count * 50) / ANCHORS);
}

function median(values) {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
