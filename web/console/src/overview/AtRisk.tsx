/** The sessions that a proof is asked of, or that should end: highest risk first. */

import { Table } from "@mantine/core";
import { toneOf } from "../format/risk.ts";
import { formatClock } from "../format/time.ts";
import type { LiveState } from "../live/state.ts";
import { verdictOf } from "../live/verdict.ts";
import { Empty } from "../parts/Empty.tsx";
import { SessionLink, SubjectLink } from "../parts/links.tsx";
import { Panel } from "../parts/Panel.tsx";
import { RiskMeter } from "../parts/RiskMeter.tsx";
import { ScrollTable } from "../parts/ScrollTable.tsx";
import { NoSessions } from "../sessions/NoSessions.tsx";
import { RiskBadge } from "../shell/RiskBadge.tsx";
import { atRisk } from "./at-risk.ts";
import classes from "./Overview.module.css";

const COLUMNS = ["Risk", "Action", "Session", "Subject", "Strongest reason", "Latest"];

export function AtRisk({ line }: { line: LiveState }) {
  const sessions = atRisk(line.sessions);
  return (
    <Panel title="At risk now">
      {sessions.length > 0 ? (
        <ScrollTable label="Sessions at risk" columns={COLUMNS} minWidth={640}>
          {sessions.map((session) => {
            const verdict = verdictOf(session.decisions);
            if (verdict === undefined) return null;
            return (
              <Table.Tr key={session.id}>
                <Table.Td>
                  <RiskMeter risk={verdict.risk} action={verdict.action} />
                </Table.Td>
                <Table.Td>
                  <RiskBadge tone={toneOf(verdict.action)} />
                </Table.Td>
                <Table.Td>
                  <SessionLink id={session.id} label={session.label} />
                </Table.Td>
                <Table.Td>
                  <SubjectLink id={session.subject} />
                </Table.Td>
                <Table.Td className={classes.reason}>{verdict.reasons[0]?.text ?? "Nothing stands out"}</Table.Td>
                <Table.Td>{formatClock(verdict.time_us)}</Table.Td>
              </Table.Tr>
            );
          })}
        </ScrollTable>
      ) : line.sessions.length === 0 ? (
        <NoSessions line={line} filtered={false} />
      ) : (
        <Empty title="Nobody is at risk now.">A session stands here while a proof is asked of it, or while it should end.</Empty>
      )}
    </Panel>
  );
}
