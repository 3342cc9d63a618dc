/** The tools that are offered in the room, and a form to call one. */

import { cx, html } from "../../core/html.js";
import { setQuery } from "../../core/router.js";
import { Empty, Loading } from "../../parts/empty.js";
import { invoke } from "../../room/invoke.js";
import { Run } from "./run.js";
import { isTaskTool } from "./tasks.js";

export function ToolsTab({ view, asked, onCallIn }) {
  if (view.toolkits.value === null) return html`<${Loading} label="Asking who offers tools" />`;
  const tools = allTools(view);
  if (!tools.length) {
    return html`<${Empty} icon="tool" title="No tools are offered here">
      <p>A toolkit that is hosted in the room shows its tools here. The tools an agent has for itself are its own.</p>
      <p><button type="button" class="button" onClick=${onCallIn}>Call in…</button></p>
    <//>`;
  }
  const of = asked.get("of");
  const current = tools.find((one) => one.id === of) ?? tools.find((one) => one.host === of || one.toolkit === of) ?? tools[0];
  const kits = [...new Set(tools.map((one) => one.toolkit))];
  const run = (input, signal) => invoke(view.client, { toolkit: current.toolkit, tool: current.name, host: current.hostId, input, signal });
  return html`<div class="pick-and-run">
    <div class="pick" aria-label="Tools">
      ${kits.map((kit) => {
        const own = tools.filter((one) => one.toolkit === kit);
        return html`<section key=${kit}>
          <h3 title=${own[0].kitAbout}><span dir="auto">${kit}</span>${own[0].host && own[0].host !== kit && html`<span class="muted"> by ${own[0].host}</span>`}</h3>
          <ul>${own.map((one) => html`<li key=${one.id}><button type="button" class=${cx("pick-item", one === current && "current")} aria-current=${one === current ? "true" : undefined} onClick=${() => setQuery({ of: one.id }, { push: true })}>
            <strong>${one.name}</strong><span class="hint">${one.about}</span></button></li>`)}</ul>
        </section>`;
      })}
    </div>
    <div class="run-pane" key=${current.id}>
      <h2>Call tool: ${current.title}</h2>
      <p class="muted"><code>${current.toolkit}.${current.name}</code>${current.about && ` · ${current.about}`}</p>
      <${Run} runs=${view.runs} what=${{ kind: "tool", name: current.toolkit, tool: current.name }} schema=${current.schema} submit="Call tool" run=${run} disabled=${view.state.value === "open" ? "" : "Out of the room; it can be called once you are back."} />
    </div>
  </div>`;
}

/** Every tool of the room that is not a task. */
export function allTools(view) {
  const names = new Map(view.people.value.map((one) => [one.id, one.name]));
  const found = [];
  for (const [toolkit, kit] of Object.entries(view.toolkits.value ?? {})) {
    for (const [name, tool] of Object.entries(kit.tools)) {
      if (isTaskTool(name)) continue;
      found.push({
        id: `${toolkit}.${name}`,
        toolkit,
        name,
        title: String(tool.title || name),
        about: String(tool.description ?? ""),
        kitAbout: String(kit.description ?? ""),
        schema: withDefs(tool.input_schema, tool.defs),
        hostId: kit.participant_id,
        host: names.get(kit.participant_id) ?? "",
      });
    }
  }
  return found;
}

/** Definitions travel beside the schema that refers to them. */
function withDefs(schema, defs) {
  if (!schema || typeof schema !== "object") return {};
  return defs && typeof defs === "object" ? { $defs: defs, ...schema } : schema;
}
