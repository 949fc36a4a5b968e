/** What an administrator sees and sets: models, thresholds, the identify switch, keys, webhooks. */

import { createHash, randomBytes } from "node:crypto";
import { Refusal } from "./access.mjs";

const DAY_MS = 86_400_000;
const hex = (bytes) => randomBytes(bytes).toString("hex");
const hash = (text) => createHash("sha256").update(text).digest("hex");
const notFound = (what) => new Refusal(404, "not_found", `there is no such ${what}`);

/** `someDecisions` gives ids for the dead letters to be about; without `hasKeys` access is open. */
export function createSettings({ hasKeys, identify, someDecisions }) {
  const now = Date.now();
  const settings = { identify, identify_reason: identify ? "Case 2026-117, approved by the data protection officer" : null };
  const keys = [
    { id: "k7f3a1", label: "Shop back end", scopes: ["ingest", "verify"], created_at_ms: now - 40 * DAY_MS, rotated_at_ms: now - DAY_MS, old_secret_until_ms: now + DAY_MS },
    { id: "k21bd0", label: "SOC console", scopes: ["monitor", "admin"], created_at_ms: now - 12 * DAY_MS },
    { id: "k0c9e2", label: "Pilot", scopes: ["ingest"], created_at_ms: now - 90 * DAY_MS, revoked_at_ms: now - 60 * DAY_MS },
  ];
  const hooks = [{ id: "w1", url: "https://soc.example.org/hooks/ductus", format: "standard", events: ["step_up", "terminate"] }];
  const dead = new Map([
    ["w1", [["step_up", 503, "503 Service Unavailable"], ["terminate", null, "connection timed out"]].map(([event, last_status, last_error], at) => ({
      delivery: `d${at}`, event, decision: someDecisions()[at] ?? hex(16), attempts: 12, last_status, last_error, next_at_ms: null, state: "dead",
    }))],
  ]);
  const keyOf = (id) => keys.find((key) => key.id === id && key.revoked_at_ms === undefined) ?? raise(notFound("key in force"));
  const hookOf = (id) => hooks.find((hook) => hook.id === id) ?? raise(notFound("webhook"));
  const needKeys = () => { if (!hasKeys) throw new Refusal(404, "not_found", "access is open: there are no keys"); };

  return {
    settings: () => settings,
    identifies: () => settings.identify,
    put({ identify: on, reason }) {
      if (on && (typeof reason !== "string" || reason === "")) throw new Refusal(400, "malformed", "switching it on needs a reason");
      Object.assign(settings, { identify: on, identify_reason: on ? reason : null });
      return settings;
    },
    policy: () => ({ step_up_risk: 70, terminate_risk: 95, budget: "1 per 30d", subjects: 12 }),
    models: () => [
      { id: "keystroke", version: "2026-11-21-pace-ensemble", sha256: hash("keystroke"), dimensions: 64 },
      { id: "pointer", version: "2026-11-21-balabit", sha256: hash("pointer"), dimensions: 64 },
    ],

    keys() { needKeys(); return keys; },
    makeKey({ label, scopes }) {
      needKeys();
      const id = `k${hex(3)}`;
      keys.push({ id, label, scopes, created_at_ms: Date.now() });
      return { id, key: `dk_${id}_${hex(16)}` };
    },
    rotate(id) {
      Object.assign(keyOf(id), { rotated_at_ms: Date.now(), old_secret_until_ms: Date.now() + DAY_MS });
      return { id, key: `dk_${id}_${hex(16)}` };
    },
    revoke(id) { keyOf(id).revoked_at_ms = Date.now(); },

    hooks: () => hooks,
    makeHook({ url, format, events }) {
      if (!String(url).startsWith("https://")) throw new Refusal(400, "malformed", "the address must begin with https://");
      const id = `w${hex(3)}`;
      hooks.push({ id, url, format, events });
      return { id, secret: `whsec_${randomBytes(24).toString("base64")}` };
    },
    dropHook(id) { hooks.splice(hooks.indexOf(hookOf(id)), 1); },
    testHook(id) { hookOf(id); return {}; },
    deadLetters(id) { hookOf(id); return dead.get(id) ?? []; },
    retry(id, delivery) {
      hookOf(id);
      dead.set(id, (dead.get(id) ?? []).filter((one) => one.delivery !== delivery));
      return {};
    },
  };
}

function raise(error) {
  throw error;
}
