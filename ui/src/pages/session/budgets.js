/** What a session may use, how much of it is used, and who said so. */
import { html } from "../../core/html.js";
import { bytes, cores, count, duration, NONE, percent } from "../../core/format.js";
import { words } from "../../parts/badge.js";
import { Meter } from "../../parts/sparkline.js";
import { SHARE, shareOfMemory, uptime } from "./rows.js";

/** Name, how it is written, and what is used of it now; null where that is not known from outside. */
const KINDS = {
  memory_bytes: ["Share of memory", bytes, shareOfMemory, bytes, SHARE],
  cpu: ["Processor", cores, (row) => row.cpu_share, percent],
  cpu_total_s: ["Processor time", duration, (row) => row.cpu_s, duration],
  pids: ["Processes and threads", count, (row) => row.threads, count],
  files: ["Open files", count, (row) => row.fds, count],
  file_size_bytes: ["Largest file", bytes, () => null, bytes],
  disk_bytes: ["Disk", bytes, (row) => row.disk_bytes, bytes],
  timeout_s: ["Time", duration, uptime, duration],
  idle_timeout_s: ["Without a message", duration, () => null, duration],
  concurrency: ["Sessions at once", count, () => null, count],
};

/** Who set a limit, as the server says it: `default`, `decorator`, `env BULKHEAD_LIMITS_MEMORY`, a file. */
const said = (source = "") => ({ default: "the server's default", decorator: "said in the code" })[source] ?? source.replace(/^env /, "environment: ");

export function Budgets({ row }) {
  const limits = Object.entries(row.limits ?? {});
  if (!limits.length) return html`<p class="muted">It may use what the machine has.</p>`;
  return html`<ul class="budgets">
    ${limits.map(([id, most]) => {
      const [name, write, used, writeUsed, about] = KINDS[id] ?? [words(id), String, () => null, String];
      const now = row.exit ? null : used(row);
      const source = row.limit_sources?.[id];
      const known = typeof now === "number";
      return html`<li key=${id} class="budget-row">
        <span class="budget-name" title=${about}>${name}</span>
        <span class="budget-value">${known ? html`${writeUsed(now)} <span class="muted">of</span> ` : ""}${write(most) ?? NONE}</span>
        <span class="budget-meter">${known && html`<${Meter} share=${now / most} label=${`${name}: ${writeUsed(now)} of ${write(most)}`} />`}</span>
        <span class="budget-source cut" title=${said(source)}>${said(source)}</span>
      </li>`;
    })}
  </ul>`;
}
