/** A file that goes along with a message: an image is shown, anything else is a name; both open on a click. */

import { html, useEffect, useState } from "../../core/html.js";
import { Icon } from "../../parts/icon.js";
import { imageAddress, isImage, Preview } from "./preview.js";

const LOADS_AFTER_MS = 100;

export function Attachment({ view, path }) {
  const [isOpen, setOpen] = useState(false);
  const [address, setAddress] = useState("");
  const name = path.split("/").at(-1);
  const isHere = view.state.value === "open";
  useEffect(() => {
    if (!isImage(path) || !isHere || address) return undefined;
    let made = "";
    let stale = false;
    // A thread that is only scrolled past asks for none.
    const timer = setTimeout(async () => {
      made = await imageAddress(view.client, path).catch(() => "");
      if (stale) URL.revokeObjectURL(made);
      else setAddress(made);
    }, LOADS_AFTER_MS);
    return () => {
      stale = true;
      clearTimeout(timer);
    };
  }, [path, isHere]);
  useEffect(() => () => address && URL.revokeObjectURL(address), [address]);
  return html`<li>
    <button type="button" class=${address ? "thumbnail" : "chip"} title=${`Look at ${path}`} aria-label=${address ? `Look at ${name}` : undefined} onClick=${() => setOpen(true)}>
      ${address ? html`<img src=${address} alt=${name} onError=${() => setAddress("")} />` : html`<${Icon} name="file" size=${14} /><span class="cut" dir="auto">${name}</span>`}
    </button>
    ${isOpen && html`<${Preview} view=${view} path=${path} onClose=${() => setOpen(false)} />`}
  </li>`;
}
