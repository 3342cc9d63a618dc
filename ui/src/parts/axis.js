/** Where the lines of a chart's axes stand.  Pure. */
import { bytes, count } from "../core/format.js";

export const [HOUR_S, DAY_S] = [3600, 86400];
/** Steps of an axis of seconds since a beginning. */
const SECONDS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400, 172800, 604800];
/** Steps of an axis of bytes: 1, 2, 4, 8 … 512 of each unit. */
const BYTE_STEPS = Array.from({ length: 50 }, (_, i) => 2 ** i);
/** Steps of an axis of things that are counted: 1, 2, 5, 10 … */
const COUNT_STEPS = Array.from({ length: 36 }, (_, i) => [1, 2, 5][i % 3] * 10 ** Math.floor(i / 3));
/** Steps of an axis by how its values are written; others are for the chart to find. */
export const STEPS_OF = new Map([[bytes, BYTE_STEPS], [count, COUNT_STEPS]]);

/** Steps of an axis of time: none finer than how its labels are written.  Pure. */
export const stepsOver = (span_s, relative = false) => (relative || span_s < 300 ? SECONDS : SECONDS.slice(SECONDS.indexOf(span_s > DAY_S ? DAY_S : 60)));
