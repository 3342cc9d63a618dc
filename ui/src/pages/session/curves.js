/** What a session used over its life, on one time axis, with the instant it crashed. */
import { html, useMemo } from "../../core/html.js";
import { bytes, percent } from "../../core/format.js";
import { isClean } from "../../parts/badge.js";
import { Chart } from "../../parts/chart.js";
import { Loading } from "../../parts/empty.js";
import { uptime } from "./rows.js";

const STEP_S = 0.9;
const STEPS = 240;

/** `curve` is `{t_s, cpu, rss_bytes}` of `GET /workers/{id}`; without one, the last minute that was seen live. */
export function Curves({ row, curve, loaded }) {
  const shown = useMemo(() => {
    if (curve?.t_s?.length) return evened(curve);
    const { cpu = [], rss = [] } = row.spark ?? {};
    const began = Math.max(0, (uptime(row) ?? 0) - cpu.length + 1);
    return { t: cpu.map((_, i) => began + i), cpu: [...cpu], rss: [...rss] };
  }, [curve, curve?.t_s?.length ? 0 : row.spark?.cpu.length, curve ? 0 : row.spark?.cpu.at(-1)]);
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

/**
 * A curve at even steps.  Near a limit a session is looked at many times a second, and the processor time of such
 * a moment is all or nothing.
 */
function evened({ t_s, cpu, rss_bytes }) {
  const step = Math.max(STEP_S, t_s.at(-1) / STEPS);
  const shown = { t: [], cpu: [], rss: [] };
  let [used, since, most, next] = [0, 0, 0, step];
  t_s.forEach((t, i) => {
    used += cpu[i] * (t - (i ? t_s[i - 1] : 0));
    most = Math.max(most, rss_bytes[i]);
    const last = i === t_s.length - 1;
    if (last ? t - since < STEP_S / 2 && shown.t.length > 0 : t < next) return; // too short to say anything
    shown.t.push(t);
    shown.cpu.push(t > since ? used / (t - since) : 0);
    shown.rss.push(most);
    [used, since, most, next] = [0, t, 0, t + step];
  });
  return shown;
}
