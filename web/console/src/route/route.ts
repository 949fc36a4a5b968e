/**
 * The pages of the console and their addresses.
 *
 * Addresses stand behind the `#`: what is there, subjects and tokens among it, reaches no server and no proxy's log.
 */

export type Route =
  | { page: "overview" }
  | { page: "sessions" }
  | { page: "session"; id: string }
  | { page: "subjects" }
  | { page: "subject"; id: string }
  | { page: "decisions"; query: string }
  | { page: "decision"; id: string }
  | { page: "identify" }
  | { page: "settings" }
  | { page: "try" }
  | { page: "account" }
  | { page: "approve"; token: string }
  | { page: "unknown" };

export function parseRoute(hash: string): Route {
  const [path = "", search = ""] = hash.replace(/^#\/?/, "").split(/\?(.*)/s);
  const [first = "", second, more] = path.split("/").map(decode);
  if (more !== undefined) return { page: "unknown" };
  if (second !== undefined && second !== "") return deepRoute(first, second);
  switch (first) {
    case "":
      return { page: "overview" };
    case "decisions":
      return { page: "decisions", query: search };
    case "sessions":
    case "subjects":
    case "identify":
    case "settings":
    case "try":
    case "account":
      return { page: first };
    default:
      return { page: "unknown" };
  }
}

export function hrefOf(route: Route): string {
  switch (route.page) {
    case "overview":
      return "#/";
    case "session":
      return `#/sessions/${encodeURIComponent(route.id)}`;
    case "subject":
      return `#/subjects/${encodeURIComponent(route.id)}`;
    case "decision":
      return `#/decisions/${encodeURIComponent(route.id)}`;
    case "decisions":
      return `#/decisions${route.query === "" ? "" : `?${route.query}`}`;
    case "approve":
      return `#/approve/${encodeURIComponent(route.token)}`;
    default:
      return `#/${route.page}`;
  }
}

function deepRoute(first: string, second: string): Route {
  switch (first) {
    case "sessions":
      return { page: "session", id: second };
    case "subjects":
      return { page: "subject", id: second };
    case "decisions":
      return { page: "decision", id: second };
    case "approve":
      return { page: "approve", token: second };
    default:
      return { page: "unknown" };
  }
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
