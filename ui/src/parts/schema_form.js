/**
 * A form made from a JSON Schema, with what is wrong said beside each field, and the same value as JSON text for
 * what no form can show.
 */

import { useId } from "preact/hooks";
import { cx, html, useLayoutEffect, useMemo, useRef, useState } from "../core/html.js";
import { at, choiceOf, initial, isRequired, kindOf, prune, put, resolve, validate } from "./schema.js";

const LONG_TEXT = 80;

/**
 * @param {object} given
 * @param {any} given.schema           JSON Schema of the arguments
 * @param {string} given.submit        text of the button
 * @param {(value: any) => void} given.onSubmit   called with a valid value
 * @param {boolean} [given.busy]       nothing can be changed or sent now
 * @param {boolean} [given.running]    because of a run
 * @param {any} [given.start]          a value to begin with
 */
export function SchemaForm({ schema, submit, onSubmit, busy = false, running = busy, start = undefined }) {
  const root = schema ?? {};
  const first = () => start ?? initial({ type: "object", properties: {}, ...root }, root) ?? {};
  const [value, setValue] = useState(first);
  const [touched, setTouched] = useState(() => new Set());
  const [asJson, setAsJson] = useState(() => isOnlyRaw(root));
  const [text, setText] = useState(() => JSON.stringify(prune(first()), null, 2));
  const form = useRef(null);
  const errors = useMemo(() => validate(prune(value), root), [value, root]);
  const parsed = useMemo(() => (asJson ? parse(text) : null), [asJson, text]);
  const jsonErrors = useMemo(() => (parsed && !parsed.error ? validate(parsed.value, root) : new Map()), [parsed, root]);

  const touch = (place) => setTouched((old) => (old.has(place) ? old : new Set(old).add(place)));
  const everything = touched.has("*");
  const field = {
    root,
    busy,
    error: (place) => (everything || touched.has(place) ? errors.get(place) : undefined),
    touch,
  };

  function toTab(json) {
    if (json === asJson) return;
    if (json) setText(JSON.stringify(prune(value), null, 2));
    else if (parsed && !parsed.error) setValue(parsed.value);
    setAsJson(json);
  }

  function send(event) {
    event.preventDefault();
    if (busy) return;
    touch("*");
    if (asJson) {
      if (!parsed.error && jsonErrors.size === 0) onSubmit(parsed.value);
      return;
    }
    if (errors.size === 0) onSubmit(prune(value));
    else requestAnimationFrame(() => form.current?.querySelector("[aria-invalid=true]")?.focus());
  }

  const keys = (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) send(event);
  };
  return html`<form class="schema-form" ref=${form} onSubmit=${send} onKeyDown=${keys} novalidate autocomplete="off">
    <div class="form-tabs" role="tablist" aria-label="How to write the arguments">
      <button type="button" role="tab" aria-selected=${!asJson} onClick=${() => toTab(false)} disabled=${asJson && Boolean(parsed?.error)}>Form</button>
      <button type="button" role="tab" aria-selected=${asJson} onClick=${() => toTab(true)}>JSON</button>
    </div>
    ${
      asJson
        ? html`<${JsonText} text=${text} onText=${setText} error=${parsed?.error ?? firstError(jsonErrors)} busy=${busy} label="Arguments as JSON" />`
        : html`<${Properties} schema=${resolve(root, root)} value=${value} onValue=${setValue} place="" field=${field} />`
    }
    ${!asJson && everything && errors.has("") && html`<p class="error" role="alert">The whole ${errors.get("")}.</p>`}
    <div class="form-end">
      <button type="submit" class="button primary" disabled=${busy}>${running ? "Running…" : submit}</button>
      ${everything && !asJson && errors.size > 0 && html`<span class="error" role="status">${errors.size === 1 ? "One field needs" : `${errors.size} fields need`} another look.</span>`}
    </div>
  </form>`;
}

/** The properties of an object, one field each. */
function Properties({ schema, value, onValue, place, field }) {
  const properties = Object.entries(schema.properties ?? {});
  if (!properties.length) return html`<p class="muted">It takes no arguments.</p>`;
  const given = value && typeof value === "object" ? value : {};
  return properties.map(([name, child]) => {
    const change = (next) => {
      const made = { ...given };
      put(made, name, next);
      onValue(made);
    };
    return html`<${Field} key=${name} name=${name} schema=${child} required=${isRequired(schema, name)} value=${given[name]} onValue=${change} place=${at(place, name)} field=${field} />`;
  });
}

