/** The visitor types, enrols, works, and hands the keyboard to somebody else. */

import { useEffect, useMemo, useReducer, useRef } from "react";
import { credential } from "../api/credential.ts";
import { mintToken } from "../api/server.ts";
import type { Thresholds } from "../format/risk.ts";
import type { LiveState } from "../live/state.ts";
import { PageHead } from "../parts/PageHead.tsx";
import { LeavingData } from "./LeavingData.tsx";
import { PhaseGuide } from "./PhaseGuide.tsx";
import { PhaseSteps } from "./PhaseSteps.tsx";
import { TypingField } from "./TypingField.tsx";
import { useCapture } from "./use-capture.ts";
import { VisitRisk } from "./VisitRisk.tsx";
import { advance, isEnrolled, makeSubject, newVisit, sessionOf } from "./visit.ts";
import classes from "./TryPage.module.css";

interface TryPageProps {
  line: LiveState;
  thresholds: Thresholds;
}

export function TryPage({ line, thresholds }: TryPageProps) {
  const [visit, dispatch] = useReducer(advance, undefined, () => newVisit(makeSubject()));
  const field = useRef<HTMLDivElement>(null);
  const sessionId = sessionOf(visit);
  const session = line.sessions.find((candidate) => candidate.id === sessionId);
  const token = useMemo(
    () => (credential.get().key === null ? undefined : (session: string) => mintToken(session, visit.subject)),
    [visit.subject],
  );
  const capture = useCapture(field, {
    tenant: line.tenant,
    subject: visit.subject,
    session: sessionId,
    purpose: visit.phase === "enrol" ? "enrol" : "session",
    token,
  });

  const enrolled = visit.phase === "enrol" && isEnrolled(session);
  useEffect(() => {
    if (enrolled) dispatch({ type: "enrolled" });
  }, [enrolled]);

  return (
    <>
      <PageHead title="Try it yourself" />
      <PhaseSteps phase={visit.phase} />
      <div className={classes.columns}>
        <div className={classes.left}>
          <PhaseGuide visit={visit} session={session} presses={capture.presses} dispatch={dispatch} />
          <TypingField captured={field} enabled={visit.phase !== "ask"} trouble={capture.trouble} withSecret />
        </div>
        <VisitRisk visit={visit} session={session} thresholds={thresholds} />
      </div>
      <LeavingData capture={capture} />
    </>
  );
}
