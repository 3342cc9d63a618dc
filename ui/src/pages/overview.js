import { html } from "../core/html.js";
import { Page } from "../parts/page.js";

export function Overview() {
  return html`<${Page} title="Overview" />`;
}
