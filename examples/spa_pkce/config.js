// Where everything is. The redirect URI is this page: it has to be registered exactly so.
export const issuer = "http://127.0.0.1:8000";
export const clientId = "example-spa";
export const scope = "openid profile orders:read";
export const redirectUri = location.origin + location.pathname;
