/** One line above every page: whether the page hears the line, and how much goes through it. */

import type { LiveState } from "../live/state.ts";
import { LineStatus } from "./LineStatus.tsx";
import classes from "./TopBar.module.css";

export function TopBar({ line }: { line: LiveState }) {
  return (
    <div className={classes.bar}>
      <LineStatus line={line} />
    </div>
  );
}
