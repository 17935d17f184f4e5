// The bar: who is logged in, until when, and what can be done with the login.

import { ClaimsTable } from "./claims.js";
import { Dialog, h, React, Status, TaskButton, useFocusKeeper, useTask } from "./elements.js";
import { accepted, checkSignature, decode, post } from "./oauth.js";
import { sampleOf } from "./schemes.js";

/** Makes a component follow the logins. */
export function useLogins(logins) {
  return React.useSyncExternalStore(logins.subscribe, () => logins.version);
}

/** Stays in view at the top of the page. */
export function Bar({ system, logins, extras }) {
  useLogins(logins);
  const [panel, setPanel] = React.useState(null);
  const [error, setError] = React.useState("");
  const [copied, setCopied] = React.useState(null);
  React.useEffect(() => {
    const timer = copied && setTimeout(() => setCopied(null), 5000);
    return () => clearTimeout(timer);
  }, [copied]);
  const home = React.useRef(null);
  const keeper = useFocusKeeper(home);
  const login = logins.current;
  const open = () => system.authActions.showDefinitions(system.authSelectors.definitionsToAuthorize());
  const close = () => setPanel(null);
  return h(
    "header",
    { className: login?.stale ? "lk-bar lk-stale" : "lk-bar", "aria-label": "Login", ...keeper },
    login
      ? h(Who, { login })
      : h("p", { className: "lk-who" }, "Nobody is logged in."),
    h(
      "div",
      { className: "lk-actions" },
      h(
        "button",
        { ref: home, type: "button", className: login ? "" : "lk-primary", onClick: open },
        login ? "Logins" : "Log in",
      ),
      login && h(Actions, { login, logins, setPanel, setError, setCopied }),
      extras.map((Extra, index) => h(Extra, { key: index, system, logins })),
    ),
    error && h(Status, null, error),
    copied && h(Status, { good: true }, "The command is on the clipboard."),
    login?.stale &&
      h(Status, null, "The access token has expired or been revoked. ", login.refresh ? "Refresh it, or log in again." : "Log in again."),
    login?.unrefreshed &&
      h(Status, null, `Refreshing failed: ${login.unrefreshed}`, logins.triesAgain(login) && " It is tried again."),
    panel === "decode" && h(DecodePanel, { login, logins, onClose: close }),
    panel === "introspect" && h(IntrospectPanel, { login, logins, onClose: close }),
    panel === "curl" && h(CurlPanel, { logins, onClose: close }),
  );
}

function Who({ login }) {
  const { who, client, granted } = login;
  return h(
    "p",
    { className: "lk-who" },
    h("strong", null, who || "somebody"),
    client.id ? ` through ${client.id}, ` : ", ",
    h(TimeLeft, { login }),
    h("span", { className: "lk-granted", title: granted.join(" ") }, granted.join(" ")),
  );
}

const DAY = 86400; // seconds

/** Counts down without drawing anything else again. */
function TimeLeft({ login }) {
  const [, tick] = React.useReducer((count) => count + 1, 0);
  React.useEffect(() => {
    const timer = setInterval(tick, 1000);
    return () => clearInterval(timer);
  }, []);
  if (!login.expiresAt) return h("span", { className: "lk-left" }, "no end is known");
  const left = Math.max(0, Math.round((login.expiresAt - Date.now()) / 1000));
  if (left > 2 * DAY) return h("span", { className: "lk-left" }, `${Math.floor(left / DAY)} days left`);
  const [minutes, seconds] = [Math.floor(left / 60), String(left % 60).padStart(2, "0")];
  return h("span", { className: "lk-left" }, left ? `${minutes}:${seconds} left` : "expired");
}

/** Each does one thing at a time, and none keeps another from being pressed. */
function Action({ work, setError, ...rest }) {
  const task = useTask();
  const run = async () => {
    setError("");
    await work().catch((error) => setError(error.message));
  };
  return h(TaskButton, { task, run, ...rest });
}

