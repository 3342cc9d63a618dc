/** Services that are kept for rooms: all of them, and how they go. */
import { html, useMemo } from "../../core/html.js";
import { get } from "../../core/api.js";
import { imageName } from "../../core/format.js";
import { ofProject } from "../../core/project.js";
import { useResource } from "../../core/resource.js";
import { navigate, setQuery, url } from "../../core/router.js";
import { State } from "../../parts/badge.js";
import { Empty, Failed, Loading } from "../../parts/empty.js";
import { matches } from "../../parts/filter.js";
import { Icon } from "../../parts/icon.js";
import { Table } from "../../parts/table.js";
import { Ago } from "../../parts/time.js";
import { everywhere } from "./fares.js";

const LOOK_S = 2;

const COLUMNS = [
  { id: "name", label: "Service", sort: (one) => one.name, cell: (one) => html`<a href=${url("/services", one.id)}><strong>${one.name}</strong></a>` },
  { id: "room", label: "Room", sort: (one) => one.room, cell: (one) => (one.room ? html`<a href=${`${url("/rooms", one.room)}?tab=services`}>${one.room}</a>` : html`<span class="muted">every room</span>`) },
  { id: "state", label: "State", sort: (one) => everywhere(one).word, cell: (one) => html`<${Fares} service=${one} />` },
  { id: "image", label: "Image", hide: "narrow", sort: (one) => one.image, cell: (one) => (one.image ? html`<span class="mono" title=${one.image}>${imageName(one.image)}</span>` : html`<span class="muted">runs elsewhere</span>`) },
  { id: "revision", label: "Revision", align: "right", hide: "narrow", sort: (one) => one.revision, cell: (one) => one.revision },
  { id: "restarts", label: "Restarts", align: "right", hide: "medium", sort: restarts, first: "desc", cell: (one) => restarts(one) || "" },
  { id: "changed", label: "Changed", hide: "medium", sort: (one) => one.updated_at, first: "desc", cell: (one) => html`<${Ago} at=${one.updated_at} />` },
];

function Fares({ service }) {
  const { tone, word, sentence } = everywhere(service);
  return html`<span title=${sentence}><${State} tone=${tone}>${word}<//>${sentence && tone !== "idle" && html` <span class="muted">${sentence}</span>`}</span>`;
}

function restarts(service) {
  return Object.values(service.states).reduce((sum, state) => sum + state.restart_count, 0);
}

export function Deployed({ wanted }) {
  const { data, error, reload } = useResource(async ({ signal }) => get(await ofProject("service-states"), { signal }), [], { every_s: LOOK_S });
  const shown = useMemo(() => (data?.services ?? []).filter((one) => matches(wanted, [one.name, one.room, one.image, everywhere(one).word])), [data, wanted]);
  if (error && !data) return html`<${Failed} error=${error} retry=${reload} />`;
  if (!data) return html`<${Loading} rows=${5} label="Loading services" />`;
  if (!data.services.length)
    return html`<${Empty} icon="services" title="No service is deployed">
      <p>A service is a manifest that this server keeps: whoever enters a room first starts it, in a container or as a process.</p>
      <p><a class="button primary" href=${url("/services", "new")}><${Icon} name="plus" />New service</a></p>
      <p><code>bulkhead service create FILE --room ROOM</code> does the same.</p>
    <//>`;
  if (!shown.length) return html`<${Empty} icon="search" title="No service matches"><button class="button" onClick=${() => setQuery({ q: null })}>Show all</button><//>`;
  return html`<${Table} label="Deployed services" columns=${COLUMNS} rows=${shown} rowKey=${(one) => one.id} rowTone=${(one) => (everywhere(one).tone === "bad" ? "bad" : "")} onOpen=${(one) => navigate(url("/services", one.id))} grow keys />`;
}
