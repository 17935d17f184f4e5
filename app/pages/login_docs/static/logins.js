// What this page is logged in with. It is all in memory; only if the reader asks for it, an access
// token outlives a reload in sessionStorage, and never a password, a secret or a refresh token.

import { accepted, authorizeInPopup, bySpace, call, decode, post, textOf } from "./oauth.js";
import { schemesOf } from "./schemes.js";

const KEPT = "docs-login";
const EARLY = 30; // seconds before the end at which a token is refreshed, if that is asked for
const LONGEST = 2 ** 31; // milliseconds that a timer can wait
const RETRIES = 5; // after a refresh by itself that failed: 2, 4, 8… seconds later

export class Logins {
  constructor(config) {
    this.config = config;
    this.getSystem = null;
    this.padlock = null; // of which operation the dialog was opened last, and what that needs
    this.entries = new Map(); // by scheme: {login}, {value} or {browser: true}, and its order
    this.shared = null; // the login that every scheme uses which has no newer one of its own
    this.keepsFresh = false;
    this.keepsOverReload = false;
    this.version = 0;
    this.published = new Map();
    this.listeners = new Set();
    this.subscribe = (listener) => {
      this.listeners.add(listener);
      return () => this.listeners.delete(listener);
    };
  }

  /** Swagger UI, which makes itself anew now and then. */
  get system() {
    return this.getSystem();
  }

  get schemes() {
    return schemesOf(this.system);
  }

  /** The login that the bar is about. */
  get current() {
    const logins = [...this.entries.values()].map((entry) => entry.login).filter(Boolean);
    return this.shared || logins.at(-1) || null;
  }

  /** What a scheme is used with: the newer of its own entry and a login that is for every scheme. */
  entryOf(scheme) {
    const own = this.entries.get(scheme.name);
    if (!this.shared || !takes(scheme, this.shared)) return own || null;
    const { order } = this.entries.get(this.shared.scheme);
    return own?.order >= order ? own : { login: this.shared, borrowed: true };
  }

  /** Tell Swagger UI what to send, and everybody who shows it. */
  changed() {
    const { authActions } = this.system;
    for (const scheme of this.schemes) {
      const { name, definition: schema, oauth } = scheme;
      const entry = this.entryOf(scheme);
      const value = entry?.login?.access ?? entry?.value ?? (entry?.browser && "browser");
      if (this.published.get(name) === value) continue;
      this.published.set(name, value);
      if (value === undefined) authActions.logout([name]);
      else if (oauth) {
        const token = { access_token: value, token_type: "Bearer" };
        authActions.authorizeOauth2({ auth: { name, schema }, token });
      } else authActions.authorize({ [name]: { name, schema, value } });
    }
    this.#keep();
    this.#plan();
    this.version += 1;
    for (const listener of this.listeners) listener();
  }

  /** Which of the authorised schemes an operation is sent: those of its own before borrowed ones. */
  chosen(requirements) {
    const named = new Set(requirements.flatMap(Object.keys));
    const ready = this.schemes
      .filter((scheme) => named.has(scheme.name))
      .map((scheme) => ({ scheme, entry: this.entryOf(scheme) }))
      .filter(({ entry }) => entry && !entry.browser);
    const own = ready.filter(({ entry }) => !entry.borrowed);
    const sent = own.length ? own : ready;
    // Each would overwrite the Authorization header of the one before: the latest login counts.
    const headers = sent.filter(({ scheme }) => scheme.isHeader);
    const last = headers.sort((one, other) => (one.entry.order || 0) - (other.entry.order || 0)).at(-1);
    return sent
      .filter((each) => !each.scheme.isHeader || each === last)
      .map(({ scheme }) => scheme.name);
  }

