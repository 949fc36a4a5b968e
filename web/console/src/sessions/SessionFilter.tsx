/** How many sessions stand where; each count filters the grid. */

import { SegmentedControl } from "@mantine/core";
import { ACTION_WORDS, type Tone } from "../format/risk.ts";
import type { Order } from "./arrange.ts";
import classes from "./SessionFilter.module.css";

const TONES: readonly Tone[] = ["terminate", "step_up", "allow", "learning"];

interface SessionFilterProps {
  counts: Readonly<Record<Tone, number>>;
  only: Tone | null;
  onOnly: (tone: Tone | null) => void;
  order: Order;
  onOrder: (order: Order) => void;
}

export function SessionFilter({ counts, only, onOnly, order, onOrder }: SessionFilterProps) {
  const all = TONES.reduce((sum, tone) => sum + counts[tone], 0);
  const chip = (tone: Tone | null, name: string, count: number) => (
    <button
      key={name}
      type="button"
      className={classes.chip}
      data-tone={tone ?? "all"}
      aria-pressed={only === tone}
      onClick={() => { onOnly(tone); }}
    >
      {name}
      <span className={`${classes.count ?? ""} number`}>{count}</span>
    </button>
  );
  return (
    <div className={classes.bar}>
      <div className={classes.chips} role="group" aria-label="Show only">
        {chip(null, "All", all)}
        {TONES.map((tone) => chip(tone, ACTION_WORDS[tone].replace("…", ""), counts[tone]))}
      </div>
      <SegmentedControl
        size="xs"
        aria-label="Order"
        value={order}
        onChange={onOrder}
        data={[
          { value: "played", label: "As played" },
          { value: "risk", label: "Highest risk first" },
        ]}
      />
    </div>
  );
}
