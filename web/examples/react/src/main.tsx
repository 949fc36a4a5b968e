/**
 * A page that is watched and shows its own risk. The address says where the gateway is:
 *
 *     ?endpoint=http://localhost:8080&session=…&subject=…&token=…
 *
 * A real application leaves out `session` and passes a function as `token`, which asks its own back end.
 */

import { DuctusProvider, useDuctusSession, useRisk } from "@ductus/react";
import { StrictMode, useEffect, useState } from "react";
import { createRoot } from "react-dom/client";

const query = new URLSearchParams(location.search);
const given = (name: string): string | undefined => query.get(name) ?? undefined;
const session = given("session");
const subject = given("subject");
const token = given("token");

function App() {
  const [agreed, setAgreed] = useState(false);
  return (
    <DuctusProvider
      endpoint={given("endpoint") ?? "http://localhost:8080"}
      tenant={given("tenant") ?? "demo"}
      {...(session !== undefined && { session })}
      {...(subject !== undefined && { subject })}
      {...(token !== undefined && { token })}
      consent={agreed ? "granted" : "withheld"}
    >
      <h1>Ductus with React</h1>
      <label>
        <input type="checkbox" checked={agreed} onChange={(event) => { setAgreed(event.target.checked); }} /> My rhythm of typing may
        be watched
      </label>
      <p>
        <label>
          Write something <textarea id="text" rows={6} cols={60} disabled={!agreed} />
        </label>
      </p>
      {agreed && <Progress />}
      <Risk />
    </DuctusProvider>
  );
}

/** How much a first judgement still needs. */
function Progress() {
  const session = useDuctusSession();
  const [needed, setNeeded] = useState<number | null>(null);
  useEffect(() => {
    const timer = setInterval(() => { setNeeded(session?.quality().keys.needed ?? null); }, 250);
    return () => { clearInterval(timer); };
  }, [session]);
  return needed !== null && needed > 0 && <p>{needed} key presses until the first judgement</p>;
}

function Risk() {
  const risk = useRisk();
  if (risk === null) return <p>No risk yet</p>;
  return (
    <section aria-live="polite">
      <p id="risk">
        Risk {Math.round(risk.risk)}: {risk.action}
      </p>
      <ul>
        {risk.reasons.map((reason) => (
          <li key={reason.measure}>{reason.text}</li>
        ))}
      </ul>
    </section>
  );
}

const root = document.getElementById("root");
if (root !== null) createRoot(root).render(<StrictMode><App /></StrictMode>);
