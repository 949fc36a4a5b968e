/** The heading of a page. It takes the focus when the page opens, so that keyboard and screen reader begin there. */

import { useEffect, useRef, type ReactNode } from "react";
import classes from "./parts.module.css";

interface PageHeadProps {
  title: string;
  /** Said above the title: what it is one of. */
  kind?: ReactNode;
  children?: ReactNode;
}

/** The first page of a visit leaves the focus where the browser puts it: the skip link has to come first. */
let arrived = false;

export function PageHead({ title, kind, children }: PageHeadProps) {
  const heading = useRef<HTMLHeadingElement>(null);

  useEffect(() => {
    document.title = `${title} · Ductus`;
  }, [title]);
  useEffect(() => {
    if (arrived) heading.current?.focus({ preventScroll: true });
    arrived = true;
  }, []);

  return (
    <div className={classes.pageHead}>
      <div className={classes.pageNames}>
        {kind !== undefined && <p className={classes.kind}>{kind}</p>}
        <h1 ref={heading} tabIndex={-1} className={classes.pageTitle}>
          {title}
        </h1>
      </div>
      {children}
    </div>
  );
}
