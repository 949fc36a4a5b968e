/**
 * Server-sent events out of a response body. EventSource would do it, but sets no header, and a key in an address would
 * stand in every proxy's log.
 */

export interface ServerEvent {
  event: string;
  data: string;
}

/** Takes text as it comes, cut anywhere, and tells whole events. */
export function createEventParser(onEvent: (event: ServerEvent) => void): (text: string) => void {
  let rest = "";
  let event = "message";
  let data: string[] = [];

  const line = (text: string): void => {
    if (text === "") {
      if (data.length > 0) onEvent({ event, data: data.join("\n") });
      event = "message";
      data = [];
    } else if (text.startsWith("event:")) event = text.slice(6).trim();
    else if (text.startsWith("data:")) data.push(text.slice(5).replace(/^ /, ""));
  };

  return (text) => {
    const lines = (rest + text).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop() ?? "";
    lines.forEach(line);
  };
}

/** Reads to the end; `onSign` is called for whatever comes, heartbeats too. */
export async function readEvents(body: ReadableStream<Uint8Array>, onEvent: (event: ServerEvent) => void, onSign: () => void): Promise<void> {
  const decoder = new TextDecoder();
  const parse = createEventParser(onEvent);
  const reader = body.getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    onSign();
    parse(decoder.decode(next.value, { stream: true }));
  }
}