/** One value with its label, description and error. */
function Field({ name, schema, required, value, onValue, place, field, onRemove = null }) {
  const id = useId();
  const resolved = useMemo(() => resolve(schema, field.root), [schema, field.root]);
  const kind = kindOf(resolved);
  const error = field.error(place);
  const label = resolved.title && resolved.title !== name ? `${name} · ${resolved.title}` : name;
  const about = [resolved.description, hint(resolved, kind)].filter(Boolean);
  const described = cx(about.length && `${id}-about`, error && `${id}-error`) || undefined;
  const shared = { id, resolved, value, onValue, place, field, required, kind, invalid: Boolean(error), described };
  const grouped = kind === "object" || kind === "array";
  const control = html`<${CONTROLS[kind] ?? Raw} ...${shared} />`;
  const notes = html`${about.length > 0 && html`<p class="hint" id=${`${id}-about`}>${about.join(" · ")}</p>`}
    ${error && html`<p class="error" id=${`${id}-error`}>${fieldName(name)} ${error}.</p>`}`;
  const remove = onRemove && html`<button type="button" class="button quiet small" onClick=${onRemove} aria-label=${`Remove ${name}`} disabled=${field.busy}>×</button>`;
  if (grouped) {
    return html`<fieldset class=${cx("field", "group", error && "invalid")} aria-describedby=${described}>
      <legend>${label}${required && !onRemove && html`<span class="required" title="required"> *</span>`} ${remove}</legend>
      ${notes}${control}
    </fieldset>`;
  }
  return html`<div class=${cx("field", `is-${kind}`, error && "invalid")}>
    <label for=${id}>${label}${required && !onRemove && html`<span class="required" title="required"> *</span>`}</label>
    <div class="field-row">${control}${remove}</div>
    ${notes}
  </div>`;
}

function Text({ id, resolved, value, onValue, place, field, invalid, described, required }) {
  const type = INPUT_TYPES[resolved.format];
  const isLong = !type && ((resolved.maxLength ?? 0) > LONG_TEXT || (typeof value === "string" && (value.length > LONG_TEXT || value.includes("\n"))) || resolved.format === "multiline");
  const change = (event) => {
    const text = event.currentTarget.value;
    onValue(text === "" ? (resolved.nullable && required ? null : undefined) : text);
  };
  const given = {
    id,
    value: typeof value === "string" ? value : value == null ? "" : String(value),
    onInput: change,
    onBlur: () => field.touch(place),
    "aria-invalid": invalid,
    "aria-describedby": described,
    "aria-required": required,
    disabled: field.busy,
    placeholder: example(resolved),
    dir: "auto",
  };
  return isLong ? html`<textarea class="textarea" ...${given} rows="4"></textarea>` : html`<input class="input" type=${type ?? "text"} step=${type === "time" ? 1 : undefined} ...${given} />`;
}

function Numeric({ id, resolved, value, onValue, place, field, invalid, described, required }) {
  // A text until it is a number, so that what is being typed is never taken away.
  const [draft, setDraft] = useState(null);
  const isOurs = draft !== null && (read(draft) ?? null) === (value ?? null);
  const shown = isOurs ? draft : value == null ? "" : String(value);
  const change = (event) => {
    const text = event.currentTarget.value;
    setDraft(text);
    onValue(read(text) ?? (resolved.nullable && required ? null : undefined));
  };
  return html`<input
    id=${id} class="input" type="text" inputmode=${resolved.type === "integer" ? "numeric" : "decimal"} value=${shown} onInput=${change}
    onBlur=${() => {
      if (typeof value === "number") setDraft(null);
      field.touch(place);
    }}
    aria-invalid=${invalid} aria-describedby=${described} aria-required=${required} disabled=${field.busy} placeholder=${example(resolved)} />`;
}

/** A typed number; the text itself when it is none, undefined when there is nothing. */
function read(text) {
  const trimmed = text.trim();
  if (trimmed === "") return undefined;
  const number = Number(trimmed);
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(trimmed) && Number.isFinite(number) ? number : trimmed;
}

