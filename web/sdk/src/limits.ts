/** The bounds that a caller may set. Those of one file only stand there, by name; nothing grows beyond either. */

export interface Limits {
  /** A batch is sealed when it holds this many events … */
  batch_events_max: number;
  /** … or when its first event is this old. */
  batch_wait_ms: number;
  /** Sealed batches that wait for the network; beyond it the oldest is dropped, counted and reported. */
  queue_batches_max: number;
  /** Bytes sent together when the page hides; browsers refuse more than 64 KiB of keepalive bodies. */
  hide_bytes_max: number;
  /** A request without an answer is given up after this. */
  request_timeout_ms: number;
  /** The first wait after a failure; it doubles up to `retry_max_ms`. */
  retry_min_ms: number;
  retry_max_ms: number;
  /** `stop()` waits this long for what is queued. */
  stop_timeout_ms: number;
}

export const LIMITS: Readonly<Limits> = {
  batch_events_max: 100,
  batch_wait_ms: 500,
  queue_batches_max: 120,
  hide_bytes_max: 60 * 1024,
  request_timeout_ms: 10_000,
  retry_min_ms: 250,
  retry_max_ms: 30_000,
  stop_timeout_ms: 5_000,
};
