// Passkeys (WebAuthn): asks the browser for one, or for a new one, and sends what it gives as a form.
const encode = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

const decode = (text) =>
  Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (character) => character.charCodeAt(0));

const descriptors = (list) => list.map((each) => ({ ...each, id: decode(each.id) }));

const creation = (options) => ({
  ...options,
  challenge: decode(options.challenge),
  user: { ...options.user, id: decode(options.user.id) },
  excludeCredentials: descriptors(options.excludeCredentials),
});

const request = (options) => ({
  ...options,
  challenge: decode(options.challenge),
  allowCredentials: descriptors(options.allowCredentials),
});

const written = ({ id, rawId, type, response }) => {
  const members = { clientDataJSON: encode(response.clientDataJSON) };
  for (const name of ["attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (response[name]) members[name] = encode(response[name]);
  }
  if (response.getTransports) members.transports = response.getTransports();
  return JSON.stringify({ id, rawId: encode(rawId), type, response: members });
};

// A challenge is good for five minutes; a page may stay open for longer.
const RENEWED_AFTER = 4 * 60 * 1000;

const wire = (form) => {
  const failure = form.querySelector("[role=alert]");
  let pressed = false;
  let waiting = new AbortController();

  const ask = async (more) => {
    waiting.abort();
    waiting = new AbortController();
    const { signal } = waiting;
    const given = form.dataset.options ?? (await (await fetch(form.dataset.source)).text());
    const options = JSON.parse(given);
    const credential = form.dataset.passkey === "create"
      ? await navigator.credentials.create({ publicKey: creation(options), signal })
      : await navigator.credentials.get({ publicKey: request(options), signal, ...more });
    form.elements.passkey.value = written(credential);
    form.submit();
  };

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (pressed) return;
    pressed = true;
    failure.hidden = true;
    try {
      await ask({});
    } catch {
      failure.hidden = false;
      pressed = false;
    }
  });
  form.hidden = false;
  // Nobody has asked for this one: whoever presses the button goes before, and no failure is told.
  return () => (pressed ? null : ask({ mediation: "conditional" }).catch(() => {}));
};

const offerWhileTyping = async (offer) => {
  if (!(await PublicKeyCredential.isConditionalMediationAvailable?.())) return;
  document.getElementById("username").autocomplete = "username webauthn";
  offer();
  setInterval(offer, RENEWED_AFTER);
};

for (const form of document.querySelectorAll("form[data-passkey]")) {
  if (!window.PublicKeyCredential) continue;
  const offer = wire(form);
  if (form.dataset.passkey === "login") offerWhileTyping(offer);
}
