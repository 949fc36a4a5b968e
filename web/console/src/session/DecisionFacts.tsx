/** The numbers to recompute one decision: window, score, evidence, model, references, source. */

import type { Decision } from "../api/wire.ts";
import { formatScore, formatShare } from "../format/number.ts";
import { closedWord, modalityWord, shortHash } from "../format/words.ts";
import classes from "./DecisionFacts.module.css";

export function DecisionFacts({ decision }: { decision: Decision }) {
  const { window, score, model, reference, source } = decision;
  const facts: [name: string, value: string, title?: string | undefined][] = [
    ["Window", `${modalityWord(window.modality)} ${window.sequence}, ${window.steps} steps, ${closedWord(window.closed)}`],
    ["Comparison (cosine)", formatScore(score.comparison)],
    ["Log-likelihood ratio", formatScore(score.llr)],
    ["Evidence of the session", formatScore(score.evidence)],
    ["Confidence", formatShare(decision.confidence)],
    ["References", reference === null ? "none yet" : `${reference.count}, maturity ${reference.maturity}, version ${reference.version}`],
    ["Model", model === null ? "none used" : `${model.id} ${model.version} · ${shortHash(model.sha256)}`, model?.sha256],
    ["Source", `${source.topic} ${source.partition}:${source.offset}`],
    ["Decision id", shortHash(decision.id), decision.id],
  ];
  return (
    <dl className={`${classes.facts ?? ""} number`}>
      {facts.map(([name, value, title]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd title={title}>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
