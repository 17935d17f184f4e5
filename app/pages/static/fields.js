// Lets people see the password that they type, and says when Caps Lock is on.
const words = {
  show: "Show",
  hide: "Hide",
  which: "({field})",
  capsLock: "Caps Lock is on",
  ...document.currentScript.dataset,
};
for (const field of document.querySelectorAll(".secret > input")) {
  const name = field.labels[0].textContent.trim();
  const button = document.createElement("button");
  const caps = document.createElement("span");
  button.type = "button";
  button.className = "show";
  caps.className = "caps";
  caps.ariaLive = "polite";

  const show = (shown) => {
    field.type = shown ? "text" : "password";
    // No label: whoever looks for a field by its name must find the field alone.
    const which = document.createElement("span");
    which.className = "unseen";
    which.textContent = ` ${words.which.replace("{field}", () => name)}`;
    button.replaceChildren(shown ? words.hide : words.show, which);
  };
  const look = (event) => {
    // What fills forms in sends keys that have no such state.
    caps.textContent = event.getModifierState?.("CapsLock") ? words.capsLock : "";
  };

  button.addEventListener("click", () => show(field.type === "password"));
  field.form.addEventListener("submit", () => show(false)); // or the browser would remember it as text
  field.addEventListener("keydown", look);
  field.addEventListener("keyup", look);
  field.addEventListener("blur", () => { caps.textContent = ""; });
  show(false);
  field.after(button, caps);
}
