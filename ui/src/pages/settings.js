/** What the server is set to, and what it keeps for deployment: secrets, API keys, webhooks. */
import { html } from "../core/html.js";
import { route, setQuery } from "../core/router.js";
import { Page } from "../parts/page.js";
import { Tabs } from "../parts/tabs.js";
import { InForce } from "./settings/in_force.js";
import { ApiKeys } from "./settings/keys.js";
import { Secrets } from "./settings/secrets.js";
import { Webhooks } from "./settings/webhooks.js";

const TABS = [
  { id: "settings", label: "Settings", body: InForce },
  { id: "secrets", label: "Secrets", body: Secrets },
  { id: "keys", label: "API keys", body: ApiKeys },
  { id: "webhooks", label: "Webhooks", body: Webhooks },
];

export function Settings() {
  const asked = route.value.query.get("tab");
  const tab = TABS.find(({ id }) => id === asked) ?? TABS[0];
  return html`<${Page} title="Settings" class="settings">
    <${Tabs} label="Parts of settings" current=${tab.id} tabs=${TABS} onChange=${(id) => setQuery({ tab: id === "settings" ? null : id, q: null, changed: null }, { push: true })} />
    <${tab.body} />
  <//>`;
}
