// Lets people see the password that they type, and says when Caps Lock is on.
for (const field of document.querySelectorAll(".secret > input")) {
  const name = field.labels[0].textContent.trim().toLowerCase();
  const button = document.createElement("button");
  const caps = document.createElement("span");
  button.type = "button";
  button.className = "show";
  caps.className = "caps";
  caps.ariaLive = "polite";

  const show = (shown) => {
    const rest = document.createElement("span");
    rest.className = "unseen";
    rest.textContent = ` ${name}`;
    field.type = shown ? "text" : "password";
    button.replaceChildren(shown ? "Hide" : "Show", rest);
  };
  const look = (event) => {
    // What fills forms in sends keys that have no such state.
    caps.textContent = event.getModifierState?.("CapsLock") ? "Caps Lock is on" : "";
  };

  button.addEventListener("click", () => show(field.type === "password"));
  field.form.addEventListener("submit", () => show(false)); // or the browser would remember it as text
  field.addEventListener("keydown", look);
  field.addEventListener("keyup", look);
  field.addEventListener("blur", () => { caps.textContent = ""; });
  show(false);
  field.after(button, caps);
}
