/** Counters of the whole line, and whether the page hears it. */

import { Tooltip } from "@mantine/core";
import type { Stats } from "../api/wire.ts";
import { formatCount, formatRate, perSecond } from "../format/number.ts";
import type { Connection, LiveState } from "../live/state.ts";
import classes from "./LineStatus.module.css";

const STATUS_WORDS = { connecting: "Connecting", live: "Live", disconnected: "Disconnected", refused: "Not allowed" } as const;

export function LineStatus({ line }: { line: LiveState }) {
  const { stats, statsBefore } = line;
  return (
    <div className={classes.status}>
      <Connected connection={line.connection} />
      {stats !== null && (
        <dl className={classes.counters}>
          <Counter name="events in" count={stats.events} rate={rateOf("events")} hint="Presses, releases, moves, clicks and scrolls taken from Kafka" />
          <Counter name="windows" count={stats.windows} hint="Stretches of input long enough to say something" />
          <Counter name="decisions" count={stats.decisions} rate={rateOf("decisions")} hint="One for each window" />
          <Counter
            name="rejected"
            count={stats.rejected}
            alert={stats.rejected > 0}
            hint={`Events refused with a reason and kept out of the stream${sideCounts(stats)}`}
          />
        </dl>
      )}
    </div>
  );

  function rateOf(field: "events" | "decisions"): string | null {
    if (stats === null || statsBefore === null) return null;
    return formatRate(perSecond(statsBefore[field], stats[field], stats.uptime_ms - statsBefore.uptime_ms));
  }
}

function sideCounts({ late, duplicates }: Stats): string {
  return late === null || duplicates === null ? "" : `. Late: ${formatCount(late)}, duplicates: ${formatCount(duplicates)}`;
}

function Connected({ connection }: { connection: Connection }) {
  return (
    <div className={classes.connection} data-status={connection.status} role="status">
      <span className={classes.dot} aria-hidden />
      {STATUS_WORDS[connection.status]}
    </div>
  );
}

interface CounterProps {
  name: string;
  count: number;
  hint: string;
  rate?: string | null;
  alert?: boolean;
}

function Counter({ name, count, hint, rate = null, alert = false }: CounterProps) {
  return (
    <Tooltip label={hint} multiline maw={280} withArrow>
      <div className={classes.counter}>
        <dt className={classes.counterName}>{name}</dt>
        <dd className={`${classes.count ?? ""} number`} data-alert={alert}>
          {formatCount(count)}
          {rate !== null && <span className={classes.rate}>{rate}</span>}
        </dd>
      </div>
    </Tooltip>
  );
}