function YesNo({ id, resolved, value, onValue, place, field, invalid, described, required }) {
  if (required || resolved.default !== undefined) {
    return html`<input id=${id} type="checkbox" checked=${value === true} onChange=${(event) => onValue(event.currentTarget.checked)} aria-describedby=${described} disabled=${field.busy} />`;
  }
  return html`<${Choose} ...${{ id, value, onValue, place, field, invalid, described, required }} resolved=${{ ...resolved, enum: [true, false] }} names=${["yes", "no"]} />`;
}

function Choose({ id, resolved, value, onValue, place, field, invalid, described, required, names = null }) {
  const options = resolved.enum;
  const chosen = options.findIndex((one) => JSON.stringify(one) === JSON.stringify(value));
  const change = (event) => {
    const index = Number(event.currentTarget.value);
    onValue(index < 0 ? undefined : options[index]);
    field.touch(place);
  };
  return html`<select id=${id} class="select" value=${chosen} onChange=${change} aria-invalid=${invalid} aria-describedby=${described} aria-required=${required} disabled=${field.busy}>
    ${(!required || chosen < 0) && html`<option value="-1">${required ? "Choose…" : "–"}</option>`}
    ${options.map((one, index) => html`<option key=${index} value=${index}>${names?.[index] ?? (typeof one === "string" ? one || "(empty)" : JSON.stringify(one))}</option>`)}
  </select>`;
}

function Constant({ id, resolved, value, onValue, field, required }) {
  if (required) return html`<output id=${id}><code>${JSON.stringify(resolved.const)}</code></output>`;
  return html`<label class="inline"><input id=${id} type="checkbox" checked=${value !== undefined} disabled=${field.busy}
    onChange=${(event) => onValue(event.currentTarget.checked ? resolved.const : undefined)} /> <code>${JSON.stringify(resolved.const)}</code></label>`;
}

function Nested({ resolved, value, onValue, place, field, required }) {
  if (value === undefined || value === null) {
    if (required && !resolved.nullable) {
      // It came in by a default or by JSON without this part.
      return html`<${Properties} schema=${resolved} value=${{}} onValue=${onValue} place=${place} field=${field} />`;
    }
    return html`<button type="button" class="button small" disabled=${field.busy} onClick=${() => onValue(initial(resolved, field.root) ?? {})}>Add</button>`;
  }
  return html`<${Properties} schema=${resolved} value=${value} onValue=${onValue} place=${place} field=${field} />
    ${!required && html`<button type="button" class="button quiet small" disabled=${field.busy} onClick=${() => onValue(undefined)}>Leave it out</button>`}`;
}

function Entries({ resolved, value, onValue, place, field, required }) {
  const list = Array.isArray(value) ? value : [];
  const box = useRef(null);
  const added = useRef(false);
  useLayoutEffect(() => {
    if (!added.current) return;
    added.current = false;
    [...box.current.querySelectorAll(":scope > .field")].at(-1)?.querySelector("input, select, textarea, .entries button")?.focus();
  });
  const add = () => {
    added.current = true;
    onValue([...list, initial(resolved.items, field.root) ?? undefined]);
  };
  const remove = (index) => {
    const rest = list.filter((_, one) => one !== index);
    onValue(rest.length || required ? rest : undefined);
  };
  const full = list.length >= (resolved.maxItems ?? Infinity);
  return html`<div class="entries" ref=${box}>
    ${list.map(
      (one, index) =>
        html`<${Field} key=${index} name=${String(index + 1)} schema=${resolved.items ?? {}} required=${true} value=${one} place=${at(place, index)} field=${field}
          onValue=${(next) => onValue(list.map((old, other) => (other === index ? next : old)))} onRemove=${() => remove(index)} />`,
    )}
    <button type="button" class="button small" onClick=${add} disabled=${field.busy || full}>Add an entry</button>
  </div>`;
}

