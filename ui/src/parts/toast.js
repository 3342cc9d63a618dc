/** Short notes at the edge; the newest three, gone by themselves unless something went wrong. */
import { cx, html, signal } from "../core/html.js";
import { Icon } from "./icon.js";

const KEEP_MS = 6000;
const MOST = 3;
const toasts = signal([]);
let last = 0;

/**
 * Say something: `toast({text, tone, link, linkText})`; `tone` is `ok`, `warn` or `bad`.
 *
 * A bad one stays until it is closed or pushed out.  `key` replaces an earlier one with that key, and those that begin with `instead`.
 */
export function toast({ text, tone = "", link = "", linkText = "Show", key = "", instead = key }) {
  const id = (last += 1);
  toasts.value = [...toasts.value.filter((one) => !key || (one.key !== key && !one.key.startsWith(instead))), { id, text, tone, link, linkText, key }].slice(-MOST);
  if (tone !== "bad") setTimeout(() => dismiss(id), KEEP_MS);
  else setTimeout(() => dismiss(id), KEEP_MS * 3);
}

/** Say what went wrong with a request. */
export const toastError = (error) => toast({ text: error.message, tone: "bad" });

const dismiss = (id) => (toasts.value = toasts.value.filter((one) => one.id !== id));

export const Toasts = () => html`<div class="toasts" role="status" aria-live="polite">
  ${toasts.value.map(
    ({ id, text, tone, link, linkText }) => html`<div key=${id} class=${cx("toast", tone && `tone-${tone}`)}>
      <p>${text}</p>
      ${link && html`<a href=${link} onClick=${() => dismiss(id)}>${linkText}</a>`}
      <button class="button icon-only quiet" aria-label="Close" onClick=${() => dismiss(id)}><${Icon} name="close" size=${14} /></button>
    </div>`,
  )}
</div>`;
