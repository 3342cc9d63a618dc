/** A form for a tool or a task, and its runs in this room: ours, and what the room remembers of everybody's. */

import { clock, duration } from "../../core/format.js";
import { html, useEffect, useRef, useState } from "../../core/html.js";
import { serverNow } from "../../core/live.js";
import { Dot } from "../../parts/badge.js";
import { SchemaForm } from "../../parts/schema_form.js";
import { toastError } from "../../parts/toast.js";
import { Content, Json } from "./result.js";

const SHOWN_FIRST = 10;

/**
 * @param {object} given
 * @param {import("../../room/runs.js").Runs} given.runs
 * @param {{kind: "task"|"tool", name: string, tool?: string}} given.what
 * @param {any} given.schema  of the arguments
 * @param {string} given.submit
 * @param {(input: any, signal: AbortSignal) => Promise<any>} given.run  resolves to a content
 */
export function Run({ runs, what, schema, submit, run, disabled = "" }) {
  const [again, setAgain] = useState({ count: 0, start: undefined });
  const [shown, setShown] = useState(SHOWN_FIRST);
  const results = useRef(null);
  const { kind, name, tool = "" } = what;
  const all = runs.all.value.filter((one) => one.kind === kind && one.name === name && one.tool === tool);
  const busy = all.some((one) => one.isMine && one.tookMs === null);
  const start = async (input) => {
    await runs.start({ kind, name, tool, input }, run);
    requestAnimationFrame(() => results.current?.scrollIntoView({ block: "nearest" }));
  };
  const fill = (input) => setAgain({ count: again.count + 1, start: input });
  return html`
    ${disabled && html`<p class="notice tone-warn"><${Dot} tone="warn" /><span>${disabled}</span></p>`}
    <${SchemaForm} key=${again.count} schema=${schema} submit=${submit} busy=${busy || Boolean(disabled)} running=${busy} start=${again.start} onSubmit=${start} />
    <div class="runs" ref=${results} role="status" aria-live="polite" aria-label="Runs">
      ${all.slice(0, shown).map((one, index) => html`<${OneRun} key=${one.key} runs=${runs} one=${one} isNewest=${index === 0 && one.isMine} onFill=${fill} onAgain=${disabled || busy ? null : start} />`)}
      ${all.length > shown && html`<button type="button" class="button small" onClick=${() => setShown(shown + 50)}>Show earlier runs (${all.length - shown} more)</button>`}
    </div>`;
}

function OneRun({ runs, one, isNewest, onFill, onAgain }) {
  const isCut = one.content?.type === "cut" || typeof one.input?.cut_bytes === "number";
  const isHidden = hasHidden(one.input);
  const isOver = one.tookMs !== null;
  const [tone, word] = one.error ? ["bad", "Failed"] : isOver ? ["ok", "Result"] : one.isMine || serverNow() - one.at < ABANDONED_MS ? ["busy", "Running"] : ["idle", "Never ended"];
  const load = (event) => event.currentTarget.open && isCut && runs.whole(one).catch(toastError);
  return html`<details class="run" open=${isNewest} onToggle=${load}>
    <summary>
      <span class=${`state tone-${tone}`}><${Dot} tone=${tone} />${word}</span>
      <span class="muted">${clock(one.at)}${isOver ? ` · ${duration(one.tookMs / 1000)}` : word === "Running" ? html` · <${Elapsed} since=${one.at} />` : ""}${one.by && !one.isMine && ` · by ${one.by}`}</span>
      ${!isOver && one.isMine && html`<button type="button" class="button small spread" onClick=${(event) => (event.preventDefault(), runs.stop(one.key))}>Stop</button>`}
    </summary>
    ${one.error ? html`<p class="run-error">${one.error}</p>` : one.content && (one.content.type === "cut" ? html`<p class="muted">Loading what it answered…</p>` : html`<${Content} content=${one.content} />`)}
    <details class="run-input"><summary class="muted">Arguments</summary><${Json} value=${one.input} />
      <p class="buttons">
        <button type="button" class="button small" onClick=${() => onFill(one.input)}>Put into the form</button>
        <button type="button" class="button small" disabled=${!onAgain || isCut || isHidden} title=${isHidden ? "A secret among its arguments was not kept: put them into the form, and write it anew" : undefined} onClick=${() => onAgain(one.input)}>Run again</button>
      </p></details>
  </details>`;
}

/** Whether the room kept a secret out of it. */
const hasHidden = (input) => JSON.stringify(input ?? null).includes("•••");

/** A run of somebody else whose end was never told is given up after this long. */
const ABANDONED_MS = 3_600_000;

/** How long it has been going on. */
function Elapsed({ since }) {
  const [, look] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => look((n) => n + 1), 1000);
    return () => clearInterval(timer);
  }, []);
  return html`<span>${duration(Math.max(0, Math.floor((Date.now() - since) / 1000)))}</span>`;
}
