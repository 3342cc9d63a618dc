/** The room's tables: rows page by page, found by words and filters, and changed. */

import { html, useEffect, useMemo, useState } from "../../core/html.js";
import { setQuery } from "../../core/router.js";
import { Empty, Failed, Loading } from "../../parts/empty.js";
import { Icon } from "../../parts/icon.js";
import { Table } from "../../parts/table.js";
import { PAGE_ROWS, columnsOf, count, listTables, namespace, search, shown } from "../../room/tables.js";
import { Row } from "./row.js";

const SHOWN_CHARS = 200;

export function TablesTab({ view, asked }) {
  const [spaceText, setSpaceText] = useState("");
  const [tables, setTables] = useState(null);
  const [error, setError] = useState(null);
  const [again, setAgain] = useState(0);
  const isOpen = view.state.value === "open";
  const space = useMemo(() => namespace(spaceText), [spaceText]);
  useEffect(() => {
    if (!isOpen) return undefined;
    let stale = false;
    listTables(view.client, space).then(
      (found) => {
        if (stale) return;
        setTables(found);
        setError(null);
      },
      (failed) => stale || setError(failed),
    );
    return () => (stale = true);
  }, [isOpen, space, again]);

  const reload = () => setAgain(again + 1);
  const wanted = asked.get("of");
  const current = tables?.includes(wanted) ? wanted : tables?.[0];
  return html`<div class="tables">
    <div class="toolbar">
      ${tables?.length > 0 && html`<label class="field inline">Table <select class="select" value=${current} onChange=${(event) => setQuery({ tab: "tables", of: event.currentTarget.value })}>${tables.map((name) => html`<option key=${name} value=${name}>${name}</option>`)}</select></label>`}
      <label class="field inline">Namespace <input class="input" value=${spaceText} placeholder="of the room" maxlength="200" autocomplete="off" onChange=${(event) => setSpaceText(event.currentTarget.value.trim())} /></label>
      <span class="spread"></span>
      <button type="button" class="button" disabled=${!isOpen} onClick=${reload}><${Icon} name="reload" size=${14} />Look again</button>
    </div>
    ${
      error
        ? html`<${Failed} error=${{ title: "The tables could not be listed", detail: error.message }} retry=${reload} />`
        : tables === null
          ? html`<${Loading} label="Listing the tables" />`
          : current === undefined
            ? html`<${Empty} icon="stack" title=${space ? "No tables in this namespace" : "No tables yet"}><p>Agents make them: <code>room.database.create_table_with_schema(…)</code>, or by requiring one.</p><//>`
            : html`<${OneTable} key=${`${spaceText}/${current}`} view=${view} table=${current} space=${space} again=${again} onChanged=${reload} />`
    }
  </div>`;
}

function OneTable({ view, table, space, again, onChanged }) {
  const [columns, setColumns] = useState(null);
  const [found, setFound] = useState(null);
  const [total, setTotal] = useState(null);
  const [error, setError] = useState(null);
  const [words, setWords] = useState("");
  const [where, setWhere] = useState("");
  const [asked, setAsked] = useState({ words: "", where: "", offset: 0 });
  const [open, setOpen] = useState(undefined);
  const isOpen = view.state.value === "open";
  useEffect(() => {
    if (!isOpen) return undefined;
    let stale = false;
    const what = { table, space, ...asked };
    Promise.all([columnsOf(view.client, table, space), search(view.client, what), count(view.client, what)]).then(
      ([schema, page, all]) => {
        if (stale) return;
        setColumns(schema);
        setFound(page);
        setTotal(all);
        setError(null);
      },
      (failed) => stale || setError(failed),
    );
    return () => (stale = true);
  }, [isOpen, asked, again]);

  const look = (event) => {
    event.preventDefault();
    setAsked({ words: words.trim(), where: where.trim(), offset: 0 });
  };
  const shownColumns = useMemo(
    () =>
      (columns ?? []).map(({ name, type }) => ({
        id: name,
        label: html`<span title=${type.type} dir="auto">${name}</span>`,
        align: type.type === "int" || type.type === "float" ? "right" : undefined,
        cell: (row) => html`<span class="cut" dir="auto">${shown(row.values[name], type).slice(0, SHOWN_CHARS)}</span>`,
      })),
    [columns],
  );
  const rows = useMemo(() => (found?.rows ?? []).map((values, index) => ({ id: String(asked.offset + index), values })), [found]);
  const step = (to) => setAsked({ ...asked, offset: Math.max(0, asked.offset + to) });
  const last = asked.offset + rows.length;
  return html`<form class="toolbar" role="search" onSubmit=${look}>
      <label class="field grow">Words <input class="input" type="search" value=${words} placeholder="in any text" onInput=${(event) => setWords(event.currentTarget.value)} /></label>
      <label class="field grow">Filter <input class="input mono" value=${where} placeholder="price < 3 AND name LIKE 'b%'" spellcheck=${false} dir="ltr" onInput=${(event) => setWhere(event.currentTarget.value)} /></label>
      <button type="submit" class="button" disabled=${!isOpen}><${Icon} name="search" size=${14} />Search</button>
      <button type="button" class="button primary" disabled=${!isOpen || !columns} onClick=${() => setOpen(null)}><${Icon} name="plus" size=${14} />Row</button>
    </form>
    ${
      error
        ? html`<${Failed} error=${{ title: "The rows could not be read", detail: error.message }} retry=${() => setAsked({ ...asked })} />`
        : found === null
          ? html`<${Loading} label="Reading the rows" />`
          : rows.length
            ? html`<${Table} columns=${shownColumns} rows=${rows} rowKey=${(row) => row.id} label=${`Rows of ${table}`} onOpen=${(row) => setOpen(row.values)} grow keys />`
            : html`<${Empty} icon="search" title=${asked.words || asked.where ? "No row fits" : "No rows"}><p>${asked.words || asked.where ? "Take words away, or widen the filter." : "Agents add rows, and so can you."}</p><//>`
    }
    ${
      found !== null &&
      !error &&
      html`<p class="pages"><button type="button" class="button small" disabled=${asked.offset === 0} onClick=${() => step(-PAGE_ROWS)}>Earlier</button>
        <span role="status">${rows.length ? `${(asked.offset + 1).toLocaleString("en-US")}–${last.toLocaleString("en-US")} of ${total.toLocaleString("en-US")}` : `0 of ${total.toLocaleString("en-US")}`}</span>
        <button type="button" class="button small" disabled=${!found.more} onClick=${() => step(PAGE_ROWS)}>Later</button></p>`
    }
    ${
      open !== undefined &&
      html`<${Row} view=${view} table=${table} space=${space} columns=${columns} row=${open} onClose=${() => setOpen(undefined)} onDone=${() => {
        setOpen(undefined);
        onChanged();
      }} />`
    }`;
}
