/** Tabs: arrows move, the address may remember which; the chosen one is in sight. */
import { html, useLayoutEffect, useRef } from "../core/html.js";
import { NONE } from "../core/format.js";

/** `tabs` is `[{id, label, count}]`; `count` is shown when it is a number above 0. */
export function Tabs({ tabs, current, onChange, label = "Sections" }) {
  const list = useRef(null);
  const counted = tabs.map(({ count }) => count > 0).join();
  useLayoutEffect(() => {
    const chosen = list.current.querySelector('[aria-selected="true"]');
    if (!chosen) return;
    const [all, one] = [list.current.getBoundingClientRect(), chosen.getBoundingClientRect()];
    list.current.scrollLeft += Math.max(0, one.right - all.right) + Math.min(0, one.left - all.left);
  }, [current, counted]);
  const move = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const at = tabs.findIndex((tab) => tab.id === current);
    const next = (at + step + tabs.length) % tabs.length;
    onChange(tabs[next].id);
    list.current.children[next]?.focus();
  };
  return html`<div class="tabs" role="tablist" aria-label=${label} ref=${list} onKeyDown=${move}>
    ${tabs.map(
      ({ id, label: name, count }) => html`<button key=${id} type="button" role="tab" aria-selected=${String(id === current)} tabindex=${id === current ? 0 : -1} class="tab" onClick=${() => onChange(id)}>
        ${name ?? NONE}${count > 0 && html`<span class="count">${count}</span>`}
      </button>`,
    )}
  </div>`;
}
