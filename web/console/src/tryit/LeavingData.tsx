/** Shows, word for word, the last batch that left the page, so that nobody has to take our word for it. */

import { formatCount } from "../format/number.ts";
import { batchTokens } from "./batch-tokens.ts";
import type { Capture } from "./use-capture.ts";
import classes from "./LeavingData.module.css";

export function LeavingData({ capture }: { capture: Capture }) {
  const { lastBatch, counts } = capture;
  return (
    <section className={classes.panel} aria-label="What leaves this page">
      <div className={classes.text}>
        <h2>What leaves this page</h2>
        <p>
          The last batch, as it was sent. A key is its class, a press is a running number, so that its release can be paired with it.
          There is no field that could hold what you typed, and the server refuses any batch that has one.
        </p>
        <dl className={`${classes.counts ?? ""} number`}>
          <Count name="batches" value={counts.batches} />
          <Count name="events" value={counts.events} />
          <Count name="taken" value={counts.accepted} />
          <Count name="dropped" value={counts.dropped} />
        </dl>
      </div>
      <pre className={classes.code} tabIndex={0} aria-label="Last batch as JSON">
        {lastBatch === null ? (
          <span className={classes.none}>Nothing has left this page yet.</span>
        ) : (
          batchTokens(lastBatch).map(({ kind, text }, at) => (
            <span key={at} data-kind={kind}>
              {text}
            </span>
          ))
        )}
      </pre>
    </section>
  );
}

function Count({ name, value }: { name: string; value: number }) {
  return (
    <div>
      <dd>{formatCount(value)}</dd>
      <dt>{name}</dt>
    </div>
  );
}
