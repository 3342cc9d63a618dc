/** A table that sorts, is walked by keys, and renders only the rows in sight. */
import { cx, html, signal, useEffect, useLayoutEffect, useMemo, useRef, useState } from "../core/html.js";
import { useKeys } from "../core/keys.js";
import { returned } from "../core/router.js";

const AROUND = 12;
/** How tables were left, by their labels, for a reader who comes back. */
const left = new Map();

/**
 * A table of `rows`.
 *
 * Every row has one height (`rowHeight`), which is what makes a thousand of them cheap: those out of sight are
 * two spacers.  It scrolls inside itself and fills the height its container gives it; with `grow` it is as tall as its rows (for short lists).
 * Without an order, or when the reader takes it away, rows come as they are given.
 *
 * @param columns `[{id, label, cell(row), sort(row)?, align: "right"?, title?, class?, width?, hide: "narrow"|"medium"?, first: "desc"?}]`;
 *   a column without `sort` cannot be sorted by
 *   `span(row)` on a column: over how many columns its cell reaches
 * @param rowKey `(row) => string`; a row that is changed where it is has another number `rev` afterwards
 * @param onOpen `(row) => void`, by click and Enter
 * @param sort `{by, down}` and `onSort(next)`; without them the table keeps its own, from `initialSort`
 * @param rowTone `(row) => "bad" | … | ""`
 * @param keys whether j, k and Enter belong to this table (one per page)
 */
export function Table({ columns, rows, rowKey, onOpen, sort, onSort, initialSort = null, rowTone, rowHeight = 36, grow = false, keys = false, label = "Table", children }) {
  const [own, setOwn] = useState(initialSort);
  const order = onSort ? sort : own;
  const setOrder = onSort ?? setOwn;
  const [selected, setSelected] = useState(() => (returned ? left.get(label)?.selected ?? null : null));
  const box = useRef(null);
  const [range, setRange] = useState([0, 60]);

  const sorted = useMemo(() => {
    const column = order && columns.find((one) => one.id === order.by);
    if (!column?.sort) return rows;
    const keyed = rows.map((row, index) => [column.sort(row), index, row]);
    keyed.sort((a, b) => compare(a[0], b[0]) * (order.down ? -1 : 1) || a[1] - b[1]);
    return keyed.map((one) => one[2]);
  }, [rows, order?.by, order?.down, columns]);

  const look = () => {
    const element = box.current;
    if (!element || grow) return;
    const first = Math.max(0, Math.floor(element.scrollTop / rowHeight) - AROUND);
    const last = Math.ceil((element.scrollTop + element.clientHeight) / rowHeight) + AROUND;
    setRange((was) => (was[0] === first && was[1] === last ? was : [first, last]));
  };
  useLayoutEffect(look, [rows.length === 0]);
  const now = useRef({});
  now.current.selected = selected;
  useLayoutEffect(() => {
    const element = box.current;
    if (returned && left.has(label)) element.scrollTop = left.get(label).top;
    look();
    return () => left.set(label, { selected: now.current.selected, top: element.scrollTop });
  }, []);
  useEffect(() => {
    const watch = new ResizeObserver(look);
    watch.observe(box.current);
    return () => watch.disconnect();
  }, []);

  const move = (step) => {
    if (!sorted.length) return;
    const at = sorted.findIndex((row) => rowKey(row) === selected);
    const next = Math.max(0, Math.min(sorted.length - 1, at < 0 ? (step > 0 ? 0 : sorted.length - 1) : at + step));
    setSelected(rowKey(sorted[next]));
    const element = box.current;
    const head = element.querySelector("thead")?.offsetHeight ?? 0;
    if (grow) element.querySelectorAll("tbody tr.row")[next]?.scrollIntoView({ block: "nearest" });
    else if (next * rowHeight < element.scrollTop) element.scrollTop = next * rowHeight;
    else if ((next + 1) * rowHeight + head > element.scrollTop + element.clientHeight) element.scrollTop = (next + 1) * rowHeight + head - element.clientHeight;
  };
  useKeys(
    keys
      ? {
          j: () => move(1),
          k: () => move(-1),
          Enter: () => {
            const row = sorted.find((one) => rowKey(one) === selected);
            if (row) onOpen?.(row);
          },
        }
      : {},
    keys ? [["j k", "Next, previous row"], ["Enter", "Open the row"]] : [],
  );

  const first = grow ? 0 : Math.min(range[0], Math.max(0, sorted.length - 1));
  const last = grow ? sorted.length : Math.min(range[1], sorted.length);
  now.current.click = (row, event) => {
    if (event.target.closest("a, button, input, summary") || String(getSelection())) return;
    setSelected(rowKey(row));
    onOpen?.(row);
  };
  return html`<div class=${cx("table-box", grow && "grow")} ref=${box} onScroll=${look} tabindex=${grow ? undefined : -1}>
    <table class="table" aria-label=${label} aria-rowcount=${sorted.length}>
      <thead>
        <tr>
          ${columns.map((column) => {
            const on = order?.by === column.id;
            return html`<th
              key=${column.id}
              scope="col"
              title=${column.title}
              class=${cx(column.align === "right" && "right", column.class, column.hide && `hide-${column.hide}`)}
              style=${column.width ? { width: column.width } : undefined}
              aria-sort=${on ? (order.down ? "descending" : "ascending") : undefined}
            >
              ${column.sort
                ? html`<button type="button" class=${cx("sort", on && "on")} onClick=${() => setOrder(following(order, column))}>
                    ${column.label}<span class="arrow" aria-hidden="true">${on ? (order.down ? "↓" : "↑") : "↕"}</span>
                  </button>`
                : column.label}
            </th>`;
          })}
        </tr>
      </thead>
      <tbody>
        ${first > 0 && html`<tr key="above" class="spacer" aria-hidden="true"><td style=${{ height: `${first * rowHeight}px` }} /></tr>`}
        ${sorted.slice(first, last).map((row) => {
          const id = rowKey(row);
          return html`<${Row} key=${id} row=${row} rev=${row.rev} columns=${columns} tone=${rowTone?.(row) || ""} isSelected=${id === selected} opens=${Boolean(onOpen)} table=${now} />`;
        })}
        ${last < sorted.length && html`<tr key="below" class="spacer" aria-hidden="true"><td style=${{ height: `${(sorted.length - last) * rowHeight}px` }} /></tr>`}
      </tbody>
    </table>
    ${children}
  </div>`;
}

