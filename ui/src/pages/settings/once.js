/** Something that is shown this once: it is nowhere else, and not here after the page is left. */
import { html, useEffect, useRef } from "../../core/html.js";
import { Copy } from "../../parts/copy.js";
import { Icon } from "../../parts/icon.js";

export function Once({ what, value, onClose }) {
  const field = useRef(null);
  useEffect(() => field.current.focus(), [value]);
  return html`<div class="notice tone-ok once" role="status">
    <${Icon} name="check" />
    <div class="once-body">
      <p><strong>${what}</strong> is shown this once. Copy it now; the server does not keep it in a form that it could show again.</p>
      <div class="once-value"><input ref=${field} class="input mono" readonly aria-label=${what} value=${value} onFocus=${(event) => event.currentTarget.select()} /><${Copy} text=${value} label="Copy" /></div>
    </div>
    <button type="button" class="button icon-only quiet" aria-label="I have it: hide it" title="I have it: hide it" onClick=${onClose}><${Icon} name="close" size=${14} /></button>
  </div>`;
}
