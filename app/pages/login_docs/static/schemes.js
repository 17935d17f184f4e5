// What the OpenAPI document says about security: the schemes with their forms, and the operations.

const FLOWS = {
  password: "password",
  authorizationCode: "code",
  authorization_code: "code",
  clientCredentials: "client",
  client_credentials: "client",
};

export const FORM_NAMES = {
  password: "User name and password",
  code: "This server's login page, in a popup",
  client: "The client itself (client credentials)",
};

let known = { found: null, schemes: [] };

/** Every scheme of the document, the one that most operations take first. */
export function schemesOf(system) {
  const found = system.specSelectors.securityDefinitions();
  if (known.found !== found) known = { found, schemes: readSchemes(system, found?.toJS() || {}) };
  return known.schemes;
}

function readSchemes(system, definitions) {
  const descriptions = {};
  for (const { flows } of Object.values(definitions)) {
    for (const { scopes } of Object.values(flows || {})) Object.assign(descriptions, scopes);
  }
  const uses = countUses(system);
  return Object.entries(definitions)
    .map(([name, definition]) => ({
      name,
      definition,
      description: definition.description || "",
      forms: formsOf(system, definition, descriptions),
      ...kindOf(definition),
    }))
    .sort((one, other) => (uses[other.name] || 0) - (uses[one.name] || 0));
}

function kindOf({ type, scheme = "", in: place }) {
  const http = type === "http" ? scheme.toLowerCase() : "";
  const kind = http || (type === "apiKey" ? `key in the ${place}` : type);
  const oauth = type === "oauth2" || type === "openIdConnect";
  return { kind, oauth, takesTokens: oauth || http === "bearer", isHeader: oauth || Boolean(http) };
}

/** The ways to get a token for a scheme, as far as a person can go them here. */
function formsOf(system, definition, descriptions) {
  const forms = [];
  const add = (flow, tokenUrl, authorizationUrl, scopes) => {
    const form = FLOWS[flow];
    if (!form || !tokenUrl) return;
    try {
      const url = absolute(system, tokenUrl);
      const page = authorizationUrl && absolute(system, authorizationUrl);
      forms.push({ form, tokenUrl: url, authorizationUrl: page, scopes });
    } catch {
      // An address that is none: nobody can log in there, and the other forms go on
    }
  };
  for (const [flow, each] of Object.entries(definition.flows || {})) {
    add(flow, each.tokenUrl, each.authorizationUrl, each.scopes || {});
  }
  const found = definition.openIdConnectData; // Swagger UI has read it
  if (found) {
    const names = found.scopes_supported || [];
    const scopes = Object.fromEntries(names.map((name) => [name, descriptions[name] || ""]));
    for (const grant of found.grant_types_supported || ["authorization_code"]) {
      add(grant, found.token_endpoint, found.authorization_endpoint, scopes);
    }
  }
  return forms;
}

/** Addresses of the document are relative to its server, or to where the document is. */
export function absolute(system, url) {
  const here = new URL(system.specSelectors.url(), location.href);
  const server = system.specSelectors.specJson().getIn(["servers", 0, "url"]);
  const base = server ? new URL(server.endsWith("/") ? server : `${server}/`, here) : here;
  return new URL(url, base).href;
}

/** The alternatives of an operation, each a scheme and its scopes: `[{scheme: [scope…]}…]`. */
export function requirementsOf(system, operation) {
  const own = operation.get("security");
  return (own || system.specSelectors.security())?.toJS() || [];
}

function countUses(system) {
  const uses = {};
  for (const each of system.specSelectors.operations()) {
    for (const name of requirementsOf(system, each.get("operation")).flatMap(Object.keys)) {
      uses[name] = (uses[name] || 0) + 1;
    }
  }
  return uses;
}

/**
 * The address of an operation that takes this scheme, to try it with: one that wants no more than
 * the scopes `granted`, if there is one.
 */
export function sampleOf(system, name, granted = []) {
  const takes = (requirement) => name in requirement;
  const permits = (requirement) =>
    takes(requirement) && requirement[name].every((scope) => granted.includes(scope));
  const samples = system.specSelectors
    .operations()
    .filter((each) => each.get("method") === "get" && !each.get("path").includes("{"));
  const find = (fits) =>
    samples.find((each) => requirementsOf(system, each.get("operation")).some(fits));
  const found = find(permits) || find(takes);
  return found && absolute(system, found.get("path").replace(/^\//, ""));
}
