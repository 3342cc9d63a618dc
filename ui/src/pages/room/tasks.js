/** "Run task…": agents that take one question and give one answer. */

import { cx, html } from "../../core/html.js";
import { setQuery } from "../../core/router.js";
import { Empty, Loading } from "../../parts/empty.js";
import { ask, invoke } from "../../room/invoke.js";
import { Run } from "./run.js";

const TASK_TOOL = /^run_(.+)_task$/;

export function TasksTab({ view, asked, onCallIn }) {
  if (view.agents.value === null) return html`<${Loading} label="Asking who runs tasks" />`;
  const tasks = allTasks(view);
  if (!tasks.length) {
    return html`<${Empty} icon="agent" title="Nobody here runs tasks">
      <p>A TaskRunner takes arguments that fit its schema and answers once.</p>
      <p><button type="button" class="button" onClick=${onCallIn}>Call in…</button></p>
    <//>`;
  }
  const task = tasks.find((one) => one.name === asked.get("of")) ?? tasks[0];
  const run = (input, signal) => (task.tool ? invoke(view.client, { ...task.tool, input, signal }) : ask(view.client, task.name, input, signal));
  const what = task.tool ? { kind: "tool", name: task.tool.toolkit, tool: task.tool.tool } : { kind: "task", name: task.name };
  return html`<div class="pick-and-run">
    <ul class="pick" aria-label="Agents that run tasks">
      ${tasks.map((one) => html`<li key=${one.name}><button type="button" class=${cx("pick-item", one === task && "current")} aria-current=${one === task ? "true" : undefined} onClick=${() => setQuery({ of: one.name }, { push: true })}>
        <strong dir="auto">${one.name}</strong><span class="hint">${one.about}</span></button></li>`)}
    </ul>
    <div class="run-pane" key=${task.name}>
      <h2>Run task: <span dir="auto">${task.title}</span></h2>
      ${task.about && html`<p class="muted">${task.about}</p>`}
      <${Run} runs=${view.runs} what=${what} schema=${task.schema} submit="Run task" run=${run} disabled=${view.state.value === "open" ? "" : "Out of the room; it can be run once you are back."} />
    </div>
  </div>`;
}

/** Task runners that said so, and those of newer clients, which are toolkits of one tool. */
export function allTasks(view) {
  const tasks = (view.agents.value ?? []).map((agent) => ({
    name: String(agent.name),
    title: String(agent.title || agent.name),
    about: String(agent.description ?? ""),
    schema: agent.input_schema ?? {},
    tool: null,
  }));
  const known = new Set(tasks.map((one) => one.name));
  for (const [toolkit, kit] of Object.entries(view.toolkits.value ?? {})) {
    for (const [name, tool] of Object.entries(kit.tools)) {
      const of = TASK_TOOL.exec(name)?.[1];
      if (!of || known.has(of)) continue;
      tasks.push({ name: of, title: tool.title || of, about: String(tool.description ?? ""), schema: tool.input_schema ?? {}, tool: { toolkit, tool: name, host: kit.participant_id } });
    }
  }
  return tasks;
}

/** Whether a tool only runs a task, and stands under Tasks already. */
export function isTaskTool(name) {
  return TASK_TOOL.test(name);
}
