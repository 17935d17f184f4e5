// Test logins, in development: the demo users, and refusals that are brought about for real.

import { Differs } from "./dialog.js";
import { Dialog, h, React, Status, TaskButton, useTask } from "./elements.js";
import { bySpace, call, post, random } from "./oauth.js";
import { useLogins } from "./who.js";

const at = (path) => new URL(path, location.href).href;

let known = { users: [], clients: [] };

const fetching = call(at("docs/test-logins")).then(({ ok, body }) => ok && (known = body));

let refused = ""; // why `/docs?as=…` logged nobody in

/** Once the document is there: `/docs?as=alice` logs in. */
export async function start(logins) {
  await fetching;
  const introspector = known.clients.find((client) => client.introspects);
  if (introspector) logins.config.introspector = introspector;
  const name = new URLSearchParams(location.search).get("as");
  const user = known.users.find(({ username }) => username === name);
  try {
    if (user) await logIn(logins, user, clientOf(logins.config.clientId));
    else if (name) refused = `There is no demo user ${name}.`;
  } catch (error) {
    refused = `${name}: ${error.message}`;
  }
  logins.changed();
}

const clientOf = (id) => known.clients.find((client) => client.id === id) || { id, secret: "" };

async function logIn(logins, { username, password }, client, scopes = []) {
  const scheme = logins.schemes.find(({ forms }) => forms.some(({ form }) => form === "password"));
  const form = scheme.forms.find((each) => each.form === "password");
  return logins.password(scheme, form, { username, password, client, scopes, share: true });
}

// The refusals. Each does its steps and returns the exchange that is refused.

const USER = "alice";

/** One attempt: it notes every exchange, and revokes in the end what it was issued. */
class Attempt {
  constructor(logins) {
    this.client = { id: logins.config.clientId };
    this.steps = [];
  }

  /** `token` is the one that was sent along; null if there should have been one. */
  async note(told, asking, token) {
    const exchange = await asking;
    this.steps.push({ told, token, ...exchange });
    return exchange;
  }

  credentials(username = USER) {
    const { password } = known.users.find((user) => user.username === username);
    return { grant_type: "password", username, password };
  }

  /** Tokens of alice, to begin with. */
  async logIn(more = {}) {
    const form = { ...this.credentials(), ...more };
    const { ok, body } = await this.note("Log in", post(at("token"), form, this.client));
    if (!ok) throw new Error(body?.error_description || "The login failed.");
    this.issued = body;
    return body;
  }

  token(told, form, client = this.client) {
    return this.note(told, post(at("token"), form, client));
  }

  use(token, path = "users/me") {
    return this.note("Use the token", call(at(path), token), token);
  }

  async spoil(kind) {
    const { access_token: token } = await this.logIn();
    const asked = call(at("docs/test-logins/token"), token, { method: "POST", body: { kind } });
    const { body } = await this.note("Have it copied, and spoiled (development only)", asked, token);
    return this.use(body.access_token);
  }

  async clean() {
    const { access_token: access, refresh_token: refresh } = this.issued || {};
    for (const token of [refresh, access]) {
      if (token) await post(at("revoke"), { token }, this.client);
    }
  }
}

