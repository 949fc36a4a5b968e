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
  const { candidates, searched, nobody, needed: missing, findings } = answer;
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
      {findings.map(({ measure, text }) => (
        <p key={measure} className={classes.counts}>
          Perhaps no person: {text}.
        </p>
      ))}
      {candidates.length === 0 ? (
        <Empty title="Nobody fits.">Either nobody resembles the sample, or it is too short to say.</Empty>
      ) : (
        <ScrollTable label="Candidates" columns={["#Rank", "Subject", "Probability", "#Log-likelihood ratio"]} minWidth={400}>
          {candidates.map(({ rank, subject, probability, score }) => (
            <Table.Tr key={subject}>
              <Table.Td data-number="true">{rank}</Table.Td>
              <Table.Td>
                <SubjectLink id={subject} />
              </Table.Td>
              <Table.Td>
                <Likely probability={probability} />
              </Table.Td>
              <Table.Td data-number="true">{formatScore(score)}</Table.Td>
            </Table.Tr>
          ))}
          <Table.Tr>
            <Table.Td data-number="true">–</Table.Td>
            <Table.Td>none of them</Table.Td>
            <Table.Td>
              <Likely probability={nobody} />
            </Table.Td>
            <Table.Td data-number="true">–</Table.Td>
          </Table.Tr>
        </ScrollTable>
      )}
    </>
  );
}

function Likely({ probability }: { probability: number }) {
  return (
    <span className={classes.likely}>
      <span>{percent(probability)}</span>
      <svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden>
        <rect width="100" height="6" rx="3" className={classes.ground} />
        <rect width={Math.max(1, probability * 100)} height="6" rx="3" className={classes.bar} />
      </svg>
    </span>
  );
}

function percent(share: number): string {
  return `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`;
}
