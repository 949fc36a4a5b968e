/** Says that there is nothing, and what would change that. */

import type { ReactNode } from "react";
import classes from "./parts.module.css";

export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className={classes.empty}>
      <strong>{title}</strong>
      {children !== undefined && <span>{children}</span>}
    </div>
  );
}
