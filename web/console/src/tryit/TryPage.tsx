/** The visitor types, enrols, works, and hands the keyboard to somebody else. */

import { useEffect, useReducer, useRef } from "react";
import type { Thresholds } from "../format/risk.ts";
import type { LiveState } from "../live/state.ts";
import { LeavingData } from "./LeavingData.tsx";
import { PhaseGuide } from "./PhaseGuide.tsx";
import { PhaseSteps } from "./PhaseSteps.tsx";
import { TypingField } from "./TypingField.tsx";
import { useCapture } from "./use-capture.ts";
import { VisitRisk } from "./VisitRisk.tsx";
import { advance, isEnrolled, makeSubject, newVisit, sessionOf } from "./visit.ts";
import classes from "./TryPage.module.css";

/** The tenant of the demo, unless the server names another. */
const TENANT = "demo";

interface TryPageProps {
  line: LiveState;
  thresholds: Thresholds;
  onOpen: (session: string) => void;
}

export function TryPage({ line, thresholds, onOpen }: TryPageProps) {
  const [visit, dispatch] = useReducer(advance, undefined, () => newVisit(makeSubject()));
  const field = useRef<HTMLDivElement>(null);
  const sessionId = sessionOf(visit);
  const session = line.sessions.find((candidate) => candidate.id === sessionId);
  const capture = useCapture(field, {
    tenant: line.scenario?.tenant ?? TENANT,
    subject: visit.subject,
    session: sessionId,
    purpose: visit.phase === "enrol" ? "enrol" : "session",
  });

  const enrolled = visit.phase === "enrol" && isEnrolled(session);
  useEffect(() => {
    if (enrolled) dispatch({ type: "enrolled" });
  }, [enrolled]);

  return (
    <>
      <PhaseSteps phase={visit.phase} />
      <div className={classes.columns}>
        <div className={classes.left}>
          <PhaseGuide visit={visit} session={session} presses={capture.presses} dispatch={dispatch} />
          <TypingField captured={field} enabled={visit.phase !== "ask"} trouble={capture.trouble} />
        </div>
        <VisitRisk visit={visit} session={session} thresholds={thresholds} onOpen={onOpen} />
      </div>
      <LeavingData capture={capture} />
    </>
  );
}
