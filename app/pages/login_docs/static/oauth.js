// The requests of OAuth 2.0 that this page makes, and what it reads of their answers. It keeps
// nothing: see logins.js.

/** The words of a member that should be a string (RFC 6749, section 3.3); none if it is not. */
export const bySpace = (value) => (typeof value === "string" ? value.split(" ").filter(Boolean) : []);

/** A member that somebody else wrote, to be shown: itself if it is a string, else its JSON. */
export function textOf(value) {
  if (value === undefined || value === null) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** An answer that is a refusal; `exchange` is what was sent and what came back. */
export class Refusal extends Error {
  constructor(exchange) {
    const { error, error_description: description, detail } = exchange.body || {};
    super(description || detail || error || `The server answered ${exchange.status}.`);
    this.error = error || "";
    this.exchange = exchange;
  }
}

async function ask(url, options) {
  try {
    return await fetch(url, options);
  } catch {
    const { host } = new URL(url, location.href);
    throw new Error(`${host} does not answer, or does not let this page ask (CORS).`);
  }
}

async function read(method, url, sent, response) {
  const text = await response.text();
  let body = null;
  try {
    body = JSON.parse(text);
  } catch {
    body = text ? { detail: text } : null;
  }
  const headers = Object.fromEntries(response.headers);
  return { method, url: String(url), sent, status: response.status, ok: response.ok, headers, body };
}

const formEncoded = (text) => new URLSearchParams({ text }).toString().slice("text=".length);

/**
 * POST `form` as `client` (RFC 6749, section 2.3.1): a public one names itself in the form, one
 * with a secret sends it in the header unless `client.inBody` says otherwise.
 */
export async function post(url, form, client = {}) {
  const body = new URLSearchParams(form);
  const headers = { Accept: "application/json" };
  if (client.secret && !client.inBody) {
    const pair = `${formEncoded(client.id)}:${formEncoded(client.secret)}`;
    headers.Authorization = `Basic ${btoa(pair)}`;
  } else {
    if (client.id) body.set("client_id", client.id);
    if (client.secret) body.set("client_secret", client.secret);
  }
  // Without cookies a challenge brings no dialog of the browser's either.
  const options = { method: "POST", headers, body, credentials: "omit", cache: "no-store" };
  return read("POST", url, Object.fromEntries(body), await ask(url, options));
}

/** GET `url`, or another request, with an access token. */
export async function call(url, token, { method = "GET", body, signal } = {}) {
  const headers = { Accept: "application/json" };
  if (token) headers.Authorization = `Bearer ${token}`;
  if (body) headers["Content-Type"] = "application/json";
  const options = { method, headers, signal, credentials: "omit", cache: "no-store" };
  if (body) options.body = JSON.stringify(body);
  return read(method, url, body || null, await ask(url, options));
}

/** The body of an answer. Throws a {@link Refusal}. */
export function accepted(exchange) {
  if (!exchange.ok) throw new Refusal(exchange);
  return exchange.body;
}

// The code flow, in a popup

const base64url = (bytes) =>
  btoa(String.fromCharCode(...new Uint8Array(bytes)))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replace(/=+$/, "");

export const random = () => base64url(crypto.getRandomValues(new Uint8Array(32)));

/** Web Cryptography, which a browser has for pages that came over HTTPS, or from its own machine. */
function cryptography() {
  if (crypto.subtle) return crypto.subtle;
  throw new Error("The browser does this only where the page came over HTTPS, or from localhost.");
}

const sha256 = (text) => cryptography().digest("SHA-256", new TextEncoder().encode(text));

/**
 * A code from the authorization endpoint, with PKCE (RFC 7636), an unguessable state, a nonce and
 * the issuer's name (RFC 9207): what is needed to ask for tokens.
 */
export async function authorizeInPopup({ url, redirectUri, clientId, scopes, issuer }) {
  cryptography(); // or a window would be opened in vain
  const popup = window.open("about:blank", "_blank", "popup,width=520,height=760");
  if (!popup) throw new Error("The browser did not open a window. Allow popups for this page.");
  const [verifier, state, nonce] = [random(), random(), random()];
  const asked = new URL(url);
  const parameters = {
    response_type: "code",
    client_id: clientId,
    redirect_uri: redirectUri,
    state,
    code_challenge: base64url(await sha256(verifier)),
    code_challenge_method: "S256",
  };
  if (scopes.length) parameters.scope = scopes.join(" ");
  if (scopes.includes("openid")) parameters.nonce = nonce;
  for (const [name, value] of Object.entries(parameters)) asked.searchParams.set(name, value);
  const answered = answerOf(popup, redirectUri);
  popup.location.replace(asked);
  const answer = await answered;
  if (answer.get("state") !== state) throw new Error("The answer is not to this login (state).");
  if (answer.has("iss") && answer.get("iss") !== (await issuer())) {
    throw new Error("The answer is of another issuer (iss).");
  }
  if (answer.has("error")) {
    const [error, description] = [answer.get("error"), answer.get("error_description")];
    throw new Error(`${error}: ${description || "the login was refused."}`);
  }
  return { code: answer.get("code"), verifier, nonce, redirectUri };
}

/** What oauth2-redirect.html hands over, or an error once the popup is closed without it. */
function answerOf(popup, redirectUri) {
  return new Promise((resolve, reject) => {
    const finish = (settle, value) => {
      clearInterval(watch);
      removeEventListener("message", listen);
      settle(value);
    };
    const listen = (event) => {
      if (event.source !== popup || event.origin !== new URL(redirectUri).origin) return;
      if (typeof event.data?.oauth2 !== "string") return;
      popup.close();
      finish(resolve, new URLSearchParams(event.data.oauth2));
    };
    const watch = setInterval(() => {
      if (popup.closed) finish(reject, new Error("The window was closed before the end."));
    }, 300);
    addEventListener("message", listen);
  });
}

// Tokens

const bytesOf = (text) =>
  Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));

