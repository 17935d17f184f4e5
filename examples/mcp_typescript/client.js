// An MCP client with the TypeScript SDK: it registers itself, logs a user in, calls a tool, refreshes.
//
//     npm install
//     RESOURCE=http://127.0.0.1:8001/mcp node client.js

import { createServer } from "node:http";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { UnauthorizedError } from "@modelcontextprotocol/sdk/client/auth.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const RESOURCE = new URL(process.env.RESOURCE ?? "http://127.0.0.1:8001/mcp");

// Waits on the loopback interface for the browser to come back (RFC 8252, section 7.3).
let arrived;
const code = new Promise((resolve) => (arrived = resolve));
const loopback = createServer((request, response) => {
  const told = new URL(request.url, "http://127.0.0.1").searchParams;
  response.setHeader("Connection", "close");
  response.end("You can close this window.");
  if (told.has("code")) arrived(told.get("code"));
});
await new Promise((resolve) => loopback.listen(0, "127.0.0.1", resolve));

// What the client was given; a real one uses the keyring of the system.
const kept = {};

const provider = {
  clientMetadataUrl: process.env.CLIENT_ID, // the URL of its metadata document, if it has one
  redirectUrl: `http://127.0.0.1:${loopback.address().port}/callback`,
  get clientMetadata() {
    return {
      client_name: "Example of an MCP client",
      redirect_uris: [this.redirectUrl],
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      token_endpoint_auth_method: "none",
    };
  },
  clientInformation: () => kept.client,
  saveClientInformation: (client) => void (kept.client = client),
  tokens: () => kept.tokens,
  saveTokens: (tokens) => void (kept.tokens = tokens),
  redirectToAuthorization: (url) => console.log("Open", url.href),
  saveCodeVerifier: (verifier) => void (kept.verifier = verifier),
  codeVerifier: () => kept.verifier,
};

async function connect() {
  const client = new Client({ name: "example", version: "1.0.0" });
  const transport = new StreamableHTTPClientTransport(RESOURCE, { authProvider: provider });
  try {
    await client.connect(transport);
    return client;
  } catch (error) {
    if (!(error instanceof UnauthorizedError)) throw error;
    await transport.finishAuth(await code);
    return connect();
  }
}

async function ask(client) {
  const result = await client.callTool({ name: "whoami", arguments: {} });
  console.log("It says", result.content[0].text);
}

const client = await connect();
await ask(client);
const before = kept.tokens.refresh_token;
kept.tokens = { ...kept.tokens, access_token: "expired" }; // as if it had expired meanwhile
await ask(client);
console.log("Refreshed", kept.tokens.refresh_token !== before ? "True" : "False");
await client.close();
loopback.close();
