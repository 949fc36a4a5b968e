/** What this person usually does against what was seen: one picture a reason, drawn from the reason's numbers. */

import type { Decision, Reason } from "../api/wire.ts";
import { signed, viewReason } from "../format/reason.ts";
import { pictureOf, sayDifference, sayHowUnusual, type UsualPicture } from "../format/reason-words.ts";
import classes from "./ReasonPictures.module.css";

interface ReasonPicturesProps {
  decision: Decision;
  /** Decisions of the session before this one, oldest first. */
  earlier: readonly Decision[];
}

export function ReasonPictures({ decision, earlier }: ReasonPicturesProps) {
  const { reasons } = decision;
  if (reasons.length === 0) return <p className={classes.none}>Nothing stands out against the usual.</p>;
  const before = earlier.flatMap((other) => other.reasons);
  const drawn = reasons.some((reason) => pictureOf(reason, before) !== null);
  return (
    <>
      <ul className={classes.list}>
        {reasons.map((reason) => (
          <ReasonRow key={reason.measure} reason={reason} before={before} />
        ))}
      </ul>
      {drawn && (
        <p className={classes.legend}>
          <span>
            <i className={classes.keyUsual} aria-hidden /> where this person’s windows usually lie
          </span>
          <span>
            <i className={classes.keySeen} aria-hidden /> this window
          </span>
          {before.length > 0 && (
            <span>
              <i className={classes.keyBefore} aria-hidden /> earlier windows that stood out
            </span>
          )}
        </p>
      )}
    </>
  );
}

function ReasonRow({ reason, before }: { reason: Reason; before: readonly Reason[] }) {
  const { label, amount } = viewReason(reason);
  const difference = sayDifference(reason);
  const picture = pictureOf(reason, before);
  if (difference === null || amount === null || picture === null) return <li className={classes.plain}>{label}</li>;
  return (
    <li className={classes.reason}>
      <p className={classes.words}>
        <b>{label}</b>
        <span>
          <span className="number">{amount}</span>, {difference}
        </span>
        <span className={classes.rare}>
          {sayHowUnusual(reason.z)}, <span className="number">z {signed(reason.z, 1)}</span>
        </span>
      </p>
      <Picture picture={picture} label={`${label}: ${amount} against the usual, z ${signed(reason.z, 1)}`} />
    </li>
  );
}

const WIDTH = 300;
const HEIGHT = 58;
const GROUND = 40;
const BELL = 30;

function Picture({ picture, label }: { picture: UsualPicture; label: string }) {
  const { spread, seen, before, reach } = picture;
  const x = (value: number): number => ((value + reach) / (2 * reach)) * WIDTH;
  return (
    <svg className={classes.picture} viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={label}>
      <path className={classes.usual} d={bell(spread, x)} />
      <line className={classes.ground} x1={0} x2={WIDTH} y1={GROUND} y2={GROUND} />
      <line className={classes.zero} x1={x(0)} x2={x(0)} y1={GROUND - BELL} y2={GROUND} />
      {before.map((value, at) => (
        <circle key={at} className={classes.before} cx={x(value)} cy={GROUND - 5} r={2.6} />
      ))}
      <line className={classes.seen} x1={x(seen)} x2={x(seen)} y1={6} y2={GROUND} />
      <path className={classes.seenMark} d={`M ${x(seen)} ${GROUND} l -5 8 h 10 z`} />
      <text className={classes.name} x={x(0)} y={HEIGHT - 4} textAnchor="middle">
        usual
      </text>
    </svg>
  );
}

/** A normal curve around the usual, four standard errors to each side, as far as the axis goes. */
function bell(spread: number, x: (value: number) => number): string {
  const points = Array.from({ length: 65 }, (_, at) => (at / 32 - 1) * 4);
  const curve = points.map((z) => `${x(z * spread).toFixed(1)} ${(GROUND - BELL * Math.exp((-z * z) / 2)).toFixed(1)}`);
  return `M ${x(-4 * spread)} ${GROUND} L ${curve.join(" L ")} L ${x(4 * spread)} ${GROUND} Z`;
}
