/** A field that filters what is below it; `/` goes there, Enter leaves it, Esc empties it. */
import { html } from "../core/html.js";
import { Icon } from "./icon.js";

export function Filter({ value, onInput, placeholder = "Filter", label = placeholder }) {
  const press = (event) => {
    if (event.key !== "Escape" && event.key !== "Enter") return;
    event.stopPropagation();
    if (event.key === "Escape" && value) onInput("");
    event.currentTarget.blur();
  };
  return html`<label class="filter">
    <${Icon} name="search" />
    <input type="search" data-search autocomplete="off" spellcheck=${false} placeholder=${placeholder} aria-label=${label} value=${value} onInput=${(event) => onInput(event.currentTarget.value)} onKeyDown=${press} />
    <kbd aria-hidden="true">/</kbd>
  </label>`;
}

/** Whether every word of `query` is in one of `texts`, whatever the case. */
export function matches(query, texts) {
  const all = texts.join("\n").toLowerCase();
  return query.toLowerCase().split(/\s+/).every((word) => all.includes(word));
}
