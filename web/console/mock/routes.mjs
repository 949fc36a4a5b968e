/**
 * Which request does what: method and path, the scope that it takes, and what answers. A scope of null asks for no key: the
 * handler looks at the credential itself, or it is open to everybody.
 */

export function createRoutes({ line, people, archive, settings, identity, access, origin }) {
  const done = (status) => (value) => ({ status, body: value });
  const [created, accepted, gone] = [done(201), done(202), done(204)];
  const own = (request, subject) => access.userOf(request)?.user === subject;

  return [
    ["GET", "/v1/demo", null, () => line.scenario()],
    ["GET", "/readyz", null, () => ({ ready: true, missing: {} })],
    ["GET", "/v1/stats", "monitor", () => line.stats()],
    ["GET", "/v1/sessions", "monitor", () => line.sessions()],
    ["GET", "/v1/sessions/:session/decisions", "monitor", ({ params }) => line.history(params.session)],
    ["POST", "/v1/events", null, ({ request, body }) => {
      access.check(request, "ingest", body.session, body);
      return accepted(line.take(body));
    }],
    ["POST", "/v1/tokens", null, ({ request, body }) => access.mint(request, body)],

    ["GET", "/v1/decisions", "monitor", ({ query }) => archive.search(query)],
    ["GET", "/v1/decisions/:id", "monitor", ({ params }) => archive.decision(params.id)],
    ["POST", "/v1/decisions/:id/feedback", "monitor", ({ params, body }) => created(archive.say(params.id, body, "key of the mock"))],

    ["GET", "/v1/subjects/:subject", null, ({ request, params }) => {
      if (!own(request, params.subject)) access.admit(request, "verify");
      return people.subject(params.subject);
    }],
    ["DELETE", "/v1/subjects/:subject", "admin", ({ params }) => accepted(people.erase(params.subject))],
    ["DELETE", "/v1/subjects/:subject/references/:modality/:device", "admin", ({ params }) => accepted(people.drop(params.subject, params.modality, params.device) ?? {})],
    ["GET", "/v1/erasures/:receipt", "admin", ({ params }) => people.erasure(params.receipt)],
    ["POST", "/v1/identify", "verify", ({ body }) => {
      if (!settings.identifies()) throw access.refusal(403, "identify_off", "the tenant has not switched identification on");
      return people.identify(body);
    }],

    ["GET", "/v1/settings", "admin", () => settings.settings()],
    ["PUT", "/v1/settings", "admin", ({ body }) => settings.put(body)],
    ["GET", "/v1/policy", "monitor", () => settings.policy()],
    ["GET", "/v1/models", "monitor", () => settings.models()],
    ["GET", "/v1/users", "admin", () => identity.users()],
    ["GET", "/v1/keys", "admin", () => settings.keys()],
    ["POST", "/v1/keys", "admin", ({ body }) => created(settings.makeKey(body))],
    ["DELETE", "/v1/keys/:id", "admin", ({ params }) => gone(settings.revoke(params.id))],
    ["POST", "/v1/keys/:id/rotate", "admin", ({ params }) => settings.rotate(params.id)],
    ["GET", "/v1/webhooks", "admin", () => settings.hooks()],
    ["POST", "/v1/webhooks", "admin", ({ body }) => created(settings.makeHook(body))],
    ["DELETE", "/v1/webhooks/:id", "admin", ({ params }) => gone(settings.dropHook(params.id))],
    ["POST", "/v1/webhooks/:id/test", "admin", ({ params }) => accepted(settings.testHook(params.id))],
    ["GET", "/v1/webhooks/:id/deliveries", "admin", ({ params }) => settings.deadLetters(params.id)],
    ["POST", "/v1/webhooks/:id/deliveries/:delivery/retry", "admin", ({ params }) => accepted(settings.retry(params.id, params.delivery))],

    ["POST", "/v1/auth/register", null, ({ body }) => accepted(identity.register(body))],
    ["POST", "/v1/auth/reset", null, ({ body }) => accepted(identity.reset(body))],
    ["POST", "/v1/auth/login", null, ({ body }) => accepted(identity.login(body))],
    ["POST", "/v1/auth/confirm", null, ({ body }) => identity.confirm(body)],
    ["POST", "/v1/auth/passkey/begin", null, ({ body }) => identity.beginPasskey(body)],
    ["POST", "/v1/auth/passkey/confirm", null, ({ body }) => identity.confirmPasskey(body)],
    ["POST", "/v1/auth/refresh", null, ({ request }) => identity.refresh(request)],
    ["POST", "/v1/auth/logout", null, ({ request }) => gone(identity.logout(request))],
    ["POST", "/v1/auth/logout-everywhere", null, ({ request }) => gone(identity.logout(request))],
    ["GET", "/v1/auth/approvals/:token", null, ({ params }) => identity.approval(params.token)],
    ["POST", "/v1/auth/approvals/:token", null, ({ params }) => identity.approve(params.token)],
    ["GET", "/v1/me", null, ({ request }) => identity.me(request)],
    ["DELETE", "/v1/me", null, ({ request }) => gone(identity.remove(request))],
    ["POST", "/v1/me/mode", null, ({ request, body }) => identity.mode(request, body)],
    ["POST", "/v1/me/step-up", null, ({ request }) => accepted(identity.stepUp(request))],
    ["POST", "/v1/me/password", null, ({ request, body }) => gone(identity.password(request, body))],
    ["GET", "/v1/me/addresses", null, ({ request }) => identity.addresses(request)],
    ["POST", "/v1/me/addresses", null, ({ request, body }) => accepted(identity.askForAddress(request, body, origin()))],
    ["DELETE", "/v1/me/addresses", null, ({ request, query }) => gone(identity.dropAddress(request, query.get("prefix")))],
    ["GET", "/v1/me/passkeys", null, ({ request }) => identity.passkeys(request)],
    ["POST", "/v1/me/passkeys/begin", null, ({ request }) => identity.beginPasskeyMaking(request)],
    ["POST", "/v1/me/passkeys", null, ({ request, body }) => created(identity.keepPasskey(request, body))],
    ["DELETE", "/v1/me/passkeys/:id", null, ({ request, params }) => gone(identity.dropPasskey(request, params.id))],
    ["GET", "/v1/demo/mailbox", null, () => identity.mailbox()],
  ].map(([method, path, scope, handle]) => ({ method, scope, handle, pattern: new RegExp(`^${path.replace(/:(\w+)/g, "(?<$1>[^/]+)")}$`) }));
}

/** The route of a request with its path's parameters; undefined where there is none. */
export function match(routes, method, pathname) {
  for (const route of routes) {
    const found = route.method === method ? route.pattern.exec(pathname) : null;
    if (found === null) continue;
    const params = Object.fromEntries(Object.entries(found.groups ?? {}).map(([name, value]) => [name, decodeURIComponent(value)]));
    return { ...route, params };
  }
  return undefined;
}
