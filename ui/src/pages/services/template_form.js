/** The values of a template, asked for as a form: choices, secrets, addresses, texts. */
import { html } from "../../core/html.js";
import { Field } from "../../parts/form_dialog.js";

/** `problems` are the server's; one about a value stands at its field once that was touched or `isTried`. */
export function TemplateForm({ variables, values, onChange, problems, touched, onTouch, isTried }) {
  if (!variables.length) return html`<p class="muted">The template takes no values.</p>`;
  return html`<div class="form template-form">
    ${variables.map((one) => {
      const found = problems.find(({ path }) => path === `values.${one.name}`);
      const error = found && (isTried || touched.has(one.name)) ? found.text : "";
      const id = `value-${one.name}`;
      const given = {
        id,
        "aria-invalid": error ? "true" : undefined,
        "aria-describedby": error || one.description ? `${id}-hint` : undefined,
        "aria-required": one.is_optional ? undefined : "true",
        value: values[one.name] ?? "",
        onBlur: () => onTouch(one.name),
      };
      const set = (event) => onChange({ ...values, [one.name]: event.currentTarget.value });
      return html`<${Field} key=${one.name} name=${id} label=${html`${one.title || one.name}${one.is_optional && html` <span class="muted">optional</span>`}`} hint=${one.description || " "} error=${error}>${control(one, given, set)}<//>`;
    })}
  </div>`;
}

function control(one, given, set) {
  if (one.words.length)
    return html`<select class="select" ...${given} onChange=${set}>
      <option value="">${one.is_optional ? "(none)" : "Choose…"}</option>
      ${one.words.map((word) => html`<option key=${word} value=${word}>${word}</option>`)}
    </select>`;
  if (one.is_obscure) return html`<input class="input mono" type="password" autocomplete="new-password" ...${given} onInput=${set} />`;
  if (one.kind === "email") return html`<input class="input" type="email" autocomplete="email" placeholder="ada@example.org" ...${given} onInput=${set} />`;
  return html`<input class="input" type="text" spellcheck=${false} ...${given} onInput=${set} />`;
}
