// Starts Swagger UI with what the server wrote into the page, and with our plugin: logins.js has
// what is logged in, dialog.js and who.js show it, page.js arranges the page around them.

import { AuthorizeDialog } from "./dialog.js";
import { h, take } from "./elements.js";
import { Logins } from "./logins.js";
import { accepted, bySpace, call } from "./oauth.js";
import { pagePlugin } from "./page.js";
import { followingReferences } from "./references.js";
import { requirementsOf } from "./schemes.js";

const { clientId, scopes, settings } = document.body.dataset;
const config = {
  clientId,
  scopes: bySpace(scopes),
  redirect: "docs/oauth2-redirect",
  modules: [],
  open: [],
  ...JSON.parse(settings),
};

const PATIENCE = 5000; // milliseconds after which the page is shown without

/** The endpoints of a server elsewhere, from its metadata (OpenID Connect Discovery 1.0). */
async function discover(issuer) {
  const signal = AbortSignal.timeout(PATIENCE);
  try {
    const found = accepted(await call(`${issuer}/.well-known/openid-configuration`, null, { signal }));
    if (found.issuer.replace(/\/$/, "") !== issuer) return {}; // section 4.3
    config.issuer = found.issuer; // a slash at its end belongs to its name
    return { revoke: found.revocation_endpoint, userinfo: found.userinfo_endpoint, jwks: found.jwks_uri };
  } catch {
    return {}; // the page works without: a logout then revokes nothing, and no name is asked for
  }
}

config.endpoints ||= await discover(config.issuer);
const logins = new Logins(config);
const modules = await Promise.all(config.modules.map((url) => import(new URL(url, location.href))));
const extras = modules.map((module) => module.default);

function loginPlugin(toolbox) {
  take(toolbox);
  logins.getSystem = toolbox.getSystem;
  return {
    afterLoad() {
      this.fn.resolveSubtree = followingReferences(this.fn.resolveSubtree);
    },
    wrapComponents: {
      authorizationPopup: () => () => h(AuthorizeDialog, { system: toolbox.getSystem(), logins }),
    },
    statePlugins: {
      auth: {
        wrapSelectors: {
          // Asked when a padlock is pressed: the dialog then knows what the operation needs.
          definitionsForRequirements: (original) => (_state, requirements) => {
            const shown = original(requirements);
            logins.padlock = { shown, needed: Object.assign({}, ...requirements.toJS()) };
            return shown;
          },
        },
      },
      spec: {
        wrapActions: {
          // Swagger UI would send everything that is authorised, and overwrite one with another.
          executeRequest: (original, system) => (request) => {
            // Of the document itself: what was resolved of it may lag behind a quick reader.
            const place = ["paths", request.pathName, request.method];
            const operation = system.specSelectors.specJson().getIn(place);
            const chosen = logins.chosen(requirementsOf(system, operation));
            const authorized = Object.fromEntries(
              Object.entries(request.securities.authorized).filter(([name]) => chosen.includes(name)),
            );
            return original({ ...request, securities: { ...request.securities, authorized } });
          },
        },
      },
    },
  };
}

/** The fragment of the address, or nothing if it cannot be decoded. */
function deepLink() {
  try {
    return decodeURIComponent(location.hash);
  } catch {
    return "";
  }
}

// Swagger UI decodes it, too, when it starts.
if (location.hash && !deepLink()) history.replaceState(history.state, "", location.pathname + location.search);

let sent = "";

const ui = SwaggerUIBundle({
  url: config.document,
  dom_id: "#swagger-ui",
  deepLinking: true,
  docExpansion: "none",
  filter: true,
  tryItOutEnabled: true,
  persistAuthorization: false, // it would write passwords and secrets to localStorage
  requestInterceptor: (request) => {
    sent = request.headers?.Authorization || "";
    // A refusal of what was typed here is shown here, not asked about in the browser's own dialog.
    if (sent) request.credentials = "omit";
    return request;
  },
  responseInterceptor: (response) => {
    logins.noteAnswer(response, sent);
    return response;
  },
  presets: [SwaggerUIBundle.presets.apis],
  plugins: [loginPlugin, pagePlugin(logins, extras)],
  layout: "DocsLayout",
  onComplete: () => {
    logins.restore();
    for (const { start } of modules) start?.(logins);
  },
});

// Swagger UI looks at the address only when it starts.
addEventListener("hashchange", () => ui.layoutActions.parseDeepLinkHash(deepLink()));

// Swagger UI has a dark mode and no eye for what the reader prefers.
const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();
