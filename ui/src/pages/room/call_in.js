/** Call an endpoint into a room: every call is a session, in a process of its own. */

import { post } from "../../core/api.js";
import { html, useState } from "../../core/html.js";
import { endpointName } from "../../core/endpoints.js";
import { endpoints, sessions } from "../../core/live.js";
import { url } from "../../core/router.js";
import { Dialog } from "../../parts/dialog.js";
import { Empty, Loading } from "../../parts/empty.js";
import { toast, toastError } from "../../parts/toast.js";

export function CallIn({ room, onClose }) {
  const [busy, setBusy] = useState("");
  const call = async (path) => {
    setBusy(path);
    try {
      const answer = await post(path.split("/").map(encodeURIComponent).join("/"), { event: "room.call", data: { room_name: room } });
      const id = answer?.session;
      toast({ text: `${endpointName(path)} is on its way into ${room}.`, tone: "ok", ...(id && { link: url("/sessions", id), linkText: "Session" }) });
      onClose();
    } catch (error) {
      toastError(error);
      setBusy("");
    }
  };
  const known = endpoints.value;
  return html`<${Dialog} title=${`Call in to ${room}`} onClose=${onClose}>
    ${known === null && html`<${Loading} rows=${2} label="Loading the endpoints" />`}
    ${known?.length === 0 && html`<${Empty} icon="services" title="No endpoint is served"><p>Add a program with a <code>ServiceHost</code> to the agents folder.</p><//>`}
    <ul class="call-in">
      ${known?.map((one) => {
        const there = sessions.value?.filter((row) => row.endpoint === one.path && row.room === room && !row.exit).length ?? 0;
        const failed = one.state === "failed";
        return html`<li key=${one.path}>
          <div>
            <strong>${one.identity || endpointName(one.path, one.bundle)}</strong> <code title=${one.path}>${endpointName(one.path, one.bundle)}</code>
            <p class=${failed ? "error" : "hint"}>${failed ? one.error || "Its program could not be loaded." : there ? `${there === 1 ? "One is" : `${there} are`} in this room; another call adds one more.` : "Not in this room."}</p>
          </div>
          <button type="button" class="button" disabled=${failed || busy !== ""} onClick=${() => call(one.path)} aria-label=${`Call ${endpointName(one.path, one.bundle)} in`}>${busy === one.path ? "Calling…" : "Call in"}</button>
        </li>`;
      })}
    </ul>
  <//>`;
}
