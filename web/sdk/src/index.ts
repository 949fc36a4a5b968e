/** The public face of the SDK. */

export { start, type Handle, type StartOptions } from "./start.ts";
export { LIMITS, type Limits } from "./limits.ts";
export type { Listener, Reason, RiskEvent, SdkEvents } from "./hub.ts";
export type { TokenSource } from "./gateway.ts";
export type { Captured, Quality } from "./quality.ts";
export type {
  BatchClock,
  BatchDevice,
  Consent,
  EventBatch,
  InputEvent,
  KeyClass,
  KeyDetail,
  PointerButton,
  Purpose,
} from "./wire.ts";
