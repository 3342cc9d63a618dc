/** Crashing a session on purpose, where the server lets it: to see what is written down, and that nobody else notices. */
import "../../style/crash_it.css";
import { cx, html, useEffect, useState } from "../../core/html.js";
import { get, post, seg } from "../../core/api.js";
import { endpointName } from "../../core/endpoints.js";
import { Dialog } from "../../parts/dialog.js";
import { Icon } from "../../parts/icon.js";
import { toast } from "../../parts/toast.js";

const FAULTS = [
  ["raise", "Raise an exception", "A background task of the agent fails with a RuntimeError."],
  ["segfault", "Segmentation fault", "Native code reads where nothing is."],
  ["exit", "Exit", "The program ends its process without a word."],
  ["busy", "Loop for ever", "The event loop never turns again. Its stacks are taken; by default it is ended after 10 seconds."],
  ["sleep", "Sleep for ever", "A call blocks the event loop. Its stacks are taken; by default it is ended after 10 seconds."],
  ["alloc", "Take memory without end", "200 MiB a second, up to its limit."],
  ["forkbomb", "Fork bomb", "Processes that start processes, up to its limit."],
  ["files", "Open files without end", "Up to its limit."],
  ["flood", "Flood its log", "Three seconds of lines; it goes on working, and the log drops what is too much."],
];

/** The button and its dialog; nothing where the server does not allow it. */
export function CrashIt({ row }) {
  const [allowed, setAllowed] = useState(false);
  const [open, setOpen] = useState(false);
  useEffect(() => {
    get("/studio/me").then((me) => setAllowed(me.chaos), () => {});
  }, []);
  if (!allowed) return null;
  return html`<button type="button" class="button" disabled=${!row.pid} title="Make it fail on purpose" onClick=${() => setOpen(true)}><${Icon} name="bolt" />Crash it…</button>
    ${open && html`<${Choice} row=${row} onClose=${() => setOpen(false)} />`}`;
}

function Choice({ row, onClose }) {
  const [fault, setFault] = useState("raise");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(null);
  const name = row.identity || endpointName(row.endpoint, row.bundle);
  const commit = async (event) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      await post(`/workers/${seg(row.id)}/faults`, { fault });
      toast({ text: `${name} was told to fail. Watch this page.`, tone: "ok" });
      onClose();
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  };
  return html`<${Dialog}
    title=${`Crash ${name} on purpose`}
    onClose=${onClose}
    footer=${html`<button type="button" class="button" onClick=${onClose}>Cancel</button><button type="submit" form="crash-it" class="button danger solid" disabled=${busy}>Crash it</button>`}
  >
    <form id="crash-it" class="crash-it" onSubmit=${commit}>
      <p class="muted">What it is doing is lost. Other sessions are not touched: that is what you can see here.</p>
      <div role="radiogroup" aria-label="What shall happen" class="faults">
        ${FAULTS.map(
          ([id, title, about]) => html`<label key=${id} class=${cx("fault", id === fault && "chosen")}>
            <input type="radio" name="fault" value=${id} checked=${id === fault} onChange=${() => setFault(id)} />
            <span><strong>${title}</strong><span class="fault-about muted">${about}</span></span>
          </label>`,
        )}
      </div>
      ${error && html`<p class="fault-error" role="alert">${error.title}${error.detail ? `: ${error.detail}` : ""}</p>`}
    </form>
  <//>`;
}
