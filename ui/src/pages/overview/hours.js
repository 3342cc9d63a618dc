/** Curves of the hours before: what the server kept of its metrics, also over its restarts. */
import { html, useMemo } from "../../core/html.js";
import { get } from "../../core/api.js";
import { endpointNames } from "../../core/endpoints.js";
import { bytes, count, duration, number, percent } from "../../core/format.js";
import { endpoints } from "../../core/live.js";
import { useResource } from "../../core/resource.js";
import { words } from "../../parts/badge.js";
import { Chart } from "../../parts/chart.js";
import { Failed, Loading } from "../../parts/empty.js";
import { Card } from "../../parts/page.js";

/** How far back one may look: how it is called, and in hours; none are the ten minutes that are live. */
export const SPANS = { "": ["10 min", 0], "1h": ["1 h", 1], "24h": ["24 h", 24], "7d": ["7 d", 168] };

const STEPS = { 60: "per minute", 300: "per 5 minutes", 3600: "per hour" };
const HUES = { accepted: "--ok", duplicate: "--idle", ignored: "--idle" };

export function Hours({ hours }) {
  const { data, error, reload } = useResource(({ signal }) => get(`/metrics/history?hours=${hours}`, { signal }), [hours], { every_s: 60 });
  const charts = useMemo(() => data && chartsOf(data), [data, endpoints.value]);
  if (error && !data) return html`<${Failed} error=${error} retry=${reload} />`;
  if (!data) return html`<${Loading} rows=${8} label="Loading the curves" />`;
  const t = data.at_ms.map((at) => at / 1000);
  return html`
    ${data.failing && html`<div class="notice tone-warn" role="status"><p><strong>Older figures are missing: </strong>${data.failing}</p></div>`}
    <div class="overview-charts">
      ${charts.map(({ title, series, ...more }) => html`<${Card} key=${title} title=${title}>
        ${series.some(({ values }) => values.some((value) => value > 0)) ? html`<${Chart} label=${title} t=${t} series=${series} sync="hours" span_s=${hours * 3600} height=${150} ...${more} />` : html`<div class="chart-empty">None in this time.</div>`}
      <//>`)}
    </div>`;
}

/** What was counted so far of the last step is no less than before, only not all yet. */
const whole = (values) => [...values.slice(0, -1), null];

function chartsOf(data) {
  const step = STEPS[data.step_s] ?? `per ${duration(data.step_s)}`;
  const by = (lines, name = (label) => label) => Object.entries(lines).map(([label, values]) => ({ label: name(label), values, colour: HUES[label] }));
  const byEndpoint = (lines) => {
    const names = endpointNames(Object.keys(lines));
    return by(lines, (path) => names.get(path));
  };
  return [
    { title: "Sessions", format: number, least: 1, series: [{ label: "most at once", values: data.sessions_most, colour: "--series-8" }, { label: "on average", values: data.sessions }] },
    { title: `Crashes ${step}`, format: count, least: 1, stacked: true, series: by(data.crashes, words) },
    { title: "Memory by endpoint", format: bytes, least: 64 << 20, stacked: true, series: byEndpoint(data.memory_bytes) },
    { title: "Processor time by endpoint", format: percent, least: 0.1, stacked: true, series: byEndpoint(data.cpu) },
    { title: `Webhooks ${step}`, format: count, least: 1, stacked: true, series: by(data.webhooks, words).map((one) => ({ ...one, values: whole(one.values) })) },
    { title: "Time to the answer of a webhook", format: duration, least: 0.001, series: byEndpoint(data.answer_s) },
    { title: "Time to start a session", format: duration, least: 0.01, series: byEndpoint(data.start_s) },
    { title: `Model tokens ${step}`, format: count, least: 1, series: [{ label: "in", values: whole(data.tokens_in) }, { label: "out", values: whole(data.tokens_out) }] },
  ];
}
