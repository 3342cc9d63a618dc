/** A dialog that asks for something and sends it; what the server says against it stands below the fields. */
import { html, useLayoutEffect, useRef, useState } from "../core/html.js";
import { Dialog } from "./dialog.js";

/**
 * `onSend()` sends, and its dialog is closed by whoever opened it; an error that it throws is shown.
 *
 * The first field has the focus before the next key comes.  `disabled` keeps it from being sent.
 */
export function FormDialog({ title, action, busyText = "Saving…", onSend, onClose, disabled = false, wide = false, children }) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(null);
  const form = useRef(null);
  useLayoutEffect(() => form.current.querySelector("input, select, textarea")?.focus(), []);
  const send = async (event) => {
    event.preventDefault();
    if (busy || disabled) return;
    setBusy(true);
    setError(null);
    try {
      await onSend();
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  };
  return html`<${Dialog}
    title=${title}
    wide=${wide}
    onClose=${onClose}
    footer=${html`<button type="button" class="button" onClick=${onClose}>Cancel</button><button type="submit" form="form-dialog" class="button primary" disabled=${busy || disabled}>${busy ? busyText : action}</button>`}
  >
    <form id="form-dialog" class="form" ref=${form} onSubmit=${send} novalidate autocomplete="off">
      ${children}
      ${error && html`<p class="form-error" role="alert">${error.title ?? "It failed"}${error.detail ? `: ${error.detail}` : error.title ? "" : `: ${error.message}`}</p>`}
    </form>
  <//>`;
}

/** A labelled field: `children` is the control, which has the id `name`. */
export const Field = ({ name, label, hint, error, children }) => html`<div class="field">
  <label for=${name}>${label}</label>${children}
  ${error ? html`<p class="error" id=${`${name}-hint`} role="alert">${error}</p>` : hint && html`<p class="hint" id=${`${name}-hint`}>${hint}</p>`}
</div>`;
