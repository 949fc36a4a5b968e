/** An action as a word with its colour and its sign. */

import { IconAlertTriangle, IconCheck, IconHourglass, IconShieldX, type Icon } from "@tabler/icons-react";
import { ACTION_WORDS, type Tone } from "../format/risk.ts";
import classes from "./RiskBadge.module.css";

const ICONS: Readonly<Record<Tone, Icon>> = {
  allow: IconCheck,
  step_up: IconAlertTriangle,
  terminate: IconShieldX,
  learning: IconHourglass,
};

interface RiskBadgeProps {
  tone: Tone;
  word?: string;
  large?: boolean;
}

export function RiskBadge({ tone, word = ACTION_WORDS[tone], large = false }: RiskBadgeProps) {
  const Sign = ICONS[tone];
  return (
    <span className={classes.badge} data-tone={tone} data-large={large}>
      <Sign size={large ? 16 : 13} stroke={2.2} aria-hidden />
      {word}
    </span>
  );
}
