/** Times that keep up: how long ago, with the full time on hover. */
import { html } from "../core/html.js";
import { ago, stamp } from "../core/format.js";
import { now } from "../core/live.js";

export const Ago = ({ at }) => html`<time class="ago" title=${stamp(at)}>${ago(at, now.value)}</time>`;
