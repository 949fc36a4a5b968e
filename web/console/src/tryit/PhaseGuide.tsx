/** What the visitor should do now, and the button that leads on. */

import { Button, Progress } from "@mantine/core";
import { IconArrowBackUp, IconHandMove, IconRefresh } from "@tabler/icons-react";
import type { Dispatch } from "react";
import { learningProgress } from "../format/risk.ts";
import type { SessionView } from "../live/state.ts";
import { verdictOf } from "../live/verdict.ts";
import { judgedWindows, makeSubject, type Visit, type VisitAction } from "./visit.ts";
import classes from "./PhaseGuide.module.css";

/** Fewer judged windows than these, and a hand-over would prove nothing. */
const WINDOWS_BEFORE_HAND_OVER = 3;

interface PhaseGuideProps {
  visit: Visit;
  session: SessionView | undefined;
  presses: number;
  dispatch: Dispatch<VisitAction>;
}

export function PhaseGuide(props: PhaseGuideProps) {
  switch (props.visit.phase) {
    case "ask":
      return <Ask {...props} />;
    case "enrol":
      return <Enrol {...props} />;
    case "work":
      return <Work {...props} />;
    case "handed":
      return <Handed {...props} />;
  }
}

function Ask({ dispatch }: PhaseGuideProps) {
  return (
    <Guide title="Let it learn how you type">
      <p>
        Type a few sentences, and Ductus learns your rhythm: how long keys stay down, and how quickly one follows another.
        Then hand the keyboard to a colleague, and watch the risk.
      </p>
      <p>
        Recorded are times and the <em>class</em> of each key (letter, digit, space…), only in the field below, under a
        pseudonym made up for this visit. What you type never leaves this page, and the page stores nothing.
      </p>
      <div className={classes.actions}>
        <Button onClick={() => { dispatch({ type: "agreed" }); }}>I agree, start enrolment</Button>
      </div>
    </Guide>
  );
}

function Enrol({ session, presses }: PhaseGuideProps) {
  const percent = learningProgress(session?.decisions ?? []);
  return (
    <Guide title="Type the sentences below, at your own pace">
      <p>Mistakes are welcome, corrections too: they are part of how you type. The next step begins by itself.</p>
      <div className={classes.progress}>
        <Progress value={percent} size="md" radius="xl" aria-label="Enrolment" />
        <span className="number" role="status">
          {percent} % of your references{percent === 0 ? ` · ${presses} key presses` : ""}
        </span>
      </div>
    </Guide>
  );
}

function Work({ session, dispatch }: PhaseGuideProps) {
  const missing = Math.max(0, WINDOWS_BEFORE_HAND_OVER - judgedWindows(session));
  return (
    <Guide title="You are enrolled. Go on typing as yourself">
      <p>
        Each ten key presses make a new decision. When the risk has settled, press the button and let somebody else type on. Alone? Use
        two fingers, or the other hand: a fair imitation.
      </p>
      <div className={classes.actions}>
        <Button
          leftSection={<IconHandMove size={17} aria-hidden />}
          disabled={missing > 0}
          onClick={() => { dispatch({ type: "handed", now_us: Math.round((performance.timeOrigin + performance.now()) * 1000) }); }}
        >
          Hand the keyboard over
        </Button>
        {missing > 0 && <span className={classes.hint}>{missing} more decisions first</span>}
      </div>
    </Guide>
  );
}

function Handed({ session, dispatch }: PhaseGuideProps) {
  const action = verdictOf(session?.decisions ?? [])?.action;
  const title =
    action === "terminate"
      ? "Noticed. An application would end the session now"
      : action === "step_up"
        ? "Noticed. An application would ask for a second proof now"
        : "Somebody else is typing now";
  return (
    <Guide title={title}>
      <p>
        Same session, same subject, other hands. One window alone locks nobody out: evidence has to add up, which takes some sentences.
      </p>
      <div className={classes.actions}>
        <Button
          variant="default"
          leftSection={<IconArrowBackUp size={17} aria-hidden />}
          onClick={() => { dispatch({ type: "returned" }); }}
        >
          I am back
        </Button>
        <Button
          variant="subtle"
          leftSection={<IconRefresh size={17} aria-hidden />}
          onClick={() => { dispatch({ type: "restarted", subject: makeSubject() }); }}
        >
          Start over as somebody new
        </Button>
      </div>
    </Guide>
  );
}

function Guide({ title, children }: { title: string; children: React.ReactNode }) {
  return (
    <section className={classes.guide} aria-live="polite">
      <h2>{title}</h2>
      {children}
    </section>
  );
}
