/** The sessions of a subject that are still known. */

import { Table } from "@mantine/core";
import { toneOf } from "../format/risk.ts";
import { formatElapsed, formatMoment } from "../format/time.ts";
import { ACTION_LABELS } from "../format/words.ts";
import { Empty } from "../parts/Empty.tsx";
import { SessionLink } from "../parts/links.tsx";
import { RiskMeter } from "../parts/RiskMeter.tsx";
import { ScrollTable } from "../parts/ScrollTable.tsx";
import { hrefOf } from "../route/route.ts";
import { RiskBadge } from "../shell/RiskBadge.tsx";
import type { PastSession } from "./subject-sessions.ts";
import classes from "./Subject.module.css";

const COLUMNS = ["Session", "Latest risk", "Action", "#Highest risk", "Modality", "Began", "Lasted", "#Windows"];

interface PastSessionsProps {
  subject: string;
  sessions: readonly PastSession[];
  since_ms: number;
  /** There are more than were asked for. */
  cut: boolean;
}

export function PastSessions({ subject, sessions, since_ms, cut }: PastSessionsProps) {
  const query = new URLSearchParams({ subject }).toString();
  return (
    <>
      {sessions.length === 0 ? (
        <Empty title="No session is known.">Decisions are kept for a time only; older sessions are not shown.</Empty>
      ) : (
        <ScrollTable label="Sessions of the subject" columns={COLUMNS} minWidth={760}>
          {sessions.map((session) => (
            <Table.Tr key={session.id}>
              <Table.Td>
                <SessionLink id={session.id} />
              </Table.Td>
              <Table.Td>
                <RiskMeter risk={session.risk} action={session.action} />
              </Table.Td>
              <Table.Td>
                <RiskBadge tone={toneOf(session.action)} word={ACTION_LABELS[session.action]} />
              </Table.Td>
              <Table.Td data-number="true">{Math.round(session.risk_max)}</Table.Td>
              <Table.Td>{session.modality}</Table.Td>
              <Table.Td>{formatMoment(session.first_us / 1000)}</Table.Td>
              <Table.Td>{formatElapsed((session.last_us - session.first_us) / 1e6)}</Table.Td>
              <Table.Td data-number="true">{session.windows}</Table.Td>
            </Table.Tr>
          ))}
        </ScrollTable>
      )}
      <p className={classes.foot}>
        Complete since {formatMoment(since_ms)}
        {cut && ", and cut: there are more decisions than are shown here"}. <a href={hrefOf({ page: "decisions", query })}>All decisions of the subject</a>
      </p>
    </>
  );
}
