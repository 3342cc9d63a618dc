/** Dialogs: the browser's own, with its focus and Esc. */
import { html, signal, useLayoutEffect, useRef } from "../core/html.js";
import { Icon } from "./icon.js";

/** A dialog that is open as long as it is rendered.  `onClose` is called by Esc, the cross and the backdrop. */
export function Dialog({ title, onClose, wide = false, children, footer }) {
  const box = useRef(null);
  useLayoutEffect(() => {
    const [was, dialog] = [document.activeElement, box.current];
    if (!dialog.open) dialog.showModal();
    return () => {
      dialog.close(); // nothing behind it takes the focus while it is open
      was?.focus?.({ preventScroll: true });
    };
  }, []);
  return html`<dialog
    ref=${box}
    class=${wide ? "dialog wide" : "dialog"}
    aria-label=${title}
    onCancel=${(event) => {
      event.preventDefault();
      onClose();
    }}
    onMouseDown=${(event) => event.target === box.current && onClose()}
  >
    <header><h2>${title}</h2><button type="button" class="button icon-only quiet" aria-label="Close" onClick=${onClose}><${Icon} name="close" /></button></header>
    <div class="dialog-body">${children}</div>
    ${footer && html`<footer>${footer}</footer>`}
  </dialog>`;
}

const asked = signal(null);

/**
 * Ask once: `await confirm({title, text, action, tone})` is true when the reader agreed.
 *
 * `text` says what will happen; `action` is the verb on the button; `tone` is `bad` for what cannot be undone.
 */
export function confirm({ title, text, action = "OK", tone = "" }) {
  asked.value?.answer(false);
  return new Promise((resolve) => {
    asked.value = {
      title,
      text,
      action,
      tone,
      answer(yes) {
        asked.value = null;
        resolve(yes);
      },
    };
  });
}

/** Where `confirm` shows its question; in the shell, once. */
export function Confirmation() {
  const question = asked.value;
  if (!question) return null;
  const { title, text, action, tone, answer } = question;
  return html`<${Dialog}
    title=${title}
    onClose=${() => answer(false)}
    footer=${html`<button type="button" class="button" onClick=${() => answer(false)}>Cancel</button>
      <button type="button" class=${tone === "bad" ? "button danger solid" : "button primary"} autofocus onClick=${() => answer(true)}>${action}</button>`}
  >
    <p>${text}</p>
  <//>`;
}
