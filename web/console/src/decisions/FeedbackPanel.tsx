/** What people said of a decision, and the form to say more. */

import { Button, Radio, Textarea } from "@mantine/core";
import { useState } from "react";
import { sendFeedback, type Feedback, type JudgedDecision, type Verdict } from "../api/decisions.ts";
import { formatMoment } from "../format/time.ts";
import { Problem } from "../parts/Problem.tsx";
import { useAction } from "../parts/use-action.ts";
import classes from "./Decisions.module.css";

const WORDS: Readonly<Record<Verdict, string>> = {
  false_alarm: "It was the subject",
  confirmed: "It was somebody else",
};
const NOTE_MAX = 500;

interface FeedbackPanelProps {
  decision: JudgedDecision;
  onSent: () => void;
}

export function FeedbackPanel({ decision, onSent }: FeedbackPanelProps) {
  const [verdict, setVerdict] = useState<Verdict | null>(null);
  const [note, setNote] = useState("");
  const sending = useAction();

  const send = async (): Promise<void> => {
    if (verdict === null || !(await sending.run(() => sendFeedback(decision.id, verdict, note.trim())))) return;
    setVerdict(null);
    setNote("");
    onSent();
  };

  return (
    <>
      {decision.feedback.length > 0 && (
        <ul className={classes.given} aria-label="Feedback so far">
          {decision.feedback.map((given) => (
            <Given key={`${given.at_ms} ${given.by}`} feedback={given} />
          ))}
        </ul>
      )}
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void send();
        }}
      >
        <Radio.Group
          label="Who was it?"
          description="What somebody else typed is left out when models are trained and thresholds set."
          value={verdict}
          onChange={(value) => { setVerdict(value); }}
        >
          <div className={classes.stack}>
            <Radio mt={6} value="false_alarm" label={`${WORDS.false_alarm} (a false alarm, if the risk was high)`} />
            <Radio value="confirmed" label={`${WORDS.confirmed} (confirmed)`} />
          </div>
        </Radio.Group>
        <Textarea
          mt="sm"
          label="Note"
          description="No names, no e-mail addresses: others read it."
          rows={2}
          maxLength={NOTE_MAX}
          value={note}
          onChange={(event) => { setNote(event.currentTarget.value); }}
        />
        <Problem error={sending.error} />
        <Button type="submit" size="xs" mt="sm" disabled={verdict === null} loading={sending.busy}>
          Send feedback
        </Button>
      </form>
    </>
  );
}

function Given({ feedback }: { feedback: Feedback }) {
  return (
    <li data-verdict={feedback.verdict}>
      <b>{WORDS[feedback.verdict]}</b>
      {feedback.note !== null && feedback.note !== "" && <span className={classes.note}>{feedback.note}</span>}
      <span className={classes.by}>
        by {feedback.by}, {formatMoment(feedback.at_ms)}
      </span>
    </li>
  );
}
