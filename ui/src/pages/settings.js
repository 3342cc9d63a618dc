import { html } from "../core/html.js";
import { Page } from "../parts/page.js";

export function Settings() {
  return html`<${Page} title="Settings" />`;
}
