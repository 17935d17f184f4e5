// The Authorize dialog: a row for each scheme, one of them open.

import {
  Dialog,
  Field,
  h,
  React,
  Sentence,
  Status,
  TaskButton,
  useFocusKeeper,
  useTask,
} from "./elements.js";
import { accepted } from "./oauth.js";
import { absolute, FORM_NAMES, sampleOf } from "./schemes.js";
import { useLogins } from "./who.js";

const MANY = 8; // scopes from which on there is a filter

/** In place of Swagger UI's own dialog. */
export function AuthorizeDialog({ system, logins }) {
  useLogins(logins);
  const close = () => system.authActions.showDefinitions(false);
  const { padlock } = logins;
  const atPadlock = padlock && padlock.shown === system.authSelectors.shownDefinitions();
  const needed = atPadlock ? padlock.needed : null;
  const schemes = logins.schemes.filter(({ name }) => !needed || name in needed);
  const [open, setOpen] = React.useState(schemes[0]?.name);
  return h(
    Dialog,
    { title: needed ? "Log in for this operation" : "Log in", className: "lk-authorize", onClose: close },
    schemes.map((scheme) =>
      h(SchemeRow, {
        key: scheme.name,
        scheme,
        logins,
        needed: needed?.[scheme.name],
        open: open === scheme.name,
        onToggle: () => setOpen(open === scheme.name ? null : scheme.name),
        onDone: close,
      }),
    ),
  );
}

function SchemeRow({ scheme, logins, needed, open, onToggle, onDone }) {
  const id = React.useId();
  const row = React.useRef(null);
  const head = React.useRef(null);
  const keeper = useFocusKeeper(head);
  const entry = logins.entryOf(scheme);
  React.useEffect(() => {
    if (!open) return;
    row.current.scrollIntoView({ block: "nearest" });
    row.current.querySelector("input:not([type=checkbox]), form button")?.focus({ preventScroll: true });
  }, [open]);
  return h(
    "section",
    { ref: row, className: open ? "lk-scheme lk-open" : "lk-scheme", "data-scheme": scheme.name, ...keeper },
    h(
      "h3",
      null,
      h(
        "button",
        { ref: head, type: "button", "aria-expanded": open, "aria-controls": id, onClick: onToggle },
        h("span", { className: "lk-name" }, scheme.name),
        h("span", { className: "lk-kind" }, kindName(scheme)),
        h("span", { className: entry ? "lk-state lk-on" : "lk-state" }, stateOf(entry)),
        !open && h("span", { className: "lk-first" }, h(Sentence, { text: firstSentence(scheme) })),
      ),
    ),
    h(
      "div",
      { id, hidden: !open },
      open && h("p", { className: "lk-about" }, h(Sentence, { text: scheme.description })),
      open && entry && h(Entry, { scheme, entry, logins }),
      open && h(SchemeForms, { scheme, logins, needed, onDone }),
    ),
  );
}

const KINDS = { oauth2: "OAuth 2.0", openIdConnect: "OpenID Connect", bearer: "bearer token" };

const kindName = ({ kind }) => KINDS[kind] || kind;

/** What a row that is closed says; open, it says all. */
const firstSentence = ({ description }) => (description || "").split(/(?<=\.)\s/)[0];

function stateOf(entry) {
  if (!entry) return "not logged in";
  if (entry.browser) return "the browser sends it";
  if (!entry.login) return "in use";
  const who = entry.login.who || "somebody";
  return entry.borrowed ? `uses the login of ${who}` : `logged in as ${who}`;
}

/** What a scheme is in use with, and the way out. */
function Entry({ scheme, entry, logins }) {
  const task = useTask();
  if (entry.browser && scheme.kind === "digest") {
    return h("p", { className: "lk-hint" }, "The browser forgets it when it is closed.");
  }
  if (entry.borrowed) {
    const told = `The login that was made for ${entry.login.scheme} is used here too. Log in below to use another.`;
    return h("p", { className: "lk-hint" }, told);
  }
  const forget = () => clearCookie(scheme, logins).then(() => logins.forget(scheme));
  return h(
    "p",
    { className: "lk-entry" },
    h(TaskButton, { task, run: forget }, "Log out"),
    task.error && h(Status, null, task.error),
  );
}

