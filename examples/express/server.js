// An Express resource server that verifies access tokens itself, with the keys of the issuer.
//
//     npm install
//     ISSUER=http://127.0.0.1:8000 PORT=8001 npm start

import express from "express";
import { createRemoteJWKSet, errors, jwtVerify } from "jose";

const ISSUER = process.env.ISSUER ?? "http://127.0.0.1:8000";
const AUDIENCE = process.env.AUDIENCE ?? ISSUER;
// Where this process finds the issuer, if that is not where browsers do, as among containers.
const JWKS_URL = process.env.JWKS_URL ?? `${ISSUER}/.well-known/jwks.json`;

const keys = createRemoteJWKSet(new URL(JWKS_URL)); // asked anew for a key that it does not know

// What RFC 6750, section 3, says to answer.
function refuse(response, status, error, scope) {
  const parts = ['realm="orders"'];
  if (error) parts.push(`error="${error}"`);
  if (scope) parts.push(`scope="${scope}"`);
  response.status(status).set("WWW-Authenticate", `Bearer ${parts.join(", ")}`).json({ error });
}

// Lets a good access token (RFC 9068, section 4) pass that has the scope.
function requireScope(scope) {
  return async (request, response, next) => {
    const [, token] = /^Bearer +([^ ]+)$/i.exec(request.get("Authorization") ?? "") ?? [];
    if (!token) return refuse(response, 401);
    try {
      const { payload } = await jwtVerify(token, keys, {
        issuer: ISSUER,
        audience: AUDIENCE,
        typ: "at+jwt", // an ID token is for its client, and opens nothing here
        algorithms: ["ES256", "RS256", "EdDSA"],
        requiredClaims: ["exp", "sub"],
      });
      request.token = payload;
    } catch (error) {
      const verdict = error instanceof errors.JOSEError && !(error instanceof errors.JWKSTimeout);
      if (!verdict) return next(error); // the issuer cannot be reached: 500, and in the log
      return refuse(response, 401, "invalid_token");
    }
    if (!(request.token.scope ?? "").split(" ").includes(scope)) {
      return refuse(response, 403, "insufficient_scope", scope);
    }
    next();
  };
}

const app = express();

// The orders of whoever asks: `sub` is the id of a user, or of a client for itself.
app.get("/orders", requireScope("orders:read"), (request, response) => {
  response.json({ subject: request.token.sub, orders: ["a book", "a pen"] });
});

app.listen(Number(process.env.PORT ?? 8001), "127.0.0.1");
