/** Calling an agent into a room. */
import { html, useEffect, useLayoutEffect, useRef, useState } from "../../core/html.js";
import { get, post } from "../../core/api.js";
import { endpointName } from "../../core/endpoints.js";
import { rooms } from "../../core/live.js";
import { url } from "../../core/router.js";
import { Dialog } from "../../parts/dialog.js";
import { toast } from "../../parts/toast.js";
import { badRoomName } from "../../room/room_name.js";

/** Asks for the room and calls; open as long as it is rendered. */
export function CallDialog({ endpoint, onClose }) {
  const [room, setRoom] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(null);
  const field = useRef(null);
  useEffect(() => {
    get("/studio/me").then((me) => setRoom((was) => was || me.default_room || rooms.peek()?.[0]?.name || ""), () => {});
  }, []);
  useLayoutEffect(() => field.current.focus(), []);
  const call = async (event) => {
    event.preventDefault();
    const name = room.trim();
    const why = badRoomName(name);
    if (why) {
      setError(name ? { title: why } : { title: "Say into which room", detail: "A room that does not exist yet is made." });
      field.current.focus();
      return;
    }
    setBusy(true);
    setError(null);
    try {
      await post(endpoint.path, { event: "room.call", data: { room_name: name } }, { headers: { Prefer: "wait=15" } });
      toast({ text: `${endpoint.identity} is called into ${name}.`, tone: "ok", link: url("/rooms", name), linkText: "Open the room" });
      onClose();
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  };
  return html`<${Dialog}
    title=${`Call ${endpoint.identity} into a room`}
    onClose=${onClose}
    footer=${html`<button type="button" class="button" onClick=${onClose}>Cancel</button><button type="submit" form="call-form" class="button primary" disabled=${busy}>${busy ? "Calling…" : "Call"}</button>`}
  >
    <form id="call-form" class="call-form" onSubmit=${call} novalidate>
      <div class="field">
        <label for="call-room">Room</label>
        <input ref=${field} id="call-room" class="input" type="text" name="room" list="rooms-known" autocomplete="off" spellcheck=${false} value=${room} aria-invalid=${error ? "true" : undefined} aria-describedby="call-about" onInput=${(event) => setRoom(event.currentTarget.value)} />
        <datalist id="rooms-known">${(rooms.value ?? []).map((one) => html`<option key=${one.name} value=${one.name} />`)}</datalist>
      </div>
      <p id="call-about" class="hint muted">A new session of <span class="mono">${endpointName(endpoint.path, endpoint.bundle)}</span> starts in a process of its own and joins this room as ${endpoint.identity}.</p>
      ${error && html`<p class="call-error" role="alert">${error.title}${error.detail ? `: ${error.detail}` : ""}</p>`}
    </form>
  <//>`;
}
