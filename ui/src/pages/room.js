import { html } from "../core/html.js";
import { Page } from "../parts/page.js";

export function Room() {
  return html`<${Page} title="Room" />`;
}
