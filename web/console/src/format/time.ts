/** Times for reading. Everything on the wire is microseconds since the Unix epoch. */

const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

/** Time of day, in the reader's zone. */
export function formatClock(time_us: number): string {
  return CLOCK.format(time_us / 1000);
}

/** Time since something began: 0:07, 12:30, 1:02:03. */
export function formatElapsed(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (value: number): string => String(value).padStart(2, "0");
  const minutes = Math.floor(whole / 60) % 60;
  const hours = Math.floor(whole / 3600);
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

const MOMENT = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" });

const INSTANT = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit" });

/** Day and time to the second, in the reader's zone. */
export function formatInstant(time_ms: number): string {
  return INSTANT.format(time_ms);
}

/** Day and time, in the reader's zone. */
export function formatMoment(time_ms: number): string {
  return MOMENT.format(time_ms);
}