  #add(scheme, entry) {
    const old = this.entries.get(scheme)?.login;
    this.entries.delete(scheme); // the newest is the last
    this.entries.set(scheme, { ...entry, order: this.version + 1 });
    if (old && this.shared === old) this.shared = null;
    if (old) this.#revoke(old).catch(() => {});
  }

  /** Use what was typed: an API key, or a name and a password for Basic. */
  use(scheme, value) {
    this.#add(scheme.name, { value });
    this.changed();
  }

  /** The browser itself sends something from now on: a Digest, or a cookie. */
  useBrowser(scheme) {
    this.#add(scheme.name, { browser: true });
    this.changed();
  }

  /** Log in with a user's name and password (RFC 6749, section 4.3). Throws a {@link Refusal}. */
  async password(scheme, { tokenUrl }, { username, password, scopes, client, share }) {
    const form = { grant_type: "password", username, password };
    if (scopes.length) form.scope = scopes.join(" ");
    const exchange = await post(tokenUrl, form, client);
    return this.take(scheme, exchange, { tokenUrl, client, asked: scopes, share, who: username });
  }

  /**
   * Go on after `mfa_required`, with what the user shows: a member of its `mfa_methods` (an
   * extension of this server, docs/second-factor.md). Throws a {@link Refusal}.
   */
  async secondFactor(scheme, { tokenUrl }, { token, shown, who, scopes, client, share }) {
    const form = { grant_type: "urn:latchkey:params:oauth:grant-type:mfa", mfa_token: token, ...shown };
    const exchange = await post(tokenUrl, form, client);
    return this.take(scheme, exchange, { tokenUrl, client, asked: scopes, share, who });
  }

  /** Log in as the client itself (RFC 6749, section 4.4). Throws a {@link Refusal}. */
  async client(scheme, { tokenUrl }, { scopes, client, share }) {
    const form = { grant_type: "client_credentials" };
    if (scopes.length) form.scope = scopes.join(" ");
    const exchange = await post(tokenUrl, form, client);
    return this.take(scheme, exchange, { tokenUrl, client, asked: scopes, share, who: client.id });
  }

  /** Log in on the server's own page (RFC 6749, section 4.1). Throws an Error. */
  async code(scheme, { tokenUrl, authorizationUrl: url }, { scopes, client, share }) {
    const redirectUri = new URL(this.config.redirect, location.href).href;
    const issuer = () => this.#issuer();
    const given = await authorizeInPopup({ url, redirectUri, clientId: client.id, scopes, issuer });
    const form = {
      grant_type: "authorization_code",
      code: given.code,
      redirect_uri: redirectUri,
      code_verifier: given.verifier,
    };
    const exchange = await post(tokenUrl, form, client);
    const { nonce } = given;
    return this.take(scheme, exchange, { tokenUrl, client, asked: scopes, share, nonce });
  }

  async #issuer() {
    const { issuer, endpoints } = this.config;
    return issuer || accepted(await call(endpoints.metadata)).issuer;
  }

  /** Use a token that was got elsewhere. */
  paste(scheme, token, share) {
    const access = token.trim().replace(/^bearer\s+/i, "");
    const claims = decode(access)?.claims || {};
    const login = {
      pasted: true,
      scheme: scheme.name,
      access,
      asked: [],
      granted: bySpace(claims.scope),
      client: { id: textOf(claims.client_id) },
      who: textOf(claims.sub),
      expiresAt: endAt(claims.exp * 1000),
    };
    this.#add(scheme.name, { login });
    if (share) this.shared = login;
    this.changed();
    return login;
  }

  /** Make a login of the answer of a token endpoint. Throws a {@link Refusal}. */
  async take(scheme, exchange, { share = true, nonce, ...known }) {
    const answer = accepted(exchange);
    const login = { ...known, scheme: scheme.name, ...tokensOf(answer) };
    const identity = login.idToken && decode(login.idToken)?.claims;
    if (nonce && identity && identity.nonce !== nonce) {
      throw new Error("The ID token is not of this login (nonce).");
    }
    login.who ||= textOf(identity?.preferred_username) || (await this.#ask(login));
    this.#add(scheme.name, { login });
    if (share) this.shared = login;
    this.changed();
    return login;
  }

  /** The name behind a token: from /userinfo if the token may ask there, else its subject. */
  async #ask({ access, granted }) {
    const { userinfo } = this.config.endpoints;
    if (userinfo && granted.includes("openid")) {
      const { ok, body } = await call(userinfo, access);
      if (ok && body?.preferred_username) return textOf(body.preferred_username);
    }
    return textOf(decode(access)?.claims.sub);
  }

  /** Trade the refresh token in (RFC 6749, section 6). Throws a {@link Refusal}. */
  refresh(login) {
    login.refreshing ||= this.#refresh(login).finally(() => (login.refreshing = null));
    return login.refreshing;
  }

  async #refresh(login) {
    const form = { grant_type: "refresh_token", refresh_token: login.refresh };
    try {
      const answer = accepted(await post(login.tokenUrl, form, login.client));
      Object.assign(login, tokensOf(answer, login), { stale: false, failures: 0, unrefreshed: "" });
    } catch (error) {
      if (error.error === "invalid_grant") login.refresh = null;
      login.failures = (login.failures || 0) + 1;
      login.unrefreshed = error.message;
      throw error;
    } finally {
      this.changed();
    }
  }

  /** Whether a token that could not be refreshed will be tried again without being asked. */
  triesAgain({ refresh, failures = 0 }) {
    return Boolean(this.keepsFresh && refresh && failures <= RETRIES);
  }

  /**
   * End a login at the server (RFC 7009), then here. Throws if the server does not revoke it: it
   * is kept, for a token that is forgotten while it is good can no longer be revoked.
   */
  async logOut(login) {
    try {
      await this.#revoke(login);
    } catch (error) {
      login.unrevoked = true;
      this.changed();
      throw new Error(`The token is not revoked, and kept to try again: ${error.message}`);
    }
    this.drop(login);
  }

  /** Forget a login here; its tokens stay what they are at the server. */
  drop(login) {
    for (const [name, entry] of this.entries) {
      if (entry.login === login) this.entries.delete(name);
    }
    if (this.shared === login) this.shared = null;
    this.changed();
  }

  async #revoke(login) {
    const { revoke } = this.config.endpoints;
    await login.refreshing?.catch(() => {}); // or the tokens that it brings would stay good
    const { access, refresh, client, pasted } = login;
    if (!revoke || !client?.id || pasted) return; // whoever got a token elsewhere may need it there
    for (const token of [refresh, access]) {
      if (token) accepted(await post(revoke, { token }, client));
    }
  }

  /** Send nothing for a scheme any more. A login that a token stands for is ended. */
  async forget(scheme) {
    const login = this.entries.get(scheme.name)?.login;
    if (login) return this.logOut(login);
    this.entries.delete(scheme.name);
    this.changed();
  }

  /** Note what an operation was answered: nobody else says that a token is no longer good. */
  noteAnswer({ status, headers, ok }, authorization) {
    const sent = [this.shared, ...[...this.entries.values()].map((entry) => entry.login)];
    const login = sent.find((each) => each && authorization === `Bearer ${each.access}`);
    if (!login) return;
    const refused = status === 401 && /error="invalid_token"/.test(headers["www-authenticate"]);
    if (!refused && !ok) return;
    if (Boolean(login.stale) === refused) return;
    login.stale = refused;
    this.changed();
  }

  // Over time

  setKeepsFresh(keeps) {
    this.keepsFresh = keeps;
    this.changed();
  }

  #plan() {
    clearTimeout(this.timer);
    const login = this.current;
    if (!login?.expiresAt) return;
    const left = login.expiresAt - Date.now();
    if (!this.triesAgain(login)) {
      if (!login.stale && left < LONGEST) this.timer = setTimeout(() => this.#expire(login), left);
      return;
    }
    const wait = login.failures
      ? 1000 * 2 ** login.failures
      : Math.max(left - Math.min(EARLY * 1000, left / 2), 1000);
    this.timer = setTimeout(() => this.refresh(login).catch(() => {}), wait);
  }

  #expire(login) {
    login.stale = true;
    this.changed();
  }

  setKeepsOverReload(keeps) {
    this.keepsOverReload = keeps;
    this.changed();
  }

  #keep() {
    const login = this.current;
    if (this.keepsOverReload && login) {
      const { scheme, access, granted, who, expiresAt, client } = login;
      const kept = { scheme, access, granted, who, expiresAt, clientId: client.id };
      sessionStorage.setItem(KEPT, JSON.stringify(kept));
    } else sessionStorage.removeItem(KEPT);
  }

  /** What was kept over a reload, if it is still good. */
  restore() {
    const { clientId, ...kept } = readKept();
    if (!kept.access || (kept.expiresAt && kept.expiresAt < Date.now())) return;
    const login = { ...kept, asked: kept.granted, client: { id: clientId } };
    this.keepsOverReload = true;
    this.entries.set(login.scheme, { login, order: 0 });
    this.shared = login;
    this.changed();
  }
}