/** Never changes; who reads a signal is drawn again only with other properties, or when one that it read has changed. */
const still = signal(0);

function Row({ row, columns, tone, isSelected, opens, table }) {
  void still.value;
  return html`<tr class=${cx("row", tone && `row-${tone}`, opens && "opens", isSelected && "selected")} aria-selected=${isSelected ? "true" : undefined} onClick=${opens ? (event) => table.current.click(row, event) : undefined}>
    ${cells(columns, row)}
  </tr>`;
}

function cells(columns, row) {
  const made = [];
  for (let i = 0; i < columns.length; ) {
    const column = columns[i];
    const span = column.span?.(row) ?? 1;
    made.push(html`<td key=${column.id} colspan=${span > 1 ? span : undefined} class=${cx(column.align === "right" && "right", column.class, column.hide && `hide-${column.hide}`)}>${column.cell(row)}</td>`);
    i += span;
  }
  return made;
}

/** A column is sorted by one way, then the other, then not at all. */
function following(order, column) {
  const first = column.first === "desc";
  if (order?.by !== column.id) return { by: column.id, down: first };
  return order.down === first ? { by: column.id, down: !first } : null;
}

function compare(a, b) {
  const [noA, noB] = [a === null || a === undefined || a === "", b === null || b === undefined || b === ""];
  if (noA || noB) return noA - noB;
  return typeof a === "string" ? a.localeCompare(b, undefined, { numeric: true }) : a - b;
}
