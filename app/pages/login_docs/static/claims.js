// What the members of tokens and of introspection mean, in a sentence each.

import { h } from "./elements.js";

const MEANINGS = {
  // RFC 7515, section 4.1
  alg: "The algorithm of the signature.",
  kid: "Which key of the JWKS signed it.",
  typ: "The kind of token: at+jwt is an access token (RFC 9068), so that an ID token is not taken for one.",
  // RFC 7519, section 4.1
  iss: "Who issued it: this must be the server that you trust.",
  sub: "Whom it speaks of: the id of the user, or of a client that acts for itself. It never changes.",
  aud: "For whom it is meant: an API must find itself here, or refuse it.",
  exp: "From then on it is refused.",
  nbf: "Before then it is refused.",
  iat: "When it was issued.",
  jti: "Its own id, by which it can be revoked.",
  // RFC 9068 and RFC 8693
  client_id: "The client that asked for it.",
  scope: "What it permits.",
  sid: "The login that it belongs to: it ends with that login.",
  act: "Who acts for the subject.",
  cnf: "The key that its holder has to prove to have (RFC 7800).",
  groups: "The groups that the user is in.",
  // OpenID Connect Core, sections 2 and 5.1
  nonce: "What the client sent along, so that an ID token cannot be replayed.",
  auth_time: "When the user typed the password, or proved otherwise who they are.",
  acr: "How strong that proof was.",
  amr: "By what it was proven (RFC 8176).",
  azp: "The client that it was issued to.",
  at_hash: "Binds it to the access token that came along.",
  name: "The user's full name.",
  preferred_username: "The name that the user logs in with. It can change.",
  email: "The user's e-mail address.",
  email_verified: "Whether somebody checked that the address is theirs.",
  updated_at: "When the profile was last changed.",
  // RFC 7662, section 2.2
  active: "Whether the token is good at this moment. If not, nothing more is told.",
  username: "The name of the user.",
  token_type: "How it is to be presented.",
};

const TIMES = ["exp", "nbf", "iat", "auth_time", "updated_at"];

function shown(name, value) {
  const time = new Date(value * 1000);
  if (TIMES.includes(name) && Number.isFinite(time.getTime())) return `${value} (${time.toLocaleString()})`;
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** Each member with its value and what it means. */
export function ClaimsTable({ caption, claims }) {
  return h(
    "div",
    { className: "lk-table", tabIndex: 0, role: "region", "aria-label": caption },
    h(
      "table",
      null,
      h("caption", null, caption),
      h(
        "tbody",
        null,
        Object.entries(claims).map(([name, value]) =>
          h(
            "tr",
            { key: name },
            h("th", { scope: "row" }, name),
            h(
              "td",
              null,
              h("code", null, shown(name, value)),
              Object.hasOwn(MEANINGS, name) && h("p", { className: "lk-hint" }, MEANINGS[name]),
            ),
          ),
        ),
      ),
    ),
  );
}
