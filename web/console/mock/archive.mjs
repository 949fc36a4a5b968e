/** Searching what was decided, and what people said of it. */

import { Refusal } from "./access.mjs";

const LIMIT_MAX = 500;

/** `all` gives every decision that is kept. */
export function createArchive(all) {
  const feedback = new Map();
  const find = (id) => {
    const decision = all().find((one) => one.id === id);
    if (decision === undefined) throw new Refusal(404, "not_found", "there is no such decision");
    return decision;
  };

  return {
    search(asked) {
      const number = (name) => (asked.has(name) ? Number(asked.get(name)) : undefined);
      const same = (name, value) => !asked.has(name) || asked.get(name) === value;
      const within = (value, min, max) => (min === undefined || min <= value) && (max === undefined || value <= max);
      const found = all()
        .filter((one) => same("subject", one.subject) && same("session", one.session) && same("action", one.action) && same("modality", one.window.modality))
        .filter((one) => within(one.risk, number("risk_min"), number("risk_max")) && within(one.time_us / 1000, number("since_ms"), number("until_ms")))
        .sort((a, b) => b.time_us - a.time_us || a.id.localeCompare(b.id));
      const from = asked.has("after") ? found.findIndex((one) => one.id === asked.get("after")) + 1 : 0;
      const limit = Math.min(number("limit") ?? 50, LIMIT_MAX);
      const decisions = found.slice(from, from + limit);
      const next = from + limit < found.length ? (decisions.at(-1)?.id ?? null) : null;
      const oldest_us = Math.min(...all().map((one) => one.time_us));
      return { decisions, next, complete_since_ms: Math.floor(Number.isFinite(oldest_us) ? oldest_us / 1000 : Date.now()) };
    },
    decision(id) {
      return { ...find(id), feedback: feedback.get(id) ?? [] };
    },
    say(id, { verdict, note = null }, by) {
      find(id);
      if (verdict !== "false_alarm" && verdict !== "confirmed") throw new Refusal(400, "malformed", "a verdict is false_alarm or confirmed");
      feedback.set(id, [...(feedback.get(id) ?? []), { verdict, by, at_ms: Date.now(), note }]);
      return {};
    },
  };
}
