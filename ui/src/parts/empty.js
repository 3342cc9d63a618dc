/** What stands where there is nothing yet, nothing at all, or an error. */
import { html } from "../core/html.js";
import { Icon } from "./icon.js";

/** Nothing here, and what to do about it. */
export const Empty = ({ icon = "overview", title, children }) => html`<div class="empty">
  <span class="empty-icon"><${Icon} name=${icon} size=${22} /></span>
  <h2>${title}</h2>
  <div class="empty-text">${children}</div>
</div>`;

/** Grey bars in place of rows that are on their way; `rows` says how many. */
export const Loading = ({ rows = 4, label = "Loading" }) => html`<div class="loading" role="status" aria-label=${label}>
  ${Array.from({ length: rows }, (_, i) => html`<span key=${i} class="bar" />`)}
</div>`;

/** An error of a request, with a way to try again. */
export const Failed = ({ error, retry }) => html`<div class="failed" role="alert">
  <span class="tone-bad"><${Icon} name="crashes" /></span>
  <div class="failed-text">
    <strong>${error.title ?? "Something went wrong"}</strong>
    <p>${error.detail ?? error.message}</p>
  </div>
  ${retry && html`<button class="button" onClick=${retry}>Try again</button>`}
</div>`;
