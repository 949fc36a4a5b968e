/** A page with one thing on it, outside the console. */

import type { ReactNode } from "react";
import { PageHead } from "../parts/PageHead.tsx";
import { SchemeToggle } from "./SchemeToggle.tsx";
import classes from "./Simple.module.css";

interface SimpleProps {
  title: string;
  lead?: ReactNode;
  children: ReactNode;
  /** Beside the brand. */
  tools?: ReactNode;
  wide?: boolean;
}

export function Simple({ title, lead, children, tools, wide = false }: SimpleProps) {
  return (
    <div className={classes.page}>
      <header className={classes.top}>
        <a className={classes.brand} href="#/">
          <img src="./favicon.svg" alt="" width={26} height={26} />
          Ductus
        </a>
        <div className={classes.tools}>
          {tools}
          <SchemeToggle />
        </div>
      </header>
      <main className={classes.main} data-wide={wide}>
        <PageHead title={title} />
        {lead !== undefined && <p className={classes.lead}>{lead}</p>}
        {children}
      </main>
    </div>
  );
}
