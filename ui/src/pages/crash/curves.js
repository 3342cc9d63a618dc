/** What it used until it ended: memory and processor over time, with the instant of the crash. */
import { html, useMemo } from "../../core/html.js";
import { bytes, percent } from "../../core/format.js";
import { Chart } from "../../parts/chart.js";
import { Card } from "../../parts/page.js";
import { columns } from "./columns.js";

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
