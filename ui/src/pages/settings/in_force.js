/** Every setting with its value, where it came from, and how to change it. */
import { html, useMemo } from "../../core/html.js";
import { get } from "../../core/api.js";
import { useResource } from "../../core/resource.js";
import { route, setQuery } from "../../core/router.js";
import { Badge } from "../../parts/badge.js";
import { Copy } from "../../parts/copy.js";
import { Empty, Failed, Loading } from "../../parts/empty.js";
import { Filter, matches } from "../../parts/filter.js";
import { Card } from "../../parts/page.js";

const GROUPS = { server: "Server", supervisor: "Sessions", limits: "Limits", log: "Log" };

export function InForce() {
  const query = route.value.query;
  const wanted = query.get("q") ?? "";
  const changed = query.get("changed") === "1";
  const { data, error, reload } = useResource(({ signal }) => get("/settings", { signal }), []);
  const all = data?.settings ?? [];
  const groups = useMemo(() => {
    const found = new Map();
    for (const one of all) {
      if (changed && one.source === "default") continue;
      if (!matches(wanted, [one.name, one.env, one.help, one.source, one.secret ? "" : String(one.value)])) continue;
      const group = one.name.split(".")[0];
      found.set(group, [...(found.get(group) ?? []), one]);
    }
    return [...found];
  }, [data, wanted, changed]);
  return html`
    ${data &&
    html`<div class="toolbar">
      <${Filter} value=${wanted} onInput=${(q) => setQuery({ q })} placeholder="Filter settings" />
      <label class="check"><input type="checkbox" checked=${changed} onChange=${(event) => setQuery({ changed: event.currentTarget.checked ? "1" : null })} /> only changed</label>
    </div>`}
    ${error && !data && html`<${Failed} error=${error} retry=${reload} />`}
    ${!data && !error && html`<${Loading} rows=${10} label="Loading settings" />`}
    ${data && html`<p class="muted">Flags win over the environment, the environment over <code>bulkhead.toml</code>, that over the defaults. They are read when the server starts.</p>`}
    ${data &&
    !groups.length &&
    html`<${Empty} icon="search" title=${wanted ? "No setting matches" : "Everything is at its default"}><button class="button" onClick=${() => setQuery({ q: null, changed: null })}>Show all</button><//>`}
    ${groups.map(
      ([group, rows]) => html`<${Card} key=${group} title=${GROUPS[group] ?? group} flush>
        <ul class="settings-list">${rows.map((one) => html`<${Setting} key=${one.name} setting=${one} />`)}</ul>
      <//>`,
    )}
  `;
}

function Setting({ setting }) {
  const { name, env, value, source, help, secret } = setting;
  const [group, ...rest] = name.split(".");
  return html`<li class="setting">
    <div class="setting-name"><span class="mono"><span class="muted">${rest.length ? `${group}.` : ""}</span>${rest.length ? rest.join(".") : name}</span><p class="setting-help muted">${help}</p></div>
    <div class="setting-value mono">${shown(value, secret)}</div>
    <div class="setting-source"><${Badge} tone=${source === "default" ? "" : "ok"}>${source === `env ${env}` ? "environment" : source}<//><span class="setting-env mono muted">${env}</span><${Copy} text=${env} title=${`Copy ${env}`} /></div>
  </li>`;
}

function shown(value, secret) {
  if (value === "" || value === null) return html`<span class="muted">${secret ? "not set" : "empty"}</span>`;
  if (secret) return html`<span title="A secret; it never leaves the server">•••</span>`;
  if (value === true || value === false) return value ? "yes" : "no";
  return String(value);
}
