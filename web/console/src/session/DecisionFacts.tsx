/** The numbers to recompute one decision: window, score, evidence, model, references, source. */

import type { Decision } from "../api/wire.ts";
import { formatScore, formatShare } from "../format/number.ts";
import { closedWord, modalityWord, shortHash } from "../format/words.ts";
import { Facts } from "../parts/Facts.tsx";

export function DecisionFacts({ decision }: { decision: Decision }) {
  const { window, score, model, reference, source } = decision;
  return (
    <Facts
      facts={[
        ["Window", `${modalityWord(window.modality)} ${window.sequence}, ${window.steps} steps, ${closedWord(window.closed)}`],
        ["Comparison (cosine)", formatScore(score.comparison)],
        ["Log-likelihood ratio", formatScore(score.llr)],
        ["Evidence of the session", formatScore(score.evidence)],
        ["Confidence", formatShare(decision.confidence)],
        ["References", reference === null ? "none yet" : `${reference.count}, maturity ${reference.maturity}, version ${reference.version}`],
        ["Model", model === null ? "none used" : <span key="model" title={model.sha256}>{`${model.id} ${model.version} · ${shortHash(model.sha256)}`}</span>],
        ["Source", `${source.topic} ${source.partition}:${source.offset}`],
        ["Decision id", <span key="id" title={decision.id}>{shortHash(decision.id)}</span>],
      ]}
    />
  );
}
