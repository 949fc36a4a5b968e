/** Where one can go: beside the page on wide screens, behind a button on narrow ones. */

import { Button } from "@mantine/core";
import {
  IconAdjustments,
  IconFingerprint,
  IconGavel,
  IconKey,
  IconKeyboard,
  IconLayoutDashboard,
  IconLayoutGrid,
  IconLogin2,
  IconMenu2,
  IconUser,
  type Icon,
} from "@tabler/icons-react";
import { useState } from "react";
import { credential } from "../api/credential.ts";
import { hrefOf, type Route } from "../route/route.ts";
import { SchemeToggle } from "./SchemeToggle.tsx";
import classes from "./Navigation.module.css";

interface Place {
  name: string;
  route: Route;
  icon: Icon;
  /** Pages that belong to it. */
  pages: readonly Route["page"][];
}

const PLACES: readonly Place[] = [
  { name: "Overview", route: { page: "overview" }, icon: IconLayoutDashboard, pages: ["overview"] },
  { name: "Sessions", route: { page: "sessions" }, icon: IconLayoutGrid, pages: ["sessions", "session"] },
  { name: "Subjects", route: { page: "subjects" }, icon: IconUser, pages: ["subjects", "subject"] },
  { name: "Decisions", route: { page: "decisions", query: "" }, icon: IconGavel, pages: ["decisions", "decision"] },
];
const IDENTIFY: Place = { name: "Identify", route: { page: "identify" }, icon: IconFingerprint, pages: ["identify"] };
const SETTINGS: Place = { name: "Settings", route: { page: "settings" }, icon: IconAdjustments, pages: ["settings"] };
const DEMO: readonly Place[] = [
  { name: "Try it yourself", route: { page: "try" }, icon: IconKeyboard, pages: ["try"] },
  { name: "Sign-in demo", route: { page: "account" }, icon: IconLogin2, pages: ["account"] },
];

interface NavigationProps {
  route: Route;
  identify: boolean;
  hasKey: boolean;
  demo: boolean;
}

export function Navigation({ route, identify, hasKey, demo }: NavigationProps) {
  const [opened, setOpened] = useState(false);
  const places = [...PLACES, ...(identify ? [IDENTIFY] : []), SETTINGS];
  const list = (shown: readonly Place[], label: string) => (
    <ul className={classes.list} aria-label={label}>
      {shown.map(({ name, route: to, icon: Sign, pages }) => (
        <li key={name}>
          <a
            className={classes.place}
            href={hrefOf(to)}
            aria-current={pages.includes(route.page) ? "page" : undefined}
            onClick={() => { setOpened(false); }}
          >
            <Sign size={17} aria-hidden />
            {name}
          </a>
        </li>
      ))}
    </ul>
  );
  return (
    <header className={classes.side}>
      <div className={classes.top}>
        <a className={classes.brand} href={hrefOf({ page: "overview" })}>
          <img src="./favicon.svg" alt="" width={26} height={26} />
          Ductus
        </a>
        <SchemeToggle />
        <Button
          className={classes.opener}
          variant="default"
          size="sm"
          leftSection={<IconMenu2 size={16} aria-hidden />}
          aria-expanded={opened}
          aria-controls="navigation"
          onClick={() => { setOpened(!opened); }}
        >
          Menu
        </Button>
      </div>
      <nav id="navigation" className={classes.nav} data-opened={opened} aria-label="Console">
        {list(places, "Pages")}
        {demo && (
          <>
            <p className={classes.group}>Demonstration</p>
            {list(DEMO, "Demonstration")}
          </>
        )}
        {hasKey && (
          <Button className={classes.leave} variant="default" size="xs" leftSection={<IconKey size={14} aria-hidden />} onClick={credential.forget}>
            Forget the key
          </Button>
        )}
      </nav>
    </header>
  );
}
