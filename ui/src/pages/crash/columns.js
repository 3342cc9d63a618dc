/** What was read of a session over time, as columns for charts.  Pure. */

/** Readings closer together than this say nothing of a rate: the kernel counts in hundredths of a second. */
const LEAST_GAP_S = 0.1;

/** Columns for the charts; null where too little was read for a curve. */
export function columns(read) {
  // A process that has ended has no memory: a look that came too late says nothing of how it was.
  const curve = read.filter((point) => point.rss_bytes > 0);
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