function Actions({ login, logins, setPanel, setError, setCopied }) {
  const { endpoints } = logins.config;
  const button = (label, work, more) => h(Action, { work, setError, ...more }, label);
  const panel = (label, name) => button(label, async () => setPanel(name));
  const check = (label, checked, onChange) =>
    h(
      "label",
      { className: "lk-check" },
      h("input", { type: "checkbox", checked, onChange: (event) => onChange(event.target.checked) }),
      label,
    );
  return h(
    React.Fragment,
    null,
    login.refresh && button("Refresh", () => logins.refresh(login).catch(() => {})),
    panel("Decode", "decode"),
    endpoints.introspect && panel("Introspect", "introspect"),
    button("Copy as curl", async () => {
      if (await copyCurl(logins)) setCopied({});
      else setPanel("curl"); // not permitted here: show it, to be copied by hand
    }),
    button("Log out", () => logins.logOut(login), {
      title: "Revokes the tokens at the server, then forgets them",
    }),
    login.unrevoked && button("Forget without revoking", async () => logins.drop(login)),
    h(
      "details",
      { className: "lk-more" },
      h("summary", null, "Options"),
      h(
        "div",
        null,
        login.refresh &&
          check("Refresh the token before it expires", logins.keepsFresh, (on) => logins.setKeepsFresh(on)),
        check("Keep the access token over a reload, in this tab", logins.keepsOverReload, (on) =>
          logins.setKeepsOverReload(on),
        ),
      ),
    ),
  );
}

/** An argument of a command of a POSIX shell, whatever is in it. */
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

function curlOf({ system, current }) {
  const url = sampleOf(system, current.scheme, current.granted) || new URL("/", location.href).href;
  return `curl ${quoted(url)} -H ${quoted(`Authorization: Bearer ${current.access}`)}`;
}

/** Whether the browser permitted it. */
async function copyCurl(logins) {
  try {
    await navigator.clipboard.writeText(curlOf(logins));
    return true;
  } catch {
    return false;
  }
}

function CurlPanel({ logins, onClose }) {
  return h(
    Dialog,
    { title: "As curl", onClose },
    h("textarea", { readOnly: true, "aria-label": "curl command", rows: 8, value: curlOf(logins) }),
  );
}

function DecodePanel({ login, logins, onClose }) {
  const { jwks } = logins.config.endpoints;
  return h(
    Dialog,
    { title: "Tokens, decoded", onClose },
    h(Decoded, { title: "Access token", token: login.access, jwks }),
    login.idToken && h(Decoded, { title: "ID token", token: login.idToken, jwks }),
  );
}

function Decoded({ title, token, jwks }) {
  const [verdict, setVerdict] = React.useState({ told: jwks ? "Checking the signature…" : "" });
  const decoded = decode(token);
  React.useEffect(() => {
    if (!decoded || !jwks) return;
    checkSignature(token, jwks).then(setVerdict, (error) => setVerdict({ told: error.message }));
  }, [token]);
  if (!decoded) return h("p", null, `${title}: this is not a JWT, so there is nothing to read in it.`);
  return h(
    "section",
    { className: "lk-decoded" },
    h("h3", null, title),
    h(Status, { good: verdict.good }, verdict.told),
    h(ClaimsTable, { caption: "Header", claims: decoded.header }),
    h(ClaimsTable, { caption: "Claims", claims: decoded.claims }),
  );
}

/** RFC 7662: only a confidential client may ask, so it has to be named. */
function IntrospectPanel({ login, logins, onClose }) {
  const known = logins.config.introspector || { id: "", secret: "" };
  const [client, setClient] = React.useState(known);
  const [answer, setAnswer] = React.useState(null);
  const task = useTask();
  const ask = async (event) => {
    event.preventDefault();
    await task.run(async () => {
      const form = { token: login.access };
      setAnswer(accepted(await post(logins.config.endpoints.introspect, form, client)));
    });
  };
  const change = (name) => (event) => setClient({ ...client, [name]: event.target.value });
  return h(
    Dialog,
    { title: "Introspect the access token", onClose },
    h(
      "form",
      { className: "lk-form", onSubmit: ask },
      h("p", { className: "lk-hint" }, "A confidential client asks (RFC 7662, section 2.1)."),
      h("label", null, "Client id ", h("input", { value: client.id, onChange: change("id"), autoComplete: "off", required: true })),
      h("label", null, "Client secret ", h("input", { type: "password", value: client.secret, onChange: change("secret"), autoComplete: "off", required: true })),
      h("div", { className: "lk-submit" },
        h("button", { type: "submit", className: "lk-primary", "aria-disabled": task.busy }, "Introspect"),
        h(Status, null, task.error)),
    ),
    answer && h(ClaimsTable, { caption: "The server's answer", claims: answer }),
  );
}
