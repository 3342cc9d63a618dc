import { html } from "../core/html.js";
import { Page } from "../parts/page.js";

export function Crashes() {
  return html`<${Page} title="Crashes" />`;
}
