/** JSON and other results, readable. */

import { html } from "../../core/html.js";
import { Copy } from "../../parts/copy.js";
import { safeHref } from "../../parts/markdown.js";

const MAX_SHOWN_CHARS = 50_000;

/** A value, indented; a text that is JSON itself is read first. */
export function Json({ value, label = "" }) {
  const text = pretty(value);
  return html`<div class="json">
    ${label && html`<span class="muted json-label">${label}</span>`}
    <pre class="code wrap" dir="ltr" tabindex="0">${text.length > MAX_SHOWN_CHARS ? `${text.slice(0, MAX_SHOWN_CHARS)}\n… ${(text.length - MAX_SHOWN_CHARS).toLocaleString("en-US")} more characters` : text}</pre>
    <${Copy} text=${text} title=${`Copy ${label.toLowerCase() || "it"}`} />
  </div>`;
}

/** What a tool or a task answered, in the form it came in. */
export function Content({ content }) {
  switch (content.type) {
    case "empty":
      return html`<p class="muted">Done; it answered nothing.</p>`;
    case "json":
      return html`<${Json} value=${content.json} />`;
    case "text":
      return html`<${Json} value=${content.text} />`;
    case "link": {
      const href = safeHref(content.url);
      return href ? html`<p><a href=${href} target="_blank" rel="noopener noreferrer">${content.name || href}</a></p>` : html`<${Json} value=${content.url} />`;
    }
    case "file":
    case "binary":
      return html`<p>${content.name || "A file"} of ${content.data.length.toLocaleString("en-US")} bytes. <button type="button" class="button small" onClick=${() => save(content)}>Save</button></p>`;
    default:
      return html`<${Json} value=${withoutData(content)} />`;
  }
}

export function pretty(value) {
  if (typeof value !== "string") return JSON.stringify(value, null, 2) ?? "null";
  if (!/^\s*[[{]/.test(value)) return value;
  try {
    return JSON.stringify(JSON.parse(value), null, 2);
  } catch {
    return value;
  }
}

function save({ name, data }) {
  // Never under its own type: what an agent made must not run as a page of this server.
  const address = URL.createObjectURL(new Blob([data], { type: "application/octet-stream" }));
  const link = Object.assign(document.createElement("a"), { href: address, download: String(name || "result").split("/").at(-1) });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

function withoutData({ data, ...rest }) {
  return rest;
}
