/** A part of a page with its heading. */

import { useId, type ReactNode } from "react";
import classes from "./parts.module.css";

interface PanelProps {
  title: string;
  children: ReactNode;
  /** One sentence below the heading. */
  hint?: ReactNode;
  /** Beside the heading. */
  tools?: ReactNode;
}

export function Panel({ title, hint, tools, children }: PanelProps) {
  const id = useId();
  return (
    <section className={classes.panel} aria-labelledby={id}>
      <div className={classes.panelHead}>
        <h2 id={id} className={classes.panelTitle}>
          {title}
        </h2>
        {tools}
      </div>
      {hint !== undefined && <p className={classes.hint}>{hint}</p>}
      {children}
    </section>
  );
}
