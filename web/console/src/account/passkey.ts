/** Passkeys: what the browser does between two answers of the gateway. */

import { ApiError } from "../api/http.ts";

export function canUsePasskeys(): boolean {
  return typeof PublicKeyCredential === "function" && "parseCreationOptionsFromJSON" in PublicKeyCredential;
}

/** Makes a passkey; its public half and proof, as JSON for the gateway. */
export async function makePasskey(options: unknown): Promise<unknown> {
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(inside(options) as PublicKeyCredentialCreationOptionsJSON);
  return answerOf(await navigator.credentials.create({ publicKey }).catch(refused));
}

/** Proves that one has the passkey, as JSON for the gateway. */
export async function showPasskey(options: unknown): Promise<unknown> {
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(inside(options) as PublicKeyCredentialRequestOptionsJSON);
  return answerOf(await navigator.credentials.get({ publicKey }).catch(refused));
}

/** WebAuthn libraries wrap the options in `publicKey`, as the browser's functions take them. */
function inside(options: unknown): unknown {
  return typeof options === "object" && options !== null && "publicKey" in options ? options.publicKey : options;
}

function answerOf(made: Credential | null): unknown {
  if (!(made instanceof PublicKeyCredential)) throw new ApiError(0, "no_passkey", "the browser gave no passkey");
  return made.toJSON();
}

function refused(): never {
  throw new ApiError(0, "no_passkey", "no passkey was used: the browser was told to stop, or has none for this page");
}
