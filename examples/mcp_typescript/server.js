// An MCP server with the TypeScript SDK, which takes the issuer's tokens for itself and no others.
//
//     npm install
//     ISSUER=http://127.0.0.1:8000 RESOURCE=http://127.0.0.1:8001/mcp npm start

import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { InvalidTokenError } from "@modelcontextprotocol/sdk/server/auth/errors.js";
import { requireBearerAuth } from "@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js";
import {
  getOAuthProtectedResourceMetadataUrl,
  mcpAuthMetadataRouter,
} from "@modelcontextprotocol/sdk/server/auth/router.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import express from "express";
import { createRemoteJWKSet, jwtVerify } from "jose";

const ISSUER = process.env.ISSUER ?? "http://127.0.0.1:8000";
const RESOURCE = new URL(process.env.RESOURCE ?? "http://127.0.0.1:8001/mcp");
const SCOPE = process.env.SCOPE ?? "mcp:tools";

const keys = createRemoteJWKSet(new URL(`${ISSUER}/.well-known/jwks.json`));

// Access tokens of the issuer (RFC 9068, section 4).
const verifier = {
  async verifyAccessToken(token) {
    try {
      const { payload } = await jwtVerify(token, keys, {
        issuer: ISSUER,
        audience: RESOURCE.href,
        typ: "at+jwt", // an ID token is for its client
        algorithms: ["ES256", "RS256", "EdDSA"],
        requiredClaims: ["exp", "sub"],
      });
      return {
        token,
        clientId: payload.client_id,
        scopes: payload.scope.split(" "),
        expiresAt: payload.exp,
        resource: RESOURCE,
        extra: { subject: payload.sub },
      };
    } catch (error) {
      throw new InvalidTokenError(error.message);
    }
  },
};

function makeServer() {
  const server = new McpServer({ name: "notes", version: "1.0.0" });
  server.registerTool(
    "whoami",
    { description: "The id of the user who is logged in." },
    async ({ authInfo }) => ({ content: [{ type: "text", text: authInfo.extra.subject }] }),
  );
  return server;
}

const app = express();
const oauthMetadata = await (await fetch(`${ISSUER}/.well-known/oauth-authorization-server`)).json();
app.use(
  mcpAuthMetadataRouter({ oauthMetadata, resourceServerUrl: RESOURCE, scopesSupported: [SCOPE] }),
);
app.use(
  RESOURCE.pathname,
  requireBearerAuth({
    verifier,
    requiredScopes: [SCOPE],
    resourceMetadataUrl: getOAuthProtectedResourceMetadataUrl(RESOURCE),
    expectedResource: RESOURCE,
  }),
  express.json(),
  async (request, response) => {
    const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined });
    response.on("close", () => transport.close());
    await makeServer().connect(transport);
    await transport.handleRequest(request, response, request.body);
  },
);
app.listen(Number(RESOURCE.port || 8001), "127.0.0.1");
