/**
 * Session tokens as the gateway mints and checks them. With `--key dk_…` the mock asks for credentials; without, it is open.
 *
 * A token here is its claims and a hash over them and the key: enough to refuse what the gateway would refuse.
 */

import { createHash } from "node:crypto";

const SCOPES = new Set(["ingest", "monitor"]);
const TTL_S_MAX = 3_600;

/** A refusal as problem details (RFC 9457). */
export class Refusal extends Error {
  constructor(status, reason, title) {
    super(title);
    this.status = status;
    this.problem = { type: `urn:ductus:problem:${reason}`, title, status, reason };
  }
}

/** `userOf` tells whose access token it is. */
export function createAccess(key, tenant, userOf) {
  const sign = (claims) => createHash("sha256").update(`${claims}${key}`).digest("base64url");
  const bearer = (request) => /^Bearer (\S+)$/.exec(request.headers.authorization ?? "")?.[1];

  const claimsOf = (token) => {
    const [claims = "", signature] = token.split(".");
    if (signature !== sign(claims)) throw new Refusal(401, "invalid_token", "the token is not one of ours");
    const read = JSON.parse(Buffer.from(claims, "base64url").toString("utf8"));
    if (read.exp * 1000 <= Date.now()) throw new Refusal(401, "expired_token", "the token has expired");
    return read;
  };

  return {
    refusal: (status, reason, title) => new Refusal(status, reason, title),
    /** The user whose access token came with the request. */
    userOf: (request) => userOf(bearer(request)),

    /** Refuses whoever has not the key; here it may do everything. */
    admit(request, scope) {
      if (key === undefined) return;
      const given = bearer(request);
      if (given === undefined) throw new Refusal(401, "missing_credential", "a key is needed");
      if (given !== key) throw new Refusal(userOf(given) === undefined ? 401 : 403, "missing_scope", `this takes a key with ${scope}`);
    },

    /** `POST /v1/tokens`. */
    mint(request, { subject, session, scopes, enrol = false, ttl_s = TTL_S_MAX }) {
      if (key === undefined) throw new Refusal(404, "not_found", "there are no keys here: the mock was started without one");
      if (bearer(request) !== key) throw new Refusal(401, "invalid_key", "the application key is missing or wrong");
      if (typeof session !== "string" || !Array.isArray(scopes)) throw new Refusal(400, "malformed", "a session and scopes are needed");
      if (scopes.some((scope) => !SCOPES.has(scope))) throw new Refusal(403, "missing_scope", "a token may carry ingest and monitor only");
      const exp = Math.floor(Date.now() / 1000) + Math.min(ttl_s, TTL_S_MAX);
      const claims = Buffer.from(JSON.stringify({ tenant, subject, session, scopes, enrol, exp })).toString("base64url");
      return { token: `${claims}.${sign(claims)}`, tenant, expires_at_ms: exp * 1000 };
    },

    /** Refuses whoever may not do this with this session; `batch` is what is sent, if anything, or `subject` whose session it is. */
    check(request, scope, session, batch, subject = batch?.subject) {
      if (key === undefined) return;
      const given = bearer(request);
      if (given === undefined) throw new Refusal(401, "missing_credential", "a token or a key is needed");
      if (given === key) return;
      const user = userOf(given);
      // A session that nobody has heard of yet is whoever asks.
      if (user !== undefined) {
        if (subject === undefined || subject === user.user) return;
        throw new Refusal(403, "forged_subject", "the token is for another subject");
      }
      const claims = claimsOf(given);
      if (!claims.scopes.includes(scope)) throw new Refusal(403, "missing_scope", `the token does not carry ${scope}`);
      if (claims.session !== session) throw new Refusal(403, "forged_session", "the token is for another session");
      if (batch !== undefined && batch.tenant !== claims.tenant) throw new Refusal(403, "forged_tenant", "the token is for another tenant");
      if (batch !== undefined && batch.subject !== claims.subject) throw new Refusal(403, "forged_subject", "the token is for another subject");
      if (batch !== undefined && batch.purpose !== "session" && !claims.enrol) throw new Refusal(403, "forged_purpose", "the token is not for what is learned");
    },
  };
}
