/**
 * Accounts, sign-ins and the mailbox, in memory. Passwords are compared as they are, and a passkey is taken by its
 * challenge alone: this is for looking at the page, never for signing anybody in.
 */

import { randomBytes, randomInt } from "node:crypto";
import { Refusal } from "./access.mjs";

const TOKEN_MS = 10 * 60_000;
const CODE_MS = 10 * 60_000;
const COOKIE = "ductus_refresh";
const hex = (bytes) => randomBytes(bytes).toString("hex");
const unauthenticated = () => new Refusal(401, "unauthenticated", "this does not hold");

export function createIdentity({ tenant, forget }) {
  const users = new Map();
  const challenges = new Map();
  const tokens = new Map();
  const cookies = new Map();
  const approvals = new Map();
  const mails = [];
  const byEmail = (email) => [...users.values()].find((user) => user.email === email);
  const mail = (to, subject, text) => mails.unshift({ to, subject, text, sent_at_ms: Date.now() });

  const ask = (purpose, email, subject, extra = {}) => {
    const challenge = hex(12);
    const code = String(randomInt(100_000_000)).padStart(8, "0");
    const expires_at_ms = Date.now() + CODE_MS;
    challenges.set(challenge, { purpose, email, code, expires_at_ms, ...extra });
    mail(email, subject, `Your code is ${code.slice(0, 4)} ${code.slice(4)}.\n\nIt is good for ten minutes. If you asked for nothing, somebody typed your address: ignore this mail.`);
    return { challenge, expires_at_ms };
  };

  const enter = (user) => {
    const access_token = `at_${hex(16)}`;
    const cookie = hex(16);
    tokens.set(access_token, user.user);
    cookies.set(cookie, user.user);
    const body = { user: user.user, tenant, access_token, expires_at_ms: Date.now() + TOKEN_MS };
    return { body, headers: { "set-cookie": `${COOKIE}=${cookie}; HttpOnly; SameSite=Strict; Path=/v1/auth` } };
  };

  const prove = ({ purpose, email, password }) => {
    if (purpose === "register" && byEmail(email) === undefined) {
      const user = `u-${hex(6)}`;
      users.set(user, { user, tenant, email, password, mode: "train", step_up: null, created_at_ms: Date.now(), passkeys: [], addresses: [] });
    }
    const user = byEmail(email);
    if (user === undefined) throw unauthenticated();
    if (purpose === "reset") user.password = password;
    if (purpose === "step_up") user.step_up = null;
    return enter(user);
  };

  const take = (challenge) => {
    const waiting = challenges.get(challenge);
    if (waiting === undefined || waiting.expires_at_ms < Date.now()) throw unauthenticated();
    return waiting;
  };

  const me = (request) => {
    const token = /^Bearer (\S+)$/.exec(request.headers.authorization ?? "")?.[1];
    return users.get(tokens.get(token)) ?? raise(unauthenticated());
  };
  const view = ({ user, email, mode, step_up, created_at_ms }) => ({ user, tenant, email, mode, step_up, created_at_ms });
  const long = (password) => {
    if (typeof password !== "string" || password.length < 15) throw new Refusal(400, "bad_password", "the password is too short: 15 characters at least");
  };
  const signOut = (user) => {
    for (const map of [tokens, cookies]) for (const [key, owner] of map) if (owner === user.user) map.delete(key);
  };
  const publicKey = (challenge, user) => ({
    challenge,
    rpId: "localhost",
    rp: { id: "localhost", name: "Ductus" },
    user: { id: Buffer.from(user.user).toString("base64url"), name: user.email, displayName: user.email },
    pubKeyCredParams: [{ type: "public-key", alg: -7 }],
    authenticatorSelection: { residentKey: "preferred", userVerification: "required" },
    userVerification: "required",
    allowCredentials: user.passkeys.map(({ id }) => ({ type: "public-key", id })),
    timeout: 60_000,
  });
  /** That the browser answered this challenge; what it signed is not looked at. */
  const answered = (challenge, answer) => {
    const client = JSON.parse(Buffer.from(answer.response.clientDataJSON, "base64url").toString("utf8"));
    if (client.challenge !== challenge) throw unauthenticated();
  };

  return {
    /** The user of an access token; undefined where it is none of ours. */
    userOf: (token) => users.get(tokens.get(token)),
    tell(decision) {
      const user = users.get(decision.subject);
      if (user?.mode === "auth" && user.step_up === null && ["step_up", "terminate"].includes(decision.action)) {
        user.step_up = { since_ms: Date.now(), why: decision.id };
      }
    },
    mailbox: () => mails,
    users: () => [...users.values()].map(({ user, email, mode, created_at_ms }) => ({ user, email, mode, created_at_ms })),

    register({ email, password }) {
      long(password);
      return ask("register", email, "Your code to register", { password });
    },
    reset({ email, password }) {
      long(password);
      return ask("reset", email, "Your code for a new password", { password });
    },
    login({ email, password }) {
      const user = byEmail(email);
      if (user?.password !== password) throw new Refusal(401, "unauthenticated", "address or password is wrong");
      return { ...ask("sign_in", email, "Your code to sign in"), factors: user.passkeys.length > 0 ? ["passkey", "code"] : ["code"] };
    },
    confirm({ challenge, code }) {
      const waiting = take(challenge);
      if (waiting.code !== code) throw new Refusal(401, "unauthenticated", "the code is wrong");
      challenges.delete(challenge);
      return prove(waiting);
    },
    beginPasskey({ challenge }) {
      const waiting = take(challenge);
      waiting.ceremony = randomBytes(24).toString("base64url");
      return { ceremony: waiting.ceremony, options: { publicKey: publicKey(waiting.ceremony, byEmail(waiting.email)) }, expires_at_ms: waiting.expires_at_ms };
    },
    confirmPasskey({ challenge, answer }) {
      const waiting = take(challenge);
      answered(waiting.ceremony, answer);
      challenges.delete(challenge);
      return prove(waiting);
    },
    refresh(request) {
      const cookie = new RegExp(`${COOKIE}=(\\w+)`).exec(request.headers.cookie ?? "")?.[1];
      const user = users.get(cookies.get(cookie)) ?? raise(unauthenticated());
      cookies.delete(cookie);
      return enter(user);
    },
    logout: (request) => signOut(me(request)),

    approval(token) {
      const approval = approvals.get(token) ?? raise(new Refusal(404, "not_found", "the link has ended"));
      return { prefix: approval.prefix, expires_at_ms: approval.expires_at_ms };
    },
    approve(token) {
      const { prefix } = this.approval(token);
      users.get(approvals.get(token).user)?.addresses.push({ prefix });
      approvals.delete(token);
      return { prefix };
    },

    me: (request) => view(me(request)),
    remove(request) {
      const user = me(request);
      signOut(user);
      users.delete(user.user);
      forget(user.user);
    },
    mode(request, { mode }) {
      const user = me(request);
      if (user.step_up !== null) throw new Refusal(403, "step_up", "prove yourself first");
      user.mode = mode;
      return view(user);
    },
    stepUp(request) {
      const user = me(request);
      return { ...ask("step_up", user.email, "Your code to go on"), factors: user.passkeys.length > 0 ? ["passkey", "code"] : ["code"] };
    },
    password(request, { old, new: fresh }) {
      const user = me(request);
      if (user.password !== old) throw new Refusal(401, "unauthenticated", "the password is wrong");
      long(fresh);
      user.password = fresh;
    },
    addresses: (request) => me(request).addresses,
    askForAddress(request, { prefix }, origin) {
      const user = me(request);
      const token = hex(12);
      const expires_at_ms = Date.now() + 3_600_000;
      approvals.set(token, { user: user.user, prefix, expires_at_ms });
      mail(user.email, "Trust a network?", `Open this link to trust ${prefix}, so that your password is enough there:\n\n${origin}/v1/auth/approvals/${token}`);
      return { prefix, expires_at_ms };
    },
    dropAddress(request, prefix) {
      const user = me(request);
      user.addresses = user.addresses.filter((address) => address.prefix !== prefix);
    },
    passkeys: (request) => me(request).passkeys,
    beginPasskeyMaking(request) {
      const user = me(request);
      user.ceremony = randomBytes(24).toString("base64url");
      return { ceremony: user.ceremony, options: { publicKey: publicKey(user.ceremony, user) } };
    },
    keepPasskey(request, { ceremony, label, answer }) {
      const user = me(request);
      if (user.ceremony !== ceremony) throw unauthenticated();
      answered(ceremony, answer);
      user.passkeys.push({ id: answer.id, label, created_at_ms: Date.now() });
      return {};
    },
    dropPasskey(request, id) {
      const user = me(request);
      user.passkeys = user.passkeys.filter((passkey) => passkey.id !== id);
    },
  };
}

function raise(error) {
  throw error;
}
