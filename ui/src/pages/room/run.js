/** A form for a tool or a task, and what its last runs answered. */

import { clock, duration } from "../../core/format.js";
import { html, useRef, useState } from "../../core/html.js";
import { Dot } from "../../parts/badge.js";
import { SchemaForm } from "../../parts/schema_form.js";
import { Content, Json } from "./result.js";

const KEPT = 10;

/**
 * @param {object} given
 * @param {any} given.schema  of the arguments
 * @param {string} given.submit
 * @param {(input: any) => Promise<any>} given.run  resolves to a content
 */
export function Run({ schema, submit, run, disabled = "" }) {
  const [busy, setBusy] = useState(false);
  const [runs, setRuns] = useState([]);
  const [again, setAgain] = useState({ count: 0, start: undefined });
  const results = useRef(null);
  const start = async (input) => {
    setBusy(true);
    const at = Date.now();
    const done = { id: at, at, input };
    try {
      done.content = await run(input);
    } catch (error) {
      done.error = `${error.message.charAt(0).toUpperCase()}${error.message.slice(1)}`;
    }
    done.tookMs = Date.now() - at;
    setBusy(false);
    setRuns((old) => [done, ...old].slice(0, KEPT));
    requestAnimationFrame(() => results.current?.scrollIntoView({ block: "nearest" }));
  };
  return html`
    ${disabled && html`<p class="notice tone-warn"><${Dot} tone="warn" /><span>${disabled}</span></p>`}
    <${SchemaForm} key=${again.count} schema=${schema} submit=${submit} busy=${busy || Boolean(disabled)} running=${busy} start=${again.start} onSubmit=${start} />
    <div class="runs" ref=${results} role="status" aria-live="polite">
      ${runs.map(
        (one, index) => html`<details key=${one.id} class="run" open=${index === 0}>
          <summary>
            <span class=${one.error ? "state tone-bad" : "state tone-ok"}><${Dot} tone=${one.error ? "bad" : "ok"} />${one.error ? "Failed" : "Result"}</span>
            <span class="muted">${clock(one.at)} · ${duration(one.tookMs / 1000)}</span>
          </summary>
          ${one.error ? html`<p class="run-error">${one.error}</p>` : html`<${Content} content=${one.content} />`}
          <details class="run-input"><summary class="muted">Arguments</summary><${Json} value=${one.input} />
            <button type="button" class="button small" onClick=${() => setAgain({ count: again.count + 1, start: one.input })}>Put into the form</button></details>
        </details>`,
      )}
    </div>`;
}
