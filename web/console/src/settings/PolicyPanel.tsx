/** The thresholds in force, and how often they may trouble the right person. */

import { useCallback } from "react";
import { fetchPolicy } from "../api/settings.ts";
import { Loaded } from "../parts/Loaded.tsx";
import { Panel } from "../parts/Panel.tsx";
import { useResource } from "../parts/use-resource.ts";
import { RiskBadge } from "../shell/RiskBadge.tsx";
import classes from "./Settings.module.css";

export function PolicyPanel() {
  const { resource, reload } = useResource(useCallback((signal: AbortSignal) => fetchPolicy(signal), []));
  return (
    <Panel title="Thresholds">
      <Loaded resource={resource} reload={reload} what="the thresholds">
        {({ step_up_risk, terminate_risk, budget, subjects }) => (
          <>
            {budget !== null && (
              <dl className={`${classes.cost ?? ""} number`}>
                <dt>False step-ups a user, at most</dt>
                <dd>{budget}</dd>
              </dl>
            )}
            <p className={classes.text}>
              {budget === null ? "Nobody has set a budget of false step-ups yet: these are the configured thresholds." : `${String(subjects)} subjects have a threshold of their own.`}
            </p>
            <ul className={`${classes.thresholds ?? ""} number`}>
              <li>
                <RiskBadge tone="step_up" /> from risk <b>{step_up_risk}</b>
              </li>
              <li>
                <RiskBadge tone="terminate" /> from risk <b>{terminate_risk}</b>
              </li>
            </ul>
            <p className={classes.soft}><code>ductus-batch thresholds</code> computes them from a budget of false step-ups. They are shown here, not changed.</p>
          </>
        )}
      </Loaded>
    </Panel>
  );
}
