/** Says where the sessions come from, so that nobody takes a recording for a colleague. */

import type { Scenario } from "../api/wire.ts";
import classes from "./ScenarioNote.module.css";

const SOURCES: Readonly<Record<Scenario["recordings"], string>> = {
  aalto: "Recordings of real people from Aalto University's public data (non-commercial terms)",
  pace: "Recordings of real people from Pace University's public data (BSD terms)",
  synthetic: "Everyone here is synthetic: drawn from published population figures of typing and pointing",
};

export function ScenarioNote({ scenario }: { scenario: Scenario | null }) {
  if (scenario === null) return null;
  const source = SOURCES[scenario.recordings];
  return (
    <p className={classes.note}>
      <strong>Demonstration.</strong> {source}, played through the whole line: Kafka, windows, LSTM, decisions. No identity is
      real; what is named “synthetic” is made up. In some sessions the hands change on purpose.
    </p>
  );
}
