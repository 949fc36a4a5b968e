/** Links to what the console knows a page of. What they show is text from outside, and stays text. */

import { hrefOf } from "../route/route.ts";
import classes from "./parts.module.css";

export function SubjectLink({ id }: { id: string | null | undefined }) {
  if (id == null) return <span className={classes.soft}>nobody claimed</span>;
  return (
    <a className={classes.link} href={hrefOf({ page: "subject", id })} title={id}>
      {id}
    </a>
  );
}

export function SessionLink({ id, label = id }: { id: string; label?: string }) {
  return (
    <a className={classes.link} href={hrefOf({ page: "session", id })} title={id}>
      {label}
    </a>
  );
}
