/** What ended badly, by kind and place; and inputs that are parked because they killed their sessions. */
import "../style/crashes.css";
import { html, useEffect, useMemo } from "../core/html.js";
import { del, get, seg } from "../core/api.js";
import { endpointName } from "../core/endpoints.js";
import { count, instant, plural } from "../core/format.js";
import { crashes, row } from "../core/live.js";
import { useResource } from "../core/resource.js";
import { navigate, route, setQuery, url } from "../core/router.js";
import { Dot, words } from "../parts/badge.js";
import { confirm } from "../parts/dialog.js";
import { Empty, Failed, Loading } from "../parts/empty.js";
import { Filter, matches } from "../parts/filter.js";
import { Card, Page } from "../parts/page.js";
import { Table } from "../parts/table.js";
import { Ago } from "../parts/time.js";
import { toast, toastError } from "../parts/toast.js";
import { shortPlace, visible } from "./crash/words.js";

const place = (group) => shortPlace(group.where, null).replace(/^.*\/(?=[^/]+:\d+)/, "");

const narrow = matchMedia("(max-width: 699.98px)");

const COLUMNS = [
  {
    id: "sentence",
    label: "What happened",
    class: "grow",
    sort: (group) => group.sentence,
    cell: (group) => html`<a class="crash-link" href=${url("/crashes", group.fingerprint)}>
      <span class="tone-bad"><${Dot} tone="bad" /></span>
      <span class="crash-text"><span class="crash-sentence" title=${visible(group.sentence)}>${visible(group.sentence)}</span>
        <span class="crash-where muted"><span class="crash-brief">${count(group.count)}× · <${Ago} at=${group.last_at} /> · </span>${group.where ? html`<span class="mono" title=${group.where}>${place(group)}</span>` : words(group.reason)}</span></span>
    </a>`,
  },
  { id: "count", label: "Times", hide: "narrow", align: "right", first: "desc", sort: (group) => group.count, cell: (group) => count(group.count) },
  { id: "endpoint", label: "Endpoint", hide: "narrow", sort: (group) => endpointName(group.endpoint, group.bundle), cell: (group) => html`<span class="mono" title=${group.endpoint}>${endpointName(group.endpoint, group.bundle)}</span>` },
  { id: "last", label: "Last", hide: "narrow", first: "desc", sort: (group) => instant(group.last_at), cell: (group) => html`<${Ago} at=${group.last_at} />` },
  { id: "first", label: "First", first: "desc", hide: "medium", sort: (group) => instant(group.first_at), cell: (group) => html`<${Ago} at=${group.first_at} />` },
  {
    id: "generation",
    label: "Since code",
    align: "right",
    hide: "medium",
    sort: (group) => group.code_generation || null,
    cell: (group) => (group.code_generation ? html`<span title=${`The code that brought it: generation ${group.code_generation} of ${group.bundle}, sha256 ${group.code_sha256.slice(0, 12)}`}>gen ${group.code_generation}</span>` : "–"),
  },
];

export function Crashes() {
  const groups = crashes.value;
  const query = route.value.query;
  const wanted = query.get("q") ?? "";
  const sort = { by: query.get("by") ?? "last", down: query.get("down") !== "0" };
  const shown = useMemo(
    () => (groups ?? []).filter((group) => matches(wanted, [group.sentence, group.cure, group.where, group.endpoint, endpointName(group.endpoint, group.bundle), group.bundle, group.kind, words(group.reason), group.fingerprint, group.session_id])),
    [groups, wanted],
  );
  return html`<${Page}
    title="Crashes"
    fill=${Boolean(groups?.length)}
    class="crashes"
    meta=${groups ? html`<span class="muted">${groups.length ? plural(groups.length, "kind") : ""}</span>` : null}
    actions=${groups?.length ? html`<${Filter} value=${wanted} onInput=${(q) => setQuery({ q })} placeholder="Filter crashes" />` : null}
  >
    <${Parked} groups=${groups} />
    ${groups === null
      ? html`<${Loading} rows=${6} label="Loading crashes" />`
      : groups.length === 0
        ? html`<${Empty} icon="crashes" title="Nothing has crashed">
            <p>When a session ends badly, its report stands here: the sentence, the line of source, and what to do about it.</p>
          <//>`
        : shown.length === 0
          ? html`<${Empty} icon="search" title="No crash matches"><p>Nothing here has “${wanted}” in its sentence, place or endpoint.</p><button class="button" onClick=${() => setQuery({ q: null })}>Show all</button><//>`
          : html`<${Table}
              label="Crashes by kind"
              columns=${COLUMNS}
              rows=${shown}
              rowKey=${(group) => group.fingerprint}
              rowHeight=${narrow.matches ? 66 : 48}
              keys
              sort=${sort}
              onSort=${({ by, down }) => setQuery({ by, down: down ? null : "0" })}
              onOpen=${(group) => navigate(url("/crashes", group.fingerprint))}
            />`}
  <//>`;
}

/** Parked inputs, each with its release; nothing when none is. */
function Parked({ groups }) {
  const { data, error, reload } = useResource(({ signal }) => get("/quarantine", { signal }), [], { every_s: 15 });
  // A parked input shows as one more crash.
  const total = (groups ?? []).reduce((sum, group) => sum + group.count, 0);
  useEffect(reload, [total]);
  if (error && !data) return html`<${Failed} error=${error} retry=${reload} />`;
  const inputs = data?.inputs ?? [];
  if (!inputs.length) return null;
  const release = async (one) => {
    const agreed = await confirm({
      title: "Release this input?",
      text: `Calls of ${endpointName(one.endpoint)} into ${one.room || "a room"} with this input start sessions again. If it kills ${one.deaths === 1 ? "one" : one.deaths} more, it is parked again.`,
      action: "Release",
    });
    if (!agreed) return;
    try {
      await del(`/quarantine/${seg(one.hash)}`);
      toast({ text: `Released: ${endpointName(one.endpoint)} takes this input again.`, tone: "ok" });
      reload();
    } catch (failure) {
      toastError(failure);
    }
  };
  return html`<${Card} title="Parked inputs" class="parked">
    <p class="muted">These inputs killed their sessions again and again; calls with them are refused until you release them.</p>
    <ul class="parked-list">
      ${inputs.map(
        (one) => html`<li key=${one.hash}>
          <span class="tone-warn"><${Dot} tone="warn" /></span>
          <div class="parked-text">
            <p><strong class="mono" title=${one.endpoint}>${endpointName(one.endpoint)}</strong>${one.room ? html` in <a href=${url("/rooms", one.room)}>${one.room}</a>` : ""}: killed ${plural(one.deaths, "session")} · <${Ago} at=${one.parked_at} /></p>
            <p class="muted">${visible(one.message)}${one.message && !/[.!?]$/.test(one.message) ? "." : ""} ${row(one.session) || one.session ? html`<a href=${url("/sessions", one.session, "crash")}>Report</a>` : ""}</p>
          </div>
          <button class="button" onClick=${() => release(one)}>Release…</button>
        </li>`,
      )}
    </ul>
  <//>`;
}
