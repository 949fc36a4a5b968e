/** Reads a pasted sample: one batch, a list of them, `{"batches": […]}`, or a batch a line. */

export type ReadSample = { batches: object[] } | { problem: string };

/** The gateway takes no more in one question. */
export const BATCHES_MAX = 500;
export const EVENTS_MAX = 4_000;

export function readSample(text: string): ReadSample {
  const trimmed = text.trim();
  if (trimmed === "") return { problem: "Paste a sample, or type one." };
  const whole = parse(trimmed);
  const batches = whole === undefined ? linesOf(trimmed) : listOf(whole);
  if (batches === undefined) return { problem: "This is neither JSON nor one JSON document a line." };
  const at = batches.findIndex((batch) => !isBatch(batch));
  if (at >= 0) return { problem: `Batch ${at + 1} has no list of events.` };
  if (batches.length > BATCHES_MAX) return { problem: `These are ${batches.length} batches; ${BATCHES_MAX} is the most.` };
  const sample = batches as object[];
  const events = countEvents(sample);
  return events > EVENTS_MAX ? { problem: `These are ${events} events; ${EVENTS_MAX} is the most.` } : { batches: sample };
}

export function countEvents(batches: readonly object[]): number {
  return batches.reduce((sum, batch) => sum + (isBatch(batch) ? batch.events.length : 0), 0);
}

function linesOf(text: string): unknown[] | undefined {
  const documents = text.split("\n").filter((line) => line.trim() !== "").map(parse);
  return documents.includes(undefined) ? undefined : documents;
}

function listOf(value: unknown): unknown[] {
  if (Array.isArray(value)) return value;
  if (typeof value === "object" && value !== null && "batches" in value && Array.isArray(value.batches)) return value.batches;
  return [value];
}

function isBatch(value: unknown): value is { events: unknown[] } {
  return typeof value === "object" && value !== null && "events" in value && Array.isArray(value.events);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
