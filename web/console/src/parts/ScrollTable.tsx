/** A table that scrolls by itself where the page is narrow. */

import { Table } from "@mantine/core";
import type { ReactNode } from "react";
import classes from "./parts.module.css";

interface ScrollTableProps {
  label: string;
  /** A name that begins with `#` heads a column of numbers. An empty one needs no heading to be seen. */
  columns: readonly string[];
  minWidth: number;
  children: ReactNode;
}

export function ScrollTable({ label, columns, minWidth, children }: ScrollTableProps) {
  return (
    <div className={classes.scroll} tabIndex={0} role="group" aria-label={label}>
      <Table className={`${classes.table ?? ""} number`} miw={minWidth} verticalSpacing={6} horizontalSpacing={8} highlightOnHover>
        <Table.Thead>
          <Table.Tr>
            {columns.map((name) => (
              <Table.Th key={name} scope="col" data-number={name.startsWith("#")}>
                {name === "Actions" ? <span className="visually-hidden">{name}</span> : name.replace(/^#/, "")}
              </Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>{children}</Table.Tbody>
      </Table>
    </div>
  );
}