function SchemeForms({ scheme, logins, needed, onDone }) {
  const [chosen, choose] = React.useState(0);
  const props = { scheme, logins, needed, onDone };
  if (scheme.oauth) {
    if (!scheme.forms.length) return h("p", null, "The document names no login that works here.");
    const form = scheme.forms[chosen];
    return h(
      React.Fragment,
      null,
      scheme.forms.length > 1 && h(FormChoice, { scheme, chosen, choose }),
      h(OAuthForm, { key: chosen, form, ...props }),
    );
  }
  if (scheme.kind === "bearer") return h(TokenForm, props);
  if (scheme.kind === "basic") return h(BasicForm, props);
  if (scheme.kind === "digest") return h(DigestForm, props);
  if (scheme.kind === "key in the cookie") return h(CookieForm, props);
  if (scheme.kind.startsWith("key")) return h(KeyForm, props);
  return h("p", null, "Nothing can be typed for this scheme.");
}

function FormChoice({ scheme, chosen, choose }) {
  const id = React.useId();
  return h(
    "fieldset",
    { className: "lk-choice" },
    h("legend", null, "Log in by"),
    scheme.forms.map(({ form }, index) =>
      h(
        "label",
        { key: form },
        h("input", { type: "radio", name: id, checked: chosen === index, onChange: () => choose(index) }),
        FORM_NAMES[form],
      ),
    ),
  );
}

/** A form that `work` is done for: Enter submits it, and the dialog closes when it was done. */
function LoginForm({ work, onDone, label, children, after }) {
  const task = useTask();
  const form = React.useRef(null); // none once its dialog was closed: what is open then is another
  const onSubmit = (event) => {
    event.preventDefault();
    task.run(async () => {
      if ((await work()) !== false && form.current) onDone();
    });
  };
  return h(
    "form",
    { ref: form, onSubmit, className: "lk-form" },
    children,
    h(
      "div",
      { className: "lk-submit" },
      h("button", { type: "submit", className: "lk-primary", "aria-disabled": task.busy }, label),
      h(Status, null, task.busy ? "One moment…" : task.error),
    ),
    after,
  );
}

function OAuthForm({ scheme, form, logins, needed, onDone }) {
  const { config } = logins;
  const asClient = form.form === "client";
  const [username, setUsername] = React.useState("");
  const [password, setPassword] = React.useState("");
  const [client, setClient] = React.useState({ id: asClient ? "" : config.clientId, secret: "", inBody: false });
  const [scopes, setScopes] = React.useState(() => ticked(form, config, needed, asClient));
  const [share, setShare] = React.useState(true);
  const [differs, tell] = React.useState(null);
  const [step, setStep] = React.useState(null); // the mfa_token, once a second factor is asked for
  const [code, setCode] = React.useState("");
  const logIn = async () => {
    const given = { username, password, client, scopes, share };
    if (step) return logins.secondFactor(scheme, form, { ...given, token: step, who: username, shown: shownAs(code) });
    try {
      return await logins[form.form](scheme, form, given);
    } catch (error) {
      const token = error.error === "mfa_required" && error.exchange.body.mfa_token;
      if (!token) throw error;
      setCode("");
      setStep(token);
      return null;
    }
  };
  const login = async () => {
    const made = await logIn();
    if (!made) return false;
    const missing = scopes.filter((scope) => !made.granted.includes(scope));
    tell(missing.length ? { missing, granted: made.granted } : null);
    return missing.length ? false : undefined;
  };
  const label = form.form === "code" ? "Log in in a popup" : "Log in";
  if (step && !differs) {
    const again = h("button", { type: "button", onClick: () => setStep(null) }, "Start again");
    return h(
      LoginForm,
      { work: login, onDone, label: "Continue", after: again },
      h(Field, {
        key: "code", // another one than that of the name, which would not get the focus
        label: "Code from your authenticator app, or a recovery code",
        autoComplete: "one-time-code",
        autoFocus: true,
        value: code,
        onChange: setCode,
        required: true,
      }),
    );
  }
  return h(
    LoginForm,
    {
      work: login,
      onDone,
      label,
      after: h(
        React.Fragment,
        null,
        differs && h(Differs, { ...differs, onDone }),
        h(Scopes, { offered: form.scopes, ticked: scopes, onChange: setScopes, needed }),
        !asClient && h(ClientFields, { client, onChange: setClient }),
        h(ShareBox, { share, onChange: setShare }),
      ),
    },
    form.form === "password" && h(Field, { label: "User name", value: username, onChange: setUsername, required: true }),
    form.form === "password" && h(Field, { label: "Password", secret: true, value: password, onChange: setPassword, required: true }),
    asClient && h(ClientFields, { client, onChange: setClient, open: true }),
  );
}

