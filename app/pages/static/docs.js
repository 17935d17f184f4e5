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

// Swagger UI has a dark mode and no eye for what the reader prefers.
const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();
