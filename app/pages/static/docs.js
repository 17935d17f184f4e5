// Starts Swagger UI with what the server wrote into the page.
const { clientId, scopes } = document.body.dataset;

const ui = SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  persistAuthorization: false, // it would write passwords and secrets to localStorage
  presets: [SwaggerUIBundle.presets.apis],
  layout: "BaseLayout",
});

ui.initOAuth({ clientId, scopes, usePkceWithAuthorizationCodeGrant: true });