/** A code of an app is of digits, and a recovery code of more. */
const shownAs = (code) => (/^[\d\s]+$/.test(code) ? { otp: code } : { recovery_code: code });

/** What is ticked at first: what the operation needs, or what the client gets by default. */
function ticked({ scopes }, config, needed, asClient) {
  const offered = Object.keys(scopes);
  if (asClient) return []; // a client is refused scopes that speak of a user
  const wanted = new Set([...config.scopes, ...(needed || [])]);
  return offered.filter((scope) => wanted.has(scope));
}

/** What was not granted of what was asked for. */
export function Differs({ missing, granted, onDone }) {
  return h(
    "div",
    { className: "lk-differs", role: "alert" },
    h("p", null, "You are logged in. Not granted: ", h("strong", null, missing.join(" ")), "."),
    h("p", null, "Granted: ", granted.join(" "), "."),
    h("button", { type: "button", onClick: onDone }, "Go on"),
  );
}

function Scopes({ offered, ticked: chosen, onChange, needed }) {
  const [filter, setFilter] = React.useState("");
  // What is ticked at first is at the top, and stays where it is.
  const [names] = React.useState(() =>
    Object.keys(offered).sort((one, other) => chosen.includes(other) - chosen.includes(one)),
  );
  if (!names.length) return h("p", { className: "lk-hint" }, "No scope is asked for: the server grants the client's defaults.");
  const text = filter.toLowerCase();
  const matching = names.filter((name) => `${name} ${offered[name]}`.toLowerCase().includes(text));
  const toggle = (name) =>
    onChange(chosen.includes(name) ? chosen.filter((each) => each !== name) : [...chosen, name]);
  const pick = (label, scopes) => h("button", { type: "button", onClick: () => onChange(scopes) }, label);
  return h(
    "fieldset",
    { className: "lk-scopes" },
    h("legend", null, `Scopes (${chosen.length} of ${names.length})`),
    h(
      "div",
      { className: "lk-tools" },
      pick("All", names),
      pick("None", []),
      needed?.length > 0 && pick("What this operation needs", needed),
      names.length > MANY &&
        h("input", {
          type: "search",
          "aria-label": "Filter the scopes",
          placeholder: "Filter",
          value: filter,
          onChange: (event) => setFilter(event.target.value),
          onKeyDown: (event) => event.key === "Enter" && event.preventDefault(), // or it would log in
        }),
    ),
    h(
      "ul",
      { tabIndex: 0, "aria-label": "Scopes" },
      matching.map((name) =>
        h(
          "li",
          { key: name },
          h(
            "label",
            null,
            h("input", {
              type: "checkbox",
              value: name,
              checked: chosen.includes(name),
              onChange: () => toggle(name),
            }),
            h("code", null, name),
            h("span", null, offered[name]),
          ),
        ),
      ),
    ),
    chosen.length === 0 &&
      h("p", { className: "lk-hint" }, "Nothing is ticked, so no scope is asked for: the server grants the client's defaults."),
  );
}

