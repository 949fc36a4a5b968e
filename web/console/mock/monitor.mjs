/** `GET /v1/sessions/{id}/monitor`: the risk of one session as server-sent events, from the last event id on. */

/** `tell` passes a decision on; `follow` answers a request with what was missed, and then with what comes. */
export function createMonitors(historyOf) {
  const followers = new Map();

  return {
    tell(decision) {
      for (const response of followers.get(decision.session) ?? []) response.write(frame(decision));
    },
    follow(session, request, response) {
      response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
      response.write(": open\n\n");
      const lastId = request.headers["last-event-id"];
      const history = historyOf(session);
      const seen = history.findIndex((decision) => idOf(decision) === lastId);
      // Who has seen nothing yet begins with how things stand now.
      for (const decision of lastId === undefined ? history.slice(-1) : history.slice(seen + 1)) response.write(frame(decision));
      const set = followers.get(session) ?? new Set();
      followers.set(session, set.add(response));
      request.on("close", () => set.delete(response));
    },
  };
}

const idOf = ({ source }) => `${source.partition}-${source.offset}`;

function frame(decision) {
  const { session, subject, risk, confidence, action, reasons, id, time_us } = decision;
  const data = { session, subject, risk, confidence, action, reasons, decision: id, time_us };
  return `event: risk\nid: ${idOf(decision)}\ndata: ${JSON.stringify(data)}\n\n`;
}
