import { html } from "../core/html.js";
import { Page } from "../parts/page.js";

export function Session() {
  return html`<${Page} title="Session" />`;
}
