/** Curves over time: uPlot, with the page's colours, a legend in words and marks such as a crash. */
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { html, useEffect, useMemo, useRef, useState } from "../core/html.js";
import { clock, day, duration, number, stamp } from "../core/format.js";
import { colour, painted } from "../core/theme.js";
import { DAY_S, HOUR_S, STEPS_OF, stepsOver } from "./axis.js";

const COLOURS = 8;
const hue = (one, i) => one.colour ?? `--series-${(i % COLOURS) + 1}`;
/** Places of values with none beside them, which no line shows. */
function lonely({ data }, index) {
  const values = data[index];
  const places = [];
  for (let i = 0; i < values.length; i += 1) if (values[i] != null && values[i - 1] == null && values[i + 1] == null) places.push(i);
  return places.length ? places : null;
}

/**
 * @param t times in seconds, rising
 * @param series `[{label, values, colour?}]`; `colour` is a custom property's name, such as `--bad`
 * @param format how a value is written, in the legend and at the axis
 * @param stacked one on top of the other; the legend shows each one's own value
 * @param relative `t` counts from the start of something and is written as a length of time
 * @param marks `[{at, label, colour}]`, a vertical line each
 * @param sync charts of one name share their cursor
 * @param least the smallest upper end of the scale, so that noise near zero stays near zero
 * @param span_s the shortest time the axis covers
 */
export function Chart({ t, series, format = number, stacked = false, relative = false, marks = [], sync = "", height = 132, least = 0, span_s = 60, label }) {
  const box = useRef(null);
  const plot = useRef(null);
  const [at, setAt] = useState(null);
  const theme = painted.value;
  const shape = series.map((one) => `${one.label}|${one.colour ?? ""}`).join("\n");
  const now = useRef(null);
  now.current = { t, series, format, marks };

  const data = useMemo(() => {
    if (!stacked) return [t, ...series.map((one) => one.values)];
    const sums = new Array(t.length).fill(0);
    return [t, ...series.map((one) => one.values.map((value, i) => (value === null ? null : (sums[i] += value ?? 0))))];
  }, [t, series, stacked]);

  useEffect(() => {
    const names = series.map(hue);
    const [text, line] = [colour("--text-3"), colour("--line")];
    const font = `11px ${getComputedStyle(document.body).fontFamily}`;
    const axis = { stroke: text, font, ticks: { show: false }, grid: { stroke: line, width: 1 } };
    const made = new uPlot(
      {
        width: box.current.clientWidth || 300,
        height,
        padding: [8, 22, 0, 0], // half of the last label, which would be cut
        legend: { show: false },
        cursor: { y: false, points: { size: 6 }, drag: { x: false, y: false }, ...(sync ? { sync: { key: sync } } : {}) },
        scales: {
          x: { time: !relative, range: (_, from, to) => [Math.min(from ?? 0, (to ?? 0) - span_s), Math.max(to ?? 0, ...now.current.marks.map((mark) => mark.at))] },
          y: { range: (_, from, to) => [0, Math.max(least, (to ?? 0) * 1.08) || 1] },
        },
        axes: [
          {
            ...axis,
            grid: { show: false },
            space: 64,
            incrs: stepsOver(span_s, relative),
            size: 24,
            gap: 4,
            values: (_, splits) => splits.map((value) => (relative ? (value < 0 ? "" : duration(value)) : span_s > DAY_S ? day(value * 1000) : clock(value * 1000).slice(0, span_s >= 300 ? 5 : 8))),
          },
          { ...axis, ...(STEPS_OF.has(format) ? { incrs: STEPS_OF.get(format) } : {}), size: 62, gap: 6, space: 26, values: (_, splits) => splits.map((value) => now.current.format(value)) },
        ],
        series: [
          {},
          ...names.map((name) => {
            const stroke = colour(name);
            const fill = stroke.replace(/^rgba?\(([^,]+,[^,]+,[^,)]+).*$/, `rgba($1, ${stacked ? 0.28 : 0.1})`);
            return { stroke, width: 1.5, fill, points: { show: false, size: 4, filter: lonely }, spanGaps: false };
          }),
        ],
        bands: stacked ? names.slice(1).map((_, i) => ({ series: [i + 2, i + 1] })) : [],
        hooks: {
          setCursor: [(u) => setAt(u.cursor.idx ?? null)],
          draw: [
            (u) => {
              for (const mark of now.current.marks) {
                const x = Math.round(u.valToPos(mark.at, "x", true));
                if (x < u.bbox.left - 1 || x > u.bbox.left + u.bbox.width + 1) continue;
                const { ctx } = u;
                ctx.save();
                ctx.strokeStyle = ctx.fillStyle = colour(mark.colour ?? "--bad");
                ctx.lineWidth = 1.5 * devicePixelRatio;
                ctx.beginPath();
                ctx.moveTo(x, u.bbox.top);
                ctx.lineTo(x, u.bbox.top + u.bbox.height);
                ctx.stroke();
                if (mark.label) {
                  ctx.font = `600 ${11 * devicePixelRatio}px ${getComputedStyle(document.body).fontFamily}`;
                  ctx.textAlign = "right";
                  ctx.textBaseline = "top";
                  const wide = ctx.measureText(mark.label).width;
                  ctx.fillStyle = colour("--surface");
                  ctx.fillRect(x - wide - 9 * devicePixelRatio, u.bbox.top, wide + 8 * devicePixelRatio, 15 * devicePixelRatio);
                  ctx.fillStyle = ctx.strokeStyle;
                  ctx.fillText(mark.label, x - 5 * devicePixelRatio, u.bbox.top + 2 * devicePixelRatio);
                }
                ctx.restore();
              }
            },
          ],
        },
      },
      data,
      box.current,
    );
    plot.current = made;
    const watch = new ResizeObserver(() => {
      const width = box.current?.clientWidth;
      if (width && width !== made.width) made.setSize({ width, height });
    });
    watch.observe(box.current);
    return () => {
      watch.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [shape, theme, stacked, relative, height, sync, least, span_s]);

  useEffect(() => {
    plot.current?.setData(data);
  }, [data, marks.length]);

  const index = at ?? Math.max(0, t.findLastIndex((_, i) => series.some(({ values }) => values[i] != null)));
  return html`<figure class="chart" aria-label=${label}>
    <div class="chart-plot" ref=${box} style=${{ height: `${height}px` }} />
    <figcaption class="legend">
      <span class="legend-time">${t.length ? (relative ? duration(t[index]) : span_s > HOUR_S ? stamp(t[index] * 1000).slice(0, 16) : clock(t[index] * 1000)) : ""}</span>
      ${series.map(
        (one, i) => html`<span key=${one.label} class="legend-item">
          <i class="swatch" style=${{ background: `var(${hue(one, i)})` }} />
          <span class="legend-name">${one.label}</span>
          <b>${format(one.values[index])}</b>
        </span>`,
      )}
    </figcaption>
  </figure>`;
}