export const REFUSALS = {
  "Wrong password": {
    says: "RFC 6749, section 5.2: invalid_grant, and nothing that tells a wrong name from a wrong password.",
    // Under a name of its own: failures are counted, and alice would be throttled.
    run: (attempt) => {
      const username = `wrong-${random().slice(0, 8)}`;
      const form = { grant_type: "password", username, password: "not the password" };
      return attempt.token("Log in under a name that is made up", form);
    },
  },
  "Disabled user": {
    says: "RFC 6749, section 5.2: the same answer, so that nobody learns which accounts there are.",
    run: (attempt) => attempt.token("Log in", attempt.credentials("disabled")),
  },
  Throttled: {
    says: "RFC 6749, section 4.3.2: guesses must be limited. 429 is of RFC 6585; wait for Retry-After seconds.",
    run: async (attempt) => {
      const asked = call(at("docs/test-logins/throttled"), null, { method: "POST" });
      const made = await attempt.note("Make up a name that has failed often (development only)", asked);
      if (!made.ok) return made;
      const form = { grant_type: "password", username: made.body.username, password: "a guess" };
      return attempt.token("Log in", form);
    },
  },
  "Scope that is not allowed": {
    says: "RFC 6749, section 5.2: invalid_scope, for a scope that is unknown or that the client may not have.",
    run: (attempt) => attempt.token("Log in", { ...attempt.credentials(), scope: "no-such-scope" }),
  },
  "No token": {
    says: "RFC 6750, section 3.1: a challenge without an error, for nothing was presented.",
    run: (attempt) => attempt.note("Ask without a token", call(at("users/me")), null),
  },
  "Expired token": {
    says: "RFC 6750, section 3.1: invalid_token. Refresh the token, or log in again.",
    run: (attempt) => attempt.spoil("expired"),
  },
  "Revoked token": {
    says: "RFC 7009, section 2: it is good for nothing from then on. RFC 6750, section 3.1: invalid_token.",
    run: async (attempt) => {
      const { access_token: token } = await attempt.logIn();
      await attempt.note("Revoke it", post(at("revoke"), { token }, attempt.client));
      return attempt.use(token);
    },
  },
  "Tampered signature": {
    says: "RFC 9068, section 4: the signature must be checked. RFC 6750, section 3.1: invalid_token.",
    run: async (attempt) => {
      const { access_token: token } = await attempt.logIn();
      const place = token.length - 3; // within what is shown of it
      const changed = token[place] === "A" ? "B" : "A";
      return attempt.use(token.slice(0, place) + changed + token.slice(place + 1));
    },
  },
  "Wrong audience": {
    says: "RFC 9068, section 4: a token for another API must be refused. RFC 6750, section 3.1: invalid_token.",
    run: (attempt) => attempt.spoil("another_audience"),
  },
  "Missing scope": {
    says: "RFC 6750, section 3.1: insufficient_scope, with the scopes that are needed.",
    run: async (attempt) => {
      const { access_token: token } = await attempt.logIn({ scope: "profile" });
      return attempt.use(token, "users/me/sessions");
    },
  },
  "Refresh token used twice": {
    says: "RFC 9700, section 4.14.2: it may have been stolen, so all that came of that login is revoked.",
    run: async (attempt) => {
      const { refresh_token: old } = await attempt.logIn();
      const form = { grant_type: "refresh_token", refresh_token: old };
      const { body } = await attempt.token("Refresh", form);
      const refused = await attempt.token("Refresh with the same token again", form);
      if (body?.access_token) await attempt.use(body.access_token);
      return refused;
    },
  },
};

// What is shown

/** In the bar: a click for each demo user, and the rest in a dialog. */
export default function TestLogins({ logins }) {
  useLogins(logins);
  const [open, setOpen] = React.useState(false);
  const task = useTask();
  const told = !logins.current && refused && h(Status, null, refused);
  if (!known.users.length) return told || null;
  return h(
    React.Fragment,
    null,
    !logins.current &&
      known.users
        .filter((user) => !user.disabled)
        .map((user) =>
          h(
            TaskButton,
            {
              key: user.username,
              task,
              run: () => logIn(logins, user, clientOf(logins.config.clientId)),
            },
            `as ${user.username}`,
          ),
        ),
    h("button", { type: "button", onClick: () => setOpen(true) }, "Test logins"),
    told,
    task.error && h(Status, null, task.error),
    open && h(TestDialog, { logins, onClose: () => setOpen(false) }),
  );
}

function TestDialog({ logins, onClose }) {
  return h(
    Dialog,
    { title: "Test logins", onClose },
    h(Users, { logins, onClose }),
    h(Refusals, { logins }),
  );
}

