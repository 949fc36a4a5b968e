/** Where the visit stands, in three steps. */

import { IconCheck } from "@tabler/icons-react";
import type { Phase } from "./visit.ts";
import classes from "./PhaseSteps.module.css";

const STEPS = [
  { name: "Enrol", text: "about 300 key presses" },
  { name: "Work as yourself", text: "risk stays low" },
  { name: "Hand over", text: "somebody else types on" },
] as const;

const DONE: Readonly<Record<Phase, number>> = { ask: 0, enrol: 0, work: 1, handed: 2 };

export function PhaseSteps({ phase }: { phase: Phase }) {
  return (
    <ol className={classes.steps} aria-label="Steps">
      {STEPS.map(({ name, text }, at) => {
        const state = at < DONE[phase] ? "done" : at === DONE[phase] ? "current" : "ahead";
        return (
          <li key={name} data-state={state} aria-current={state === "current" ? "step" : undefined}>
            <span className={classes.sign} aria-hidden>
              {state === "done" ? <IconCheck size={15} stroke={2.6} /> : at + 1}
            </span>
            <span className={classes.words}>
              <b>{name}</b>
              <span>{text}</span>
            </span>
          </li>
        );
      })}
    </ol>
  );
}
