// Starts Swagger UI with what the server wrote into the page.
const { clientId, scopes } = document.body.dataset;
const notice = document.getElementById("notice");

// Swagger UI neither renews a token nor says that it has expired: it just shows a 401.
function tellOfExpiry(response) {
  const challenge = response.headers["www-authenticate"] || "";
  if (response.status === 401 && challenge.includes('error="invalid_token"')) {
    notice.hidden = false;
  } else if (response.ok) {
    notice.hidden = true;
  }
  return response;
}

const ui = SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  persistAuthorization: false, // it would write passwords and secrets to localStorage
  oauth2RedirectUrl: new URL("docs/oauth2-redirect", location.href).href,
  responseInterceptor: tellOfExpiry,
  presets: [SwaggerUIBundle.presets.apis],
  layout: "BaseLayout",
});

ui.initOAuth({ clientId, scopes, usePkceWithAuthorizationCodeGrant: true });

// Swagger UI has a dark mode and no eye for what the reader prefers.
const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();

// Every password form takes the focus when it appears, so the dialog would open at the last one.
let opened = null;
new MutationObserver(() => {
  const dialog = document.querySelector(".modal-ux-content");
  if (dialog && dialog !== opened) {
    requestAnimationFrame(() => {
      dialog.querySelector("input")?.focus({ preventScroll: true });
      dialog.scrollTop = 0;
    });
  }
  opened = dialog;
}).observe(document.getElementById("swagger-ui"), { childList: true, subtree: true });
