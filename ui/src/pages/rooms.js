import { html } from "../core/html.js";
import { Page } from "../parts/page.js";

export function Rooms() {
  return html`<${Page} title="Rooms" />`;
}
