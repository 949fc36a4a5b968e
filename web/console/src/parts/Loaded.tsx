/** Shows what was asked for, or why it is not there. */

import { Alert, Button, Skeleton } from "@mantine/core";
import { IconAlertCircle } from "@tabler/icons-react";
import type { ReactNode } from "react";
import type { ApiError } from "../api/http.ts";
import { sayError } from "../format/error.ts";
import type { Resource } from "./use-resource.ts";
import classes from "./parts.module.css";

interface LoadedProps<T> {
  resource: Resource<T>;
  /** What is asked for, in the plural or with its article: "keys", "the decision". */
  what: string;
  reload: () => void;
  children: (value: T) => ReactNode;
  /** In place of the error, where a refusal is an ordinary answer. */
  refused?: (error: ApiError) => ReactNode | undefined;
}

export function Loaded<T>({ resource, what, reload, children, refused }: LoadedProps<T>) {
  switch (resource.state) {
    case "loading":
      return (
        <div className={classes.loading} role="status">
          <span className="visually-hidden">Loading {what}…</span>
          <Skeleton height={12} width="46%" />
          <Skeleton height={12} width="72%" />
          <Skeleton height={12} width="60%" />
        </div>
      );
    case "failed":
      return (
        refused?.(resource.error) ?? (
          <Alert color="red" variant="light" icon={<IconAlertCircle size={18} aria-hidden />} title={`Cannot show ${what}`} role="alert">
            <p className={classes.said}>{sayError(resource.error)}</p>
            <Button size="xs" variant="default" onClick={reload}>
              Try again
            </Button>
          </Alert>
        )
      );
    case "ready":
      return (
        <>
          {resource.stale !== null && <p className={classes.stale} role="status">May be out of date. {sayError(resource.stale)}</p>}
          {children(resource.value)}
        </>
      );
  }
}
