// React comes with Swagger UI, and nothing else is loaded. Its elements are made by calls, for
// there is no build step.

export let React;
export let h;

/** Called once, before anything is shown. */
export function take(system) {
  React = system.React;
  h = React.createElement;
}

/** A modal dialog of the browser's own: it keeps the focus, closes with Escape, hides the rest. */
export function Dialog({ title, className = "", onClose, children }) {
  const element = React.useRef(null);
  // Before the effects of what is inside, which may put the focus somewhere.
  React.useLayoutEffect(() => {
    const dialog = element.current;
    dialog.showModal();
    return () => dialog.close(); // gives the focus back
  }, []);
  // A click is where the button is let go: text that is marked may be dragged out of its field.
  const pressed = React.useRef(null);
  const onPointerDown = (event) => (pressed.current = event.target);
  const onClick = ({ target }) => {
    if (target === element.current && pressed.current === target) onClose();
  };
  const onCancel = (event) => {
    event.preventDefault();
    onClose();
  };
  return h(
    "dialog",
    {
      ref: element,
      className: `lk-dialog ${className}`,
      "aria-label": title,
      onCancel,
      onPointerDown,
      onClick,
    },
    h(
      "div",
      { className: "lk-sheet" },
      h(
        "div",
        { className: "lk-head" },
        h("h2", null, title),
        h("button", { type: "button", className: "lk-close", onClick: onClose }, "Close"),
      ),
      h("div", { className: "lk-content" }, children),
    ),
  );
}

/** A labelled input. A password can be shown, and no browser is asked to keep it. */
export function Field({ label, hint, secret = false, value, onChange, ...rest }) {
  const id = React.useId();
  const [shown, show] = React.useState(false);
  return h(
    "div",
    { className: "lk-field" },
    h("label", { htmlFor: id }, label),
    h(
      "div",
      { className: "lk-input" },
      h("input", {
        id,
        type: secret && !shown ? "password" : "text",
        autoComplete: secret ? "off" : "username",
        autoCapitalize: "none",
        spellCheck: false,
        value,
        onChange: (event) => onChange(event.target.value),
        ...rest,
      }),
      secret &&
        h(
          "button",
          { type: "button", "aria-pressed": shown, onClick: () => show(!shown) },
          shown ? "Hide" : "Show",
        ),
    ),
    hint && h("p", { className: "lk-hint" }, hint),
  );
}

/** For what takes a moment: `run` awaits it, tells its error, and does one thing at a time. */
export function useTask() {
  const [state, set] = React.useState({ busy: false, error: "" });
  const running = React.useRef(false);
  const run = async (work) => {
    if (running.current) return;
    running.current = true;
    set({ busy: true, error: "" });
    let error = "";
    try {
      await work();
    } catch (thrown) {
      error = thrown.message;
    }
    running.current = false;
    set({ busy: false, error });
  };
  return { ...state, run };
}

/** A button that starts a task. It is never disabled, for that would take its focus away. */
export const TaskButton = ({ task, run, ...rest }) =>
  h("button", { type: "button", "aria-disabled": task.busy, onClick: () => task.run(run), ...rest });

/**
 * Properties for an area in which what has the focus may be taken away: then `home`, a ref to an
 * element, gets it, or whoever uses a keyboard would have to begin again at the top of the page.
 */
export function useFocusKeeper(home) {
  const held = React.useRef(null);
  React.useLayoutEffect(() => {
    if (held.current && !held.current.isConnected) {
      held.current = null;
      if (document.activeElement === document.body) home.current?.focus();
    }
  });
  return {
    onFocus: ({ target }) => (held.current = target),
    onBlur: ({ target }) => target.isConnected && (held.current = null),
  };
}

/** What is said when something has happened; read out by a screen reader. */
export function Status({ good = false, children }) {
  const className = good ? "lk-status lk-good" : "lk-status";
  return h("p", { className, role: "status" }, children);
}

/** `text` with what stands between backticks as code: the one mark of our descriptions. */
export function Sentence({ text }) {
  const parts = (text || "").replaceAll("**", "").split("`");
  return parts.map((part, index) => (index % 2 ? h("code", { key: index }, part) : part));
}
