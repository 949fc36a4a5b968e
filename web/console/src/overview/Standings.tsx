/** How many sessions stand where. */

import { ACTION_WORDS, type Tone } from "../format/risk.ts";
import { RiskBadge } from "../shell/RiskBadge.tsx";
import classes from "./Overview.module.css";

const TONES: readonly Tone[] = ["terminate", "step_up", "allow", "learning"];

export function Standings({ counts }: { counts: Readonly<Record<Tone, number>> }) {
  return (
    <ul className={classes.standings} aria-label="Sessions by action">
      {TONES.map((tone) => (
        <li key={tone} className={classes.standing} data-tone={tone}>
          <RiskBadge tone={tone} word={ACTION_WORDS[tone].replace("…", "")} />
          <span className={`${classes.standingCount ?? ""} number`}>
            {counts[tone]}
            <span className="visually-hidden"> {counts[tone] === 1 ? "session" : "sessions"}</span>
          </span>
        </li>
      ))}
    </ul>
  );
}
