/** The public face of the SDK. */

export { start, type Handle, type StartOptions } from "./start.ts";
export { LIMITS, type Limits } from "./limits.ts";
export type { SdkEvents, Stats } from "./hub.ts";
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