function OneOf({ id, resolved, value, onValue, place, field, required }) {
  const [chosen, setChosen] = useState(() => choiceOf(resolved, value, field.root));
  const pick = (event) => {
    const index = Number(event.currentTarget.value);
    setChosen(index);
    onValue(initial(resolved.choices[index], field.root));
  };
  const one = resolved.choices[chosen] ?? {};
  const kind = kindOf(one);
  return html`<div class="one-of">
    <select id=${id} class="select" value=${chosen} onChange=${pick} disabled=${field.busy} aria-label="Kind of value">
      ${resolved.choices.map((choice, index) => html`<option key=${index} value=${index}>${choice.title ?? choice.type ?? `choice ${index + 1}`}</option>`)}
    </select>
    <label class="sr-only" for=${`${id}-value`}>Value</label>
    <${CONTROLS[kind] ?? Raw} key=${chosen} id=${`${id}-value`} resolved=${one} value=${value} onValue=${onValue} place=${place} field=${field} required=${required} kind=${kind} invalid=${Boolean(field.error(place))} />
  </div>`;
}

/** What no control shows: a field of JSON. */
function Raw({ id, value, onValue, place, field, described }) {
  const [draft, setDraft] = useState(() => (value === undefined ? "" : JSON.stringify(value, null, 2)));
  const parsed = draft.trim() === "" ? { value: undefined } : parse(draft);
  const change = (text) => {
    setDraft(text);
    const next = text.trim() === "" ? { value: undefined } : parse(text);
    if (!next.error) onValue(next.value);
  };
  return html`<${JsonText} id=${id} text=${draft} onText=${change} error=${parsed.error} busy=${field.busy} described=${described} onBlur=${() => field.touch(place)} rows=${3} label="JSON" />`;
}

function JsonText({ id, text, onText, error, busy, label, described, onBlur, rows = 10 }) {
  return html`<div class="json-text">
    <textarea id=${id} class="textarea mono" rows=${rows} value=${text} onInput=${(event) => onText(event.currentTarget.value)} onBlur=${onBlur} aria-label=${id ? undefined : label}
      aria-describedby=${described} aria-invalid=${Boolean(error)} disabled=${busy} spellcheck="false" autocapitalize="off" dir="ltr"></textarea>
    ${error && html`<p class="error" role="status">${error}</p>`}
  </div>`;
}

const CONTROLS = {
  string: Text,
  number: Numeric,
  integer: Numeric,
  boolean: YesNo,
  enum: Choose,
  const: Constant,
  object: Nested,
  array: Entries,
  choices: OneOf,
  raw: Raw,
};

const INPUT_TYPES = { date: "date", time: "time", email: "email", uri: "url", password: "password" };

function parse(text) {
  try {
    return { value: JSON.parse(text) };
  } catch (error) {
    return { error: `This is not JSON: ${error.message}.` };
  }
}

function firstError(errors) {
  for (const [place, text] of errors) return `${place.slice(1).replaceAll("/", " › ") || "The whole"} ${text}.`;
  return undefined;
}

function isOnlyRaw(root) {
  const resolved = resolve(root, root);
  return kindOf({ type: "object", properties: {}, ...resolved }) === "raw";
}

function fieldName(name) {
  return /^\d+$/.test(name) ? `Entry ${name}` : name;
}

function example({ examples }) {
  return Array.isArray(examples) && examples.length ? String(examples[0]) : undefined;
}

/** The bounds, said before somebody runs into them. */
function hint({ minimum, maximum, exclusiveMinimum, exclusiveMaximum, minItems, maxItems, format }, kind) {
  if (kind === "number" || kind === "integer") {
    const least = minimum ?? (exclusiveMinimum !== undefined ? `more than ${exclusiveMinimum}` : undefined);
    const most = maximum ?? (exclusiveMaximum !== undefined ? `less than ${exclusiveMaximum}` : undefined);
    if (least !== undefined && most !== undefined) return `${least} to ${most}`;
    if (least !== undefined) return minimum !== undefined ? `at least ${least}` : least;
    if (most !== undefined) return maximum !== undefined ? `at most ${most}` : most;
  }
  if (kind === "array" && (minItems || maxItems)) {
    if (minItems && maxItems) return `${minItems} to ${maxItems} entries`;
    return minItems ? `at least ${minItems}` : `at most ${maxItems} entries`;
  }
  if (kind === "string" && ["date-time", "uuid"].includes(format)) return format;
  return "";
}
