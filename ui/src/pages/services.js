import { html } from "../core/html.js";
import { Page } from "../parts/page.js";

export function Services() {
  return html`<${Page} title="Services" />`;
}