function readKept() {
  try {
    const kept = JSON.parse(sessionStorage.getItem(KEPT));
    const texts = [kept.scheme, kept.access, kept.who, kept.clientId, ...kept.granted];
    const whole = texts.every((each) => typeof each === "string") && Number.isFinite(kept.expiresAt);
    return whole ? kept : {};
  } catch {
    return {}; // there is nothing, or something that another page wrote
  }
}

/** Whether a scheme takes the token of a login: another server's token is never offered. */
function takes(scheme, login) {
  if (!scheme.takesTokens || scheme.name === login.scheme) return scheme.takesTokens;
  if (!scheme.oauth || !login.tokenUrl) return true;
  return scheme.forms.some((form) => form.tokenUrl === login.tokenUrl);
}

/** A time in milliseconds, or 0 for what is no time: then no end is known. */
const endAt = (time) => (Number.isFinite(new Date(time).getTime()) ? time : 0);

function tokensOf(answer, login = {}) {
  return {
    access: answer.access_token,
    refresh: answer.refresh_token || null,
    idToken: answer.id_token || login.idToken || null,
    granted: answer.scope === undefined ? login.granted || login.asked || [] : bySpace(answer.scope),
    expiresAt: answer.expires_in ? endAt(Date.now() + answer.expires_in * 1000) : 0,
  };
}
