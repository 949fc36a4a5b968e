/** A sentence to type and the field to type it in. The text lives in this component, and goes nowhere from here. */

import { Textarea } from "@mantine/core";
import { useState, type RefObject } from "react";
import { SENTENCES } from "./sentences.ts";
import classes from "./TypingField.module.css";

interface TypingFieldProps {
  /** The part of the page that the SDK watches: this one. */
  captured: RefObject<HTMLDivElement | null>;
  enabled: boolean;
  trouble: string | null;
  /** A password field beside it shows that such a field is left alone. */
  withSecret?: boolean;
}

export function TypingField({ captured, enabled, trouble, withSecret = false }: TypingFieldProps) {
  const [at, setAt] = useState(0);
  const [text, setText] = useState("");
  const sentence = SENTENCES[at % SENTENCES.length] ?? "";

  const next = (): void => {
    setAt(at + 1);
    setText("");
  };
  const type = (value: string): void => {
    // Mistakes do not matter: as long as the sentence and ended like it is enough.
    if (value.length >= sentence.length && value.trimEnd().endsWith(sentence.slice(-1))) next();
    else setText(value);
  };

  return (
    <div className={classes.field} ref={captured}>
      <p className={classes.sentence} id="sentence" data-enabled={enabled}>
        <Progressed sentence={sentence} typed={text} />
      </p>
      <Textarea
        label="Type it here"
        description="Enter goes to the next sentence"
        inputWrapperOrder={["label", "input", "description", "error"]}
        aria-describedby="sentence"
        value={text}
        disabled={!enabled}
        rows={3}
        autoComplete="off"
        autoCorrect="off"
        autoCapitalize="off"
        spellCheck={false}
        error={trouble}
        onChange={(event) => { type(event.currentTarget.value); }}
        onKeyDown={(event) => {
          if (event.key !== "Enter" || event.shiftKey) return;
          event.preventDefault();
          if (text.length > 0) next();
        }}
      />
      {withSecret && (
        <label className={classes.secret}>
          <span>A password field in the same place. Type here, and the counters below stand still:</span>
          <input type="password" autoComplete="off" disabled={!enabled} />
        </label>
      )}
    </div>
  );
}

/** The sentence with what is already typed set back, and the first slip marked. */
function Progressed({ sentence, typed }: { sentence: string; typed: string }) {
  let same = 0;
  while (same < typed.length && same < sentence.length && typed[same] === sentence[same]) same += 1;
  const slip = typed.length > same ? sentence.slice(same, Math.min(sentence.length, typed.length)) : "";
  return (
    <>
      <span className={classes.done}>{sentence.slice(0, same)}</span>
      <span className={classes.slip}>{slip}</span>
      {sentence.slice(same + slip.length)}
    </>
  );
}
