/** What sessions used, added up by whom or where. */
import { html, useState } from "../../core/html.js";
import { get } from "../../core/api.js";
import { endpointName } from "../../core/endpoints.js";
import { NONE, bytes, count, duration, number } from "../../core/format.js";
import { useResource } from "../../core/resource.js";
import { Empty, Failed, Loading } from "../../parts/empty.js";
import { Table } from "../../parts/table.js";

const BY = [
  ["endpoint", "Endpoint"],
  ["identity", "Identity"],
  ["room", "Room"],
  ["session", "Session"],
  ["day", "Day"],
];
const SINCE = [
  ["", "All that is known"],
  ["1h", "The last hour"],
  ["24h", "The last day"],
  ["168h", "The last week"],
];

const numbers = (name, label, show, more = {}) => ({ id: name, label, align: "right", first: "desc", sort: (row) => row[name], cell: (row) => show(row[name]), ...more });
const COLUMNS = [
  numbers("sessions", "Sessions", count),
  numbers("restarts", "Restarts", count, { hide: "medium" }),
  numbers("turns", "Turns", count, { hide: "narrow" }),
  numbers("messages", "Messages", count, { hide: "medium" }),
  numbers("cpu_s", "Processor", duration),
  numbers("peak_bytes", "Peak memory", bytes),
  numbers("memory_gib_s", "GiB · s", number, { hide: "medium" }),
  numbers("tokens_in", "Tokens in", count, { hide: "narrow" }),
  numbers("tokens_out", "Tokens out", count, { hide: "narrow" }),
  { id: "cost", label: "Cost", align: "right", first: "desc", sort: (row) => row.cost_usd, cell: cost },
];

/** `$1.94`, and that a part is not known where a model has no price. */
function cost(row) {
  const tokens = row.tokens_in + row.tokens_out;
  if (!tokens) return NONE;
  const known = row.cost_usd ? (row.cost_usd < 0.01 ? "<$0.01" : `$${row.cost_usd.toFixed(2)}`) : row.unpriced_tokens ? "" : "$0";
  if (!row.unpriced_tokens) return known;
  return html`<span title=${`${count(row.unpriced_tokens)} tokens without a price`}>${known ? `${known} + ?` : "?"}</span>`;
}

export function UsageTable() {
  const [by, setBy] = useState("endpoint");
  const [since, setSince] = useState("");
  const query = `by=${by}${since ? `&since=${since}` : ""}`;
  const { data, error, reload } = useResource(({ signal }) => get(`/usage?${query}`, { signal }), [by, since], { every_s: 10 });
  const name = BY.find(([id]) => id === by)[1];
  const columns = [{ id: "name", label: name, class: "grow", sort: (row) => row.name, cell: (row) => html`<span class="mono" title=${row.name}>${(by === "endpoint" ? endpointName(row.name) : row.name) || NONE}</span>` }, ...COLUMNS];
  const rows = (data?.rows ?? []).map((row) => ({ ...row, name: row[data.by] }));
  return html`
    <div class="usage-choice">
      <${Choice} label="By" options=${BY} value=${by} onChange=${setBy} />
      <${Choice} label="Ended within" options=${SINCE} value=${since} onChange=${setSince} />
    </div>
    ${error && !data && html`<${Failed} error=${error} retry=${reload} />`}
    ${!data && !error && html`<${Loading} rows=${5} label="Loading usage" />`}
    ${data && !rows.length && html`<${Empty} icon="services" title="Nothing was used"><p>Sessions that run, or that ended in this time, are added up here.</p><//>`}
    ${data && rows.length > 0 && html`<${Table} label=${`Usage by ${by}`} columns=${columns} rows=${rows} rowKey=${(row) => row.name} initialSort=${{ by: "cpu_s", down: true }} grow=${true} keys>
        <${Total} total=${data.total} prices=${data} />
      <//>`}
  `;
}

const Total = ({ total, prices }) => html`<p class="usage-sum">
  Together <strong>${count(total.sessions)}</strong> sessions, <strong>${duration(total.cpu_s)}</strong> of processor, <strong>${number(total.memory_gib_s)}</strong> GiB · s of memory, <strong>${count(total.tokens_in + total.tokens_out)}</strong> tokens${total.tokens_in + total.tokens_out > 0 && html`, <strong>${cost(total)}</strong>`}.${" "}
  <span class="muted">List prices of ${prices.prices_as_of}, without discounts.${prices.unpriced.length ? ` No price for ${prices.unpriced.join(", ")}: set usage.prices.` : ""}</span>
</p>`;

const Choice = ({ label, options, value, onChange }) => html`<label class="choice"><span class="muted">${label}</span>
  <select class="select" value=${value} onChange=${(event) => onChange(event.currentTarget.value)}>
    ${options.map(([id, text]) => html`<option key=${id} value=${id} selected=${id === value}>${text}</option>`)}
  </select>
</label>`;
