/** A page that mounts, changes and unmounts a provider, below StrictMode. */

import { DuctusProvider, useDuctusSession, useRisk } from "@ductus/react";
import { StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";

const endpoint = new URLSearchParams(location.search).get("endpoint") ?? "";
let tokens = 0;

function App() {
  const [subject, setSubject] = useState<string | null>("first");
  const [shown, setShown] = useState(0);
  return (
    <>
      <textarea id="text" />
      <button id="show" onClick={() => { setShown(shown + 1); }}>show the risk once more</button>
      <button id="change" onClick={() => { setSubject("second"); }}>somebody else signs in</button>
      <button id="leave" onClick={() => { setSubject(null); }}>leave</button>
      {subject !== null && (
        // A new function at each render: it must not end the session.
        <DuctusProvider endpoint={endpoint} tenant="demo" subject={subject} consent="granted" token={(session) => `${session}/${(tokens += 1)}`}>
          <Session />
          {Array.from({ length: shown }, (_, at) => <Risk key={at} />)}
        </DuctusProvider>
      )}
    </>
  );
}

function Session() {
  return <p id="session">{useDuctusSession()?.id}</p>;
}

function Risk() {
  return <p className="risk">{useRisk()?.action ?? "none"}</p>;
}

const root = document.getElementById("root");
if (root !== null) createRoot(root).render(<StrictMode><App /></StrictMode>);