function ClientFields({ client, onChange, open = false }) {
  const change = (changes) => onChange({ ...client, ...changes });
  return h(
    "details",
    { className: "lk-client", open },
    h("summary", null, open ? "Client" : `As the client ${client.id || "(none)"}`),
    h(Field, { label: "Client id", value: client.id, onChange: (id) => change({ id }) }),
    h(Field, {
      label: "Client secret",
      secret: true,
      value: client.secret,
      onChange: (secret) => change({ secret }),
      hint: open ? "" : "A public client has none.",
    }),
    h(
      "label",
      { className: "lk-check" },
      h("input", {
        type: "checkbox",
        checked: client.inBody,
        onChange: (event) => change({ inBody: event.target.checked }),
      }),
      "Send the secret in the body, not in the header",
    ),
  );
}

function ShareBox({ share, onChange }) {
  return h(
    "label",
    { className: "lk-check" },
    h("input", { type: "checkbox", checked: share, onChange: (event) => onChange(event.target.checked) }),
    "Use this login for every scheme that takes its token",
  );
}

function TokenForm({ scheme, logins, onDone }) {
  const [token, setToken] = React.useState("");
  const [share, setShare] = React.useState(true);
  const work = async () => void logins.paste(scheme, token, share);
  return h(
    LoginForm,
    { work, onDone, label: "Use", after: h(ShareBox, { share, onChange: setShare }) },
    h(Field, { label: "Access token", secret: true, value: token, onChange: setToken, required: true }),
  );
}

function BasicForm({ scheme, logins, onDone }) {
  const [username, setUsername] = React.useState("");
  const [password, setPassword] = React.useState("");
  const work = async () => logins.use(scheme, { username, password });
  return h(
    LoginForm,
    { work, onDone, label: "Use" },
    h(Field, { label: "User name", value: username, onChange: setUsername, required: true }),
    h(Field, { label: "Password", secret: true, value: password, onChange: setPassword, required: true }),
    h("p", { className: "lk-hint" }, "Nothing is checked before an operation is executed."),
  );
}

function KeyForm({ scheme, logins, onDone }) {
  const [key, setKey] = React.useState("");
  const { name, in: place } = scheme.definition;
  const work = async () => logins.use(scheme, key);
  return h(
    LoginForm,
    { work, onDone, label: "Use" },
    h(Field, { label: `${name} (${place})`, secret: true, value: key, onChange: setKey, required: true }),
    h("p", { className: "lk-hint" }, "Nothing is checked before an operation is executed."),
  );
}

/** No script may answer a Digest challenge, and the browser may: it asks with its own dialog. */
function DigestForm({ scheme, logins, onDone }) {
  const work = async () => {
    const response = await fetch(sampleOf(logins.system, scheme.name), { cache: "no-store" });
    if (!response.ok) throw new Error(`The server answered ${response.status}.`);
    logins.useBrowser(scheme);
  };
  return h(
    LoginForm,
    { work, onDone, label: "Log in with the browser's dialog" },
    h("p", { className: "lk-hint" }, "The browser asks for the name and the password itself, and computes the Digest."),
  );
}

/** No script may set this cookie, and an operation of the server does. */
function CookieForm({ scheme, logins, onDone }) {
  const [key, setKey] = React.useState("");
  const route = scheme.definition["x-set-by"];
  if (!route) return h("p", null, "Only the server can set this cookie.");
  const work = async () => {
    await askCookieRoute(logins, route, "PUT", { api_key: key });
    logins.useBrowser(scheme);
  };
  return h(
    LoginForm,
    { work, onDone, label: "Set the cookie" },
    h(Field, { label: "API key", secret: true, value: key, onChange: setKey, required: true }),
    h("p", { className: "lk-hint" }, `PUT ${route} sets it: a page may not.`),
  );
}

async function clearCookie({ definition }, logins) {
  const route = definition["x-set-by"];
  if (route) await askCookieRoute(logins, route, "DELETE");
}

async function askCookieRoute({ system }, route, method, body) {
  const url = absolute(system, route.replace(/^\//, ""));
  const headers = { "Content-Type": "application/json" };
  const response = await fetch(url, { method, headers, body: body && JSON.stringify(body) });
  const text = await response.text();
  accepted({ ok: response.ok, status: response.status, body: text ? JSON.parse(text) : null });
}