function Users({ logins, onClose }) {
  const [clientId, setClientId] = React.useState(logins.config.clientId);
  const [scope, setScope] = React.useState("");
  const [differs, tell] = React.useState(null);
  const task = useTask();
  const able = known.clients.filter(({ grants }) => grants.includes("password"));
  const enter = async (user) => {
    const asked = bySpace(scope);
    const { granted } = await logIn(logins, user, clientOf(clientId), asked);
    const missing = asked.filter((each) => !granted.includes(each));
    tell(missing.length ? { missing, granted } : null);
    if (!missing.length) onClose();
  };
  return h(
    "section",
    null,
    h("h3", null, "Log in as a demo user"),
    h(
      "p",
      { className: "lk-tools" },
      h(
        "label",
        null,
        "Through ",
        h(
          "select",
          { value: clientId, onChange: (event) => setClientId(event.target.value) },
          able.map(({ id }) => h("option", { key: id, value: id }, id)),
        ),
      ),
      h("input", {
        "aria-label": "Scopes, separated by spaces",
        placeholder: "Scopes; empty: the client's defaults",
        value: scope,
        onChange: (event) => setScope(event.target.value),
      }),
    ),
    h(
      "p",
      { className: "lk-tools" },
      known.users.map((user) =>
        h(TaskButton, { key: user.username, task, run: () => enter(user) }, user.username),
      ),
    ),
    h(Status, null, task.error),
    differs && h(Differs, { ...differs, onDone: onClose }),
  );
}

function Refusals({ logins }) {
  const [shown, show] = React.useState(null);
  const task = useTask();
  const bringAbout = async (name) => {
    const attempt = new Attempt(logins);
    show(null);
    const refused = await REFUSALS[name].run(attempt);
    await attempt.clean();
    show({ name, says: REFUSALS[name].says, steps: attempt.steps, refused });
  };
  return h(
    "section",
    null,
    h("h3", null, "Be refused"),
    h(
      "p",
      { className: "lk-tools" },
      Object.keys(REFUSALS).map((name) =>
        h(TaskButton, { key: name, task, run: () => bringAbout(name) }, name),
      ),
    ),
    h(Status, null, task.error),
    shown && h(Outcome, shown),
  );
}

function Outcome({ name, says, steps, refused }) {
  return h(
    "section",
    { "aria-label": name, className: "lk-outcome", role: "status" },
    h("h3", null, `${name}: ${refused.status} ${refused.body?.error || ""}`),
    h("p", null, says),
    steps.map((step, index) => h(Exchange, { key: index, number: index + 1, step })),
  );
}

const SECRET = ["password", "client_secret"];
const SHOWN_HEADERS = ["www-authenticate", "retry-after", "content-type"];

function shown(name, value) {
  if (SECRET.includes(name)) return "••••";
  return /(^|_)token$/.test(name) ? shortened(value) : value;
}

const shortened = (token) => (token?.length > 32 ? `${token.slice(0, 12)}…${token.slice(-6)}` : token);

const masked = (members) =>
  Object.fromEntries(Object.entries(members).map(([name, value]) => [name, shown(name, value)]));

/** A request and its answer. Tokens are shortened, and passwords are not shown. */
function Exchange({ number, step }) {
  const { told, token, method, url, sent, status, headers, body } = step;
  const lines = [`${method} ${new URL(url).pathname}`];
  if (token) lines.push(`authorization: Bearer ${shortened(token)}`);
  if (token === null) lines.push("(no authorization header)");
  if (sent) lines.push(Object.entries(masked(sent)).map((pair) => pair.join("=")).join("&"));
  lines.push("", `${status}`);
  for (const name of SHOWN_HEADERS) if (headers[name]) lines.push(`${name}: ${headers[name]}`);
  if (body) lines.push("", JSON.stringify(masked(body), null, 2));
  return h(
    "div",
    { className: "lk-exchange" },
    h("h4", null, `${number}. ${told}`),
    h("pre", { tabIndex: 0 }, lines.join("\n")),
  );
}
