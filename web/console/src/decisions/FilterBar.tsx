/** The fields of a search for decisions. */

import { Button, NativeSelect, TextInput } from "@mantine/core";
import { IconSearch } from "@tabler/icons-react";
import { useState } from "react";
import { ACTION_LABELS } from "../format/words.ts";
import { ACTIONS, EMPTY_FORM, MODALITIES, type FilterForm } from "./filter.ts";
import classes from "./Decisions.module.css";

interface FilterBarProps {
  form: FilterForm;
  onSearch: (form: FilterForm) => void;
}

const ANY = { value: "", label: "Any" };

export function FilterBar({ form, onSearch }: FilterBarProps) {
  const [draft, setDraft] = useState(form);
  const field = (name: keyof FilterForm) => ({
    size: "xs" as const,
    value: draft[name],
    onChange: (event: { currentTarget: { value: string } }) => { setDraft({ ...draft, [name]: event.currentTarget.value }); },
  });
  return (
    <form
      className={classes.filter}
      role="search"
      aria-label="Decisions"
      onSubmit={(event) => {
        event.preventDefault();
        onSearch(draft);
      }}
    >
      <TextInput label="Subject" {...field("subject")} />
      <TextInput label="Session" {...field("session")} />
      <NativeSelect label="Action" data={[ANY, ...ACTIONS.map((value) => ({ value, label: ACTION_LABELS[value] }))]} {...field("action")} />
      <NativeSelect
        label="Modality"
        data={[ANY, ...MODALITIES.map((value) => ({ value, label: value === "pointer" ? "Pointer" : "Keystrokes" }))]}
        {...field("modality")}
      />
      <TextInput label="Risk from" type="number" min={0} max={100} {...field("risk_min")} />
      <TextInput label="Risk to" type="number" min={0} max={100} {...field("risk_max")} />
      <TextInput label="Since" type="datetime-local" {...field("since")} />
      <TextInput label="Until" type="datetime-local" {...field("until")} />
      <div className={classes.buttons}>
        <Button type="submit" size="xs" leftSection={<IconSearch size={14} aria-hidden />}>
          Search
        </Button>
        <Button
          size="xs"
          variant="default"
          onClick={() => {
            setDraft(EMPTY_FORM);
            onSearch(EMPTY_FORM);
          }}
        >
          Clear
        </Button>
      </div>
    </form>
  );
}
