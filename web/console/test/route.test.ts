import { expect, test } from "vitest";
import { hrefOf, parseRoute, type Route } from "../src/route/route.ts";

const ROUTES: readonly (readonly [hash: string, route: Route])[] = [
  ["#/", { page: "overview" }],
  ["#/sessions", { page: "sessions" }],
  ["#/sessions/a%2Fb%3F%23%20%3Ci%3E", { page: "session", id: "a/b?# <i>" }],
  ["#/subjects/s-8f3a", { page: "subject", id: "s-8f3a" }],
  ["#/decisions?action=step_up&risk_min=70", { page: "decisions", query: "action=step_up&risk_min=70" }],
  ["#/decisions/5c1f", { page: "decision", id: "5c1f" }],
  ["#/approve/tok", { page: "approve", token: "tok" }],
  ["#/account", { page: "account" }],
];

test.each(ROUTES)("%s is an address, there and back", (hash, route) => {
  expect(parseRoute(hash)).toEqual(route);
  expect(hrefOf(route)).toBe(hash);
});

test.each([
  ["", { page: "overview" }],
  ["#try", { page: "try" }],
  ["#/sessions/", { page: "sessions" }],
  ["#/sessions/%", { page: "session", id: "%" }],
  ["#/nothing", { page: "unknown" }],
  ["#/settings/deep", { page: "unknown" }],
  ["#/sessions/a/b", { page: "unknown" }],
])("%s is understood", (hash, route) => {
  expect(parseRoute(hash)).toEqual(route);
});
