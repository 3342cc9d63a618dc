/** What it used until it ended: memory and processor over time, with the instant of the crash. */
import { html, useMemo } from "../../core/html.js";
import { bytes, percent } from "../../core/format.js";
import { Chart } from "../../parts/chart.js";
import { Card } from "../../parts/page.js";

/** Readings closer together than this say nothing of a rate: the kernel counts in hundredths of a second. */
const LEAST_GAP_S = 0.1;

export function Curves({ report }) {
  const drawn = useMemo(() => columns(report.use?.curve ?? []), [report]);
  if (!drawn) return null;
  const end = Math.max(report.after_s ?? 0, drawn.t.at(-1));
  const marks = [{ at: end, label: "crash", colour: "--bad" }];
  const shared = { t: drawn.t, relative: true, marks, sync: "crash", height: 104, span_s: Math.max(1, end) };
  return html`<${Card} title="What it used">
    <${Chart} ...${shared} label="Memory until the crash" format=${bytes} series=${drawn.memory} />
    <${Chart} ...${shared} label="Processor until the crash" format=${percent} least=${0.1} series=${drawn.cpu} />
  <//>`;
}

/** Columns for the charts; null where too little was read for a curve. */
export function columns(curve) {
  if (curve.length < 2) return null;
  const t = curve.map((point) => point.t_s);
  let [from_s, from_cpu_s, share] = [t[0], curve[0].cpu_s, 0];
  const shares = curve.map((point) => {
    if (point.t_s - from_s >= LEAST_GAP_S) {
      share = Math.max(0, point.cpu_s - from_cpu_s) / (point.t_s - from_s);
      [from_s, from_cpu_s] = [point.t_s, point.cpu_s];
    }
    return share;
  });
  return {
    t,
    memory: [{ label: "memory", values: curve.map((point) => point.rss_bytes) }],
    cpu: [{ label: "processor", values: shares, colour: "--series-2" }],
  };
}
