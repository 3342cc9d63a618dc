/** The room's developer log, remembered and live: what agents tell their model, which tools they call, what they report. */

import { clock } from "../../core/format.js";
import { html, useMemo, useState } from "../../core/html.js";
import { Empty } from "../../parts/empty.js";
import { Filter, matches } from "../../parts/filter.js";
import { logLine } from "../../room/log_line.js";
import { Json } from "./result.js";

const SHOWN = 200;

export function LogTab({ view }) {
  const [query, setQuery] = useState("");
  const entries = view.log.value;
  const found = useMemo(() => {
    const all = query.trim() ? entries.filter((one) => matches(query, [one.type, JSON.stringify(one.data)])) : entries;
    return all.slice(-SHOWN).reverse();
  }, [entries, query]);
  if (!entries.length) {
    return html`<${Empty} icon="stack" title="Nothing is in the room's log">
      <p>Here stands what agents write into the room's developer log: their requests to the model, the tools they call, what those answer, tokens; and runs of tasks and tools. The room remembers the newest four megabytes.</p>
    <//>`;
  }
  return html`<div class="room-log">
    <div class="toolbar">
      <${Filter} value=${query} onInput=${setQuery} placeholder="Filter the log" />
      <span class="muted">${found.length} of ${entries.length}</span>
      <button type="button" class="button quiet spread" onClick=${() => (view.log.value = [])}>Clear</button>
    </div>
    <ul>
      ${found.map(
        (one) => html`<li key=${one.id}><details>
          <summary><time class="muted">${clock(one.at, { millis: true })}</time><strong>${one.type}</strong><span class="cut muted">${logLine(one.data)}</span></summary>
          <${Json} value=${one.data} />
        </details></li>`,
      )}
    </ul>
  </div>`;
}
