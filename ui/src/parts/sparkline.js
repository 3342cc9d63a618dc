/** A curve the size of a word. */
import { html } from "../core/html.js";

const WIDTH = 72;
const HEIGHT = 18;

/** The last values; the scale begins at 0 and ends at `top` or the largest value, whichever is more. */
export function Sparkline({ values = [], top = 0, slots = 60, tone = "" }) {
  const most = Math.max(top, ...values, 1e-9);
  const step = WIDTH / (slots - 1);
  const from = slots - values.length;
  let line = "";
  for (let i = 0; i < values.length; i += 1) {
    const x = (from + i) * step;
    const y = HEIGHT - 1 - ((values[i] ?? 0) / most) * (HEIGHT - 3);
    line += `${line ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`;
  }
  return html`<svg class=${tone ? `spark tone-${tone}` : "spark"} viewBox="0 0 ${WIDTH} ${HEIGHT}" width=${WIDTH} height=${HEIGHT} aria-hidden="true">
    ${values.length > 1 && html`<path class="area" d="${line}V${HEIGHT}H${(from * step).toFixed(1)}Z" /><path class="line" d=${line} />`}
  </svg>`;
}

/** How much of a budget is used, as a bar: calm, amber from 80 %, red from 95 %. */
export function Meter({ share, label }) {
  const used = Math.max(0, Math.min(1, share || 0));
  const tone = used >= 0.95 ? "bad" : used >= 0.8 ? "warn" : "ok";
  return html`<span class=${`meter tone-${tone}`} role="meter" aria-valuemin="0" aria-valuemax="100" aria-valuenow=${Math.round(used * 100)} aria-label=${label} title=${label}>
    <span class="meter-fill" style=${{ width: `${used * 100}%` }} />
  </span>`;
}
