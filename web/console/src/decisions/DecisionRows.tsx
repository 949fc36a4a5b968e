/** Decisions of any sessions, one a row. */

import { Table } from "@mantine/core";
import type { Decision } from "../api/wire.ts";
import { formatShare } from "../format/number.ts";
import { actionWord, toneOf } from "../format/risk.ts";
import { formatInstant } from "../format/time.ts";
import { SessionLink, SubjectLink } from "../parts/links.tsx";
import { RiskMeter } from "../parts/RiskMeter.tsx";
import { ScrollTable } from "../parts/ScrollTable.tsx";
import { hrefOf } from "../route/route.ts";
import { RiskBadge } from "../shell/RiskBadge.tsx";
import partClasses from "../parts/parts.module.css";
import classes from "./Decisions.module.css";

const COLUMNS = ["Time", "Risk", "Action", "Session", "Subject", "Window", "#Confidence", "Strongest reason"];

export function DecisionRows({ decisions }: { decisions: readonly Decision[] }) {
  return (
    <ScrollTable label="Decisions found" columns={COLUMNS} minWidth={900}>
      {decisions.map((decision) => (
        <Table.Tr key={decision.id}>
          <Table.Td>
            <a className={partClasses.link} href={hrefOf({ page: "decision", id: decision.id })}>
              {formatInstant(decision.time_us / 1000)}
            </a>
          </Table.Td>
          <Table.Td>
            <RiskMeter risk={decision.risk} action={decision.action} />
          </Table.Td>
          <Table.Td>
            <RiskBadge tone={toneOf(decision.action)} word={actionWord(decision)} />
          </Table.Td>
          <Table.Td>
            <SessionLink id={decision.session} />
          </Table.Td>
          <Table.Td>
            <SubjectLink id={decision.subject} />
          </Table.Td>
          <Table.Td>
            {decision.window.modality} {decision.window.sequence}
          </Table.Td>
          <Table.Td data-number="true">{formatShare(decision.confidence)}</Table.Td>
          <Table.Td className={classes.reason}>{decision.reasons[0]?.text ?? "–"}</Table.Td>
        </Table.Tr>
      ))}
    </ScrollTable>
  );
}
