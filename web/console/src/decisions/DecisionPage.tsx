/** One decision: why, from what, and whether it was right. */

import { useCallback } from "react";
import { fetchDecision, type JudgedDecision } from "../api/decisions.ts";
import { actionMeaning, actionWord, toneOf } from "../format/risk.ts";
import { formatInstant } from "../format/time.ts";
import { shortHash } from "../format/words.ts";
import { SessionLink, SubjectLink } from "../parts/links.tsx";
import { Loaded } from "../parts/Loaded.tsx";
import { PageHead } from "../parts/PageHead.tsx";
import { Panel } from "../parts/Panel.tsx";
import { Facts } from "../parts/Facts.tsx";
import { useResource } from "../parts/use-resource.ts";
import { DecisionFacts } from "../session/DecisionFacts.tsx";
import { ReasonPictures } from "../session/ReasonPictures.tsx";
import { RiskBadge } from "../shell/RiskBadge.tsx";
import { RiskNumber } from "../shell/RiskNumber.tsx";
import { FeedbackPanel } from "./FeedbackPanel.tsx";
import classes from "./Decisions.module.css";

export function DecisionPage({ id }: { id: string }) {
  const { resource, reload } = useResource(useCallback((signal: AbortSignal) => fetchDecision(id, signal), [id]));
  return (
    <>
      <PageHead kind="Decision" title={shortHash(id)} />
      <Loaded resource={resource} reload={reload} what="the decision">
        {(decision) => <Inside decision={decision} onFeedback={reload} />}
      </Loaded>
    </>
  );
}

function Inside({ decision, onFeedback }: { decision: JudgedDecision; onFeedback: () => void }) {
  return (
    <div className={classes.halves}>
      <div className={classes.stack}>
        <Panel title="What was decided">
          <div className={classes.verdict}>
            <RiskNumber decision={decision} size="page" />
            <div className={classes.words}>
              <RiskBadge tone={toneOf(decision.action)} word={actionWord(decision)} large />
              <span>{actionMeaning(decision)}</span>
            </div>
          </div>
          <Facts
            facts={[
              ["Session", <SessionLink key="session" id={decision.session} />],
              ["Subject", <SubjectLink key="subject" id={decision.subject} />],
              ["Time", formatInstant(decision.time_us / 1000)],
            ]}
          />
        </Panel>
        <Panel title="Was it right?" hint="What you say is kept with the decision. It changes nothing in the session.">
          <FeedbackPanel decision={decision} onSent={onFeedback} />
        </Panel>
      </div>
      <div className={classes.stack}>
        <Panel title="Why: the usual against what was seen">
          <ReasonPictures decision={decision} earlier={[]} />
        </Panel>
        <Panel title="From what">
          <DecisionFacts decision={decision} />
        </Panel>
      </div>
    </div>
  );
}
