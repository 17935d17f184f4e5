// oidc-provider with what it has by itself: its adapter in memory, opaque tokens.
//
// POST /start is not measured: it hands out the tokens with which a measurement begins. They are
// made with the provider's own models, since a login takes pages, which every application has of its own.

import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import * as oidc from "oidc-provider";

const { BENCH_CLIENT_ID, BENCH_CLIENT_SECRET, BENCH_PEOPLE, PORT } = process.env;

const provider = new oidc.Provider(`http://127.0.0.1:${PORT}`, {
  clients: [
    {
      client_id: "first-party",
      token_endpoint_auth_method: "none",
      grant_types: ["authorization_code", "refresh_token"],
      redirect_uris: ["http://127.0.0.1/callback"],
      application_type: "native",
    },
    {
      client_id: BENCH_CLIENT_ID,
      client_secret: BENCH_CLIENT_SECRET,
      token_endpoint_auth_method: "client_secret_post",
      grant_types: ["client_credentials"],
      redirect_uris: [],
      response_types: [],
    },
  ],
  cookies: { keys: [randomUUID()] },
  scopes: ["openid", "offline_access", "profile"],
  claims: { openid: ["sub", "name", "email"], profile: [] },
  findAccount: (_ctx, sub) => ({
    accountId: sub,
    claims: () => ({ sub, name: sub, email: `${sub}@example.com` }),
  }),
  features: {
    clientCredentials: { enabled: true },
    introspection: { enabled: true },
    devInteractions: { enabled: false },
  },
});

async function login(accountId, scope) {
  const client = await provider.Client.find("first-party");
  const grant = new provider.Grant({ accountId, clientId: client.clientId });
  grant.addOIDCScope(scope);
  const grantId = await grant.save();
  const about = { accountId, client, grantId, gty: "authorization_code", scope };
  return {
    access: await new provider.AccessToken(about).save(),
    refresh: await new provider.RefreshToken(about).save(),
  };
}

async function start(response) {
  const tokens = { access: [], refresh: [] };
  for (let number = 0; number < Number(BENCH_PEOPLE); number++) {
    // An access token for userinfo has the scope openid. Each refresh of it would sign an ID token.
    tokens.access.push((await login(`person${number}`, "openid")).access);
    tokens.refresh.push((await login(`person${number}`, "offline_access profile")).refresh);
  }
  const body = JSON.stringify(tokens);
  response.writeHead(200, { "Content-Type": "application/json", "Content-Length": body.length });
  response.end(body);
}

const handle = provider.callback();
createServer((request, response) =>
  request.url === "/start" ? start(response) : handle(request, response),
).listen(Number(PORT), "127.0.0.1");
