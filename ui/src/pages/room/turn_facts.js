/** What happened in a turn, folded below its answer: how long what took, and what the model was asked and said. */

import { duration } from "../../core/format.js";
import { html, useState } from "../../core/html.js";
import { toastError } from "../../parts/toast.js";
import { readWhole } from "../../room/history.js";
import { exchangeOf, waterfall } from "../../room/waterfall.js";
import { Json } from "./result.js";

/** @param {{view: any, turn?: any, facts: any[]}} given  `turn` is known only to who was there */
export function TurnFacts({ view, turn, facts }) {
  const of = (type) => facts.filter((fact) => fact.type === type).map((fact) => fact.data);
  const [request] = of("llm.request").slice(-1);
  const results = of("llm.tool_result");
  const calls = of("llm.tool_call").map((call, index) => ({ ...call, result: results.find((one) => one.call_id && one.call_id === call.call_id) ?? results[index] }));
  const usage = of("llm.usage");
  const tokens = usage.reduce((sum, one) => sum + (Number(one.total_tokens) || (Number(one.input_tokens) || 0) + (Number(one.output_tokens) || 0)), 0);
  const model = usage.at(-1)?.model ?? request?.model;
  const told = waterfall(facts);
  const tookMs = turn?.tookMs ?? (told.ended ? told.tookMs : null);
  const parts = [
    Number.isFinite(tookMs) && duration(tookMs / 1000),
    calls.length > 0 && `${calls.length} tool ${calls.length === 1 ? "call" : "calls"}`,
    tokens > 0 && `${tokens.toLocaleString("en-US")} tokens`,
  ].filter(Boolean);
  if (!parts.length && !request && !told.steps.length) return null;
  return html`<details class="turn-facts">
    <summary>${parts.join(" · ") || "How it was answered"}</summary>
    <${Waterfall} view=${view} told=${told} />
    <dl class="facts">
      ${Number.isFinite(turn?.firstMs) && html`<div><dt>First words</dt><dd>after ${duration(turn.firstMs / 1000)}</dd></div>`}
      ${model && html`<div><dt>Model</dt><dd>${String(model)}</dd></div>`}
      ${Array.isArray(request?.rules) && request.rules.length > 0 && html`<div><dt>Rules</dt><dd><ul class="rules">${request.rules.map((rule, index) => html`<li key=${index}>${String(rule)}</li>`)}</ul></dd></div>`}
      ${Array.isArray(request?.tools) && html`<div><dt>Tools it had</dt><dd>${request.tools.length ? request.tools.join(", ") : "none"}</dd></div>`}
      ${calls.map(
        (call, index) => html`<div key=${index}><dt>Called</dt><dd>
          <code>${String(call.name)}</code>
          ${call.arguments !== undefined && html`<${Json} value=${call.arguments} label="Arguments" />`}
          ${call.result?.output !== undefined && html`<${Json} value=${call.result.output} label="Result" />`}
        </dd></div>`,
      )}
    </dl>
  </details>`;
}

const KINDS = { wait: "waited", model: "model", stream: "answer", tool: "tool" };

/** A bar for each step, where and as long as it was; the model's lead to what it was asked. */
function Waterfall({ view, told }) {
  const { steps, tookMs } = told;
  if (!steps.length) return null;
  const share = (ms) => `${((100 * ms) / Math.max(1, tookMs)).toFixed(2)}%`;
  return html`<ol class="waterfall" aria-label="Steps">
    ${steps.map((step, index) => {
      const took = `${duration((step.to - step.from) / 1000)}${step.isOpen ? ", not ended" : ""}`;
      const ids = step.kind === "model" ? exchangeOf(step) : [];
      return html`<li key=${index}>
        <span class="step-name cut" title=${step.name}>${step.kind === "wait" || step.kind === "stream" ? KINDS[step.kind] : step.name}</span>
        <span class="step-track"><span class=${`step-bar step-${step.kind}`} style=${{ left: share(step.from), width: share(step.to - step.from) }}></span></span>
        <span class="step-took muted">${took}</span>
        ${ids.length > 0 && html`<${Exchange} view=${view} ids=${ids} />`}
      </li>`;
    })}
  </ol>`;
}

/** What the model was asked, word for word but for secrets, and what it answered; fetched when it is opened. */
function Exchange({ view, ids }) {
  const [entries, setEntries] = useState(null);
  const load = (event) => {
    if (event.currentTarget.open && !entries) readWhole(view.client, ids).then(setEntries, toastError);
  };
  const of = (type) => entries?.find((one) => one.type === type)?.data;
  const shown = (data) => data && Object.fromEntries(Object.entries(data).filter(([name]) => !["path", "turn_id", "round"].includes(name)));
  return html`<details class="exchange" onToggle=${load}>
    <summary>What the model was asked, and said</summary>
    ${
      entries === null
        ? html`<p class="muted">Loading…</p>`
        : entries.length === 0
          ? html`<p class="muted">The room does not remember it any more.</p>`
          : html`${of("llm.model_request") && html`<${Json} value=${shown(of("llm.model_request"))} label="Request" />`}
              ${of("llm.model_answer") && html`<${Json} value=${shown(of("llm.model_answer"))} label="Answer" />`}`
    }
  </details>`;
}
