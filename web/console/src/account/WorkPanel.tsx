/**
 * Work under the line's eye. Risk asks for a proof; until it is given nothing is captured, and after it a new session
 * begins: the old one holds the evidence against whoever sat there before.
 */

import { Button } from "@mantine/core";
import type { RiskEvent } from "@ductus/sdk";
import { useCallback, useRef, useState } from "react";
import { setMode, type Me, type SignedIn } from "../api/identity.ts";
import { actionMeaning, toneOf } from "../format/risk.ts";
import { Panel } from "../parts/Panel.tsx";
import { Problem } from "../parts/Problem.tsx";
import { ReasonList } from "../sessions/ReasonList.tsx";
import { RiskBadge } from "../shell/RiskBadge.tsx";
import { RiskNumber } from "../shell/RiskNumber.tsx";
import { TypingField } from "../tryit/TypingField.tsx";
import { useCapture } from "../tryit/use-capture.ts";
import type { FaceProps } from "./AccountPage.tsx";
import { newSession } from "./new-session.ts";
import { asUser, signIn } from "./sign-in.ts";
import { StepUpDialog } from "./StepUpDialog.tsx";
import { useProved } from "./use-proved.tsx";
import classes from "./Account.module.css";

interface WorkPanelProps {
  me: Me;
  who: SignedIn;
  onChange: () => void;
  face: FaceProps;
}

export function WorkPanel({ me, who, onChange, face }: WorkPanelProps) {
  const field = useRef<HTMLDivElement>(null);
  const [session, setSession] = useState(newSession);
  const [risk, setRisk] = useState<RiskEvent | null>(null);
  const { action: training, question } = useProved(face);
  const held = me.step_up !== null;

  const onRisk = useCallback(
    (event: RiskEvent) => {
      setRisk(event);
      // The account says whether a proof is wanted; the monitor only says that it is time to ask.
      if (asks(event)) onChange();
    },
    [onChange],
  );
  const capture = useCapture(field, { tenant: who.tenant, subject: who.user, session: held ? null : session, purpose: "session", token: signIn.token, onRisk });

  const train = async (): Promise<void> => {
    if (await training.run(() => asUser((token) => setMode(token, "train")))) onChange();
  };
  const proved = (): void => {
    setSession(newSession());
    setRisk(null);
    onChange();
  };

  return (
    <div className={classes.columns}>
      <Panel title="Work as usual" hint="Then hand the keyboard to somebody else, and let them type on.">
        <TypingField captured={field} enabled={!held} trouble={capture.trouble} />
      </Panel>
      <Panel title="Is it still you?">
        <div className={classes.verdict} aria-live="polite">
          <RiskNumber decision={risk ?? undefined} size="page" />
          <div className={classes.words}>
            <RiskBadge tone={toneOf(risk?.action ?? "insufficient_data")} word={wordOf(risk)} large />
            <span className={classes.soft}>{sayRisk(risk)}</span>
          </div>
        </div>
        {risk !== null && risk.action !== "insufficient_data" && <ReasonList reasons={risk.reasons} />}
        <p className={`${classes.presses ?? ""} number`}>{capture.presses} key presses in this session</p>
        <Problem error={training.error} />
        <Button size="xs" variant="default" loading={training.busy} disabled={held} onClick={() => void train()}>
          Learn my rhythm again
        </Button>
      </Panel>
      {question}
      {/* Another demand asks for another challenge. */}
      {me.step_up !== null && <StepUpDialog key={me.step_up.since_ms} face={face} reasons={asks(risk) ? risk.reasons : []} onProved={proved} />}
    </div>
  );
}

/** Whether this risk asks for a proof. */
function asks(risk: RiskEvent | null): risk is RiskEvent {
  return risk?.action === "step_up" || risk?.action === "terminate";
}

function wordOf(risk: RiskEvent | null): string {
  if (risk === null || risk.action === "insufficient_data") return "Watching";
  return { allow: "It is you", step_up: "Not sure", terminate: "Somebody else" }[risk.action];
}

function sayRisk(risk: RiskEvent | null): string {
  if (risk === null) return "The first answer comes after about fifty key presses.";
  return risk.action === "insufficient_data" ? "Too little to say yet." : actionMeaning({ ...risk, reference: null });
}
