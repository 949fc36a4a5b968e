/** Who it may be, likeliest first. A list of the likeliest is no proof that one of them it is. */

import { Table } from "@mantine/core";
import type { Identification } from "../api/subjects.ts";
import { formatCount, formatScore } from "../format/number.ts";
import { Empty } from "../parts/Empty.tsx";
import { SubjectLink } from "../parts/links.tsx";
import { ScrollTable } from "../parts/ScrollTable.tsx";
import classes from "./Identify.module.css";

export function Candidates({ answer }: { answer: Identification | null }) {
  if (answer === null) return <Empty title="Nothing asked yet.">The likeliest subjects stand here, with how likely each is.</Empty>;
  const { candidates, searched, needed } = answer;
  const missing = needed?.sample ?? [];
  return (
    <>
      <p className={`${classes.counts ?? ""} number`} role="status">
        Compared with {formatCount(searched)} {searched === 1 ? "subject" : "subjects"}.
      </p>
      {missing.length > 0 && (
        <p className={classes.counts}>
          The sample is short. Missing: {missing.map(({ modality, steps }) => `${steps} ${modality === "pointer" ? "pointer events" : "key presses"}`).join(", or ")}.
        </p>
      )}
      {candidates.length === 0 ? (
        <Empty title="Nobody fits.">Either nobody resembles the sample, or it is too short to say.</Empty>
      ) : (
        <ScrollTable label="Candidates" columns={["#Rank", "Subject", "Probability", "#Log-likelihood ratio", "Modality"]} minWidth={460}>
          {candidates.map(({ rank, subject, probability, score, modality }) => (
            <Table.Tr key={subject}>
              <Table.Td data-number="true">{rank}</Table.Td>
              <Table.Td>
                <SubjectLink id={subject} />
              </Table.Td>
              <Table.Td>
                <span className={classes.likely}>
                  <span>{percent(probability)}</span>
                  <svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden>
                    <rect width="100" height="6" rx="3" className={classes.ground} />
                    <rect width={Math.max(1, probability * 100)} height="6" rx="3" className={classes.bar} />
                  </svg>
                </span>
              </Table.Td>
              <Table.Td data-number="true">{formatScore(score)}</Table.Td>
              <Table.Td>{modality ?? "both"}</Table.Td>
            </Table.Tr>
          ))}
        </ScrollTable>
      )}
    </>
  );
}

function percent(share: number): string {
  return `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`;
}
