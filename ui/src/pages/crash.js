import { html } from "../core/html.js";
import { Page } from "../parts/page.js";

export function Crash() {
  return html`<${Page} title="Crash" />`;
}