/** The JSON object in a part of a JWT (RFC 7519, section 7.2). Throws an Error if it is none. */
function objectOf(part) {
  const value = JSON.parse(new TextDecoder().decode(bytesOf(part)));
  if (value === null || typeof value !== "object" || Array.isArray(value)) throw new Error("No object.");
  return value;
}

/** Header and claims of a JWT, unchecked; null for a token that is none. */
export function decode(token) {
  try {
    const [header, claims, signature, ...rest] = token.split(".");
    if (rest.length || signature === undefined) return null;
    return { header: objectOf(header), claims: objectOf(claims) };
  } catch {
    return null;
  }
}

const HOW = {
  ES256: [{ name: "ECDSA", namedCurve: "P-256" }, { name: "ECDSA", hash: "SHA-256" }],
  RS256: [{ name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" }, { name: "RSASSA-PKCS1-v1_5" }],
  EdDSA: [{ name: "Ed25519" }, { name: "Ed25519" }],
};

/** Whether a key of the JWKS signed `token` (RFC 7515, section 5.2), as a verdict and a sentence. */
export async function checkSignature(token, jwksUrl) {
  const { header } = decode(token);
  const how = HOW[header.alg];
  if (!how) return { good: false, told: `This page cannot check ${header.alg}.` };
  const { keys } = accepted(await call(jwksUrl));
  const jwk = keys.find((key) => key.kid === header.kid);
  if (!jwk) return { good: false, told: `The JWKS has no key ${header.kid}.` };
  const { kty, crv, x, y, n, e } = jwk;
  const key = await cryptography().importKey("jwk", { kty, crv, x, y, n, e }, how[0], false, [
    "verify",
  ]);
  const signed = token.slice(0, token.lastIndexOf("."));
  const signature = bytesOf(token.slice(signed.length + 1));
  const good = await cryptography().verify(how[1], key, signature, new TextEncoder().encode(signed));
  const told = good ? "The signature is good" : "The signature is not good";
  return { good, told: `${told}: checked here with the key ${header.kid} of the JWKS.` };
}
