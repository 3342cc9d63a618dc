/** The process tree of a session. */
import { html, useMemo } from "../../core/html.js";
import { bytes, duration, plural } from "../../core/format.js";
import { Empty, Loading } from "../../parts/empty.js";
import { Ago } from "../../parts/time.js";
import { MEMORY } from "./rows.js";

export function Processes({ row, processes }) {
  const tree = useMemo(() => ordered(processes ?? []), [processes]);
  if (row.exit) return html`<${Empty} icon="services" title="It has no process any more"><p>All of its processes are gone, and so is everything they held.</p><//>`;
  if (!processes) return html`<div class="session-pane"><${Loading} /></div>`;
  if (!tree.length) return html`<${Empty} icon="services" title="It has no process yet"><p>It waits for its turn to start.</p><//>`;
  return html`<div class="scroll-x" tabindex="0" role="region" aria-label="Processes"><table class="table processes">
    <thead><tr><th>Process</th><th class="right">Pid</th><th>State</th><th class="right" title=${MEMORY}>Memory</th><th class="right">Processor</th><th class="right hide-narrow">Threads</th><th class="hide-medium">Started</th></tr></thead>
    <tbody>
      ${tree.map(
        ({ process, depth, last }) => html`<tr key=${process.pid}>
          <td class="process-name cut" style=${{ paddingLeft: `${14 + depth * 18}px` }}>${depth > 0 && html`<span class="branch" aria-hidden="true">${last ? "└" : "├"}</span>`}<${Named} process=${process} /></td>
          <td class="right">${process.pid}</td>
          <td>${process.state}</td>
          <td class="right">${bytes(process.rss_bytes)}</td>
          <td class="right">${duration(process.cpu_s)}</td>
          <td class="right hide-narrow">${process.threads}</td>
          <td class="hide-medium muted"><${Ago} at=${process.started_at} /></td>
        </tr>`,
      )}
    </tbody>
  </table></div><p class="pane-note muted">${plural(tree.length, "process", "processes")} in its group. The session ends with all of them.</p>`;
}

/** A process by its name, and how it was started where that says more. */
function Named({ process }) {
  const command = process.command.trim();
  // A worker is called "bulkhead: s_… identity@room"; here all but its own name is known.
  const name = process.name.trim().replace(/^bulkhead: s_\w+ /, "");
  return html`<b>${name}</b>${command && command !== process.name.trim() && html` <code class="muted" title=${command}>${command}</code>`}`;
}

/** Parents before their children, each with its depth. */
function ordered(processes) {
  const known = new Set(processes.map((one) => one.pid));
  const below = new Map();
  for (const one of processes) {
    const parent = known.has(one.parent) && one.parent !== one.pid ? one.parent : 0;
    below.set(parent, [...(below.get(parent) ?? []), one]);
  }
  const found = [];
  const walk = (parent, depth) => {
    const children = below.get(parent) ?? [];
    children.forEach((process, i) => {
      found.push({ process, depth, last: i === children.length - 1 });
      if (depth < 30) walk(process.pid, depth + 1);
    });
  };
  walk(0, 0);
  return found;
}
