/** What a session used over its life, on one time axis, with the instant it crashed. */
import { html, useMemo } from "../../core/html.js";
import { bytes, percent } from "../../core/format.js";
import { isClean } from "../../parts/badge.js";
import { Chart } from "../../parts/chart.js";
import { Loading } from "../../parts/empty.js";
import { evened, goingOn } from "./points.js";
import { uptime } from "./rows.js";

/** `curve` is `{t_s, cpu, rss_bytes}` of `GET /workers/{id}`; without one, the last minute that was seen live. */
export function Curves({ row, curve, loaded }) {
  const shown = useMemo(() => {
    if (curve?.t_s?.length) return goingOn(evened(curve), row);
    const { cpu = [], rss = [] } = row.spark ?? {};
    const began = Math.max(0, (uptime(row) ?? 0) - cpu.length + 1);
    return { t: cpu.map((_, i) => began + i), cpu: [...cpu], rss: [...rss] };
  }, [curve, curve?.t_s?.length ? 0 : row.spark?.cpu.length, row.rev]);
  const { exit } = row;
  const marks = useMemo(() => {
    if (!exit || !shown.t.length) return [];
    const at = curve?.t_s?.length ? Math.max(row.uptime_s ?? 0, shown.t.at(-1)) : shown.t.at(-1);
    return [isClean(exit.reason) ? { at, label: "ended", colour: "--text-3" } : { at, label: "crashed", colour: "--bad" }];
  }, [exit?.at, shown]);
  const cpu = useMemo(() => [{ label: "Processor", values: shown.cpu }], [shown]);
  const memory = useMemo(() => [{ label: "Memory", values: shown.rss, colour: "--series-3" }], [shown]);
  if (!loaded && !shown.t.length) return html`<${Loading} rows=${6} />`;
  if (!shown.t.length) return html`<div class="curves-none">${exit || row.restart?.at ? "It ended before anything could be measured." : "Nothing was measured yet."}</div>`;
  const common = { t: shown.t, relative: true, marks, sync: `session ${row.id}`, span_s: 20 };
  return html`<div class="curves">
    <${Chart} ...${common} label="Processor time" series=${cpu} format=${percent} least=${0.1} height=${124} />
    <${Chart} ...${common} label="Memory" series=${memory} format=${bytes} least=${16 << 20} height=${124} />
  </div>`;
}
