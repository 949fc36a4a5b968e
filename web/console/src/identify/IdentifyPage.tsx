/** Whose rhythm is it? A sample is typed or pasted, and compared with many; the question is noted in the audit trail. */

import { Alert, Button, SegmentedControl, Textarea, TextInput } from "@mantine/core";
import { useRef, useState } from "react";
import { identify, type Identification } from "../api/subjects.ts";
import { PageHead } from "../parts/PageHead.tsx";
import { Panel } from "../parts/Panel.tsx";
import { Problem } from "../parts/Problem.tsx";
import { useAction } from "../parts/use-action.ts";
import { SENTENCES } from "../tryit/sentences.ts";
import { Candidates } from "./Candidates.tsx";
import { countEvents, readSample } from "./sample.ts";
import { useLocalCapture } from "./use-local-capture.ts";
import classes from "./Identify.module.css";

const CANDIDATES_MAX = 10;
/** A window of presses; fewer say nothing. */
const PRESSES_NEEDED = 50;

type Source = "typed" | "pasted";

export function IdentifyPage({ tenant }: { tenant: string }) {
  const [source, setSource] = useState<Source>("typed");
  const [pasted, setPasted] = useState("");
  const [text, setText] = useState("");
  const [pool, setPool] = useState("");
  const [problem, setProblem] = useState<string | null>(null);
  const [answer, setAnswer] = useState<Identification | null>(null);
  const field = useRef<HTMLDivElement>(null);
  const capture = useLocalCapture(field, tenant);
  const asking = useAction();

  const search = async (): Promise<void> => {
    // The last, unfinished batch comes with the end of the capture.
    const sample = source === "pasted" ? readSample(pasted) : { batches: [...capture.end()] };
    setProblem("problem" in sample ? sample.problem : null);
    if ("problem" in sample) return;
    setAnswer(null);
    const subjects = pool.split(/[\s,]+/).filter((name) => name !== "");
    await asking.run(async () => { setAnswer(await identify(sample.batches, subjects, CANDIDATES_MAX)); });
  };

  const read = source === "pasted" ? readSample(pasted) : null;
  const ready = source === "pasted" ? pasted.trim() !== "" : capture.presses >= PRESSES_NEEDED;

  return (
    <>
      <PageHead title="Identify" />
      <Alert className={classes.warning} color="orange" variant="light" title="Use it with a reason">
        Finding out who somebody is weighs more than checking who they say they are. Each question is noted with your key’s name.
      </Alert>
      <div className={classes.columns}>
        <Panel title="Sample">
          <SegmentedControl
            size="xs"
            aria-label="Where the sample comes from"
            value={source}
            onChange={(value) => { setSource(value); }}
            data={[
              { value: "typed", label: "Type it here" },
              { value: "pasted", label: "Paste or choose a file" },
            ]}
          />
          <form
            className={classes.form}
            onSubmit={(event) => {
              event.preventDefault();
              void search();
            }}
          >
            <div ref={field} hidden={source !== "typed"}>
              <p className={classes.sentence}>{SENTENCES.slice(0, 2).join(" ")}</p>
              <Textarea
                label="Type the text above"
                description="Times and classes of keys are captured, never the text. Nothing is sent before you ask."
                rows={4}
                value={text}
                disabled={!capture.running}
                spellCheck={false}
                autoComplete="off"
                onChange={(event) => { setText(event.currentTarget.value); }}
              />
              <p className={`${classes.counts ?? ""} number`} role="status">
                {capture.presses} key presses{capture.presses < PRESSES_NEEDED ? `, ${PRESSES_NEEDED - capture.presses} to go` : ", enough to ask"}
              </p>
              <Button
                size="xs"
                variant="default"
                onClick={() => {
                  setText("");
                  capture.begin();
                }}
              >
                {capture.running || capture.presses > 0 ? "Begin anew" : "I agree, capture my typing here"}
              </Button>
            </div>
            {source === "pasted" && (
              <>
                <Textarea
                  label="Event batches"
                  description="JSON: one batch, a list, or one batch a line."
                  rows={7}
                  value={pasted}
                  spellCheck={false}
                  error={problem}
                  classNames={{ input: classes.code ?? "" }}
                  onChange={(event) => { setPasted(event.currentTarget.value); }}
                />
                <label className={classes.file}>
                  <span>Or choose a file</span>
                  <input
                    type="file"
                    accept=".json,.ndjson,application/json"
                    onChange={(event) => {
                      void event.currentTarget.files?.[0]?.text().then(setPasted);
                    }}
                  />
                </label>
                {read !== null && "batches" in read && (
                  <p className={`${classes.counts ?? ""} number`}>
                    {read.batches.length} batches, {countEvents(read.batches)} events
                  </p>
                )}
              </>
            )}
            <TextInput
              label="Only among these subjects"
              description="Separated by commas. Left empty, all of the tenant."
              value={pool}
              onChange={(event) => { setPool(event.currentTarget.value); }}
            />
            <Problem error={asking.error} />
            <Button type="submit" loading={asking.busy} disabled={!ready}>
              Ask who it is
            </Button>
          </form>
        </Panel>
        <Panel title="Candidates">
          <Candidates answer={answer} />
        </Panel>
      </div>
    </>
  );
}
