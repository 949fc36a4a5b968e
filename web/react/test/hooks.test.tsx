import type { Listener, RiskEvent } from "@ductus/sdk";
import { renderToString } from "react-dom/server";
import { expect, test, vi } from "vitest";
import { DuctusProvider, useDuctusSession, useRisk } from "../src/index.ts";
import { createRiskStore, makeSessionId } from "../src/session.ts";

function Shown() {
  return <p>{`${useDuctusSession()?.id ?? "no session"}, ${useRisk()?.risk ?? "no risk"}`}</p>;
}

test("on a server there is neither a session nor a risk", () => {
  const page = renderToString(
    <DuctusProvider endpoint="" tenant="t" consent="granted">
      <Shown />
    </DuctusProvider>,
  );
  expect(page).toBe("<p>no session, no risk</p>");
});

test("without a provider the hooks say what is missing", () => {
  expect(() => renderToString(<Shown />)).toThrow("there is no <DuctusProvider> above this component");
});

test("the store keeps the latest risk for those who come late", () => {
  const listeners = new Set<Listener<"risk">>();
  const store = createRiskStore({
    on: (_, listener) => {
      listeners.add(listener as Listener<"risk">);
      return () => listeners.delete(listener as Listener<"risk">);
    },
  });
  const changed = vi.fn();
  expect(store.latest()).toBeNull();
  const undo = store.subscribe(changed);
  const risk = { risk: 71 } as RiskEvent;
  for (const listener of listeners) listener(risk);
  expect(changed).toHaveBeenCalledTimes(1);
  undo();
  expect(listeners.size).toBe(0);
  expect(store.latest()).toBe(risk);
});

test("session ids fit the contract, and do not repeat", () => {
  const ids = Array.from({ length: 100 }, makeSessionId);
  expect(ids.filter((id) => !/^[A-Za-z0-9._:-]{1,64}$/.test(id))).toEqual([]);
  expect(new Set(ids).size).toBe(100);
});
