/** Every decision that is kept, newest first, a page at a time; choosing one shows it in full above. */

import { Pagination, Table } from "@mantine/core";
import { useState } from "react";
import type { Decision, Reason } from "../api/wire.ts";
import { formatScore, formatShare } from "../format/number.ts";
import { actionWord, formatRisk, toneOf } from "../format/risk.ts";
import { viewReason } from "../format/reason.ts";
import { formatClock } from "../format/time.ts";
import { closedWord, shortHash } from "../format/words.ts";
import { RiskBadge } from "../shell/RiskBadge.tsx";
import classes from "./DecisionTable.module.css";

const PAGE_ROWS = 25;
const COLUMNS = ["Time", "Window", "Risk", "Action", "Score", "LLR", "Evidence", "Confidence", "Model", "Reference", "Reasons"];

/** Reasons in a row; all of them stand above once the row is chosen. */
const REASONS_MAX = 2;

interface DecisionTableProps {
  decisions: readonly Decision[];
  chosen: string | null;
  onChoose: (id: string) => void;
}

export function DecisionTable({ decisions, chosen, onChoose }: DecisionTableProps) {
  const [page, setPage] = useState(1);
  const pages = Math.max(1, Math.ceil(decisions.length / PAGE_ROWS));
  const current = Math.min(page, pages);
  const end = decisions.length - (current - 1) * PAGE_ROWS;
  const rows = decisions.slice(Math.max(0, end - PAGE_ROWS), end).reverse();

  return (
    <>
      <Table.ScrollContainer minWidth={920} scrollAreaProps={{ viewportProps: { tabIndex: 0, "aria-label": "Decisions" } }}>
        <Table className={`${classes.table ?? ""} number`} verticalSpacing={5} horizontalSpacing={7} highlightOnHover>
          <Table.Thead>
            <Table.Tr>
              {COLUMNS.map((name) => (
                <Table.Th key={name} scope="col">
                  {name}
                </Table.Th>
              ))}
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {rows.map((decision) => (
              <Row key={decision.id} decision={decision} chosen={decision.id === chosen} onChoose={onChoose} />
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
      {pages > 1 && (
        <Pagination
          mt="sm"
          size="sm"
          total={pages}
          value={current}
          onChange={setPage}
          getControlProps={(control) => ({ "aria-label": `${control} page` })}
        />
      )}
    </>
  );
}

function reasonsInShort(reasons: readonly Reason[]): string {
  const shown = reasons.slice(0, REASONS_MAX).map(shortReason).join(" · ");
  const more = reasons.length - REASONS_MAX;
  return more > 0 ? `${shown} · ${more} more` : shown || "–";
}

function shortReason(reason: Reason): string {
  const { label, amount } = viewReason(reason);
  return amount === null ? label : `${label} ${amount}`;
}

interface RowProps {
  decision: Decision;
  chosen: boolean;
  onChoose: (id: string) => void;
}

function Row({ decision, chosen, onChoose }: RowProps) {
  const { window, score, model, reference } = decision;
  return (
    <Table.Tr className={classes.row} data-chosen={chosen} onClick={() => { onChoose(decision.id); }}>
      <Table.Td>
        <button type="button" className={classes.choose} aria-pressed={chosen} aria-label={`Show the decision of ${formatClock(decision.time_us)}`}>
          {formatClock(decision.time_us)}
        </button>
      </Table.Td>
      <Table.Td title={`${window.modality}, ${closedWord(window.closed)}`}>
        {window.modality === "pointer" ? "P" : "K"}
        {window.sequence} <span className={classes.soft}>· {window.steps}</span>
      </Table.Td>
      <Table.Td className={classes.risk} data-tone={toneOf(decision.action)}>
        {decision.action === "insufficient_data" ? "–" : formatRisk(decision.risk)}
      </Table.Td>
      <Table.Td>
        <RiskBadge tone={toneOf(decision.action)} word={actionWord(decision)} />
      </Table.Td>
      <Table.Td>{formatScore(score.comparison)}</Table.Td>
      <Table.Td>{formatScore(score.llr)}</Table.Td>
      <Table.Td>{formatScore(score.evidence)}</Table.Td>
      <Table.Td>{formatShare(decision.confidence)}</Table.Td>
      <Table.Td className={classes.mono} title={model === null ? undefined : `${model.id} ${model.version}, ${model.sha256}`}>
        {model === null ? "–" : shortHash(model.sha256)}
      </Table.Td>
      <Table.Td>{reference === null ? "–" : `${reference.maturity} · v${reference.version}`}</Table.Td>
      <Table.Td className={classes.reasons}>{reasonsInShort(decision.reasons)}</Table.Td>
    </Table.Tr>
  );
}
