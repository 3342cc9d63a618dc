/** Rooms that nobody has open, and what they have on disk. */

import { del, get, seg } from "../../core/api.js";
import { bytes } from "../../core/format.js";
import { html } from "../../core/html.js";
import { useResource } from "../../core/resource.js";
import { url } from "../../core/router.js";
import { matches } from "../../parts/filter.js";
import { confirm } from "../../parts/dialog.js";
import { Ago } from "../../parts/time.js";
import { toastError } from "../../parts/toast.js";

const MOST = 100;

/** @param {{openCount: number, query: string}} given  what is open now; it is asked again when that changes */
export function ClosedRooms({ openCount, query }) {
  const { data, reload } = useResource((options) => get("/closed-rooms", options), [openCount]);
  const all = data?.rooms ?? [];
  if (!all.length) return null;
  const found = all.filter((room) => matches(query, [room.name]));
  const drop = async (name) => {
    const agreed = await confirm({
      title: `Delete the room ${name}?`,
      text: "Its files, threads, tables and what it remembers are deleted. This cannot be undone.",
      action: "Delete the room",
      tone: "bad",
    });
    if (agreed) await del(`/rooms/${seg(name)}`).catch(toastError);
    if (agreed) reload();
  };
  return html`<section class="closed-rooms" aria-labelledby="closed-rooms">
    <h2 id="closed-rooms">Not open <span class="count">${all.length}</span></h2>
    <p class="muted">Nobody is in them; what they have is kept. Entering one opens it.</p>
    <ul class="card">
      ${found.slice(0, MOST).map(
        (room) => html`<li key=${room.name}>
          <a href=${url("/rooms", room.name)} dir="auto" class="cut">${room.name}</a>
          <span class="muted">${bytes(room.size_bytes)} · used <${Ago} at=${room.used_at} /></span>
          <span class="spread"></span>
          <button type="button" class="button small quiet danger" aria-label=${`Delete ${room.name}`} onClick=${() => drop(room.name)}>Delete</button>
        </li>`,
      )}
    </ul>
    ${found.length > MOST && html`<p class="muted">And ${found.length - MOST} more; filter for them.</p>`}
  </section>`;
}
