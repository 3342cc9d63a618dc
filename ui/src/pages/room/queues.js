/** The room's queues: how many messages wait, and sending one. */

import { html, useEffect, useState } from "../../core/html.js";
import { rooms } from "../../core/live.js";
import { confirm } from "../../parts/dialog.js";
import { Empty, Loading } from "../../parts/empty.js";
import { Table } from "../../parts/table.js";
import { toast, toastError } from "../../parts/toast.js";

const LOOK_MS = 3_000;

export function QueuesTab({ view, room }) {
  const [queues, setQueues] = useState(null);
  const [name, setName] = useState("");
  const [text, setText] = useState("{}");
  const [told, setTold] = useState("");
  const isOpen = view.state.value === "open";
  const news = JSON.stringify(rooms.value?.find((one) => one.name === room)?.queues ?? null);
  const load = () => view.client.ask("queues.list").then((answer) => setQueues(answer?.queues ?? []), () => {});
  useEffect(() => {
    if (!isOpen) return undefined;
    load();
    const timer = setInterval(() => document.hidden || load(), LOOK_MS);
    return () => clearInterval(timer);
  }, [isOpen, news]);

  const send = async (event) => {
    event.preventDefault();
    let message;
    try {
      message = JSON.parse(text);
    } catch (error) {
      setTold(`This is not JSON: ${error.message}.`);
      return;
    }
    if (message === null || typeof message !== "object" || Array.isArray(message)) {
      setTold('A message is a JSON object, such as {"task": "sum"}.');
      return;
    }
    setTold("");
    try {
      await view.client.request("queues.send", { name: name.trim(), create: true, message });
      toast({ text: `Sent to the queue ${name.trim()}.`, tone: "ok" });
      load();
    } catch (error) {
      toastError(error);
    }
  };
  const drain = async (queue) => {
    const agreed = await confirm({ title: `Empty ${queue.name}?`, text: `${queue.size} waiting messages are thrown away. Nobody will have worked on them.`, action: "Empty it", tone: "bad" });
    if (!agreed) return;
    await view.client.request("queues.drain", { name: queue.name }).catch(toastError);
    load();
  };
  const columns = [
    { id: "name", label: "Queue", sort: (queue) => queue.name, cell: (queue) => html`<button type="button" class="link" title="Send to this queue" onClick=${() => setName(queue.name)} dir="auto">${queue.name}</button>` },
    { id: "size", label: "Waiting", align: "right", sort: (queue) => queue.size, cell: (queue) => queue.size.toLocaleString("en-US") },
    { id: "drain", label: html`<span class="sr-only">Actions</span>`, align: "right", cell: (queue) => html`<button type="button" class="button small quiet danger" disabled=${queue.size === 0} onClick=${() => drain(queue)} aria-label=${`Empty ${queue.name}`}>Empty</button>` },
  ];
  return html`<div class="queues">
    ${queues === null ? html`<${Loading} rows=${2} label="Listing the queues" />` : queues.length ? html`<${Table} columns=${columns} rows=${queues} rowKey=${(queue) => queue.name} label="Queues" grow />` : html`<${Empty} icon="stack" title="No queues yet"><p>A queue is made by the first message sent to it. Workers take its messages one by one.</p><//>`}
    <form class="queue-form" onSubmit=${send}>
      <h3>Send a message</h3>
      <div class="field"><label for="queue-name">Queue</label><input id="queue-name" class="input" required value=${name} maxlength="200" autocomplete="off" onInput=${(event) => setName(event.currentTarget.value)} /></div>
      <div class="field"><label for="queue-message">Message, a JSON object</label>
        <textarea id="queue-message" class="textarea mono" rows="4" value=${text} spellcheck=${false} dir="ltr" aria-invalid=${Boolean(told)} aria-describedby="queue-told" onInput=${(event) => setText(event.currentTarget.value)}></textarea>
        ${told && html`<p id="queue-told" class="error" role="alert">${told}</p>`}</div>
      <button type="submit" class="button primary" disabled=${!isOpen || !name.trim()}>Send</button>
    </form>
  </div>`;
}
