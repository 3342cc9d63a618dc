/** The frame of a page: title, way back, actions. */
import { cx, html, useEffect } from "../core/html.js";
import { Icon } from "./icon.js";

/**
 * `back` is `{href, label}`; `meta` stands beside the title, `actions` at the right.
 * With `fill` the page takes exactly the window's height and scrolls inside (a chat, a long table).
 */
export function Page({ title, heading, back, meta, actions, fill = false, children, class: name }) {
  useEffect(() => {
    document.title = `${title} · Studio`;
  }, [title]);
  return html`<div class=${cx("page", fill && "page-fill", name)}>
    <header class="page-head">
      <div class="page-title">
        ${back && html`<a class="back" href=${back.href}><${Icon} name="back" size=${14} />${back.label}</a>`}
        <h1>${heading ?? title}</h1>
        ${meta && html`<div class="page-meta">${meta}</div>`}
      </div>
      ${actions && html`<div class="page-actions">${actions}</div>`}
    </header>
    ${children}
  </div>`;
}

/** A framed part of a page. */
export const Card = ({ title, actions, flush = false, children, class: name }) => html`<section class=${cx("card", flush && "flush", name)}>
  ${(title || actions) && html`<header class="card-head"><h2>${title}</h2>${actions && html`<div class="card-actions">${actions}</div>`}</header>`}
  <div class="card-body">${children}</div>
</section>`;

/** Names and values: `[[name, value], …]`; rows whose value is null are left out. */
export const Facts = ({ rows }) => html`<dl class="facts">
  ${rows.filter(([, value]) => value !== null && value !== undefined).map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}
</dl>`;
