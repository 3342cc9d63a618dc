/** One row of a table: looked at, changed, added, deleted. */

import { html, useState } from "../../core/html.js";
import { plural } from "../../core/format.js";
import { confirm, Dialog } from "../../parts/dialog.js";
import { toast } from "../../parts/toast.js";
import { count, edited, insert, likeRow, remove, shown, typed, update } from "../../room/tables.js";

/**
 * @param row null for a new one
 * @param onDone is called when the table is no longer as it was
 */
export function Row({ view, table, space, columns, row, onClose, onDone }) {
  const [texts, setTexts] = useState(() => Object.fromEntries(columns.map(({ name, type }) => [name, edited(row?.[name], type)])));
  const [empty, setEmpty] = useState(() => Object.fromEntries(columns.map(({ name, type }) => [name, type.type === "text" && (row?.[name] ?? null) === null])));
  const [wrong, setWrong] = useState({});
  const [failed, setFailed] = useState("");
  const [busy, setBusy] = useState(false);
  const where = row && likeRow(row, columns);

  const values = () => {
    const given = {};
    const told = {};
    for (const { name, type } of columns) {
      if (type.type === "binary") continue;
      if (row && texts[name] === edited(row[name], type) && empty[name] === (type.type === "text" && (row[name] ?? null) === null)) continue;
      try {
        given[name] = empty[name] ? null : typed(texts[name], type);
      } catch (error) {
        told[name] = error.message;
      }
    }
    setWrong(told);
    return Object.keys(told).length ? null : given;
  };
  const run = async (work, said) => {
    setBusy(true);
    setFailed("");
    try {
      if (!(await work())) return;
      toast({ text: said, tone: "ok" });
      onDone();
    } catch (error) {
      setFailed(error.message);
    } finally {
      setBusy(false);
    }
  };
  /** Rows have no number of their own, so one that is like others in all is changed with them. */
  const agreed = async (title, action, tone) => {
    const alike = await count(view.client, { table, space, where });
    if (alike === 1) return tone !== "bad" || confirm({ title, text: "It is deleted for everybody in the room.", action, tone });
    if (alike === 0) throw new Error("The row is not there any more: somebody changed it.");
    return confirm({ title, text: `${plural(alike, "row")} are alike in all that can be compared. All of them will be.`, action, tone });
  };
  const save = (event) => {
    event.preventDefault();
    const given = values();
    if (given === null) return;
    if (row && !Object.keys(given).length) return onClose();
    run(
      async () => {
        if (!row) await insert(view.client, table, space, given);
        else if (await agreed("Change the row?", "Change", "")) await update(view.client, table, space, where, given);
        else return false;
        return true;
      },
      row ? "The row is changed." : "The row is added.",
    );
  };
  const drop = () =>
    run(async () => {
      if (!(await agreed("Delete the row?", "Delete", "bad"))) return false;
      await remove(view.client, table, space, where);
      return true;
    }, "The row is deleted.");

  const field = ({ name, type }) => {
    const id = `cell-${name}`;
    const label = html`<label for=${id} dir="auto">${name} <span class="muted">${type.type}${type.type === "vector" ? ` of ${type.size}` : ""}</span></label>`;
    if (type.type === "binary") return html`<div class="field" key=${name}>${label}<output id=${id} class="muted">${shown(row?.[name], type) || "nothing"}</output></div>`;
    const change = (event) => {
      setTexts({ ...texts, [name]: event.currentTarget.value });
      setEmpty({ ...empty, [name]: false });
    };
    const long = ["text", "vector", "list", "struct"].includes(type.type);
    const given = { id, value: texts[name], "aria-invalid": Boolean(wrong[name]), "aria-describedby": `${id}-told`, onInput: change, dir: "auto", autocomplete: "off" };
    return html`<div class="field" key=${name}>${label}
      ${long ? html`<textarea class="textarea" rows=${texts[name].length > 60 ? 4 : 1} ...${given}></textarea>` : html`<input class="input" ...${given} />`}
      ${type.type === "text" && type.nullable !== false && html`<label class="check"><input type="checkbox" checked=${empty[name]} onChange=${(event) => setEmpty({ ...empty, [name]: event.currentTarget.checked })} />No value</label>`}
      ${wrong[name] && html`<p id=${`${id}-told`} class="error" role="alert">${wrong[name]}</p>`}</div>`;
  };
  return html`<${Dialog} title=${row ? "Row" : "New row"} onClose=${onClose}
    footer=${html`${row && html`<button type="button" class="button danger" disabled=${busy || !where} onClick=${drop}>Delete</button>`}<span class="spread"></span>
      <button type="button" class="button" onClick=${onClose}>Cancel</button><button type="submit" form="row-form" class="button primary" disabled=${busy || (row && !where)}>${row ? "Save" : "Add"}</button>`}>
    <form id="row-form" class="row-form" onSubmit=${save}>${columns.map(field)}</form>
    ${row && !where && html`<p class="muted">Nothing in this row can be compared, so it cannot be told from others here.</p>`}
    ${failed && html`<p class="error" role="alert">${failed}</p>`}
  <//>`;
}
