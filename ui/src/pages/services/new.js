/** A new service: written from a beginning that works, or pasted. */
import { html, useState } from "../../core/html.js";
import { create } from "../../core/kept_services.js";
import { navigate, route, url } from "../../core/router.js";
import { Page } from "../../parts/page.js";
import { toast } from "../../parts/toast.js";
import { Write } from "./write.js";

const SERVED = `ports:
  - num: "*"
    liveness: /
    endpoints:
      - path: /greeter
        meshagent:
          identity: greeter
container:
  image: registry.example.org/greeter:1
`;
const begun = (kind) => `version: v1
kind: ${kind}
metadata:
  name: greeter
`;
const SERVICE = `${begun("Service")}${SERVED}`;
const TEMPLATE = `${begun("ServiceTemplate")}variables:
  - name: tone
    title: Tone
    enum: [brief, friendly]
  - name: owner
    title: Who answers for it
    type: email
  - name: search_key
    title: Key of the search
    obscure: true
    optional: true
${SERVED}  environment:
    - name: TONE
      value: "{tone}"
    - name: OWNER
      value: "{owner}"
    - name: SEARCH_KEY
      value: "{search_key}"
`;

export function NewService() {
  const [begin, setBegin] = useState({ text: SERVICE, at: 0 });
  const room = route.value.query.get("room") ?? "";
  const made = async (sent, where) => {
    const service = await create(where, sent);
    toast({ text: `${service.metadata.name} is deployed.`, tone: "ok" });
    navigate(url("/services", service.id));
  };
  const others = html`<button type="button" class="button" aria-pressed=${String(begin.text === SERVICE)} onClick=${() => setBegin({ text: SERVICE, at: begin.at + 1 })}>A service</button>
    <button type="button" class="button" aria-pressed=${String(begin.text === TEMPLATE)} onClick=${() => setBegin({ text: TEMPLATE, at: begin.at + 1 })}>A template</button>`;
  return html`<${Page} title="New service" class="services" back=${{ href: `${url("/services")}?tab=deployed`, label: "Services" }} meta=${html`<span class="muted">Begin with</span> ${others}`}>
    <${Write} key=${begin.at} start=${{ text: begin.text, room }} action="Deploy" onSend=${made}><a class="button" href=${`${url("/services")}?tab=deployed`}>Cancel</a><//>
  <//>`;
}
