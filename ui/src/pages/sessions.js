import { html } from "../core/html.js";
import { Page } from "../parts/page.js";

export function Sessions() {
  return html`<${Page} title="Sessions" />`;
}
