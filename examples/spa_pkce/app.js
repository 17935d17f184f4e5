// A single-page application that logs in by the code flow with PKCE, without any library.
//
//     python3 -m http.server --bind 127.0.0.1 9000     then open http://127.0.0.1:9000/
//
// The tokens are in this module alone: not in localStorage, where any script of this origin could
// read them for as long as they are good. So a reload logs in again, which the user does not notice
// while they are logged in at the authorization server.

import { clientId, issuer, redirectUri, scope } from "./config.js";

const base64url = (bytes) =>
  btoa(String.fromCharCode(...new Uint8Array(bytes)))
    .replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

const random = () => base64url(crypto.getRandomValues(new Uint8Array(32)));

const show = (id, text) => (document.getElementById(id).textContent = text);

let tokens = null;
let expiresAt = 0;
let renewing = null;

async function metadata() {
  const response = await fetch(`${issuer}/.well-known/openid-configuration`);
  return response.json();
}

// Leaves this page for the authorization server.
async function logIn() {
  const verifier = random() + random();
  const state = random();
  sessionStorage.setItem("login", JSON.stringify({ verifier, state }));
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));
  const { authorization_endpoint: url } = await metadata();
  location.assign(url + "?" + new URLSearchParams({
    response_type: "code",
    client_id: clientId,
    redirect_uri: redirectUri,
    scope,
    state,
    code_challenge: base64url(digest),
    code_challenge_method: "S256",
  }));
}

// Comes back from there: the query has the code, or an error.
async function comeBack(query) {
  const login = JSON.parse(sessionStorage.getItem("login") ?? "{}");
  sessionStorage.removeItem("login");
  history.replaceState(null, "", location.pathname); // a code stays in no history
  if (query.get("state") !== login.state) throw new Error("Somebody else's answer came back.");
  if (query.get("iss") !== issuer) throw new Error("Another server's answer came back."); // RFC 9207
  if (query.has("error")) throw new Error(`You were not logged in: ${query.get("error")}.`);
  await askForTokens({
    grant_type: "authorization_code",
    code: query.get("code"),
    redirect_uri: redirectUri,
    code_verifier: login.verifier,
  });
}

async function askForTokens(form) {
  const { token_endpoint: url } = await metadata();
  const body = new URLSearchParams({ client_id: clientId, ...form });
  const response = await fetch(url, { method: "POST", body });
  const answer = await response.json();
  if (!response.ok) throw new Error(`The login is over: ${answer.error}.`);
  tokens = { ...tokens, ...answer };
  expiresAt = Date.now() + 1000 * answer.expires_in;
}

// fetch() with the access token, which is renewed before it ends. A refresh token can be used once:
// whoever asks meanwhile waits for the same renewal.
export async function fetchWithToken(url, options = {}) {
  if (Date.now() > expiresAt - 30_000) {
    renewing ??= askForTokens({
      grant_type: "refresh_token",
      refresh_token: tokens.refresh_token,
    }).finally(() => (renewing = null));
    await renewing;
  }
  const headers = { ...options.headers, Authorization: `Bearer ${tokens.access_token}` };
  return fetch(url, { ...options, headers });
}

// Ends the login here and at the server.
async function logOut() {
  const { revocation_endpoint: url } = await metadata();
  const body = new URLSearchParams({ client_id: clientId, token: tokens.refresh_token });
  await fetch(url, { method: "POST", body });
  tokens = null;
  render();
}

async function render() {
  document.getElementById("log-in").hidden = tokens !== null;
  document.getElementById("log-out").hidden = tokens === null;
  if (tokens === null) return show("who", "You are not logged in.");
  const { userinfo_endpoint: url } = await metadata();
  const claims = await (await fetchWithToken(url)).json();
  show("who", `You are ${claims.preferred_username}.`);
}

const attempt = (work) => work().catch((error) => show("fault", error.message));

document.getElementById("log-in").addEventListener("click", () => attempt(logIn));
document.getElementById("log-out").addEventListener("click", () => attempt(logOut));

const query = new URLSearchParams(location.search);
if (query.has("state")) await attempt(() => comeBack(query));
await attempt(render);
